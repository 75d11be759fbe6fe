"""Folding a ledger: what each row makes of the run, and what may have become of it since."""

from typing import Any

import pytest

from fsm.kernel.fold import Difference, Folded, differences, fold
from fsm.model.run import PERSON, Artifact, Run, Transition
from tests.engine.builders import NOW, run_at
from tests.unit.test_past import FLOW, row

STARTED = row(1, event="start", source="", at=NOW, hash=b"1", visits={"work": 1})


def crossed(seq: int, event: str, target: str = "work", **changes: Any) -> Transition:
    visit = changes.pop("visit", 1 if event.startswith(("retry:", "redrive", "fault", "migrate")) else seq)
    return row(seq, target, event=event, source="work", at=NOW + seq, hash=bytes([seq]), visit=visit, **changes)


def folded(*rows: Transition) -> Folded:
    return fold({"a": "1"}, [(one, ()) for one in (STARTED, *rows)])


def standing(told: Folded, **changes: Any) -> Run:
    """Return the run as the row of such a ledger has it."""
    same = {name: getattr(told, name) for name in Folded._fields if name in Run._fields}
    return run_at(FLOW, "work")._replace(**{**same, **changes})


def found(told: Folded, **changes: Any) -> list[str]:
    return [one.field for one in differences(told, standing(told, **changes), told.values)]


def test_nothing_folded_is_a_run_before_its_start() -> None:
    empty = fold({"a": "1"}, [])
    assert (empty.state, empty.status, empty.seq, empty.visits, empty.values) == ("", "ready", 0, {}, {"a": "1"})


def test_the_last_row_tells_where_the_run_is() -> None:
    told = folded(crossed(2, "success", "human", status="waiting", due_at=9, awaits=("go",), epoch=3, attempt=1))
    assert (told.state, told.status, told.seq, told.visit, told.entered_at) == ("human", "waiting", 2, 2, NOW + 2)
    assert (told.due_at, told.awaits, told.epoch, told.head, told.updated_at) == (9, ("go",), 3, b"\x02", NOW + 2)


def test_a_visit_lasts_from_its_entry_and_a_redrive_counts_anew() -> None:
    assert folded(crossed(2, "retry:1", attempt=2)).entered_at == NOW
    assert folded(crossed(2, "fault", status="dead")).entered_at == NOW
    assert folded(crossed(2, "fault", status="dead"), crossed(3, "redrive", status="ready")).entered_at == NOW + 3
    assert folded(crossed(2, "rewind", status="ready")).entered_at == NOW + 2


def test_counts_of_visits_stay_until_a_row_tells_others_and_a_rewind_may_empty_them() -> None:
    assert folded(crossed(2, "success", "human")).visits == {"work": 1}
    assert folded(crossed(2, "signal:again", visits={"work": 2})).visits == {"work": 2}
    assert folded(crossed(2, "rewind", visits={})).visits == {}


@pytest.mark.parametrize(
    ("rows", "interrupted"),
    [
        ([crossed(2, "retry:1", interrupted=True)], True),
        ([crossed(2, "retry:1", interrupted=True), crossed(3, "retry:1")], True),
        ([crossed(2, "retry:1", interrupted=True), crossed(3, "migrate")], True),
        ([crossed(2, "retry:1", interrupted=True), crossed(3, "fault", interrupted=True, status="dead")], True),
        ([crossed(2, "fault", interrupted=True, status="dead")], False),
        ([crossed(2, "fault", interrupted=True, status="dead"), crossed(3, "redrive", interrupted=True)], True),
        ([crossed(2, "retry:1", interrupted=True), crossed(3, "redrive")], False),
        ([crossed(2, "retry:1", interrupted=True), crossed(3, "success", "human")], False),
        ([crossed(2, "error:else", "dead", interrupted=True, status="dead")], False),
        ([crossed(2, "rewind", interrupted=True)], False),
        ([crossed(2, "cancel", visit=1, interrupted=True, status="cancelled")], False),
    ],
)
def test_an_attempt_that_may_have_had_its_effect_is_known_as_long_as_its_visit_lasts(
    rows: list[Transition], interrupted: bool
) -> None:
    assert folded(*rows).interrupted is interrupted


