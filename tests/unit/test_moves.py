"""Operator moves: what they do, and what they say when they may not."""

import json
from typing import Any

import pytest

from fsm.errors import IllegalTransition, UsageError
from fsm.kernel.decide import decide, verdict
from fsm.kernel.moves import asks_person, cancel, complete, redrive, require_droppable
from fsm.model.run import FINAL, PERSON, Artifact, Decision, Failed, Failure, Run, Status, Succeeded, Transition
from tests.engine.builders import NOW, flow_of, run_at

FLOW = flow_of("""
    workflow: w
    version: 1
    start: work
    defaults: {error: dead}
    states:
      work: {action: act.work, retry: 3, interrupted: ask, success: {success: post, nothing: done}}
      post:
        action: act.post
        retry: 3
        writes: receipt
        max_visits: 2
        success: {success: done, wait: nap, ask: human}
      nap: {wait: 1m, success: done}
      human: {signal: {go: done}, writes: answer, error: failed}
      done: {end: success, optional: receipt, output: receipt.number}
      failed: {end: failure}
      dead: {end: dead_letter}
""")


def left(state: str, **run: Any) -> tuple[Run, Transition]:
    """Return a run that an error took from a state to its end, and that error's row with the visit it left."""
    before = run_at(FLOW, state, **run)
    failure = Failure("ValueError", "broken", interrupted=bool(run.get("interrupted")))
    decided = decide(FLOW, before, Failed(failure), NOW, 0.5, {})
    assert decided.transition is not None
    return decided.run, decided.transition._replace(visit=before.visit)


def row_of(decision: Decision) -> Transition:
    assert decision.transition is not None
    return decision.transition


def asking(**run: Any) -> Run:
    return run_at(FLOW, "work", status="waiting", awaits=PERSON, interrupted=True, **run)


class TestCancel:
    @pytest.mark.parametrize("status", ["ready", "running", "waiting"])
    def test_a_live_run_ends_where_it_stands(self, status: str) -> None:
        moved = cancel(run_at(FLOW, "work", status=status, due_at=5), NOW + 1, "ana", "wrong file")
        run, row = moved.run, row_of(moved)
        assert (run.state, run.status, run.seq, run.epoch, run.due_at) == ("work", "cancelled", 8, 3, None)
        assert (row.source, row.event, row.target, row.actor, row.at) == ("work", "cancel", "work", "ana", NOW + 1)
        assert row.detail == {"reason": "wrong file"}
        assert (run.reason, moved.takes) == ("wrong file", True)

    def test_an_action_in_flight_is_recorded_as_unknown(self) -> None:
        assert row_of(cancel(run_at(FLOW, "work"), NOW, None, None)).interrupted is True
        assert row_of(cancel(run_at(FLOW, "work", status="waiting"), NOW, None, None)).interrupted is False

    @pytest.mark.parametrize("status", sorted(FINAL))
    def test_a_run_that_has_ended_stays_as_it_ended(self, status: str) -> None:
        with pytest.raises(
            IllegalTransition, match=f'"cancel" is not legal in state "done": the run has ended, {status}'
        ):
            cancel(run_at(FLOW, "done", status=status), NOW, None, None)


