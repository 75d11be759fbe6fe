"""What tells why a run is where it is, as of one moment."""

import os

import pytest

from fsm.errors import NotFound
from fsm.model.run import PERSON, Received, Rest
from tests.store.contract_pauses import paused
from tests.store.driving import DRAFTED, FETCHED, LOOP, Driver, failed
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject, crashed


class Standings(Subject):
    def test_there_is_none_of_an_unknown_run(self, driver: Driver) -> None:
        with pytest.raises(NotFound):
            driver.store.standing("nothing", driver.now)
        driver.start()  # and the store goes on

    def test_a_run_is_found_by_the_beginning_of_its_id(self, driver: Driver) -> None:
        run = driver.start()
        assert driver.store.standing(run.id[:-1], driver.now).run == run

    def test_a_run_that_this_process_drives_is_held_by_it(self, driver: Driver, opened: Opener) -> None:
        run = driver.start()
        for store in (driver.store, opened()):
            holder = store.standing(run.id, driver.now).holder
            assert holder is not None
            assert (holder.pid, holder.is_alive, holder.expires_at) == (os.getpid(), True, None)
        driver.store.release(run, interrupted=False)
        assert driver.store.standing(run.id, driver.now).holder is None

    def test_a_holder_that_died_or_whose_lease_is_over_holds_no_more(self, driver: Driver, opened: Opener) -> None:
        def hold(line: Line) -> None:
            own = Driver(opened())
            own.store.lease(own.now, own.now + 1_000)
            line.send((own.start().id, own.now))
            line.recv()

        with children(hold) as (child,):
            run_id, now = child.hears()
            holder = driver.store.standing(run_id, now).holder
            assert holder is not None
            assert (holder.pid, holder.is_alive, holder.expires_at is not None) == (child.pid, True, True)
            assert holder.expires_at is not None
            late = driver.store.standing(run_id, holder.expires_at).holder
            assert late == holder._replace(is_alive=False)
            child.kill()
            assert driver.store.standing(run_id, now).holder == late

    def test_live_workers_are_counted_as_long_as_their_lease_lasts(self, driver: Driver, opened: Opener) -> None:
        run = driver.start(status="ready")
        assert driver.store.standing(run.id, driver.now).workers == 0
        driver.store.lease(driver.now, driver.now + 1_000)
        other = opened()
        other.lease(driver.now, driver.now + 2_000)
        assert driver.store.standing(run.id, driver.now).workers == 2
        assert driver.store.standing(run.id, driver.now + 1_000).workers == 1
        other.close()
        assert driver.store.standing(run.id, driver.now).workers == 1
        driver.store.lease(driver.now, None)
        assert driver.store.standing(run.id, driver.now).workers == 0

    def test_the_place_of_a_ready_run_is_behind_the_older_ones_of_its_workflow(self, driver: Driver) -> None:
        driver.start(LOOP, status="ready")
        runs = [driver.start(status="ready") for _ in range(3)]
        places = [driver.store.standing(run.id, driver.now).ahead for run in runs]
        assert places == [0, 1, 2]
        driver.claim(runs[0])
        assert [driver.store.standing(run.id, driver.now).ahead for run in runs] == [0, 0, 1]

    def test_runs_that_are_paused_are_before_nobody(self, driver: Driver) -> None:
        before, run = driver.go(driver.start(), failed("Timeout", "Transient")), driver.go(driver.start(), FETCHED)
        for one in (before, run):
            driver.store.release(one, interrupted=False)
        assert driver.store.standing(run.id, driver.now).ahead == 1
        pause = paused(driver, "review", "fetch")
        found = driver.store.standing(run.id, driver.now)
        assert (found.ahead, found.pauses) == (0, ())
        assert driver.store.standing(before.id, driver.now).pauses == (pause,)

    def test_the_place_of_a_due_run_is_behind_what_was_due_before(self, driver: Driver) -> None:
        runs = [driver.go(driver.start(), failed("Unavailable", "Transient")) for _ in range(3)]
        due_at = runs[1].due_at
        assert due_at is not None
        assert [driver.store.standing(run.id, due_at).ahead for run in runs] == [0, 1, 0]

    def test_other_runs_that_are_to_be_driven_alone_are_counted(self, driver: Driver, opened: Opener) -> None:
        run = driver.start(status="ready")
        suspect = crashed(driver, opened)
        assert driver.store.standing(run.id, driver.now).suspects == 0

        def crash(line: Line) -> None:
            other = Driver(opened())
            line.send(other.claim(suspect).crashes)
            line.recv()

        driver.store.release(suspect, interrupted=True)
        with children(crash) as (child,):
            assert child.hears() == 1
        claimed = driver.claim(suspect)
        assert claimed.crashes == 2
        assert driver.store.standing(run.id, driver.now).suspects == 1
        assert driver.store.standing(suspect.id, driver.now).suspects == 0
        driver.store.release(claimed, interrupted=True)
        assert driver.store.standing(run.id, driver.now).suspects == 1

    def test_it_has_the_last_row_the_inbox_and_the_last_heartbeat(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.beat(run, '"half"', driver.now)
        driver.store.keep(run, driver.signal("accept"))
        found = driver.store.standing(run.id, driver.now)
        assert found.last is not None
        assert (found.last.seq, found.last.event, found.beat_at) == (1, "start", driver.now - 1)
        assert [signal.name for signal in found.kept] == ["accept"]
        run = driver.go(run, FETCHED, DRAFTED)
        driver.go(driver.claim(run), Received("accept", '"fine"', tuple(one.id for one in found.kept), None))
        found = driver.store.standing(run.id, driver.now)
        assert (found.kept, found.beat_at, found.failure) == ((), None, None)

    def test_an_ended_run_has_the_error_behind_it(self, driver: Driver) -> None:
        dead = driver.go(driver.start(), failed("Boom"))
        found = driver.store.standing(dead.id, driver.now)
        assert found.failure is not None
        assert (found.failure.source, found.holder, found.workers) == ("fetch", None, 0)
        asking = driver.commit(driver.decision(driver.go(driver.start(), FETCHED), Rest(None, PERSON)))
        assert driver.store.standing(asking.id, driver.now).failure is None

    def test_looking_hinders_no_writer(self, driver: Driver, opened: Opener) -> None:
        """A snapshot that was left open would keep what follows from being seen."""
        run = driver.start()
        driver.store.standing(run.id, driver.now)
        other = Driver(opened(), driver.now)
        assert other.go(run, FETCHED).state == driver.store.standing(run.id, driver.now).run.state == "draft"
