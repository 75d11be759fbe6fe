"""What a ledger tells of the attempts in it."""

from typing import Any

import pytest

from fsm.kernel.effects import result_of, visited
from fsm.model.run import Moment, Run, Transition
from tests.engine.builders import NOW, run_at
from tests.unit.test_past import FLOW, row

CLASS = {"class": "ValueError", "message": "broken"}


def then() -> Moment:
    return Moment(row(1, event="start", source=""), FLOW.digest, 1, {"work": 1}, {})


def crossed(seq: int, event: str, target: str = "human", source: str = "work", **changes: Any) -> Transition:
    return row(seq, target, source=source, event=event, **changes)


def told(rows: list[Transition], run: Run) -> list[tuple[str, int, str]]:
    return [(one.state, one.visit, one.result) for one in visited(then(), rows, run)]


def at(state: str, seq: int, status: str = "waiting", **changes: Any) -> Run:
    return run_at(FLOW, state, seq=seq, visit=changes.pop("visit", seq), status=status, **changes)


@pytest.mark.parametrize(
    ("event", "changes", "result"),
    [
        ("success", {}, "succeeded"),
        ("success:nothing", {}, "succeeded"),
        ("complete", {}, "succeeded"),
        ("error:else", {"detail": CLASS}, "failed"),
        ("error:else", {"detail": CLASS, "interrupted": True}, "unknown"),
        ("error:else", {"detail": {"class": "VisitsExceeded", "message": ""}}, None),
        ("error:else", {"detail": {"class": "RequireFailed", "message": ""}}, None),
        ("error:else", {"detail": {"class": "RequireFailed", "message": ""}, "interrupted": True}, "unknown"),
        ("fault", {"detail": CLASS}, "failed"),
        ("retry:1", {"detail": CLASS}, "failed"),
        ("retry:1", {"detail": CLASS, "interrupted": True}, "unknown"),
        ("cancel", {"interrupted": True}, "unknown"),
        ("cancel", {}, None),
        ("rewind", {"interrupted": True}, "unknown"),
        ("rewind", {}, None),
        ("redrive", {"interrupted": True}, None),
        ("elapsed", {}, None),
        ("signal:go", {}, None),
        ("case:1", {}, None),
    ],
)
def test_a_row_tells_of_the_attempt_that_it_closes(event: str, changes: dict[str, Any], result: str | None) -> None:
    assert result_of(crossed(2, event, **changes)) == result


def test_a_visit_is_told_of_once_by_the_best_that_is_known() -> None:
    retry = crossed(2, "retry:1", "work", visit=1, detail=CLASS, interrupted=True)
    assert told([retry, crossed(3, "success")], at("human", 3)) == [("work", 1, "succeeded")]
    assert told([retry, crossed(3, "error:else", "dead", detail=CLASS)], at("dead", 3, "dead")) == [
        ("work", 1, "unknown"),
    ]


def test_each_visit_is_told_of_by_itself_with_what_was_newest_then() -> None:
    rows = [
        crossed(2, "success"), crossed(3, "signal:again", "work", "human", visits={"work": 2}),
        crossed(4, "retry:1", "work", visit=3, detail=CLASS), crossed(5, "success"),
    ]  # fmt: skip
    found = visited(then(), rows, at("human", 5))
    assert [(one.visit, one.result, one.seq, one.visits) for one in found] == [
        (1, "succeeded", 1, {"work": 1}), (3, "succeeded", 4, {"work": 2}),
    ]  # fmt: skip


def test_what_is_in_flight_is_unknown() -> None:
    assert told([], at("work", 1, "running")) == [("work", 1, "unknown")]
    assert told([], at("work", 1, "ready", interrupted=True)) == [("work", 1, "unknown")]
    assert told([], at("work", 1, "ready")) == []
    rows = [crossed(2, "retry:1", "work", visit=1, detail=CLASS)]
    assert told(rows, at("work", 2, "running", visit=1)) == [("work", 1, "unknown")]
    assert told(rows, at("work", 2, "waiting", visit=1)) == [("work", 1, "failed")]


def test_a_person_vouches_for_the_visit_that_failed() -> None:
    rows = [
        crossed(2, "error:else", "dead", detail=CLASS),
        crossed(3, "complete", "human", "dead", of_seq=2, actor="ana"),
    ]
    assert told(rows, at("human", 3)) == [("work", 1, "succeeded")]


def test_a_redrive_stays_in_the_visit_that_failed() -> None:
    rows = [
        crossed(2, "error:else", "dead", detail=CLASS),
        crossed(3, "redrive", "work", "dead", of_seq=2, visit=1),
        crossed(4, "success", at=NOW),
    ]
    assert told(rows, at("human", 4)) == [("work", 1, "succeeded")]
