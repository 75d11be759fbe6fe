"""What the rules say in the cases that are easy to get wrong; one file per code is in tests/definitions/err."""

from collections.abc import Callable, Generator
from typing import Annotated, Any, Literal, Never, NewType, TypeVar

import pytest
import yaml

from fsm.checks import RULES, check_text
from fsm.diagnostics import CATALOGUE
from fsm.model.signature import Parameter, Signature

QUIET = {"idempotent": True, "retry": "never", "timeout": "1m"}


def definition(states: dict[str, Any], **more: Any) -> str:
    ends = {"done": {"end": "success"}, "failed": {"end": "failure"}}
    top = {"workflow": "w", "version": 1, "start": next(iter(states)), "defaults": {"error": "failed"}}
    return yaml.safe_dump({**top, **more, "states": {**states, **ends}}, sort_keys=False, allow_unicode=True)


def act(success: Any, **more: Any) -> dict[str, Any]:
    return {"action": "do.it", "success": success, **QUIET, **more}


def codes(states: dict[str, Any], **more: Any) -> list[str]:
    return [finding.code for finding in check_text(definition(states, **more), "w.yaml")[1]]


def messages(text: str, code: str, signatures: dict[str, Signature] | None = None) -> list[str]:
    return [finding.message for finding in check_text(text, "w.yaml", signatures)[1] if finding.code == code]


# Cycles


def test_a_cycle_that_needs_a_signal_to_turn_is_bounded() -> None:
    assert "FSM306" not in codes({"a": act("h"), "h": {"signal": {"again": "a", "ok": "done"}, "deadline": "1d"}})


def test_a_cycle_through_the_deadline_of_a_signal_turns_by_itself() -> None:
    human = {"signal": {"ok": "done"}, "deadline": "1d", "error": {"DeadlineExceeded": "a", "else": "failed"}}
    assert "FSM306" in codes({"a": act("h"), "h": human})


def test_a_cycle_through_a_wait_turns_by_itself() -> None:
    states = {"a": act({"yes": "done", "no": "w"}), "w": {"wait": "1h", "success": "a"}}
    assert "FSM306" in codes(states)
    assert "FSM306" not in codes({**states, "w": {"wait": "1h", "success": "a", "max_visits": 3}})


def test_a_bound_whose_own_edge_leads_back_bounds_nothing() -> None:
    states = {"a": act("b", max_visits=3), "b": act({"yes": "done", "no": "a"})}
    assert "FSM306" not in codes(states)
    assert "FSM306" in codes({**states, "a": act("b", max_visits=3, error={"VisitsExceeded": "b", "else": "failed"})})
    assert "FSM306" in codes({**states, "a": act("b", max_visits=3, error={"Exception": "failed", "else": "a"})})
    assert "FSM306" not in codes({**states, "a": act("b", max_visits=3, error={"Exception": "b", "else": "failed"})})


def test_a_state_that_succeeds_or_fails_into_itself_is_a_cycle() -> None:
    assert "FSM306" in codes({"a": act({"yes": "done", "no": "a"})})
    assert "FSM306" in codes({"a": act("done", error={"NotReady": "a", "else": "failed"})})


def test_retries_are_no_cycle() -> None:
    assert "FSM306" not in codes({"a": act("done", retry=5)})


def test_two_cycles_through_one_state_are_one_finding() -> None:
    found = messages(definition({"b": act({"x": "a", "y": "c"}), "a": act("b"), "c": act({"x": "b", "y": "done"})}),
                     "FSM306")  # fmt: skip
    assert found == ["cycle b → a → b is unbounded"]


def test_a_cycle_without_a_way_out_is_a_trap_and_nothing_else() -> None:
    assert codes({"a": act("b"), "b": act("a", error="a")}, defaults={"error": "a"})[:1] == ["FSM304"]


# What a fault hides


def test_a_missing_success_edge_is_not_blamed_on_the_states_behind_it() -> None:
    assert codes({"a": {"action": "do.it", **QUIET}, "b": act("done")}) == ["FSM303"]


def test_a_misspelt_target_is_not_blamed_on_the_state_that_was_meant() -> None:
    assert codes({"a": act("reveiw"), "review": act("done")}) == ["FSM301"]


def test_a_misspelt_target_does_not_hide_a_state_that_it_cannot_mean() -> None:
    assert codes({"a": act("dona"), "xyzzy": act("done")}) == ["FSM301", "FSM302"]


