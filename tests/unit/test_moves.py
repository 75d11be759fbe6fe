"""Operator moves: what they do, and what they say when they may not."""

import json
from typing import Any

import pytest

from fsm.errors import IllegalTransition, UsageError
from fsm.kernel.decide import decide, verdict
from fsm.kernel.moves import asks_person, cancel, complete, redrive
from fsm.model.run import FINAL, PERSON, Artifact, Decision, Failed, Failure, Run, Succeeded, Transition
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
        with pytest.raises(IllegalTransition, match="with an error behind it"):
            redrive(FLOW, run_at(FLOW, "failed", status="failed"), None, NOW, None, None)


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