class TestRedrive:
    def test_it_goes_back_into_the_visit_that_failed_and_starts_counting_anew(self) -> None:
        run, failed = left("work", attempt=3, tries={"1": 2}, crashes=2, visit=5)
        moved = redrive(FLOW, run, failed, NOW + 9, "ana", "disk mended")
        after, row = moved.run, row_of(moved)
        assert (after.state, after.status, after.visit, after.attempt, after.tries) == ("work", "ready", 5, 1, {})
        assert (after.entered_at, after.crashes, after.seq, after.epoch) == (NOW + 9, 0, 9, 3)
        assert (row.source, row.event, row.target, row.visit, row.of_seq) == ("dead", "redrive", "work", 5, 8)
        assert (row.actor, row.detail) == ("ana", {"reason": "disk mended"})
        assert moved.takes

    def test_what_the_run_left_behind_is_taken_back(self) -> None:
        run, failed = left("human")
        assert run.reason == "ValueError: broken"
        assert redrive(FLOW, run, failed, NOW, None, None).run.reason is None

    def test_it_grants_one_more_visit(self) -> None:
        spent = run_at(FLOW, "post", visits={"post": 3})
        refused = verdict(FLOW, spent, NOW)
        assert refused is not None
        decided = decide(FLOW, spent, Failed(refused), NOW, 0.5, {})
        after = redrive(FLOW, decided.run, decided.transition, NOW, None, None).run
        assert after.visits == {"post": 2}
        assert verdict(FLOW, after, NOW) is None
        assert row_of(redrive(FLOW, decided.run, decided.transition, NOW, None, None)).visits == {"post": 2}

    @pytest.mark.parametrize(("interrupted", "state", "told"), [
        (True, "post", True), (False, "post", False), (True, "work", False)])  # fmt: skip
    def test_the_next_attempt_is_told_of_one_that_may_have_had_its_effect_unless_the_redrive_answers_that(
        self, interrupted: bool, state: str, told: bool
    ) -> None:
        run, failed = left(state, interrupted=interrupted, visits={"post": 1})
        moved = redrive(FLOW, run, failed, NOW, None, None)
        assert (moved.run.interrupted, row_of(moved).interrupted) == (told, told)

    def test_it_answers_a_run_that_asks_do_it_again(self) -> None:
        moved = redrive(FLOW, asking(attempt=2), None, NOW, "ana", None)
        assert (moved.run.state, moved.run.visit, moved.run.status, moved.run.attempt) == ("work", 7, "ready", 1)
        assert (moved.run.interrupted, moved.run.awaits) == (False, ())
        assert (row_of(moved).of_seq, row_of(moved).source) == (None, "work")

    @pytest.mark.parametrize("status", ["ready", "running", "waiting", "succeeded", "cancelled"])
    def test_only_a_failed_a_dead_or_an_asking_run_can_be_redriven(self, status: str) -> None:
        _, failed = left("work")
        with pytest.raises(IllegalTransition, match=f"the run is {status}; only a failed or dead one"):
            redrive(FLOW, run_at(FLOW, "work", status=status), failed, NOW, None, None)

    def test_one_that_failed_without_an_error_has_nothing_to_go_back_to(self) -> None:
        with pytest.raises(IllegalTransition, match="no error lies behind it; name a state"):
            redrive(FLOW, run_at(FLOW, "failed", status="failed"), None, NOW, None, None)

    def back(self, at: str, status: Status = "dead", **more: Any) -> Decision:
        run, failed = left("post", visit=5, visits={"post": 1})
        visited = {"work": 1, "nap": 3, "human": 4, "post": 5, "dead": 8}
        return redrive(FLOW, run._replace(status=status), failed, NOW + 9, "ana", None, at=at, visited=visited, **more)

    @pytest.mark.parametrize(("at", "visit", "of_seq"), [("nap", 3, 3), ("human", 4, 4), ("post", 5, 5)])
    def test_it_goes_back_to_another_state_that_the_run_has_been_in(self, at: str, visit: int, of_seq: int) -> None:
        moved = self.back(at)
        after, row = moved.run, row_of(moved)
        assert (after.state, after.status, after.visit, after.entered_at) == (at, "ready", visit, NOW + 9)
        assert (row.source, row.target, row.visit, row.of_seq) == ("dead", at, visit, of_seq)

    @pytest.mark.parametrize("at", ["dead", "done", "failed", "nowhere"])
    def test_it_goes_back_to_no_end_and_to_no_state_that_the_run_has_not_been_in(self, at: str) -> None:
        with pytest.raises(
            IllegalTransition, match=f'not been in "{at}", or .*; it has been in human, nap, post, work'
        ):
            self.back(at)

    def test_a_run_that_asks_answers_about_its_own_state_only(self) -> None:
        assert redrive(FLOW, asking(), None, NOW, None, None, at="work").run.visit == 7
        with pytest.raises(IllegalTransition, match='asks a person about "work", and cannot go on from "post"'):
            redrive(FLOW, asking(), None, NOW, None, None, at="post", visited={"post": 3})

    def test_a_live_run_goes_back_nowhere(self) -> None:
        with pytest.raises(IllegalTransition, match="the run is running; only a failed or dead one"):
            self.back("nap", status="running")

    def test_one_that_failed_without_an_error_can_go_back_to_a_state_that_is_named(self) -> None:
        run = run_at(FLOW, "failed", status="failed")
        assert redrive(FLOW, run, None, NOW, None, None, at="work", visited={"work": 1}).run.state == "work"

    @pytest.mark.parametrize(("at", "told"), [("post", True), ("work", False), ("human", False)])
    def test_an_action_that_succeeded_in_that_visit_is_told_so_unless_a_person_would_be_asked(
        self, at: str, told: bool
    ) -> None:
        run, failed = left("human", visit=5)
        moved = redrive(FLOW, run, failed, NOW, None, None, at=at, visited={"work": 1, "post": 2, "human": 5})
        assert (moved.run.interrupted, row_of(moved).interrupted) == (told, told)

    def test_its_row_writes_what_is_changed_and_names_it(self) -> None:
        changes = (Artifact("receipt", '{"number":7}'), Artifact("answer", "1"))
        moved = self.back("nap", changes=changes)
        assert moved.artifacts == changes
        assert row_of(moved).detail == {"set": ["receipt", "answer"]}


