"""From text to definition: exact faults of shape, and what is read around them."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.diagnostics import CATALOGUE, Severity, Span, finding
from fsm.model.definition import VERBS
from fsm.model.workflow import START
from fsm.render.diagnostics import concise
from fsm.source import Source, read
from fsm.source.grammar import keys_of

ROOT = Path(__file__).parents[2]
WRONG = sorted((ROOT / "tests" / "definitions" / "err").glob("FSM[12]*.yaml"))
HEAD = "workflow: sample\nversion: 1\nstart: work\n"
REST = "  done: {end: success}\n  dead: {end: dead_letter}\n"


def sample(work: str, *, top: str = "", head: str = HEAD) -> Source:
    """Read a definition whose state `work` has these keys."""
    return read(f"{head}{top}states:\n  work: {{{work}}}\n{REST}", "sample.yaml")


def codes(source: Source) -> list[str]:
    return [found.code for found in source.diagnostics]


def text_at(source: Source, span: Span | None) -> str:
    assert span is not None
    assert span.line == span.end_line
    return source.text.splitlines()[span.line - 1][span.column - 1 : span.end_column - 1]


def edges_from(source: Source, state: str) -> dict[str, str]:
    assert source.workflow is not None
    return {edge.event: edge.target for edge in source.workflow.edges if edge.source == state and edge.event != "fault"}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda path: path.stem)
def test_each_wrong_definition_has_its_finding_and_no_other(wrong: Path) -> None:
    found = read(wrong.read_bytes(), wrong.name).diagnostics
    assert f"{concise(found)}\n" == wrong.with_suffix(".out").read_text(encoding="utf-8")
    assert [diagnostic.code for diagnostic in found] == [wrong.name[:6]]


def test_every_code_of_shape_has_a_wrong_definition() -> None:
    shape = {code for code in CATALOGUE if code.startswith("FSM2")}
    assert {path.name[:6] for path in WRONG} >= shape


def test_every_code_that_the_package_names_is_in_the_catalogue() -> None:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "fsm").rglob("*.py"))
    named = {code for text in texts for code in re.findall(r"\bFSM\d{3}\b", text)}
    assert named <= CATALOGUE.keys()


def test_a_finding_takes_its_severity_from_the_catalogue() -> None:
    assert finding("FSM502", "no timeout", "a.yaml", None).severity is Severity.WARNING
    assert finding("FSM603", "never read", "a.yaml", None).severity is Severity.NOTE


def test_a_sound_definition_is_read_without_findings() -> None:
    source = sample("action: a.work, success: done, error: dead, retry: never")
    assert source.diagnostics == ()
    assert source.damaged == frozenset()
    assert source.names == {"work", "done", "dead"}
    assert edges_from(source, "work") == {"success": "done", "error:else": "dead"}


def test_bytes_and_text_are_read_alike() -> None:
    text = f"{HEAD}states:\n  work: {{action: é, success: done}}\n{REST}"
    assert read(text.encode(), "a").diagnostics == read(text, "a").diagnostics


def test_every_fault_of_a_state_is_found_at_once() -> None:
    source = sample('actoin: x, action: a.work, timeout: 5 mins, sucess: done, require: "f(", retry: {attempts: 0}')
    assert codes(source) == ["FSM201", "FSM204", "FSM201", "FSM208", "FSM207"]


def test_findings_are_sorted_by_place_and_never_repeated() -> None:
    source = read("version: 0\nworkflow: 1\nstates:\n  b: {end: x}\n  a: {}\n", "a.yaml")
    assert list(source.diagnostics) == sorted(set(source.diagnostics), key=lambda found: found.sort_key)
    assert codes(source) == ["FSM202", "FSM207", "FSM104", "FSM210", "FSM203"]


# What is read around a fault


def test_the_rest_of_a_damaged_state_keeps_its_edges() -> None:
    source = sample("action: a.work, timeout: 5 mins, success: {success: done, partial: no way}, error: dead")
    assert edges_from(source, "work") == {"success": "done", "error:else": "dead"}
    assert source.damaged == {"work"}
    assert source.gone == {("states", "work", "timeout"), ("states", "work", "success", "partial")}


def test_a_state_that_cannot_be_read_is_still_known_by_name() -> None:
    source = read(f"{HEAD}states:\n  work: {{success: done}}\n{REST}", "a.yaml")
    assert source.definition is not None
    assert "work" not in source.definition.states
    assert "work" in source.names
    assert source.damaged == {"work"}


def test_a_rule_behind_an_unreadable_one_keeps_its_place_in_the_file() -> None:
    rules = '[{when: "f(", to: done}, {when: "run.seq > 1", to: done}, {else: dead}]'
    source = sample(f"switch: {rules}")
    path = ("states", "work", "switch", 0, "when")
    assert source.definition is not None
    assert text_at(source, source.span(*path)) == '"run.seq > 1"'
    assert text_at(source, source.expression_span(path, 4, 7)) == "seq"


def test_states_are_read_when_the_top_is_wrong() -> None:
    source = sample("action: a.work, success: done", head="workflow: no good\nversion: x\n")
    assert codes(source) == ["FSM202", "FSM205", "FSM210"]
    assert edges_from(source, "work") == {"success": "done"}
    assert source.damaged == {START}


def test_a_fault_in_the_defaults_damages_every_state() -> None:
    source = sample("action: a.work, success: done", top="defaults: {error: no good}\n")
    assert source.damaged == {"work", "done", "dead"}


def test_names_of_unreadable_entries_stay_known() -> None:
    top = "input: {order: strr}\nerrors: {Bad: [a b]}\npolicies: {slow: {delay: 1s}}\n"
    source = sample("action: a.work, success: done, retry: slow", top=top)
    assert codes(source) == ["FSM211", "FSM205", "FSM202"]
    assert source.definition is not None
    assert source.definition.input.keys() == {"order"}
    assert source.definition.errors == {"Bad": ()}
    assert edges_from(source, "work") == {"success": "done", "retry:slow": "work"}


def test_what_the_tree_refused_is_not_missing_as_well() -> None:
    source = read(f"{HEAD.replace('start: work', 'start: *x')}states:\n  work: {{wait: *x}}\n{REST}", "a")
    assert codes(source) == ["FSM105", "FSM105"]
    assert source.damaged == {"work", START}


def test_a_repeated_key_damages_its_state_only() -> None:
    source = sample("action: a.work, success: done, success: dead")
    assert codes(source) == ["FSM102"]
    assert source.damaged == {"work"}
    assert edges_from(source, "work") == {"success": "done"}


def test_a_repeated_state_damages_all_since_any_may_be_reached_from_the_other_one() -> None:
    source = read(f"{HEAD}states:\n  work: {{end: success}}\n  work: {{wait: 1s}}\n{REST}", "a")
    assert source.damaged == {"work", "done", "dead"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "null", "[]", "a", "states: 5", "states: {a: 1}", "a: [", "\x00"])
def test_without_readable_states_there_is_no_definition(text: str) -> None:
    source = read(text, "a.yaml")
    assert (source.definition, source.workflow, source.names - source.damaged) == (None, None, frozenset())
    assert source.diagnostics


@pytest.mark.parametrize("refused", ["{error: *x}", "{retry: 3, retry: 4}"])
def test_what_the_tree_refused_in_the_defaults_damages_every_state(refused: str) -> None:
    source = sample("action: a.work, success: done", top=f"defaults: {refused}\n")
    assert source.damaged == {"work", "done", "dead"}


def test_a_state_whose_name_is_wrong_is_left_out_of_a_definition_that_stays() -> None:
    source = read(f'{HEAD}states:\n  work: {{wait: 1s, success: done}}\n  "no good": {{end: x}}\n{REST}', "a")
    assert codes(source) == ["FSM205", "FSM210"]
    assert source.definition is not None
    assert source.definition.states.keys() == {"work", "done", "dead"}
    assert source.damaged == {"no good"}


def test_a_state_whose_name_alone_is_wrong_is_left_out_too() -> None:
    source = read(f'{HEAD}states:\n  work: {{wait: 1s, success: done}}\n  "no good": {{end: failure}}\n{REST}', "a")
    assert codes(source) == ["FSM205"]
    assert source.workflow is not None
    assert source.workflow.states.keys() == {"work", "done", "dead"}


# Places


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    source = read(b"\xef\xbb\xbfversion: x\n", "a")
    assert source.text == "version: x\n"
    assert text_at(source, source.span("version")) == "x"


def test_a_key_named_like_a_part_of_the_grammar_does_not_mislead() -> None:
    source = sample("action: a.work, success: done, retry: {policy: {attempts: 3}, attempts: 0}")
    assert codes(source) == ["FSM201", "FSM207"]
    assert [text_at(source, found.span) for found in source.diagnostics] == ["policy", "0"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("states", "work", "error", "else"), "dead"),
        (("states", "work", "success", "success"), "done"),
        (("states", "work", "retry", 0, "attempts"), "5"),
        (("states", "work", "require", 0), '"1 > 0"'),
        (("input", "order", "type"), "str"),
        (("start",), "work"),
    ],
)
def test_a_short_form_is_found_by_the_path_of_the_long_one(path: tuple[str | int, ...], text: str) -> None:
    source = sample(
        'action: a.work, success: done, error: dead, retry: 5, require: "1 > 0"', top="input: {order: str}\n"
    )
    assert text_at(source, source.span(*path)) == text


def test_the_target_of_else_is_found_by_the_path_of_a_rule() -> None:
    source = sample('switch: [{when: "run.seq > 1", to: done}, {else: dead}]')
    assert text_at(source, source.span("states", "work", "switch", 1, "to")) == "dead"


@pytest.mark.parametrize("key", ["timeout", "deadline", "nonsense"])
def test_what_is_not_written_has_no_place(key: str) -> None:
    source = sample("action: a.work, success: done, retry: 5")
    assert source.span("states", "work", key) is None
    assert source.key_span("states", "work", key) is None
    assert source.expression_span(("states", "work", key), 0, 1) is None
    assert source.span("states", "work", "retry", 0, "max_delay") is None


def test_a_key_is_found_by_its_path() -> None:
    assert sample("action: a.work, success: done").key_span("states", "work", "success") == Span(5, 26, 5, 33)


def test_a_part_of_an_expression_is_found_behind_quotes_and_leading_space() -> None:
    source = sample('action: a.work, require: "  len(order)"', top="input: {order: str}\n")
    assert text_at(source, source.expression_span(("states", "work", "require", 0), 4, 9)) == "order"


def test_a_part_of_a_folded_expression_is_placed_at_the_whole() -> None:
    source = read(f"{HEAD}states:\n  work:\n    end: success\n    output: >\n      1\n      + x\n", "a")
    path = ("states", "work", "output")
    assert source.expression_span(path, 4, 5) == source.span(*path)


# Words


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_key_of_another_verb_is_refused_by_every_verb(verb: str) -> None:
    minimal = {"action": "a", "switch": "[{else: done}]", "wait": "1s", "signal": "{a: done}", "end": "success"}
    foreign = {key for kind in VERBS.values() for key in keys_of(kind)} - set(VERBS) - set(keys_of(VERBS[verb]))
    for key in foreign:
        source = sample(f"{verb}: {minimal[verb]}, {key}: done")
        assert codes(source) == ["FSM206" if verb == "end" else "FSM201"]
        assert key in source.diagnostics[0].message


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-abcdefghijklmnop0123",
        "sk_live_0123456789abcdefABCD",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "xoxb-0123456789-abcdef",
        "-----BEGIN RSA PRIVATE KEY-----",
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x",
        "postgresql://app:hunter2@db/orders",
    ],
)
def test_a_credential_is_found_at_its_place(secret: str) -> None:
    source = sample(f"action: a.work, description: 'x {secret} y'")
    assert codes(source) == ["FSM209"]
    assert text_at(source, source.diagnostics[0].span) in secret
    assert secret not in concise(source.diagnostics)


@pytest.mark.parametrize(
    "harmless",
    ["sk-learn", "risk-assessment-of-the-large-orders", "https://example.org:8080/a@b", "Bearer token", "AKIA",
     "postgresql://app:${PASSWORD}@db/orders", "task-0123456789abcdefghijklmn"],
)  # fmt: skip
def test_what_only_resembles_a_credential_is_left_alone(harmless: str) -> None:
    assert codes(sample(f"action: a.work, description: '{harmless}'")) == []


# Whatever the input

_WORDS = [
    *VERBS, *(key for kind in VERBS.values() for key in keys_of(kind)), "else", "when", "to", "attempts", "probe",
    "workflow", "version", "start", "states", "input", "errors", "policies", "defaults", "map", "a b", "work", "done",
]  # fmt: skip
_SCALARS = st.sampled_from(
    [*_WORDS, "5m", "1.10", "3", "null", "true", "'f('", "'a +'", '"\\u0041KIA"', "*x", "&y z", "!t w"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(_WORDS), inner), max_size=6).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=30,
)


@settings(deadline=None, max_examples=300)
@given(state=_VALUES, top=st.lists(st.tuples(st.sampled_from(_WORDS), _VALUES), max_size=4))
def test_reading_never_raises_and_tells_the_same_twice(state: str, top: list[tuple[str, str]]) -> None:
    lines = "".join(f"{key}: {value}\n" for key, value in top)
    text = f"{HEAD}{lines}states:\n  work: {state}\n{REST}"
    source, again = read(text, "a.yaml"), read(text, "a.yaml")
    assert source.diagnostics == again.diagnostics
    assert source.diagnostics or not source.damaged
    assert all(found.span is not None for found in source.diagnostics)
    assert list(source.diagnostics) == sorted(set(source.diagnostics), key=lambda found: found.sort_key)
    for path in source.gone:
        assert path[0] in source.tree.value if source.tree else False


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_reading_never_raises_for_any_bytes(text: str | bytes) -> None:
    source = read(text, "a.yaml")
    assert source.diagnostics
    assert source.definition is None
