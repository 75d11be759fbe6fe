"""The law held against rows of a ledger: what the triggers would have refused is objected to, and nothing else."""

from typing import Any

import pytest

from fsm.kernel.fold import Folded, fold
from fsm.kernel.lawful import Behind, objection
from fsm.model.run import Transition
from tests.engine.builders import flow_of
from tests.unit.test_past import row

TEXT = """
    workflow: w
    version: {version}
    start: work
    defaults: {{error: dead}}
    states:
      work: {{action: act.work, retry: 3, success: {{success: human, nothing: done}}}}
      human: {{signal: {{go: done, again: work}}}}
      done: {{end: success}}
      dead: {{end: dead_letter}}
"""
FLOW, NEXT = flow_of(TEXT.format(version=1)), flow_of(TEXT.format(version=2))


def at(state: str, status: str = "ready", visit: int = 3, seq: int = 3, **changes: Any) -> Folded:
    before = fold({}, [(row(seq, state, status=status, visit=visit, **changes), ())])
    return before._replace(epoch=2)


def move(event: str, source: str, target: str, status: str = "ready", **changes: Any) -> Transition:
    made = row(4, target, source=source, event=event, status=status, visit=4, epoch=3)
    return made._replace(**changes)


FAILED = row(3, "dead", source="work", event="error:else", status="dead")
BEGUN = row(1, "work", source="", event="start", visit=1)


def behind(named: Transition, left: int = 2, digest: str = FLOW.digest, renamed: Any = None) -> Behind:
    return Behind(named, digest, left, renamed)


DEAD = at("dead", "dead")
ASKS = at("work", "running", visit=2)

LAWFUL: dict[str, tuple[Folded, Transition, Behind | None]] = {
    "start": (fold({}, []), move("start", "", "work", seq=1, visit=1), None),
    "edge": (at("work"), move("success", "work", "human", "waiting"), None),
    "edge into an end": (at("work"), move("success:nothing", "work", "done", "succeeded"), None),
    "error edge into an end": (at("work"), move("error:else", "work", "dead", "dead"), None),
    "retry": (at("work"), move("retry:1", "work", "work", "waiting"), None),
    "fault": (at("work"), move("fault", "work", "work", "dead"), None),
    "cancel": (at("human", "waiting"), move("cancel", "human", "human", "cancelled"), None),
    "redrive of one that asks": (ASKS, move("redrive", "work", "work", visit=2), None),
    "redrive": (DEAD, move("redrive", "dead", "work", visit=2, of_seq=3), behind(FAILED)),
    "redrive at another state": (DEAD, move("redrive", "dead", "work", visit=1, of_seq=1), behind(BEGUN)),
    "redrive after a migration": (DEAD, move("redrive", "dead", "work", visit=2, of_seq=3), behind(
        FAILED._replace(source="labour"), renamed={2: "work"})),
    "complete of one that asks": (ASKS, move("complete", "work", "human", "waiting", actor="ana"), None),
    "complete": (DEAD, move("complete", "dead", "human", actor="ana", of_seq=3), behind(FAILED)),
    "complete with an outcome": (DEAD, move("complete", "dead", "done", "succeeded", actor="ana", of_seq=3,
                                            detail={"outcome": "nothing"}), behind(FAILED)),
    "rewind": (DEAD, move("rewind", "dead", "work", of_seq=1), behind(BEGUN)),
    "fork": (fold({}, []), move("fork", "", "work", seq=1, visit=1, of_seq=1), behind(BEGUN)),
    "fork of one that was deleted": (fold({}, []), move("fork", "", "work", seq=1, visit=1, of_seq=1), None),
    "migrate": (at("work"), move("migrate", "work", "work", visit=3), None),
    "migrate of the dead": (DEAD, move("migrate", "dead", "dead", "dead", visit=3), None),
    "migrate of one that a fault killed": (at("work", "dead"), move("migrate", "work", "work", "dead", visit=3), None),
}  # fmt: skip


@pytest.mark.parametrize("what", LAWFUL)
def test_what_the_law_allows_is_not_objected_to(what: str) -> None:
    before, transition, named = LAWFUL[what]
    assert objection(FLOW, before, transition, named, NEXT if transition.event == "migrate" else None) is None


