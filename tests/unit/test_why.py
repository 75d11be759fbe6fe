"""Why a run is where it is: each kind of reason from its facts, with the commands that would move it."""

from typing import Any

import pytest

from fsm.kernel.decide import encode
from fsm.kernel.why import why
from fsm.model.pause import Pause
from fsm.model.reason import Holder, Kind, Reason, Standing
from fsm.model.run import PERSON, Kept, Run, Transition
from fsm.render.why import explained, fields, told
from tests.engine.builders import NOW, flow_of, run_at

FLOW = flow_of("""
    workflow: order
    version: 1
    start: charge
    input: {n: int}
    errors: {Declined: []}
    defaults: {retry: {attempts: 4, delay: 1m, jitter: none}, error: failed}
    states:
      charge: {action: shop.charge, idempotent: true, success: nap}
      nap: {wait: 2h, success: human}
      human:
        signal: {accept: {to: done, payload: {by: str, level: int | null}, count: 2}, refuse: failed}
        match: payload.by != 'nobody'
        deadline: 5d
      done: {end: success}
      failed: {end: failure}
""")
ID = run_at(FLOW, "charge").id
RESUME = ("resume", ID)
DEAD = Holder(7, "here", 4711, NOW - 9_000, NOW - 1_000, is_alive=False)
ALIVE = DEAD._replace(expires_at=NOW + 20_000, is_alive=True)
PAUSE = Pause("order", "", stops_actions=True, actor="ana", reason="down", at=NOW - 5_000)


def row(run: Run, event: str, **more: Any) -> Transition:
    made = Transition(
        seq=run.seq, epoch=1, source="charge", event=event, target=run.state, status=run.status, visit=run.visit,
        attempt=run.attempt, tries=run.tries, visits=None, due_at=run.due_at, awaits=run.awaits, interrupted=False,
        of_seq=None, at=run.updated_at, actor=None, detail=None,
    )  # fmt: skip
    return made._replace(**more)


def standing(state: str = "charge", status: Any = "ready", *, row_of: Any = None, **more: Any) -> Standing:
    names = set(Standing._fields)
    run = run_at(FLOW, state, status=status, **{name: value for name, value in more.items() if name not in names})
    found = Standing(run, None, (), (), row_of or row(run, "success"), None, None, 0, 0, 0)
    return found._replace(**{name: value for name, value in more.items() if name in names})


def reasons(of: Standing, **more: Any) -> list[Reason]:
    found = why(of, more.pop("flow", FLOW), NOW, **more)
    for reason in found:  # whatever it is, it can be told
        assert told(reason, NOW, None)
        encode(dict(reason.facts))
    encode(fields(of.run, found, lambda *words: " ".join(words)))
    return found


def kinds(of: Standing, **more: Any) -> list[Kind]:
    return [reason.kind for reason in reasons(of, **more)]


def commands(reason: Reason) -> list[tuple[tuple[str, ...], ...]]:
    return [cure.commands for cure in reason.cures]


def test_a_run_that_somebody_drives_is_held_and_needs_nothing() -> None:
    (reason,) = reasons(standing(status="running", holder=ALIVE, beat_at=NOW - 3_000))
    assert (reason.kind, reason.cures) == ("held", ())
    assert told(reason, NOW, None).startswith("driven by process 4711 on here (worker 7, lease until ")
    assert told(reason, NOW, None).endswith("), attempt 1 of action shop.charge; last heartbeat 3 s ago")


def test_a_run_that_is_held_under_a_pause_says_both() -> None:
    assert kinds(standing(status="running", holder=ALIVE, pauses=(PAUSE,)), missing="no action") == ["held", "pause"]


def test_a_run_that_the_dead_left_behind_is_taken_over_by_the_next() -> None:
    (reason,) = reasons(standing(status="running", holder=DEAD))
    assert (reason.kind, commands(reason)) == ("left_behind", [(RESUME,)])
    assert told(reason, NOW, None) == (
        "left behind by process 4711 on here (worker 7, lease over 1 s ago), which is dead or stopped; "
        "taking it over counts crash 1 of this visit"
    )


def test_a_run_that_is_claimed_by_nobody_known_is_a_fault() -> None:
    assert kinds(standing(status="running")) == ["nothing"]


def test_what_a_live_worker_does_by_itself_needs_no_command() -> None:
    (reason,) = reasons(standing(status="running", holder=DEAD, workers=1))
    assert reason.cures == ()