class TestDrop:
    @pytest.mark.parametrize("status", ["failed", "dead"])
    def test_a_dead_letter_may_go(self, status: str) -> None:
        require_droppable(run_at(FLOW, "dead", status=status))

    @pytest.mark.parametrize(
        ("status", "said"),
        [
            ("ready", "the run is ready; cancel it first"),
            ("running", "the run is running; cancel it first"),
            ("waiting", "the run is waiting; cancel it first"),
            ("succeeded", "the run has succeeded; only a dead or failed one"),
            ("cancelled", "the run was cancelled; only a dead or failed one"),
        ],
    )
    def test_what_is_no_dead_letter_stays(self, status: str, said: str) -> None:
        with pytest.raises(IllegalTransition, match=said):
            require_droppable(run_at(FLOW, "work", status=status))


class TestComplete:
    def done(self, run: Run, failed: Transition | None, outcome: str = "success", value: Any = None) -> Decision:
        return complete(FLOW, run, failed, outcome, json.dumps(value), NOW + 2, "ana", "I called them", {})

    def test_it_crosses_the_success_edge_of_a_run_that_asks(self) -> None:
        moved = self.done(asking(), None, value={"n": 1})
        row = row_of(moved)
        assert (row.source, row.event, row.target, row.actor) == ("work", "complete", "post", "ana")
        assert row.detail == {"outcome": "success", "because": "I called them"}
        assert moved.artifacts == (Artifact("work", '{"n": 1}'),)
        assert (moved.run.status, moved.run.visit, moved.run.interrupted, moved.run.visits) == (
            "ready",
            8,
            False,
            {"post": 1},
        )

    def test_it_repairs_a_dead_letter_from_the_state_that_failed(self) -> None:
        run, failed = left("post", visits={"post": 1})
        moved = self.done(run, failed, value={"number": 7})
        assert (moved.run.state, moved.run.status, moved.run.output) == ("done", "succeeded", 7)
        assert (row_of(moved).source, row_of(moved).of_seq) == ("dead", 8)
        assert row_of(moved).detail == {"outcome": "success", "because": "I called them", "output": 7, "reason": None}

    def test_another_outcome_takes_its_own_edge(self) -> None:
        run, failed = left("post", visits={"post": 1})
        moved = self.done(run, failed, outcome="wait")
        assert (moved.run.state, moved.run.status, moved.run.due_at) == ("nap", "waiting", NOW + 60_002)
        assert self.done(run, failed, outcome="ask").run.awaits == ("go",)

    def test_a_value_that_gives_no_output_is_refused_and_says_why(self) -> None:
        run, failed = left("post", visits={"post": 1})
        with pytest.raises(UsageError, match=r'with this value "done" cannot be entered: .*number'):
            self.done(run, failed, value={"total": 7})

    def test_an_outcome_that_is_not_declared_is_illegal(self) -> None:
        with pytest.raises(IllegalTransition, match=r'"success:maybe" is not legal in state "work"'):
            self.done(asking(), None, outcome="maybe")

    def test_a_state_that_has_no_success_edge_cannot_be_completed(self) -> None:
        run, failed = left("human")
        with pytest.raises(IllegalTransition, match=r'"success" is not legal in state "human"'):
            self.done(run, failed)

    @pytest.mark.parametrize("status", ["ready", "running", "waiting", "succeeded", "cancelled"])
    def test_nobody_completes_a_run_that_asks_nobody(self, status: str) -> None:
        with pytest.raises(IllegalTransition, match=f"the run is {status} and asks nobody"):
            self.done(run_at(FLOW, "work", status=status), left("work")[1])


def test_a_run_asks_a_person_only_while_it_waits_for_one() -> None:
    assert asks_person(asking())
    assert not asks_person(asking()._replace(status="running"))
    assert not asks_person(run_at(FLOW, "human", status="waiting", awaits=("go",)))


def test_what_is_decided_after_a_move_is_decided_as_ever() -> None:
    run, failed = left("post", visits={"post": 1})
    again = redrive(FLOW, run, failed, NOW, None, None).run
    decided = decide(FLOW, again, Succeeded("success", '{"number":1}'), NOW, 0.5, {})
    assert (decided.run.status, decided.run.output) == ("succeeded", 1)