UNLAWFUL: dict[str, tuple[str, dict[str, Any], str]] = {
    "from elsewhere": ("edge", {"source": "human"}, 'leaves "human", and the run was in "work"'),
    "an older epoch": ("edge", {"epoch": 1}, "epoch 1 is older than 2"),
    "no such target": ("edge", {"target": "work"}, "no edge leads"),
    "no such event": ("edge", {"event": "success:more"}, "no edge leads"),
    "an end that is none": ("edge", {"status": "succeeded"}, "does not make a run succeeded"),
    "an end with another status": ("edge into an end", {"status": "failed"}, "does not make a run failed"),
    "an end that goes on": ("edge into an end", {"status": "ready"}, "does not make a run ready"),
    "cancel into elsewhere": ("cancel", {"target": "work"}, "only a live run is cancelled"),
    "cancel that goes on": ("cancel", {"status": "ready"}, "only a live run is cancelled"),
    "redrive into the end": ("redrive", {"target": "dead"}, "not redriven"),
    "redrive that is driven": ("redrive", {"status": "running"}, "not redriven"),
    "redrive elsewhere": ("redrive", {"target": "human"}, "does not lead back"),
    "redrive into another visit": ("redrive", {"visit": 4}, "does not lead back"),
    "redrive of one that asks, elsewhere": ("redrive of one that asks", {"target": "human"}, "only where it stands"),
    "redrive of one that asks, anew": ("redrive of one that asks", {"visit": 4}, "only where it stands"),
    "redrive by the old name": ("redrive after a migration", {"target": "human"}, "does not lead back"),
    "complete by nobody": ("complete", {"actor": None}, "nobody vouches"),
    "complete into elsewhere": ("complete", {"target": "dead"}, "no success leads"),
    "complete with no such outcome": ("complete", {"detail": {"outcome": "more"}}, "no success leads"),
    "complete that is driven": ("complete", {"status": "running"}, "does not make a run running"),
    "rewind elsewhere": ("rewind", {"target": "human"}, "did not lead"),
    "rewind to the end": ("rewind", {"target": "dead"}, "opens no new visit"),
    "rewind into the old visit": ("rewind", {"visit": 1}, "opens no new visit"),
    "rewind into another attempt": ("rewind", {"attempt": 2}, "opens no new visit"),
    "rewind that is driven": ("rewind", {"status": "running"}, "opens no new visit"),
    "fork elsewhere": ("fork", {"target": "human"}, "did not lead"),
    "fork of no row": ("fork of one that was deleted", {"of_seq": None}, "did not lead"),
    "migrate into another visit": ("migrate", {"visit": 4}, "does not stay"),
    "migrate into another attempt": ("migrate", {"attempt": 2}, "does not stay"),
    "migrate into the end": ("migrate", {"target": "done"}, "does not become"),
    "migrate that is driven": ("migrate", {"status": "running"}, "does not become"),
    "migrate into nowhere": ("migrate", {"target": "labour"}, "no other version"),
    "migrate of the dead into life": ("migrate of the dead", {"target": "work", "status": "ready"}, "does not become"),
    "migrate of the dead into success": ("migrate of the dead", {"target": "done"}, "does not become"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNLAWFUL)
def test_what_the_law_does_not_allow_is_objected_to(what: str) -> None:
    base, changed, said = UNLAWFUL[what]
    before, transition, named = LAWFUL[base]
    after = NEXT if transition.event == "migrate" else None
    assert said in (objection(FLOW, before, transition._replace(**changed), named, after) or "no objection")


@pytest.mark.parametrize("status", ["succeeded", "failed", "dead", "cancelled"])
@pytest.mark.parametrize("what", ["edge", "cancel", "migrate", "retry"])
def test_a_run_that_has_ended_does_not_go_on(what: str, status: str) -> None:
    before, transition, named = LAWFUL[what]
    after = NEXT if transition.event == "migrate" else None
    assert objection(FLOW, before._replace(status=status), transition, named, after)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["succeeded", "cancelled"])
@pytest.mark.parametrize("what", ["redrive", "complete"])
def test_only_what_failed_is_mended(what: str, status: str) -> None:
    before, transition, named = LAWFUL[what]
    assert objection(FLOW, before._replace(status=status), transition, named)  # type: ignore[arg-type]
    assert objection(FLOW, before, transition, None)


@pytest.mark.parametrize("what", ["redrive", "complete"])
def test_a_row_that_is_no_error_is_not_mended(what: str) -> None:
    before, transition, _ = LAWFUL[what]
    assert objection(FLOW, before, transition, behind(row(3, "dead", source="work", event="success")))


@pytest.mark.parametrize("what", ["rewind", "fork"])
def test_a_row_of_another_version_is_not_gone_back_to(what: str) -> None:
    before, transition, _ = LAWFUL[what]
    assert objection(FLOW, before, transition, behind(BEGUN, digest=NEXT.digest))


def test_a_run_that_has_begun_does_not_branch_off() -> None:
    _, transition, named = LAWFUL["fork"]
    assert objection(FLOW, at("work"), transition._replace(source="work"), named) == (
        "a run that has begun does not branch off"
    )


@pytest.mark.parametrize("after", [None, FLOW])
def test_a_migration_leads_to_another_version(after: Any) -> None:
    before, transition, named = LAWFUL["migrate"]
    assert objection(FLOW, before, transition, named, after)