def test_the_newest_value_wins_and_one_that_is_taken_back_is_gone() -> None:
    rows = [
        (STARTED, [Artifact("b", "2")]), (crossed(2, "success"), [Artifact("b", "3"), Artifact("c", "null")]),
        (crossed(3, "rewind"), [Artifact("a", "4"), Artifact("b", None)]), (crossed(4, "success"), []),
    ]  # fmt: skip
    assert fold({"a": "1"}, rows).values == {"a": "4", "c": "null"}
    assert fold({"a": "1"}, rows[:2]).values == {"a": "1", "b": "3", "c": "null"}


def test_what_an_ended_run_leaves_behind_stands_in_its_last_row_alone() -> None:
    left = {"output": {"n": 1}, "reason": "so"}
    ended = folded(crossed(2, "success", "done", status="succeeded", detail=left))
    assert (ended.output, ended.reason) == ({"n": 1}, "so")
    back = folded(crossed(2, "success", "done", status="succeeded", detail=left),
                  crossed(3, "rewind", status="ready", detail={"reason": "again"}))  # fmt: skip
    assert (back.output, back.reason) == (None, None)


WAITING = folded(crossed(2, "success", "human", status="waiting", due_at=9, awaits=("go",)))
RUNNING = folded(crossed(2, "success"))
ENDED = folded(crossed(2, "success", "done", status="succeeded", detail={"output": 1, "reason": None}))
AGAIN = folded(crossed(2, "retry:1", status="waiting", due_at=9, attempt=2, tries={"1": 1}))


@pytest.mark.parametrize("told", [WAITING, RUNNING, ENDED, AGAIN])
def test_a_run_that_is_as_its_ledger_left_it_does_not_differ(told: Folded) -> None:
    assert found(told) == []


CLAIMED = {"status": "running", "epoch": 2, "due_at": None, "awaits": ()}


@pytest.mark.parametrize(
    ("told", "since"),
    [
        (WAITING, {"status": "ready"}),  # woken by a signal that was there before
        (WAITING, CLAIMED),
        (WAITING, {"status": "waiting", "epoch": 2, "due_at": 5, "awaits": ("go",)}),  # claimed, and at rest again
        (WAITING, CLAIMED | {"interrupted": True}),  # its driver died
        (RUNNING, {"status": "ready"}),
        (RUNNING, {"status": "ready", "interrupted": True}),
        (RUNNING, {"status": "waiting", "awaits": PERSON, "interrupted": True}),
        (RUNNING, {"status": "waiting", "due_at": 5}),
        (AGAIN, CLAIMED),
        (AGAIN, {"interrupted": True}),  # a claim knew of a crash before the retry
    ],
)
def test_what_happens_between_two_rows_is_no_difference(told: Folded, since: dict[str, Any]) -> None:
    assert found(told, **since) == []


@pytest.mark.parametrize(
    ("told", "changed", "field"),
    [
        *[(told, {field: value}, field) for told in (WAITING, RUNNING, ENDED) for field, value in (
            ("state", "elsewhere"), ("seq", 7), ("head", b"?"), ("visit", 7), ("entered_at", 7), ("attempt", 7),
            ("tries", {"1": 7}), ("visits", {}), ("updated_at", 7), ("output", 7), ("reason", "because"),
            ("epoch", 0))],
        (WAITING, {"status": "running"}, "status"),
        (WAITING, {"status": "succeeded"}, "status"),
        (RUNNING, {"status": "dead"}, "status"),
        (ENDED, {"status": "ready"}, "status"),
        (ENDED, {"status": "ready", "epoch": 2}, "status"),
        (ENDED, {"status": "failed"}, "status"),
        (AGAIN, {"status": "running"}, "status"),
        (AGAIN, {"status": "cancelled", "epoch": 2}, "status"),
        *[(told, {"due_at": 7}, "due_at") for told in (WAITING, AGAIN, ENDED)],
        *[(told, {"awaits": ("come",)}, "awaits") for told in (WAITING, AGAIN, ENDED)],
        (WAITING, {"status": "ready", "due_at": 7}, "due_at"),
        (WAITING, {"interrupted": True}, "interrupted"),
        (ENDED, {"interrupted": True}, "interrupted"),
    ],
)  # fmt: skip
def test_what_only_a_transition_changes_is_a_difference(told: Folded, changed: dict[str, Any], field: str) -> None:
    assert found(told, **changed) == [field]


def test_values_that_differ_are_named_each() -> None:
    told = folded()._replace(values={"a": "1", "b": "2", "state": "3"})
    assert differences(told, standing(told), {"a": "1", "b": "7", "c": "4"}) == [
        Difference("values.b", "2", "7"), Difference("values.c", None, "4"), Difference("values.state", "3", None),
    ]  # fmt: skip
