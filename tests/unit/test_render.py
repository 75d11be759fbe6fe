"""Diagnostics, graphs and definitions as text."""

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.diagnostics import Diagnostic, Severity, Span, finding
from fsm.model.workflow import Workflow
from fsm.render.definition import show
from fsm.render.diagnostics import as_json, concise, full, summary
from fsm.render.graph import dot, mermaid
from fsm.source import read

SAMPLE = """\
workflow: sample
version: 2
start: work
description: "on: the usual way\\nin two lines"
input:
  order: str
  limit: {type: int | null, default: null, description: "12:30"}
  on: {type: dict, default: {no: [1, 2.5, "1e3", true]}}
errors: {BadOrder: [NoStock, NoAddress], Refused: []}
policies: {slow: {attempts: unlimited, delay: 2s, factor: 1.5, jitter: none, errors: [NotReady, Transient]}}
defaults: {timeout: 30s, retry: [3, slow], error: {BadOrder: failed, else: dead}}
states:
  work:
    action: a.work
    reads: [order]
    optional: limit
    with: {number: "order", text: "'#\\"quoted\\"'"}
    deadline: 1h
    heartbeat: 5s
    idempotent: order
    interrupted: {probe: a.probe}
    max_visits: 3
    require: "limit == null or limit > 0"
    ensure: ["work != null", "true"]
    success: {success: pick, nothing: done}
    error: {Transient: rest}
  again: {action: a.work, idempotent: false, interrupted: ask, retry: never, success: "yes", reads: [], error: dead}
  pick:
    switch:
      - {when: "work['total'] > 1 and order == \\"#1;<b>\\"", to: rest}
      - {when: "1.5 > 1", to: again}
      - {else: human}
  rest: {wait: 1m30.5s, success: until}
  until: {wait: {until: work.at}, success: delay, deadline: 2d}
  delay: {wait: {for: "30"}, success: human}
  human:
    signal: {accept: {to: done, payload: {by: str, why: '"a" | "b"'}, count: 2}, refuse: failed}
    match: payload.by == order
    writes: verdict
    error: {DeadlineExceeded: failed, else: dead}
  yes: {end: success}
  done: {end: success, output: "null"}
  failed: {end: failure, reason: "'no: such #thing'"}
  dead: {end: dead_letter}
"""


def workflow_of(text: str) -> Workflow:
    source = read(text, "sample.yaml")
    assert source.diagnostics == ()
    assert source.workflow is not None
    return source.workflow


# Diagnostics


def test_a_finding_shows_its_line_a_caret_and_the_cure() -> None:
    text = "states:\n  write:\n    success: publishd\n"
    found = finding("FSM301", 'no state "publishd"', "a/b.yaml", Span(3, 14, 3, 22), 'did you mean "publish"?')
    assert full([found], {"a/b.yaml": text}) == (
        'a/b.yaml:3:14: error[FSM301]: no state "publishd"\n'
        "  |\n"
        "3 |     success: publishd\n"
        '  |              ^^^^^^^^ did you mean "publish"?'
    )


def test_gutters_of_several_findings_are_aligned() -> None:
    text = "\n".join(f"line{n}" for n in range(1, 13))
    found = [finding("FSM201", "x", "a", Span.at(2, 1)), finding("FSM201", "y", "a", Span.at(12, 1, 6))]
    assert full(found, {"a": text}) == (
        "a:2:1: error[FSM201]: x\n   |\n 2 | line2\n   | ^\n\na:12:1: error[FSM201]: y\n   |\n12 | line12\n   | ^^^^^^"
    )


def test_a_finding_without_a_place_or_a_text_shows_the_cure_below() -> None:
    whole = finding("FSM106", "file is larger than 256 KiB", "a", None, "split it")
    elsewhere = finding("FSM201", "x", "b", Span.at(9, 1))
    assert full([whole, elsewhere], {"b": "one line"}) == (
        "a: error[FSM106]: file is larger than 256 KiB\n  = split it\n\nb:9:1: error[FSM201]: x"
    )


