"""Random sound workflows never give an error; whatever is broken in one is found, and nothing breaks the checker."""

from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from fsm.checks import check_text
from fsm.checks.case import Case
from fsm.checks.migration import Crossing
from fsm.diagnostics import Severity
from fsm.model.definition import EndState
from fsm.model.migration import Standing
from fsm.model.workflow import START, Edge, writes_of
from fsm.source import read
from tests.strategies import sound_definitions, to_yaml

slow = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)

Values = dict[str, Any]
Path = tuple[str | int, ...]


def errors(definition: Values) -> list[str]:
    _, found = check_text(to_yaml(definition), "random.yaml")
    return [str(finding) for finding in found if finding.severity is Severity.ERROR]


def codes(definition: Values) -> set[str]:
    return {finding.code for finding in check_text(to_yaml(definition), "random.yaml")[1]}


def targets(definition: Values) -> list[Path]:
    """The path of every target in a definition."""
    found: list[Path] = [("start",)]
    for name, state in definition["states"].items():
        for key in ("success", "error", "signal"):
            found += _under(("states", name, key), state.get(key))
        for n, rule in enumerate(state.get("switch", ())):
            found.append(("states", name, "switch", n, "to" if "to" in rule else "else"))
    return found


def _under(path: Path, value: Any) -> list[Path]:
    if isinstance(value, str):
        return [path]
    return [(*path, key, "to") if isinstance(to, dict) else (*path, key) for key, to in (value or {}).items()]


def changed(definition: Values, path: Path, value: Any) -> Values:
    copy = deepcopy(definition)
    owner: Any = copy
    for part in path[:-1]:
        owner = owner[part]
    owner[path[-1]] = value
    return copy


