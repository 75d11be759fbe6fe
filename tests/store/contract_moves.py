"""Operator moves: no edges, but each legal only under its own condition; they take the run from its holder."""

from typing import Any

import pytest

from fsm.errors import IllegalTransition, LeaseLost
from fsm.kernel import moves
from fsm.model.run import PERSON, Artifact, Decision, Received, Rest, Run
from tests.store.contract_commits import altered
from tests.store.driving import DRAFTED, FETCHED, Driver, failed
from tests.store.subject import Opener, Subject, crashed


class Moves(Subject):
    def dead(self, driver: Driver) -> Run:
        """Return a run that died in `draft`, by the error edge of seq 3."""
        return driver.go(driver.start(), FETCHED, failed("Boom"))

    def asking(self, driver: Driver) -> Run:
        """Return a run in `draft` that asks a person whether its attempt took effect."""
        run = driver.go(driver.start(), FETCHED)
        return driver.commit(driver.decision(run, Rest(None, PERSON)))

    def completed(self, driver: Driver, run: Run, value: str = '"by hand"') -> Decision:
        failure = None if moves.asks_person(run) else driver.store.last_failure(run)
        flow = driver.flow(run)
        return moves.complete(flow, run, failure, "success", value, driver.now, "ana", None, driver.values(run))

    def test_cancel_ends_a_held_run_and_fences_its_holder(self, driver: Driver) -> None:
        run = driver.start()
        late = driver.decision(run, FETCHED)
        ended = driver.commit(moves.cancel(driver.store.get(run.id), driver.now, "ana", "not needed"))
        assert (ended.state, ended.status, ended.epoch, ended.reason) == ("fetch", "cancelled", 2, "not needed")
        assert driver.store.commit([late]) == [None]
        assert driver.store.commit([driver.decision(run, Rest(None))]) == [None]
        with pytest.raises(LeaseLost):
            driver.store.save_checkpoint(run, "half", "1")
        driver.store.release(run, interrupted=True)
        assert driver.store.get(run.id) == ended
        row = list(driver.store.history(run.id))[-1].transition
        assert (row.event, row.actor, row.interrupted, row.detail) == ("cancel", "ana", True, {"reason": "not needed"})

    def test_cancel_keeps_the_crashes_of_the_visit_it_ends(self, driver: Driver, opened: Opener) -> None:
        """`Driver.commit` compares what is returned with what is stored."""
        run = crashed(driver, opened)
        driver.commit(moves.cancel(run, driver.now, None, None))

    def test_a_fault_keeps_the_crashes_of_the_visit_and_a_redrive_forgives_them(
        self, driver: Driver, opened: Opener
    ) -> None:
        run = crashed(driver, opened)
        decision = driver.decision(run, failed("Boom"))
        assert decision.transition is not None
        after = run._replace(status="dead", seq=run.seq + 1, updated_at=driver.now)
        row = decision.transition._replace(event="fault", target="fetch", visit=run.visit, detail=None)
        dead = driver.commit(decision._replace(run=after, transition=row))
        assert (dead.status, dead.crashes, dead.interrupted) == ("dead", 1, True)
        failure = driver.store.last_failure(dead)
        again = driver.commit(moves.redrive(driver.flow(run), dead, failure, driver.now, None, None))
        assert (again.status, again.crashes) == ("ready", 0)

    def test_a_redrive_after_a_result_that_is_unknown_tells_the_next_attempt(self, driver: Driver) -> None:
        run = driver.go(driver.start(), failed("Boom", interrupted=True))
        again = driver.commit(
            moves.redrive(driver.flow(run), run, driver.store.last_failure(run), driver.now, None, None)
        )
        assert (again.interrupted, again.visit) == (True, 1)

    def test_cancel_ends_a_waiting_run(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        ended = driver.commit(moves.cancel(run, driver.now, None, None))
        assert (ended.status, ended.due_at, ended.awaits) == ("cancelled", None, ())
        assert driver.store.claimable(driver.now + 10**12) == []

    def test_a_move_from_an_older_seq_comes_too_late(self, driver: Driver) -> None:
        run = driver.start()
        driver.go(run, FETCHED)
        assert driver.store.commit([moves.cancel(run, driver.now, None, None)]) == [None]
        assert driver.store.get(run.id).epoch == run.epoch

    def test_of_two_moves_the_second_comes_too_late(self, driver: Driver) -> None:
        run = driver.start()
        move = moves.cancel(run, driver.now, None, None)
        ended = driver.commit(move)
        assert driver.store.commit([move]) == [None]
        assert driver.store.get(run.id) == ended

    def test_a_dead_run_is_redriven_in_the_visit_that_failed(self, driver: Driver) -> None:
        run = self.dead(driver)
        failure = driver.store.last_failure(run)
        assert failure is not None
        again = driver.commit(moves.redrive(driver.flow(run), run, failure, driver.now, "ana", "fixed"))
        assert (again.state, again.status, again.visit, again.visits) == ("draft", "ready", 2, {"draft": 0})
        assert (again.output, again.reason) == (None, None)
        assert driver.go(driver.claim(again), DRAFTED).state == "human"

    def test_the_answer_redrive_lets_an_asking_run_try_again(self, driver: Driver) -> None:
        run = self.asking(driver)
        again = driver.commit(moves.redrive(driver.flow(run), run, None, driver.now, "ana", None))
        assert (again.state, again.status, again.visit, again.awaits) == ("draft", "ready", run.visit, ())

    def test_the_answer_complete_crosses_the_success_edge_of_an_asking_run(self, driver: Driver) -> None:
        run = self.asking(driver)
        done = driver.commit(self.completed(driver, run))
        assert (done.state, done.status, done.awaits) == ("human", "waiting", ("accept", "refuse"))
        assert driver.store.values(done, ["text"]) == {"text": '"by hand"'}
        row = list(driver.store.history(run.id))[-1].transition
        assert (row.source, row.event, row.actor) == ("draft", "complete", "ana")

    def test_a_dead_run_is_completed_from_the_state_that_failed(self, driver: Driver) -> None:
        done = driver.commit(self.completed(driver, self.dead(driver)))
        assert (done.state, done.status) == ("human", "waiting")

    def test_completing_into_an_end_ends_the_run(self, driver: Driver) -> None:
        run = driver.go(driver.start(), failed("Boom"))
        flow = driver.flow(run)
        failure = driver.store.last_failure(run)
        values = {"document": "by hand"}
        move = moves.complete(flow, run, failure, "nothing", '"by hand"', driver.now, "ana", None, values)
        ended = driver.commit(move)
        assert (ended.state, ended.status, ended.output) == ("done", "succeeded", "by hand")

    def redriven(self, driver: Driver, run: Run, at: str, **more: Any) -> Decision:
        failure, visited = driver.store.last_failure(run), driver.store.visited(run)
        return moves.redrive(driver.flow(run), run, failure, driver.now, "ana", None, at=at, visited=visited, **more)

    def test_a_dead_run_is_redriven_at_another_state_in_its_latest_visit(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED, Received("refuse", '"no"', (), None), failed("Boom"))
        assert driver.store.visited(run) == {"fetch": 1, "draft": 4, "human": 3, "lost": 5}
        again = driver.commit(self.redriven(driver, run, "fetch"))
        assert (again.state, again.status, again.visit, again.entered_at) == ("fetch", "ready", 1, driver.now)
        row = list(driver.store.history(run.id))[-1].transition
        assert (row.event, row.source, row.target, row.of_seq) == ("redrive", "lost", "fetch", 1)
        assert driver.go(driver.claim(again), FETCHED).visit == 7

    def test_a_redrive_at_a_state_that_waits_opens_its_inbox_again(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED, Received("refuse", '"no"', (), None), failed("Boom"))
        claimed = driver.claim(driver.commit(self.redriven(driver, run, "human")))
        resting = driver.commit(driver.decision(claimed, Rest(None, ("accept", "refuse"))))
        assert (resting.state, resting.visit, resting.status) == ("human", 3, "waiting")
        assert driver.go(resting, Received("accept", '"yes"', (), None)).state == "pause"

    def test_what_a_redrive_changes_is_written_by_its_row(self, driver: Driver) -> None:
        run = self.dead(driver)
        changes = (Artifact("document", '"mended"'), Artifact("uri", '"b.pdf"'))
        again = driver.commit(self.redriven(driver, run, "draft", changes=changes))
        assert driver.store.values(again, ["document", "uri"]) == {"document": '"mended"', "uri": '"b.pdf"'}
        assert driver.store.values_at(again, ["uri", "document"], 0) == {"uri": '"a.pdf"'}
        assert list(driver.store.history(run.id))[-1].artifacts == changes

    @pytest.mark.parametrize(
        "changed",
        [
            {"target": "draft"}, {"target": "human"}, {"target": "done"}, {"target": "lost"}, {"target": "nowhere"},
            {"of_seq": None}, {"of_seq": 2}, {"of_seq": 3}, {"of_seq": 99}, {"visit": 2}, {"visit": 4},
            {"status": "running"}, {"status": "waiting"}, {"status": "dead"}, {"source": "fetch"},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_redrive_at_a_state_or_in_a_visit_that_the_ledger_does_not_have_is_illegal(
        self, driver: Driver, changed: dict[str, Any]
    ) -> None:
        self.refused(driver, altered(self.redriven(driver, self.dead(driver), "fetch"), **changed))

    def test_a_run_that_failed_by_choice_is_redriven_at_a_state_that_it_has_been_in(self, driver: Driver) -> None:
        run = driver.go(driver.start(), failed("Refused"))
        assert driver.commit(self.redriven(driver, run, "fetch")).state == "fetch"

    @pytest.mark.parametrize(
        "changed",
        [
            {"target": "done"}, {"target": "human"}, {"target": "fetch"}, {"of_seq": 1}, {"of_seq": None},
            {"of_seq": 99}, {"status": "running"}, {"status": "waiting"}, {"status": "succeeded"}, {"source": "draft"},
            {"visit": 1}, {"visit": 3}, {"visit": 4}, {"visit": 0},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_redrive_that_no_error_row_stands_behind_is_illegal(
        self, driver: Driver, changed: dict[str, Any]
    ) -> None:
        run = self.dead(driver)
        move = moves.redrive(driver.flow(run), run, driver.store.last_failure(run), driver.now, None, None)
        self.refused(driver, altered(move, **changed))

    @pytest.mark.parametrize(
        "changed",
        [
            {"target": "done"}, {"target": "draft"}, {"actor": None}, {"of_seq": 2}, {"of_seq": None},
            {"status": "running"}, {"status": "succeeded"},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_completion_that_is_no_success_edge_or_has_no_actor_is_illegal(
        self, driver: Driver, changed: dict[str, Any]
    ) -> None:
        self.refused(driver, altered(self.completed(driver, self.dead(driver)), **changed))

    @pytest.mark.parametrize("changed", [{"target": "done"}, {"status": "failed"}, {"source": "draft"}], ids=str)
    def test_a_cancel_that_leads_anywhere_is_illegal(self, driver: Driver, changed: dict[str, Any]) -> None:
        self.refused(driver, altered(moves.cancel(driver.start(), driver.now, None, None), **changed))

    def test_a_live_run_can_neither_be_redriven_nor_completed(self, driver: Driver) -> None:
        dead = self.dead(driver)
        redrive = moves.redrive(driver.flow(dead), dead, driver.store.last_failure(dead), driver.now, None, None)
        again = driver.commit(redrive)
        complete = altered(self.completed(driver, dead), seq=again.seq + 1, epoch=again.epoch + 1, source="draft")
        self.refused(driver, complete)
        self.refused(driver, altered(redrive, seq=again.seq + 1, epoch=again.epoch + 1, source="draft"))

    def test_a_run_that_waits_for_a_signal_does_not_ask_a_person(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        asking = run._replace(awaits=PERSON)
        self.refused(driver, moves.redrive(driver.flow(run), asking, None, driver.now, None, None))

    def test_an_ended_run_can_not_be_cancelled(self, driver: Driver) -> None:
        ended = self.dead(driver)
        self.refused(driver, moves.cancel(ended._replace(status="ready"), driver.now, None, None))

    def test_a_redriven_run_may_fail_and_be_redriven_again(self, driver: Driver) -> None:
        run = self.dead(driver)
        for _ in range(3):
            run = driver.commit(
                moves.redrive(driver.flow(run), run, driver.store.last_failure(run), driver.now, None, None)
            )
            run = driver.go(driver.claim(run), failed("Boom"))
        assert (run.status, run.seq) == ("dead", 9)

    def test_a_waiting_run_goes_on_by_its_signal_while_an_older_move_is_refused(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        late = moves.cancel(run, driver.now, None, None)
        driver.go(run, Received("accept", '"fine"', (), None))
        assert driver.store.commit([late]) == [None]

    def refused(self, driver: Driver, move: Decision) -> None:
        before = driver.store.get(move.run.id)
        rows = list(driver.store.history(move.run.id))
        with pytest.raises(IllegalTransition):
            driver.store.commit([move])
        assert driver.store.get(move.run.id) == before
        assert list(driver.store.history(move.run.id)) == rows