def quoted(line: str, span: Span, code: str = "FSM201") -> tuple[str, str]:
    """Return the quoted line and the carets under it, without their gutters."""
    shown = full([finding(code, "x", "a", span, "cure")], {"a": line}).split("\n")
    return shown[2].removeprefix("1 | "), shown[3].removeprefix("  | ").removesuffix(" cure")


def columns(text: str) -> int:
    standing = (char for char in text if unicodedata.category(char) not in ("Mn", "Me"))
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in standing)


@pytest.mark.parametrize(
    ("line", "marked"),
    [("名前: 値x # y", "値x"), ("\ta:\tb", "b"), ("e\u0301: b", "b"), ("a: 😀 b", "b"), ("a: \tb c", "b c")],
)
def test_the_caret_stands_under_the_place_whatever_the_width(line: str, marked: str) -> None:
    at = line.index(marked) + 1
    source, carets = quoted(line, Span(1, at, 1, at + len(marked)))
    shown = unicodedata.normalize("NFC", source)
    assert carets.strip() == "^" * columns(marked)
    assert columns(shown[: shown.index(marked)]) == len(carets) - len(carets.lstrip())


def test_a_span_over_several_lines_underlines_the_rest_of_its_first() -> None:
    shown = full([finding("FSM210", "x", "a", Span(1, 4, 2, 5))], {"a": "a: [1,  \n 2]\n"})
    assert shown.split("\n")[2:] == ["1 | a: [1,", "  |    ^^^"]


def test_a_place_behind_the_end_of_a_line_still_has_a_caret() -> None:
    assert quoted("abc", Span(1, 4, 1, 5)) == ("abc", "   ^")
    assert quoted("abc", Span(1, 40, 1, 45)) == ("abc", "   ^")


def test_control_characters_are_shown_and_not_sent_to_the_terminal() -> None:
    found = Diagnostic("FSM103", Severity.ERROR, "a\x1b[2Jb\nc", "p\x07", Span.at(1, 2), "\u202e")
    shown = full([found], {"p\x07": "a\x1bb\u202ec"}) + concise([found])
    assert all(char == "\n" or unicodedata.category(char) not in ("Cc", "Cf") for char in shown)
    assert len(concise([found]).splitlines()) == 1


@given(st.text(st.characters(exclude_characters="\n\r"), max_size=400), st.data())
def test_a_quoted_line_fits_the_screen_and_keeps_the_caret_in_it(line: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(1, len(line) + 1))
    end = data.draw(st.integers(begin + 1, len(line) + 2))
    source, carets = quoted(line, Span(1, begin, 1, end))
    assert columns(source) <= 102
    assert columns(carets) <= 102
    assert carets.endswith("^")


def test_a_long_line_is_cut_around_the_place() -> None:
    source, carets = quoted("a" * 300 + "HERE" + "b" * 300, Span(1, 301, 1, 305))
    assert source.startswith("…")
    assert source.endswith("…")
    assert source[carets.index("^") : carets.rindex("^") + 1] == "HERE"


def test_a_credential_is_not_repeated_in_the_output() -> None:
    text = "key: AKIAIOSFODNN7EXAMPLE # AKIAIOSFODNN7EXAMPLE\n"
    found = [
        finding("FSM201", "unknown key", "a", Span(1, 1, 1, 4)),
        finding("FSM209", "x", "a", Span(1, 6, 1, 26)),
        finding("FSM209", "x", "a", Span(1, 29, 1, 49)),
    ]
    assert "IOSFODNN7" not in full(found, {"a": text})
    assert "AKIA••••" in full(found, {"a": text})


