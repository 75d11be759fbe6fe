"""Going back: what a rewind and a fork decide, and what they say when they may not."""

from collections.abc import Mapping
from typing import Any

import pytest

from fsm.errors import IllegalTransition
from fsm.kernel.past import branch, changed, fork, rewind
from fsm.model.run import Artifact, Moment, Run, Transition
from tests.engine.builders import NOW, flow_of, run_at

FLOW = flow_of("""
    workflow: w
    version: 2
    start: work
    defaults: {error: dead}
    states:
      work: {action: act.work, retry: 3, max_visits: 3, success: human}
      human: {signal: {go: done, again: work}, deadline: 1h}
      done: {end: success}
      dead: {end: dead_letter}
""")


def row(seq: int = 2, target: str = "work", **changes: Any) -> Transition:
    made = Transition(
        seq=seq, epoch=1, source="human", event="signal:again", target=target, status="running", visit=seq, attempt=1,
        tries={}, visits=None, due_at=None, awaits=(), interrupted=False, of_seq=None, at=NOW, actor=None, detail=None,
    )  # fmt: skip
    return made._replace(**changes)


def moment(
    transition: Transition | None = None, *, digest: str = FLOW.digest, visits: Mapping[str, int] | None = None,
    written: Mapping[str, bytes | None] | None = None,
) -> Moment:  # fmt: skip
    return Moment(transition or row(), digest, 1, {"work": 1} if visits is None else visits, written or {})


def back(run: Run, then: Moment, restored: tuple[Artifact, ...] = ()) -> tuple[Run, Transition]:
    moved = rewind(FLOW, run, then, restored, NOW + 5, "ana", "try again")
    assert moved.transition is not None
    assert moved.takes
    assert moved.artifacts == restored
    return moved.run, moved.transition


@pytest.mark.parametrize("status", ["ready", "running", "waiting", "succeeded", "failed", "dead", "cancelled"])
def test_whatever_its_status_a_run_stands_where_the_transition_led_in_a_visit_of_its_own(status: str) -> None:
    run = run_at(FLOW, "human", status=status, attempt=3, tries={"1": 2}, due_at=9, awaits=("go",), crashes=2,
                 output=1, reason="so")  # fmt: skip
    after, told = back(run, moment())
    assert (after.state, after.status, after.seq, after.visit, after.attempt, after.tries) == (
        "work", "ready", 8, 8, 1, {},
    )  # fmt: skip
    assert (after.due_at, after.awaits, after.crashes, after.output, after.reason) == (None, (), 0, None, None)
    assert (after.epoch, after.entered_at, after.updated_at) == (run.epoch + 1, NOW + 5, NOW + 5)
    assert (told.source, told.event, told.target, told.of_seq, told.visit) == ("human", "rewind", "work", 2, 8)
    assert (told.actor, told.detail, told.epoch) == ("ana", {"reason": "try again"}, after.epoch)


def test_the_counts_of_visits_are_those_of_then_and_the_row_says_so_only_where_they_differ() -> None:
    run = run_at(FLOW, "human", visits={"work": 3})
    after, told = back(run, moment(visits={"work": 1}))
    assert (after.visits, told.visits) == ({"work": 1}, {"work": 1})
    after, told = back(run, moment(visits={}))
    assert (after.visits, told.visits) == ({}, {})
    after, told = back(run, moment(visits={"work": 3}))
    assert (after.visits, told.visits) == ({"work": 3}, None)


@pytest.mark.parametrize(
    ("status", "interrupted", "unknown"),
    [("running", False, True), ("ready", True, True), ("ready", False, False), ("dead", False, False)],
)
def test_what_was_in_flight_is_recorded_as_unknown_and_the_new_visit_knows_nothing_of_it(
    status: str, interrupted: bool, unknown: bool
) -> None:
    after, told = back(run_at(FLOW, "work", status=status, interrupted=interrupted), moment())
    assert (told.interrupted, after.interrupted) == (unknown, False)


def test_what_it_held_then_is_written_by_the_row() -> None:
    back(run_at(FLOW, "human"), moment(), (Artifact("human", None), Artifact("work", '"old"')))


def test_names_whose_newest_value_is_another_one_have_changed() -> None:
    then = moment(written={"same": b"1", "other": b"1", "back": None, "gone": b"1"})
    now = moment(written={"same": b"1", "other": b"2", "back": None, "gone": None, "new": b"3", "never": None})
    assert changed(then, now) == ["gone", "new", "other"]
    assert changed(then, then) == []


@pytest.mark.parametrize("end", ["done", "dead"])
def test_a_run_goes_back_to_no_end(end: str) -> None:
    with pytest.raises(IllegalTransition, match=f'transition 2 led to "{end}", where a run ends; name an earlier one'):
        back(run_at(FLOW, "work"), moment(row(target=end)))


def test_a_run_goes_back_to_no_other_version_of_its_workflow() -> None:
    with pytest.raises(IllegalTransition, match=r"belongs to version 1.*moved to version 2 since.*fork it at 2"):
        back(run_at(FLOW, "work"), moment(digest="another"))


def branched(then: Moment, *written: Artifact, reason: str | None = None) -> tuple[Run, Transition]:
    origin = run_at(FLOW, "human", status="dead", key="old", output=1, reason="so", tries={"1": 1}, due_at=3)
    new = branch(origin, then, "01NEW", "new", NOW + 7)
    assert (new.id, new.key, new.forked_from, new.row) == ("01NEW", "new", origin.id, 0)
    assert (new.state, new.status, new.seq, new.head, new.epoch) == ("", "ready", 0, b"", 1)
    decided = fork(FLOW, origin, new, then, written, ["work"] if written else [], "ana", reason)
    assert decided.transition is not None
    assert decided.artifacts == written
    assert not decided.takes
    return decided.run, decided.transition


def test_a_fork_begins_where_the_transition_led_with_the_counts_of_then() -> None:
    run, told = branched(moment(row(5), visits={"work": 2}), Artifact("work", "1"), reason="what if")
    assert (run.state, run.status, run.seq, run.visit, run.attempt, run.tries) == ("work", "ready", 1, 1, 1, {})
    assert (run.visits, run.entered_at, run.started_at, run.updated_at) == ({"work": 2}, *[NOW + 7] * 3)
    assert (run.due_at, run.awaits, run.output, run.reason, run.interrupted) == (None, (), None, None, False)
    assert (told.source, told.event, told.target, told.of_seq, told.visit, told.visits) == (
        "", "fork", "work", 5, 1, {"work": 2},
    )  # fmt: skip
    assert (told.actor, told.detail) == ("ana", {"run": run_at(FLOW, "work").id, "set": ["work"], "reason": "what if"})


def test_a_fork_without_counts_or_a_reason_says_nothing_of_them() -> None:
    _, told = branched(moment(visits={}))
    assert (told.visits, told.detail) == (None, {"run": run_at(FLOW, "work").id})


def test_a_fork_is_pinned_as_the_old_run_was_then() -> None:
    new = branch(run_at(FLOW, "human"), moment(digest="older"), "01NEW", None, NOW)
    assert (new.digest, new.version) == ("older", 1)


def test_a_fork_begins_at_no_end() -> None:
    with pytest.raises(IllegalTransition, match='transition 2 led to "done", where a run ends; name an earlier one'):
        branched(moment(row(target="done")))