def test_a_missing_error_edge_is_not_blamed_on_the_end_it_would_lead_to() -> None:
    assert codes({"a": act("done")}, defaults={}) == ["FSM401"]
    assert codes({"a": act("done", max_visits=3)}, defaults={}) == ["FSM401"]


def test_a_state_that_cannot_be_read_explains_whatever_it_could() -> None:
    broken = {"action": "do.it", "success": {"yes": 5, "no": "done"}, **QUIET}
    text = {"a": act("b"), "b": broken, "c": act("done", reads=["text"]), "d": {"wait": "1h", "success": "c"}}
    assert all(code.startswith(("FSM1", "FSM2")) for code in codes(text))


def test_what_can_be_read_of_a_damaged_state_is_checked_all_the_same() -> None:
    broken = act("dona", timeuot="5s", error={"Timeot": "failed", "else": "failed"})
    assert codes({"a": broken}) == ["FSM301", "FSM201", "FSM405"]


def test_errors_that_cannot_be_read_leave_every_class_known() -> None:
    assert "FSM405" not in codes({"a": act("done", error={"Mine": "failed", "else": "failed"})}, errors=5)


def test_policies_that_cannot_be_read_leave_every_policy_known() -> None:
    assert "FSM415" not in codes({"a": act("done", retry="mine")}, policies=5)


def test_a_start_that_does_not_exist_makes_nothing_unreachable() -> None:
    assert codes({"a": act("done")}, start="zzz") == ["FSM301"]


# Errors and retries


def test_a_clause_of_the_defaults_may_be_overridden_by_a_broader_one() -> None:
    defaults = {"error": {"Timeout": "failed", "else": "failed"}}
    assert codes({"a": act("done", error={"Transient": "done"})}, defaults=defaults) == []


def test_verdicts_are_not_covered_by_exception() -> None:
    clauses = {"Exception": "failed", "VisitsExceeded": "done", "InvalidResult": "done", "else": "failed"}
    assert codes({"a": act("done", error=clauses)}) == []


def test_exception_covers_what_the_author_declares() -> None:
    clauses = {"Exception": "failed", "Bad": "done", "else": "failed"}
    assert "FSM402" in codes({"a": act("done", error=clauses)}, errors={"Bad": ["Worse"]})


def test_a_clause_is_shadowed_by_several_that_share_its_classes() -> None:
    clauses = {"Worse": "done", "Worst": "done", "Bad": "failed", "else": "failed"}
    assert "FSM402" in codes({"a": act("done", error=clauses)}, errors={"Bad": ["Worse", "Worst"]})
    assert "FSM402" not in codes({"a": act("done", error=clauses)}, errors={"Bad": ["Worse", "Worst", "Other"]})


def test_retrying_a_built_in_error_and_then_routing_it_is_usual() -> None:
    clauses = {"Timeout": "failed", "else": "failed"}
    assert codes({"a": act("done", retry=3, error=clauses)}) == []


def test_a_class_called_cancelled_may_be_the_authors_own() -> None:
    clauses = {"Cancelled": "failed", "else": "failed"}
    assert codes({"a": act("done", error=clauses)}, errors={"Cancelled": []}) == []
    assert codes({"a": act("done", error=clauses)}) == ["FSM411"]


def test_what_must_not_be_repeated_gives_one_finding_however_it_is_retried() -> None:
    for retry, code in (("never", "FSM414"), (3, "FSM408"), ({"attempts": 2, "errors": "NotReady"}, "FSM414"),
                        ({"attempts": 2, "errors": "ProcessDied"}, "FSM408"),
                        ({"attempts": 2, "errors": "Mine"}, "FSM408")):  # fmt: skip
        found = codes({"a": act("done", idempotent=False, retry=retry)}, errors={"Mine": ["Timeout"]})
        assert [one for one in found if one in ("FSM408", "FSM409", "FSM414")] == [code]
        asked = codes({"a": act("done", idempotent=False, interrupted="ask", retry=retry)}, errors={"Mine": "Timeout"})
        assert not {"FSM408", "FSM409", "FSM414"} & set(asked)