def paths(value: Any, path: Path = ()) -> list[Path]:
    """The path of every value inside a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [inner for key, item in entries for inner in ((*path, key), *paths(item, (*path, key)))]


@given(sound_definitions())
@slow
def test_a_sound_definition_gives_no_error(definition: Values) -> None:
    for state in definition["states"].values():
        event(next(key for key in ("action", "switch", "wait", "signal", "end") if key in state))
    assert errors(definition) == []


@given(sound_definitions(), st.data())
@slow
def test_a_target_that_does_not_exist_is_found_and_no_other_error_blamed_on_it(
    definition: Values, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(targets(definition)))
    owner: Any = definition
    for part in path[:-1]:
        owner = owner[part]
    found = errors(changed(definition, path, f"{owner[path[-1]]}z"))
    assert [message for message in found if "FSM301" in message]
    assert [message for message in found if "FSM301" not in message] == []


@given(sound_definitions(), st.data())
@slow
def test_a_renamed_state_is_missed_by_those_that_lead_to_it(definition: Values, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(definition["states"])))
    copy = deepcopy(definition)
    copy["states"]["xyzzy"] = copy["states"].pop(name)
    assert "FSM301" in codes(copy)


@given(sound_definitions(), st.data())
@slow
def test_a_dropped_else_is_found(definition: Values, data: st.DataObject) -> None:
    switches = [name for name, state in definition["states"].items() if len(state.get("switch", ())) > 1]
    assume(switches)
    name = data.draw(st.sampled_from(switches))
    rules = definition["states"][name]["switch"]
    assert "FSM308" in codes(changed(definition, ("states", name, "switch"), rules[:-1]))


@given(sound_definitions(), st.data())
@slow
def test_an_edge_that_is_left_out_is_found(definition: Values, data: st.DataObject) -> None:
    copy = deepcopy(definition)
    copy.get("defaults", {}).pop("error", None)
    name = data.draw(st.sampled_from([name for name, state in copy["states"].items() if "end" not in state]))
    key = data.draw(st.sampled_from([key for key in ("error", "success") if key in copy["states"][name]] or ["error"]))
    copy["states"][name].pop(key, None)
    assert {"success": "FSM303", "error": "FSM401"}[key] in codes(copy)


@given(sound_definitions())
@slow
def test_cycles_without_bounds_are_found_where_there_are_any(definition: Values) -> None:
    copy = deepcopy(definition)
    for state in copy["states"].values():
        state.pop("max_visits", None)
    source = read(to_yaml(copy), "random.yaml")
    assert source.workflow
    still = ("signal", "retry", "fault")
    turning = [edge for edge in source.workflow.edges if edge.event.partition(":")[0] not in still]
    assert ("FSM306" in codes(copy)) == any(_leads_back(edge.source, turning) for edge in turning)


def _leads_back(name: str, edges: list[Edge]) -> bool:
    found = {edge.target for edge in edges if edge.source == name}
    for _ in edges:
        found |= {edge.target for edge in edges if edge.source in found}
    return name in found


@given(sound_definitions())
@slow
def test_a_name_is_certain_exactly_when_no_path_avoids_the_edges_that_write_it(definition: Values) -> None:
    source = read(to_yaml(definition), "random.yaml")
    assert source.workflow
    case = Case(source, source.workflow)
    for name in sorted((source.workflow.artifacts | {"error"}) - set(source.workflow.definition.input)):
        unwritten = {START}
        for _ in source.names:
            edges = [edge for edge in case.network.edges if case.flow.written(edge) != name]
            unwritten |= {edge.target for edge in edges if edge.source in unwritten}
        for state in source.names:
            assert case.flow.is_certain(name, state) == (state not in unwritten)
            if state in unwritten:
                assert case.flow.path_without(name, state)[-1] == state


@given(sound_definitions(), st.data())
@slow
def test_a_value_of_the_wrong_kind_is_the_only_error(definition: Values, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(definition)))
    wrong: Any = data.draw(st.sampled_from([None, {}, [], 5, -1, "no such thing", {"?": 1}, [[]], [{}], True, 1.5]))
    found = errors(changed(definition, path, wrong))
    if any(f"[FSM{group}" in message for message in found for group in (1, 2)):
        strange = [message for message in found if "[FSM1" not in message and "[FSM2" not in message]
        assert [message for message in strange if "no such thing" not in message] == []


@given(sound_definitions(), st.data())
@slow
def test_a_damaged_text_never_breaks_the_checker(definition: Values, data: st.DataObject) -> None:
    text = to_yaml(definition)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.text(" \n\t:-{}[]&*!|>'\"#,\\ab0é", max_size=6)) + text[at + cut :]
    first, second = check_text(text, "damaged.yaml"), check_text(text.encode(), "damaged.yaml")
    assert [str(found) for found in first[1]] == [str(found) for found in second[1]]


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_any_text_at_all_is_answered_with_findings(text: str | bytes) -> None:
    assert check_text(text, "any.yaml")[1]


def crossing(definition: Values) -> tuple[Case, Crossing]:
    """Return a definition, and the way from it to a later version that is the same but for its number."""
    old, new = read(to_yaml(definition), "old.yaml"), read(to_yaml({**definition, "version": 10_000}), "new.yaml")
    assert old.workflow
    assert new.workflow
    states = {name: name for name in new.workflow.states}
    return Case(new, new.workflow), Crossing(old.workflow, new.workflow, states, None)


def standing(case: Case, state: str, written: set[str]) -> Standing:
    is_end = isinstance(case.workflow.states[state], EndState)
    return Standing(state, "dead" if is_end else "ready", None if is_end else state, frozenset(written), 1)


def names(case: Case) -> list[str]:
    return sorted(case.workflow.artifacts | {"error"})


def certain(case: Case, state: str) -> set[str]:
    """Return the names that are written on every path into a state."""
    return {name for name in names(case) if case.flow.is_certain(name, state)}


@slow
@given(sound_definitions())
def test_nothing_is_in_the_way_of_a_version_that_changes_nothing(definition: Values) -> None:
    case, way = crossing(definition)
    for state in case.workflow.states:
        assert way.obstacles(standing(case, state, certain(case, state))) == ()


@slow
@given(sound_definitions(), st.data())
def test_what_a_run_lacks_is_in_the_way_exactly_where_a_path_reads_it_unwritten(
    definition: Values, data: st.DataObject
) -> None:
    case, way = crossing(definition)
    state = data.draw(st.sampled_from([name for name in case.workflow.states if case.network.leaving[name]]))
    lost = set(data.draw(st.lists(st.sampled_from(names(case)), unique=True)))
    held = certain(case, state) - lost
    found = {one.message.partition('"')[2].partition('"')[0] for one in way.obstacles(standing(case, state, held))}
    fields = case.workflow.definition.input
    inputs = {name for name, field in fields.items() if field.required and name not in held}
    assert found == inputs | {
        name for name in names(case) if name not in fields and _read_bare(case, state, name, held)
    }


def _read_bare(case: Case, start: str, name: str, held: set[str]) -> bool:
    """Return whether some path from a state reads a name before it is written; found by walking every edge."""
    if name in held:
        return False
    seen, ways = set(), [start]
    while ways:
        state = ways.pop()
        if state in seen:
            continue
        seen.add(state)
        own = writes_of(state, case.workflow.states[state])
        for one in case.reads[state]:
            if one.name == name and one.needed and not (name == own and one.path[0] == "ensure"):
                return True
        ways += [edge.target for edge in case.network.leaving[state] if case.flow.written(edge) != name]
    return False