@pytest.mark.parametrize(("crashes", "is_suspect"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_run_that_crashed_twice_is_driven_alone(crashes: int, is_suspect: bool) -> None:
    assert kinds(standing(crashes=crashes)) == (["queue", "suspect"] if is_suspect else ["queue"])
    if crashes:
        left = standing(status="running", holder=DEAD, crashes=crashes - 1)
        assert kinds(left) == (["left_behind", "suspect"] if is_suspect else ["left_behind"])


def test_a_ready_run_waits_for_whoever_takes_it() -> None:
    (reason,) = reasons(standing(updated_at=NOW - 61_000))
    assert commands(reason) == [(RESUME,), (("worker",),)]
    assert told(reason, NOW, None) == "ready for 1 min 1 s, and no worker is there to take it"


def test_a_ready_run_has_its_place_in_the_queue_of_the_workers() -> None:
    (reason,) = reasons(standing(ahead=12, workers=2))
    assert told(reason, NOW, None) == "ready for 0 ms; 12 before it are taken first, by 2 workers"
    assert commands(reason) == [(RESUME,)]


def test_a_ready_run_waits_while_others_are_driven_alone() -> None:
    (reason,) = reasons(standing(suspects=1, workers=1))
    assert told(reason, NOW, None).endswith("; workers drive 1 that crashed before, each alone, and then go on")


@pytest.mark.parametrize("due_at", [NOW, NOW - 5_000])
def test_a_run_that_is_due_is_in_the_queue_since_then(due_at: int) -> None:
    (reason,) = reasons(standing("nap", "waiting", due_at=due_at))
    assert (reason.kind, reason.facts["since_at"], reason.facts["is_due"]) == ("queue", due_at, True)


def test_a_wait_says_until_when() -> None:
    (reason,) = reasons(standing("nap", "waiting", due_at=NOW + 60_000))
    assert (reason.kind, commands(reason)) == ("timer", [(RESUME,)])
    assert told(reason, NOW, None).endswith(" (in 1 min)")


def test_a_retry_says_after_what_and_which_attempt_of_how_many() -> None:
    clause = FLOW.retries["charge"][0].name
    of = standing(status="waiting", attempt=3, tries={clause: 2}, due_at=NOW + 9_000)
    detail = {"class": "Unavailable", "message": "line is busy"}
    of = of._replace(last=row(of.run, f"retry:{clause}", detail=detail))
    (reason,) = reasons(of)
    assert (reason.kind, commands(reason)) == ("retry", [(RESUME,)])
    assert told(reason, NOW, None).startswith("attempt 3 of 4 follows at ")
    assert told(reason, NOW, None).endswith(" (in 9.0 s), after Unavailable: line is busy")
    assert reasons(of, flow=None, unread="x")[1].facts["attempts_max"] is None


def test_a_question_to_a_person_has_two_answers() -> None:
    (reason,) = reasons(standing(status="waiting", awaits=PERSON))
    assert [cure.does for cure in reason.cures] == ["it was done", "it was not done"]
    assert [words[0][0] for words in commands(reason)] == ["complete", "redrive"]
    assert told(reason, NOW, None) == "asks a person whether its attempt 1, which was interrupted, took effect"


def test_a_signal_says_what_it_carries_who_has_sent_it_and_until_when() -> None:
    kept = tuple(Kept(n, "accept", actor, {"by": "x"}, NOW) for n, actor in enumerate(("bo", "ana", "bo")))
    of = standing("human", "waiting", awaits=("accept", "refuse"), due_at=NOW + 86_400_000, kept=kept[2:])
    (reason,) = reasons(of)
    assert reason.kind == "signal"
    assert commands(reason) == [
        (("signal", ID, "accept", "-p", "by=BY", "-p", "level=LEVEL", "--actor", "NAME"), RESUME),
        (("signal", ID, "refuse"), RESUME),
    ]
    first, accept, refuse, match = told(reason, NOW, None).splitlines()
    assert first.startswith("waits for a signal, until ")
    assert accept == "  accept to done, with by: str, level: int | null; 1 of 2 distinct actors have sent it: bo"
    assert refuse == "  refuse to failed"
    assert match == "  only where payload.by != 'nobody'"
    assert kinds(of._replace(kept=kept)) == ["nothing"]  # two actors are enough
    assert reasons(of._replace(kept=kept, pauses=(PAUSE,)))[1].facts["signals"][0]["actors"] == ["ana", "bo"]


def test_a_signal_without_a_deadline_says_so() -> None:
    (reason,) = reasons(standing("human", "waiting", awaits=("accept", "refuse")))
    assert told(reason, NOW, None).startswith("waits for a signal, without a deadline\n")


def test_a_signal_that_lies_in_the_inbox_of_a_run_that_waits_for_it_is_a_fault_unless_a_pause_keeps_it() -> None:
    kept = (Kept(1, "refuse", None, None, NOW),)
    of = standing("human", "waiting", awaits=("accept", "refuse"), kept=kept)
    (reason,) = reasons(of)
    assert reason.kind == "nothing"
    scope = ("--workflow", "order", "--state", "human")
    assert commands(reason) == [(("pause", *scope), ("unpause", *scope))]
    assert kinds(of._replace(pauses=(PAUSE,))) == ["pause", "signal"]
    assert "refuse to failed; 1 in its inbox" in told(reasons(of._replace(pauses=(PAUSE,)))[1], NOW, None)


@pytest.mark.parametrize(
    "of",
    [
        standing("nap", "waiting"),
        standing("nap", "waiting", awaits=("accept",)),
        standing("human", "waiting", awaits=("acept",)),
        standing("gone", "ready"),
        standing("gone", "waiting", due_at=NOW + 1),
    ],
    ids=["no instant", "no signal state", "an undeclared signal", "no state, ready", "no state, waiting"],
)
def test_a_run_that_nothing_will_wake_is_a_fault(of: Standing) -> None:
    (reason,) = reasons(of)
    assert (reason.kind, commands(reason)) == ("nothing", [(("cancel", ID),)])
    assert told(reason, NOW, None).startswith("nothing will ever wake it: ")


def test_a_pause_stands_in_front_of_everything_with_the_command_that_ends_it() -> None:
    whole = PAUSE._replace(workflow="", actor=None, reason=None)
    state = PAUSE._replace(state="nap")
    found = reasons(standing("nap", "waiting", due_at=NOW + 1, pauses=(whole, PAUSE, state)))
    assert [reason.kind for reason in found] == ["pause", "pause", "pause", "timer"]
    assert [commands(reason) for reason in found[:3]] == [
        [(("unpause",),)], [(("unpause", "--workflow", "order"),)],
        [(("unpause", "--workflow", "order", "--state", "nap"),)],
    ]  # fmt: skip
    assert told(found[0], NOW, None).startswith("paused (everything, since ")
    assert told(found[1], NOW, None).startswith('paused by ana: down (workflow "order", since ')


def test_a_missing_action_and_an_unreadable_definition_stand_before_the_queue() -> None:
    found = reasons(standing(), missing='no action "shop.charge" is registered')
    assert [reason.kind for reason in found] == ["action", "queue"]
    assert found[0].facts["action"] == "shop.charge"
    assert kinds(standing(pauses=(PAUSE,)), flow=None, unread="line 3: odd") == ["pause", "unreadable", "queue"]
    waiting = standing("human", "waiting", awaits=("accept",))
    assert kinds(waiting, flow=None, unread="odd") == ["unreadable", "signal"]


def test_a_run_that_failed_says_how_and_all_the_ways_on() -> None:
    of = standing("failed", "failed", seq=9, reason="Declined: no cover", updated_at=NOW - 60_000)
    failure = row(of.run, "error:else", detail={"class": "Declined", "message": "no cover"}, seq=8)
    (reason,) = reasons(of._replace(failure=failure))
    assert told(reason, NOW, None) == 'ended 1 min ago, failed: "charge" failed with Declined: no cover'
    assert [words[0] for words in commands(reason)] == [
        ("redrive", ID), ("complete", ID, "--actor", "NAME", "--value", "JSON"), ("rewind", ID, "--to", "7"),
        ("fork", ID, "--at", "7"),
    ]  # fmt: skip


def test_a_run_that_succeeded_can_be_forked_and_one_without_a_past_can_not() -> None:
    (reason,) = reasons(standing("done", "succeeded", seq=4))
    assert commands(reason) == [(("fork", ID, "--at", "3"),)]
    assert told(reason, NOW, None) == "ended just now, succeeded"
    (reason,) = reasons(standing("done", "succeeded", seq=1))
    assert reason.cures == ()


def test_a_cancelled_run_says_who_cancelled_it_and_can_go_back() -> None:
    of = standing("nap", "cancelled", seq=5, reason="not needed")
    (reason,) = reasons(of._replace(last=row(of.run, "cancel", actor="ana")))
    assert told(reason, NOW, None) == "ended just now, cancelled by ana: not needed"
    assert commands(reason)[0] == (("rewind", ID, "--to", "4"), RESUME)


def test_the_whole_text_names_the_run_each_reason_and_the_commands() -> None:
    of = standing(pauses=(PAUSE,), key="k")
    text = explained(of.run, reasons(of), lambda *words: " ".join(("fsm", *words)), NOW, None)
    first, paused, ends, queue, resume, worker = text.splitlines()
    assert first.startswith(f'run {ID} (order@1) is ready in "charge", since ')
    assert paused.startswith("  paused by ana: down")
    assert ends == "    ends it: fsm unpause --workflow order"
    assert queue == "  ready for 0 ms, and no worker is there to take it"
    assert resume == f"    drives it on:              fsm resume {ID}"
    assert worker == "    drives all that can go on: fsm worker"


def test_instants_are_text_in_json() -> None:
    of = standing("nap", "waiting", due_at=NOW + 60_000, pauses=(PAUSE,))
    found = fields(of.run, reasons(of), lambda *words: " ".join(words))["reasons"]
    assert found[0]["facts"]["at"] == "2023-11-14T22:13:15.000Z"
    assert found[1]["facts"]["due_at"] == "2023-11-14T22:14:20.000Z"
    assert found[1]["cures"] == [{"does": "when it is due", "commands": [f"resume {ID}"]}]