def test_delays_alone_beyond_the_deadline_are_an_error_and_timeouts_a_note() -> None:
    def severity(**more: Any) -> list[str]:
        text = definition({"a": act("done", **more)})
        return [found.severity for found in check_text(text, "w.yaml")[1] if found.code == "FSM410"]

    delays = {"attempts": 3, "delay": "10s", "factor": 1}
    assert severity(retry=delays, deadline="19s") == ["error"]
    assert severity(retry=delays, deadline="20s", timeout="1ms") == ["note"]
    assert severity(retry=delays, deadline="21s", timeout="1ms") == []
    assert severity(retry=[delays, {**delays, "errors": "NotReady"}], deadline="30s") == ["error"]
    assert severity(retry={**delays, "attempts": "unlimited"}, deadline="1s") == ["note"]


def test_more_attempts_than_can_be_summed_are_still_summed() -> None:
    retry = {"attempts": 2_000_000_000, "delay": "1ms", "factor": 1, "max_delay": "1ms"}
    assert "FSM410" in codes({"a": act("done", retry=retry, deadline="10d")})


# Data


def test_an_error_edge_does_not_carry_what_its_state_writes() -> None:
    states = {"a": act("b", error="b"), "b": act("done", reads=["a"])}
    assert messages(definition(states), "FSM601") == ['reads "a", unwritten on the path a → b']


def test_what_is_written_before_survives_an_error_edge() -> None:
    assert "FSM601" not in codes({"a": act("b"), "b": act("c", error="c"), "c": act("done", reads=["a"])})


def test_an_error_is_written_only_where_every_path_crosses_an_error_edge() -> None:
    states = {"a": act("b", error="b"), "b": act("done", reads=["error"])}
    assert "FSM601" in codes(states)
    assert "FSM601" not in codes({"a": act("done", error="b"), "b": act("done", reads=["error"])})


def test_a_loop_does_not_read_what_it_has_yet_to_write() -> None:
    states = {"a": act("b", reads=["b"], max_visits=3), "b": act({"again": "a", "enough": "done"})}
    assert messages(definition(states), "FSM601") == ['reads "b", unwritten at the start']


def test_ensure_reads_what_the_state_itself_writes_and_require_does_not() -> None:
    assert "FSM601" not in codes({"a": act("done", ensure="a.total > 0")})
    assert "FSM601" in codes({"a": act("done", require="a.total > 0")})


def test_a_failure_that_gives_no_reason_reads_the_error_only_if_there_is_one() -> None:
    assert codes({"a": act("failed", error="done")}) == []


def test_an_expression_is_pointed_at_where_it_reads() -> None:
    text = definition({"a": {"switch": [{"when": "len('été') > 1 and nothing == 1", "to": "done"}, {"else": "done"}]}})
    found = [one for one in check_text(text, "w.yaml")[1] if one.code == "FSM601"]
    line = text.splitlines()[found[0].span.line - 1] if found[0].span else ""
    assert found[0].span
    assert line[found[0].span.column - 1 : found[0].span.end_column - 1] == "nothing"


def test_a_read_is_reported_once_in_a_state_however_often_it_occurs() -> None:
    states = {"a": {"switch": [{"when": "x > 1", "to": "done"}, {"when": "x > 2", "to": "done"}, {"else": "done"}]}}
    assert codes(states).count("FSM601") == 1


def test_nothing_is_called_unread_while_an_action_may_read_anything() -> None:
    states = {"a": act("b", writes="text"), "b": act("done")}
    assert "FSM603" not in codes(states)
    assert "FSM603" in codes({name: {**state, "reads": []} for name, state in states.items()})


# Types and actions


def signature(returns: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Signature]:
    taken = tuple(Parameter(name, annotation, required=True) for name, annotation in parameters.items())
    return {"do.it": Signature("do.it", taken, False, returns)}


def test_types_of_inputs_are_known_without_any_action() -> None:
    states = {"a": {"switch": [{"when": "count > 'x'", "to": "done"}, {"else": "done"}]}}
    assert "FSM606" in codes(states, input={"count": "int"})


def test_a_writer_whose_value_is_overwritten_on_the_way_gives_nothing() -> None:
    states = {"a": act("b", writes="text", action="no.where"), "b": act("c", writes="text", action="to.text"),
              "c": act("done", action="do.it", reads=["text"])}  # fmt: skip
    known = {**signature(text=str), "no.where": Signature("no.where", (), False, {"success": int}),
             "to.text": Signature("to.text", (), False, {"success": str})}  # fmt: skip
    assert messages(definition(states), "FSM604", known) == []
    states["b"]["success"], states["a"]["success"] = "done", {"x": "c", "y": "b"}
    assert messages(definition(states), "FSM604", known) == ['"a" writes int; parameter "text" of do.it takes str']


