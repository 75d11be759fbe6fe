"""The law three times: the edges of a workflow, the table held by `transitions`, the rows in the database."""

import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transitions import Machine, MachineError

from fsm.errors import IllegalTransition
from fsm.kernel.decide import begin, decide
from fsm.kernel.table import Table, table_of
from fsm.model.definition import ActionState, SignalState, SwitchState, WaitState
from fsm.model.run import Chose, Elapsed, Failed, Failure, Received, Result, Run, Succeeded
from fsm.model.workflow import ENDS, Workflow
from fsm.source import read
from fsm.store.sqlite import SqliteStore
from tests.engine.builders import NOW, flow_of, run_at
from tests.strategies import sound_definitions, to_yaml

slow = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None,
                max_examples=60)  # fmt: skip
Relation = set[tuple[str, str, str]]
Values = dict[str, Any]
_VERSIONS = count(1)

FLOW = """
    workflow: w
    version: 1
    start: work
    defaults: {error: dead}
    states:
      work: {action: act.work, retry: 2, success: {success: ask, nothing: done}, max_visits: 2}
      ask: {signal: {accept: done, refuse: dead, again: work}, deadline: 1h}
      done: {end: success}
      dead: {end: dead_letter}
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "runs.db")
    yield opened
    opened.close()


def law_of(definition: Values) -> Relation:
    """Read the arrows out of the plain file, by the words of the language and nothing of the package."""
    arrows: Relation = {("", "start", definition["start"])}
    defaults = definition.get("defaults", {})
    for name, state in definition["states"].items():
        if "end" in state:
            continue
        arrows.add((name, "fault", name))
        for event, target in _ways_on(state):
            arrows.add((name, event, target))
        if "action" in state:
            for clause in _retries(state.get("retry", defaults.get("retry"))):
                arrows.add((name, f"retry:{clause}", name))
        for clause, target in _errors(state.get("error"), defaults.get("error")).items():
            arrows.add((name, f"error:{clause}", target))
    return arrows


def _ways_on(state: Values) -> Iterator[tuple[str, Any]]:
    for signal, arm in state.get("signal", {}).items():
        yield f"signal:{signal}", arm if isinstance(arm, str) else arm["to"]
    for place, rule in enumerate(state.get("switch", []), 1):
        yield ("else", rule["else"]) if "else" in rule else (f"case:{place}", rule["to"])
    success = state.get("success")
    if "wait" in state:
        yield "elapsed", success
    elif isinstance(success, str):
        yield "success", success
    else:
        for outcome, target in (success or {}).items():
            yield "success" if outcome == "success" else f"success:{outcome}", target


def _retries(retry: Any) -> list[str]:
    if retry in (None, "never"):
        return []
    policies = retry if isinstance(retry, list) else [retry]
    return [policy if isinstance(policy, str) else str(place) for place, policy in enumerate(policies, 1)]


def _errors(own: Any, default: Any) -> dict[str, str]:
    own, default = ({"else": given} if isinstance(given, str) else given for given in (own, default))
    if own is None or ("else" not in own and default):
        return {**(own or {}), **{name: to for name, to in (default or {}).items() if name not in (own or {})}}
    return dict(own)


def read_flow(definition: Values) -> tuple[Workflow, str]:
    """Return the workflow under a version of its own, and its text."""
    text = to_yaml(definition | {"version": next(_VERSIONS)})
    flow = read(text, "random.yaml").workflow
    assert flow is not None
    return flow, text


class Walker:
    """A model whose place is moved by a machine of `transitions` built from the file alone."""

    state: str

    def __init__(self, definition: Values) -> None:
        self.machine = Machine(
            model=self, states=["(unstarted)", *definition["states"]], initial="(unstarted)", auto_transitions=False,
            transitions=[[event, source or "(unstarted)", target] for source, event, target in law_of(definition)],
        )  # fmt: skip

    def take(self, event: str) -> bool:
        """Take an event if the machine lets it pass."""
        try:
            return bool(self.trigger(event))  # type: ignore[attr-defined]  # put there by `transitions`
        except (MachineError, AttributeError):
            return False


@slow
@given(definition=sound_definitions())
def test_the_edges_the_table_and_the_rows_in_the_database_are_one_relation(
    definition: Values, store: SqliteStore
) -> None:
    flow, text = read_flow(definition)
    store.save(flow, text, NOW)
    rows = store.sql.execute(
        "SELECT source, event, target, ends FROM edges WHERE workflow_id = (SELECT id FROM workflows WHERE digest = ?)",
        (flow.digest,),
    ).fetchall()
    law = law_of(definition)
    assert {(edge.source, edge.event, edge.target) for edge in flow.edges} == law
    assert Table(flow).relation() == law
    assert {(source, event, target) for source, event, target, _ in rows} == law
    assert set(rows) == {tuple(edge) for edge in flow.edges}
    assert len(rows) == len(flow.edges) == len(law)
    assert all(ends == _ends(definition, event, target) for _, event, target, ends in rows)


def _ends(definition: Values, event: str, target: str) -> str | None:
    words = {"success": "succeeded", "failure": "failed", "dead_letter": "dead"}
    return "dead" if event == "fault" else words.get(definition["states"][target].get("end"))


@slow
@given(definition=sound_definitions(), data=st.data())
def test_any_sequence_of_events_is_accepted_and_refused_as_by_a_machine_of_its_own(
    definition: Values, data: st.DataObject
) -> None:
    flow, _ = read_flow(definition)
    table, walker, state = Table(flow), Walker(definition), ""
    known = [*sorted({event for _, event, _ in law_of(definition)}), "success:never", "cancel", "to_done", "done"]
    for _ in range(12):
        here = sorted(event for source, event, _ in law_of(definition) if source == state)
        event = data.draw(st.sampled_from([*here, *here, *known]))
        if walker.take(event):
            state = table.cross(state, event)
        else:
            with pytest.raises(IllegalTransition) as refused:
                table.cross(state, event)
            assert set(refused.value.legal) == {legal for legal in here if legal != "fault"}
        assert walker.state == (state or "(unstarted)")


@slow
@given(definition=sound_definitions(), data=st.data())
def test_whatever_happens_to_a_run_it_never_leaves_the_law(definition: Values, data: st.DataObject) -> None:
    flow, _ = read_flow(definition)
    law, run, now = law_of(definition), run_at_birth(flow), NOW
    decided = begin(flow, run, now, {})
    for _ in range(15):
        row = decided.transition
        assert row is not None
        assert (row.source, row.event, row.target) in law
        assert (row.status in ("succeeded", "failed", "dead")) == (_ends(definition, row.event, row.target) is not None)
        run = decided.run
        if run.is_final:
            break
        decided = decide(flow, run, data.draw(anything(flow, run)), now, 0.5, {})
        now = max(now, decided.run.due_at or 0)


def run_at_birth(flow: Workflow) -> Run:
    return run_at(flow, "", seq=0, visit=0)


def anything(flow: Workflow, run: Run) -> st.SearchStrategy[Result]:
    """Draw what may happen in the state of a run."""
    state = flow.states[run.state]
    names = st.sampled_from(["Timeout", "NotReady", "BadRequest", "Encrypted", "Refused", "ValueError"])
    verdicts = st.sampled_from(
        ["InvalidResult", "ExpressionError", "DeadlineExceeded", "VisitsExceeded", "Interrupted"]
    )
    failed = st.one_of(
        names.map(lambda name: Failed(Failure(name, "broken", frozenset({name})))),
        verdicts.map(lambda name: Failed(Failure.of_verdict(name, "no"))),
    )
    match state:
        case ActionState(success=outcomes):
            returned = st.sampled_from([*(outcomes or {}), "undeclared"])
            return st.one_of(returned.map(lambda outcome: Succeeded(outcome, "1")), failed)
        case SwitchState(switch=rules):
            return st.one_of(st.sampled_from([*range(1, len(rules)), None]).map(Chose), failed)
        case WaitState():
            return st.one_of(st.just(Elapsed()), failed)
        case SignalState(signal=arms):
            return st.one_of(st.sampled_from(list(arms)).map(lambda name: Received(name, "{}", (), None)), failed)
    raise AssertionError(f"{run.state} is an end")


class TestOneTable:
    def test_a_refusal_names_the_state_the_event_and_what_would_be_legal(self) -> None:
        with pytest.raises(IllegalTransition) as caught:
            table_of(flow_of(FLOW)).cross("ask", "success")
        assert (caught.value.state, caught.value.event) == ("ask", "success")
        assert caught.value.legal == ("error:else", "signal:accept", "signal:again", "signal:refuse")
        assert str(caught.value) == (
            'event "success" is not legal in state "ask"; '
            "legal here: error:else, signal:accept, signal:again, signal:refuse"
        )

    @pytest.mark.parametrize("state", ["done", "dead", "nowhere"])
    def test_nothing_leaves_an_end_or_a_state_that_is_not_there(self, state: str) -> None:
        table = table_of(flow_of(FLOW))
        assert table.legal(state) == []
        assert all(table.target(state, edge.event) is None for edge in flow_of(FLOW).edges)

    @pytest.mark.parametrize("event", ["to_done", "to_work", "trigger", "", "start ", "SUCCESS", "cancel", "redrive"])
    def test_the_machine_opens_no_edges_of_its_own(self, event: str) -> None:
        assert all(table_of(flow_of(FLOW)).target(state, event) is None for state in ("", "work", "ask", "done"))

    def test_only_the_start_edge_leads_in(self) -> None:
        table = table_of(flow_of(FLOW))
        assert table.legal("") == ["start"]
        assert table.cross("", "start") == "work"

    def test_asking_it_moves_nothing(self) -> None:
        table = table_of(flow_of(FLOW))
        before = table.relation()
        assert [table.target("work", "success") for _ in range(3)] == ["ask"] * 3
        assert table.relation() == before

    def test_a_workflow_has_one_table(self) -> None:
        flow = flow_of(FLOW)
        assert table_of(flow) is table_of(flow)

    def test_the_table_of_a_state_called_like_a_machine_s_own_attribute_is_sound(self) -> None:
        awkward = flow_of("""
            workflow: w
            version: 1
            start: initial
            states:
              initial: {action: a.b, retry: never, success: {success: trigger, state: models}, error: models}
              trigger: {end: success}
              models: {end: failure}
        """)
        assert table_of(awkward).cross("initial", "success:state") == "models"
        assert Table(awkward).relation() == {tuple(edge)[:3] for edge in awkward.edges}

    @pytest.mark.parametrize(("own", "clauses"), [
        ("odd", ["else"]),
        ("{Timeout: odd, else: done}", ["Timeout", "else"]),
        ("{Timeout: odd}", ["Timeout", "Refused", "else"]),
        ("{Refused: odd}", ["Refused", "else"]),
        ("null", ["Refused", "else"]),
    ])  # fmt: skip
    def test_an_error_map_takes_from_the_defaults_what_it_lacks_unless_it_has_an_else(
        self, own: str, clauses: list[str]
    ) -> None:
        definition = yaml.safe_load(f"""
            workflow: w
            version: 1
            start: work
            errors: {{Refused: []}}
            defaults: {{retry: never, error: {{Refused: done, else: done}}}}
            states:
              work: {{action: a.b, success: done, error: {own}}}
              done: {{end: success}}
              odd: {{end: failure}}
        """)
        if own == "null":
            del definition["states"]["work"]["error"]
        flow, _ = read_flow(definition)
        assert [edge.event for edge in flow.edges if edge.event.startswith("error:")] == [f"error:{c}" for c in clauses]
        assert Table(flow).relation() == law_of(definition)

    def test_the_end_statuses_are_the_words_of_the_language(self) -> None:
        assert ENDS == {"success": "succeeded", "failure": "failed", "dead_letter": "dead"}


def test_the_database_refuses_a_row_that_is_no_edge_and_takes_one_that_is(store: SqliteStore) -> None:
    flow = flow_of(FLOW)
    store.save(flow, FLOW, NOW)
    run = run_at_birth(flow)._replace(status="ready")
    run = store.start(run, [], begin(flow, run, NOW, {}))
    columns = "run_id, workflow_id, seq, epoch, source, event, target, status, visit, attempt, interrupted, at, hash"
    insert = f"INSERT INTO transitions({columns}) VALUES (?, 1, 2, ?, 'work', ?, ?, ?, 2, 1, 0, 0, x'00')"
    with pytest.raises(sqlite3.IntegrityError, match="illegal transition"):
        store.sql.execute(insert, (run.row, run.epoch, "success", "done", "succeeded"))
    store.sql.execute(insert, (run.row, run.epoch, "success:nothing", "done", "succeeded"))
    assert store.get(run.id).state == "done"
