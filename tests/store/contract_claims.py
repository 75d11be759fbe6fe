"""Runs are taken by one process at a time, given back, and taken over from the dead."""

import pytest

from fsm.model.run import PERSON, Received, Rest, Run
from fsm.store import Store
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver, failed
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject

UNAVAILABLE = failed("Unavailable", "Transient")


class Claims(Subject):
    def test_a_ready_run_is_claimable_and_once_claimed_no_more(self, driver: Driver) -> None:
        run = driver.start(status="ready")
        assert driver.store.claimable(driver.now) == [run.id]
        claimed = driver.claim(run)
        assert (claimed.status, claimed.epoch, claimed.seq) == ("running", run.epoch + 1, run.seq)
        assert driver.store.claimable(driver.now) == []
        assert driver.store.claim(run.id, driver.now) is None

    def test_claiming_counts_no_crash_where_nothing_crashed(self, driver: Driver) -> None:
        claimed = driver.claim(driver.start(status="ready"))
        assert (claimed.crashes, claimed.interrupted) == (0, False)

    def test_an_unknown_run_can_not_be_claimed(self, store: Store) -> None:
        assert store.claim("nothing", 1) is None
        assert not store.held("nothing")

    def test_a_delayed_retry_is_claimable_when_it_is_due_and_not_before(self, driver: Driver) -> None:
        run = driver.go(driver.start(), UNAVAILABLE)
        assert run.status == "waiting"
        assert run.due_at is not None
        assert driver.store.claimable(run.due_at - 1) == []
        assert driver.store.claim(run.id, run.due_at - 1) is None
        assert driver.store.claimable(run.due_at) == [run.id]
        claimed = driver.store.claim(run.id, run.due_at)
        assert claimed is not None
        assert (claimed.status, claimed.due_at, claimed.attempt) == ("running", None, 2)

    def test_a_driver_that_sleeps_through_delays_is_told_of_delayed_retries_alone(self, driver: Driver) -> None:
        retrying = driver.go(driver.start(), UNAVAILABLE)
        driver.go(driver.start(), FETCHED, DRAFTED)
        driver.go(driver.start(), FETCHED, DRAFTED, Received("accept", '"fine"', (), None))
        assert driver.store.claimable(driver.now) == []
        assert driver.store.claimable(driver.now, delayed=True) == [retrying.id]

    def test_a_run_that_awaits_a_signal_is_claimable_only_at_its_deadline(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        assert run.awaits == ("accept", "refuse")
        assert driver.store.claimable(run.entered_at) == []
        assert driver.store.claim(run.id, run.entered_at) is None
        assert driver.store.claimable(run.entered_at + 3_600_000) == [run.id]

    def test_a_run_that_waits_for_a_person_is_never_claimable(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        asking = driver.commit(driver.decision(run, Rest(None, PERSON)))
        assert driver.store.claimable(driver.now + 10**12) == []
        assert driver.store.claim(asking.id, driver.now + 10**12) is None

    def test_an_ended_run_can_not_be_claimed(self, driver: Driver) -> None:
        ended = driver.go(driver.start(), failed("Boom"))
        assert driver.store.claimable(driver.now) == []
        assert driver.store.claim(ended.id, driver.now) is None
        assert not driver.store.held(ended.id)

    def test_the_oldest_run_is_claimable_first_whatever_made_it_so(self, driver: Driver) -> None:
        due = driver.go(driver.start(), UNAVAILABLE)
        ready = [driver.start(status="ready") for _ in range(3)]
        assert due.due_at is not None
        assert driver.store.claimable(due.due_at) == [due.id, *(run.id for run in ready)]

    def test_a_released_run_is_ready_at_once(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.release(run, interrupted=False)
        given_back = driver.store.get(run.id)
        assert (given_back.status, given_back.interrupted, given_back.crashes) == ("ready", False, 0)
        assert not driver.store.held(run.id)
        assert driver.claim(run).crashes == 0

    def test_a_run_released_in_mid_action_tells_the_next_attempt(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.release(run, interrupted=True)
        claimed = driver.claim(run)
        assert (claimed.interrupted, claimed.crashes) == (True, 0)

    def test_an_edge_clears_what_was_interrupted(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.release(run, interrupted=True)
        assert driver.go(driver.claim(run), FETCHED).interrupted is False

    def test_a_release_that_knows_an_older_seq_interrupts_nothing(self, driver: Driver) -> None:
        run = driver.start()
        driver.go(run, FETCHED)
        driver.store.release(run, interrupted=True)
        assert driver.store.get(run.id).interrupted is False

    def test_a_release_after_the_lease_is_lost_is_without_effect(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.release(run, interrupted=False)
        taken = driver.claim(run)
        driver.store.release(run, interrupted=True)
        assert driver.store.get(run.id) == taken
        assert driver.store.held(run.id)

    def test_a_held_run_is_held_for_every_store_on_the_place(self, driver: Driver, opened: Opener) -> None:
        run = driver.start()
        other = opened()
        assert driver.store.held(run.id)
        assert other.held(run.id)
        assert other.claimable(driver.now) == []
        assert other.claim(run.id, driver.now) is None

    def test_a_run_is_held_across_its_edges_until_it_rests(self, driver: Driver, opened: Opener) -> None:
        other = opened()
        run = driver.go(driver.start(LOOP), *[AGAIN] * 3)
        assert other.held(run.id)
        assert driver.store.claim(run.id, driver.now) is None
        resting = driver.go(driver.start(), FETCHED, DRAFTED)
        assert not other.held(resting.id)

    def test_closing_a_store_frees_the_runs_it_held(self, driver: Driver, opened: Opener) -> None:
        run = driver.start()
        other = opened()
        driver.store.close()
        assert other.claimable(driver.now) == [run.id]

    @pytest.mark.parametrize("born", ["claimed", "ready"])
    def test_a_run_whose_process_was_killed_is_claimable_at_once_and_counts_the_crash(
        self, driver: Driver, opened: Opener, born: str
    ) -> None:
        run = driver.start(status="ready")

        def hold(line: Line) -> None:
            other = Driver(opened())
            line.send((other.start() if born == "claimed" else other.claim(run)).id)
            line.recv()

        with children(hold) as (child,):
            held = child.hears()
            assert driver.store.held(held)
            assert driver.store.claim(held, driver.now) is None
            child.kill()
            assert not driver.store.held(held)
            assert held in driver.store.claimable(driver.now)
            claimed = driver.store.claim(held, driver.now)
        assert claimed is not None
        assert (claimed.crashes, claimed.interrupted) == (1, True)
        assert driver.go(claimed, FETCHED).crashes == 0

    def test_crashes_add_up_over_retries_of_one_visit(self, driver: Driver, opened: Opener) -> None:
        run = driver.start(status="ready")

        def crash(line: Line) -> None:
            other = Driver(opened())
            line.send(other.go(other.claim(run), failed("Timeout", "Transient")).attempt)
            line.recv()

        for attempt in (2, 3):
            with children(crash) as (child,):
                assert child.hears() == attempt
        claimed = driver.claim(run)
        assert (claimed.crashes, claimed.attempt, claimed.interrupted) == (2, 3, True)

    def test_of_many_processes_that_claim_one_run_exactly_one_gets_it(self, driver: Driver, opened: Opener) -> None:
        runs: list[Run] = [driver.start(status="ready") for _ in range(15)]

        def take(line: Line) -> None:
            store = opened()
            line.send("here")
            line.recv()
            line.send([run.id for run in runs if store.claim(run.id, driver.now)])
            line.recv()

        with children(take, take, take) as all_of:
            for child in all_of:
                child.hears()
            for child in all_of:
                child.tell()
            taken = [one for child in all_of for one in child.hears()]
        assert sorted(taken) == sorted(run.id for run in runs)