def test_a_model_may_be_written_and_a_dict_read() -> None:
    known = signature({"success": dict[str, Any]}, a=dict[str, int])
    assert messages(definition({"a": act("b"), "b": act("done", reads="a")}), "FSM604", known) == []


def test_an_int_may_stand_for_a_float_and_not_the_other_way() -> None:
    states = {"a": act("done", reads="n")}
    assert messages(definition(states, input={"n": "int"}), "FSM604", signature(n=float)) == []
    assert len(messages(definition(states, input={"n": "float"}), "FSM604", signature(n=int))) == 1


def test_an_action_without_a_return_annotation_may_have_any_outcome() -> None:
    text = definition({"a": act({"this": "done", "that": "done"})})
    assert [found for found in check_text(text, "w.yaml", signature())[1] if found.code.startswith("FSM7")] == []


def test_a_parameter_is_filled_by_reads_with_optional_or_its_own_name() -> None:
    for filling in ({"reads": "text"}, {"with": {"text": "'x'"}}, {"optional": "text"}, {}):
        text = definition({"a": act("done", **filling)}, input={"text": "str"})
        assert messages(text, "FSM702", signature(text=str)) == []
    text = definition({"a": act("done", reads=[])}, input={"text": "str"})
    assert len(messages(text, "FSM702", signature(text=str))) == 1


def test_a_probe_that_returns_nothing_says_not_done_and_has_no_edge() -> None:
    state = act({"sent": "done"}, action="send.it", interrupted={"probe": "do.it"})
    sender = {"send.it": Signature("send.it", (), False, {"sent": str})}
    for returns, missing in (({"success": None}, 0), ({"success": None, "sent": str}, 0), ({"lost": str}, 1)):
        found = messages(definition({"a": state}), "FSM703", {**sender, **signature(returns)})
        assert len(found) == missing


T = TypeVar("T")
ODD = [{"a": int}, [int], 5, "NoSuchName", print, T, list[T], NewType("Id", str), object, type, Never, Generator[int],  # type: ignore[valid-type]
       Callable[[int], str], Annotated[int, "seconds"], list["NoSuchName"], Literal["a", 1], Any, None]  # type: ignore[name-defined]  # noqa: F821  # fmt: skip


@pytest.mark.parametrize("annotation", ODD, ids=str)
def test_an_annotation_that_nobody_expects_breaks_nothing(annotation: Any) -> None:
    states = {"a": act({"success": "b", "other": "b"}), "b": act("done", optional="a", ensure="a.x > 1 or a == 'y'")}
    for returns in ({"success": annotation}, {"success": annotation, "other": annotation}, {"success": str}):
        check_text(definition(states, input={"n": "int"}), "w.yaml", signature(returns, a=annotation, n=annotation))


# The whole


def test_every_rule_says_its_law_in_one_line() -> None:
    for rule in RULES:
        assert rule.__doc__
        assert len(rule.__doc__.splitlines()) == 1, rule.__name__
    assert len({rule.__name__ for rule in RULES}) == len(RULES)


def test_findings_come_in_order_of_place_and_none_twice() -> None:
    text = definition({"a": act("x", error="y"), "b": act("z"), "c": {"wait": "1h"}}, start="q")
    _, found = check_text(text, "w.yaml")
    assert found == sorted(set(found), key=lambda one: one.sort_key)
    assert all(one.code in CATALOGUE for one in found)


def test_a_thousand_states_in_a_row_are_checked() -> None:
    chain: dict[str, Any] = {f"s{n}": act(f"s{n + 1}", reads=f"s{n - 1}" if n else []) for n in range(999)}
    text = definition({**chain, "s999": act("done")})
    assert [found.code for found in check_text(text, "w.yaml")[1]] == []


def test_a_cycle_of_a_thousand_states_is_told_by_its_ends() -> None:
    ring = {f"s{n}": act({"on": f"s{(n + 1) % 1000}", "off": "done"}) for n in range(1000)}
    assert messages(definition(ring), "FSM306") == ["cycle s0 → s1 → s2 → s3 → … → s998 → s999 → s0 is unbounded"]