def test_colours_are_used_only_when_asked_for() -> None:
    found = [finding("FSM201", "x", "a", Span.at(1, 1))]
    plain, coloured = full(found, {"a": "b"}), full(found, {"a": "b"}, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31merror[FSM201]\x1b[0m" in coloured


def test_concise_is_one_line_each() -> None:
    found = [finding("FSM201", "x", "a", Span.at(1, 2), "cure"), finding("FSM502", "y", "a", None)]
    assert concise(found) == "a:1:2: error[FSM201]: x (cure)\na: warning[FSM502]: y"


def test_json_has_the_same_keys_for_every_finding() -> None:
    read_back = json.loads(as_json([finding("FSM201", "x", "a", Span(1, 2, 3, 4)), finding("FSM502", "é", "a", None)]))
    assert read_back[0] == {
        "code": "FSM201", "severity": "error", "title": "unknown key", "message": "x", "hint": None,
        "path": "a", "line": 1, "column": 2, "end_line": 3, "end_column": 4,
    }  # fmt: skip
    assert read_back[1].keys() == read_back[0].keys()
    assert read_back[1]["message"] == "é"


def test_nothing_found_is_nothing_shown() -> None:
    assert (full([], {}), concise([]), as_json([])) == ("", "", "[]")


def test_the_summary_counts_by_severity() -> None:
    found = [finding(code, "x", "a", None) for code in ("FSM201", "FSM201", "FSM502", "FSM603", "FSM603")]
    assert summary(found, 3) == "2 errors, 1 warning, 2 notes in 3 files"
    assert summary(found[:1], 1) == "1 error in 1 file"
    assert summary([], 2) == "no findings in 2 files"


# Graphs


def test_mermaid_draws_states_by_verb_ends_by_outcome_and_errors_dashed() -> None:
    drawn = mermaid(workflow_of(SAMPLE)).splitlines()
    for line in (
        '  s1["work"]', '  s3{"pick"}', '  s4(["rest"])', '  s7[/"human"/]',
        '  s9((("done")))', '  s10[["failed"]]', '  s11[("dead")]',
        "  s0 --> s1", '  s1 -->|"success"| s3', '  s1 -->|"retry:1<br>retry:slow"| s1',
        '  s1 -.->|"error:BadOrder"| s10', '  s3 -->|"else"| s7', '  s7 -->|"signal:accept"| s9',
    ):  # fmt: skip
        assert line in drawn


def test_fault_edges_are_not_drawn() -> None:
    assert "fault" not in mermaid(workflow_of(SAMPLE)) + dot(workflow_of(SAMPLE))


def test_labels_cannot_break_out_of_a_graph() -> None:
    workflow = workflow_of(SAMPLE)
    rule = next(line for line in mermaid(workflow).splitlines() if line.startswith("  s3 -->") and "total" in line)
    assert re.fullmatch(r"""  s3 -->\|"([\w .,:!?'/+*=()-]|#\d+;)*"\| s4""", rule)
    assert r"order == \"#1;<b>\"" in dot(workflow)


def test_the_position_and_the_path_of_a_run_are_marked() -> None:
    passed = [("", "start", "work"), ("work", "success", "pick"), ("work", "retry:1", "work")]
    drawn = mermaid(workflow_of(SAMPLE), "pick", passed).splitlines()
    assert "  class s3 here" in drawn
    assert [line for line in drawn if "retry:" in line and "s1 --" in line] == [
        '  s1 -->|"retry:1"| s1',
        '  s1 -->|"retry:slow"| s1',
    ]
    bold = next(line for line in drawn if "linkStyle" in line).split()[1].split(",")
    arrows = [line for line in drawn if "->" in line]
    assert [arrows[int(place)] for place in bold] == ["  s0 --> s1", '  s1 -->|"success"| s3', '  s1 -->|"retry:1"| s1']
    assert '"pick" [shape=diamond, style=filled, fillcolor="#ffe58a", penwidth=2]' in dot(workflow_of(SAMPLE), "pick")
    assert dot(workflow_of(SAMPLE), None, passed).count("penwidth=2.5") == 3


def test_a_state_that_nobody_declares_is_drawn_dashed() -> None:
    source = read("workflow: a\nversion: 1\nstart: b\nstates: {b: {wait: 1s, success: ghost}}\n", "a")
    assert source.workflow is not None
    assert "  class s2 missing" in mermaid(source.workflow, "nowhere")
    assert '"ghost" [shape=box, style=dashed, color=red]' in dot(source.workflow)


def test_graphs_are_the_same_every_time() -> None:
    one, other = workflow_of(SAMPLE), workflow_of(SAMPLE)
    assert (mermaid(one), dot(one)) == (mermaid(other), dot(other))


# Definitions


def test_a_state_that_never_retries_says_so() -> None:
    assert "    retry: never\n" in show(workflow_of(SAMPLE))


def test_a_shown_definition_reads_back_to_the_same_behaviour() -> None:
    workflow = workflow_of(SAMPLE)
    again = workflow_of(show(workflow))
    assert again.edges == workflow.edges
    assert again.retries == workflow.retries
    assert again.states["pick"] == workflow.states["pick"]
    assert list(again.states) == list(workflow.states)
    assert again.definition.description == workflow.definition.description
    assert again.definition.input == workflow.definition.input
    assert [given.required for given in again.definition.input.values()] == [True, False, False]
    assert again.artifacts == workflow.artifacts
    assert again.needs == workflow.needs
    for name, state in workflow.states.items():
        theirs = again.states[name].model_dump(exclude={"writes"})
        assert theirs == state.model_dump(exclude={"writes"}), name


def test_a_shown_definition_shows_the_same_again() -> None:
    shown = show(workflow_of(SAMPLE))
    assert show(workflow_of(shown)).split("\n", 1)[1] == shown.split("\n", 1)[1]


def test_every_default_is_written_out() -> None:
    text = (
        "workflow: a\nversion: 1\nstart: b\ndefaults: {timeout: 30s, retry: 5, error: c}\n"
        "states: {b: {action: x, success: c}, c: {end: failure}}\n"
    )
    workflow = workflow_of(text)
    assert show(workflow) == (
        f"# a version 1, digest {workflow.digest}\n"
        "workflow: a\nversion: 1\nstart: b\nretention: 30d\nexpires: 90d\nstates:\n"
        "  b:\n    action: x\n    writes: b\n    timeout: 30s\n    interrupted: repeat\n    success: c\n"
        "    error:\n      else: c\n"
        "    retry:\n      - attempts: 5\n        delay: 1s\n        factor: 2\n        max_delay: 1m\n"
        "        jitter: full\n        errors:\n          - Transient\n"
        "  c:\n    end: failure\n"
    )


def test_how_long_runs_are_kept_reads_back() -> None:
    text = "workflow: a\nversion: 1\nstart: b\nretention: never\nexpires: 36h\nstates: {b: {end: success}}\n"
    shown = show(workflow_of(text))
    assert "retention: never\nexpires: 1d12h\n" in shown
    again = workflow_of(shown).definition
    assert (again.retention, again.expires) == (None, 36 * 3_600_000)


@given(st.text(max_size=60))
def test_any_description_reads_back(text: str) -> None:
    plain = f"workflow: a\nversion: 1\nstart: b\ndescription: {json.dumps(text)}\nstates: {{b: {{end: success}}}}\n"
    source = read(plain, "a")
    if source.diagnostics or source.workflow is None:
        return
    assert workflow_of(show(source.workflow)).definition.description == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8) | st.sampled_from(["1e3", "0o17", "on", "~", "", "- a", "a: b", "# c", "12:30", "1."]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["no", "1", "a b"]), inner),
        max_leaves=8,
    )
)  # fmt: skip
def test_any_default_of_an_input_reads_back(default: object) -> None:
    given = json.dumps({"type": "any", "default": default})
    source = read(f"workflow: a\nversion: 1\nstart: b\ninput: {{x: {given}}}\nstates: {{b: {{end: success}}}}\n", "a")
    if source.diagnostics or source.workflow is None:
        return
    assert workflow_of(show(source.workflow)).definition.input["x"].default == default
