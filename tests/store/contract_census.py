"""What there is and what happened lately, as the store counts it: the sums are those of the runs and their ledgers."""

import random
from math import ceil

import pytest

from fsm.kernel import moves
from fsm.model.census import Count, Crossed, Deaths, Stay, Trouble
from fsm.model.pause import Pause
from fsm.model.run import PERSON, Rest, Run
from fsm.store import Store
from tests.store.contract_migration import Migration
from tests.store.contract_past import rewound
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, REVIEW, Driver, failed
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject

DONE = FETCHED._replace(outcome="nothing")
HOUR = 3_600_000
UNAVAILABLE = failed("Unavailable", "Transient")


def redrive(driver: Driver, run: Run) -> Run:
    failure = driver.store.last_failure(run)
    return driver.commit(moves.redrive(driver.flow(run), run, failure, driver.now, None, None))


class Present(Subject):
    def test_live_and_dead_runs_are_counted_and_others_are_not(self, driver: Driver) -> None:
        driver.start(status="ready")
        driver.start(status="ready")
        driver.start()
        driver.go(driver.start(), FETCHED, DRAFTED)
        asking = driver.go(driver.start(), FETCHED)
        driver.commit(driver.decision(asking, Rest(None, PERSON)))
        driver.go(driver.start(), failed("Boom"))
        driver.go(driver.start(), failed("Refused"))
        driver.go(driver.start(), DONE)
        driver.commit(moves.cancel(driver.start(), driver.now, None, None))
        driver.start(LOOP, status="ready")
        driver.start(REVIEW.replace("version: 1", "version: 2"), {}, status="ready")
        assert driver.store.present(driver.now).counts == (
            Count("loop", 1, "turn", "ready", 1),
            Count("review", 1, "draft", "waiting", 1),
            Count("review", 1, "fetch", "ready", 2),
            Count("review", 1, "fetch", "running", 1),
            Count("review", 1, "human", "waiting", 1),
            Count("review", 1, "lost", "dead", 1),
            Count("review", 2, "fetch", "ready", 1),
        )
        assert driver.store.present(driver.now, workflow="loop").counts == (Count("loop", 1, "turn", "ready", 1),)

    def test_what_is_paused_is_counted_apart(self, driver: Driver) -> None:
        driver.start(status="ready")
        driver.start(LOOP, status="ready")
        driver.store.pause(Pause("loop", "", False, None, None, driver.now))
        now = driver.store.present(driver.now + HOUR)
        assert [(count.workflow, count.paused) for count in now.counts] == [("loop", 1), ("review", 0)]

    def test_the_oldest_ready_run_and_the_next_instant_are_told_of_what_is_not_paused(self, driver: Driver) -> None:
        assert (driver.store.present(driver.now).ready_since, driver.store.present(driver.now).due_at) == (None, None)
        paused = driver.start(LOOP, status="ready")
        oldest = driver.start(status="ready")
        driver.start(status="ready")
        retrying = driver.go(driver.start(), UNAVAILABLE)
        waiting = driver.go(driver.start(), FETCHED, DRAFTED)
        now = driver.store.present(driver.now)
        assert (now.ready_since, now.due_at) == (paused.updated_at, retrying.due_at)
        driver.store.pause(Pause("loop", "", False, None, None, driver.now))
        assert driver.store.present(driver.now).ready_since == oldest.updated_at
        driver.store.pause(Pause("review", "fetch", False, None, None, driver.now))
        assert driver.store.present(driver.now).due_at == waiting.due_at

    def test_a_run_is_stuck_that_could_go_on_and_is_driven_by_nobody_for_long(self, driver: Driver) -> None:
        ready = driver.start(status="ready")
        retrying = driver.go(driver.start(), UNAVAILABLE)
        driver.start()
        driver.go(driver.start(), FETCHED, DRAFTED)
        assert retrying.due_at is not None
        assert driver.store.present(ready.updated_at + 59_999).stuck == ()
        (first,) = driver.store.present(ready.updated_at + 60_000).stuck
        assert (first.run_id, first.why, first.since) == (ready.id, "ready", ready.updated_at)
        both = driver.store.present(retrying.due_at + 60_000).stuck
        assert [(run.run_id, run.why, run.since) for run in both] == [
            (ready.id, "ready", ready.updated_at), (retrying.id, "due", retrying.due_at),
        ]  # fmt: skip
        assert (both[1].workflow, both[1].version, both[1].state, both[1].status) == ("review", 1, "fetch", "waiting")

    def test_a_run_whose_holder_died_is_stuck_at_once(self, driver: Driver, opened: Opener) -> None:
        run = driver.start(status="ready")

        def hold(line: Line) -> None:
            line.send(Driver(opened()).claim(run).id)
            line.recv()

        with children(hold) as (child,):
            child.hears()
            held = driver.store.present(driver.now)
            assert (held.stuck, [(one.pid, one.runs, one.lives) for one in held.crew]) == ((), [(child.pid, 1, True)])
        left = driver.store.present(driver.now)
        assert [(one.run_id, one.why) for one in left.stuck] == [(run.id, "left behind")]
        assert [(one.pid, one.runs, one.lives) for one in left.crew] == [(child.pid, 1, False)]
        driver.go(driver.claim(run), DONE)
        after = driver.store.present(driver.now)
        assert (after.stuck, [(one.runs, one.lives) for one in after.crew]) == ((), [(0, True)])

    def test_of_many_stuck_runs_the_oldest_are_named_and_all_are_counted(self, driver: Driver) -> None:
        runs = [driver.start(status="ready") for _ in range(5)]
        driver.start(LOOP, status="ready")
        now = driver.store.present(driver.now + HOUR, workflow="review", stuck_max=2)
        assert ([run.run_id for run in now.stuck], now.stuck_runs) == ([run.id for run in runs[:2]], 5)

    def test_what_is_paused_is_not_stuck(self, driver: Driver) -> None:
        driver.start(status="ready")
        driver.go(driver.start(), UNAVAILABLE)
        driver.store.pause(Pause("", "", False, None, None, driver.now))
        assert driver.store.present(driver.now + HOUR).stuck_runs == 0

    def test_the_last_row_grows_by_one_with_every_transition(self, driver: Driver) -> None:
        assert driver.store.present(driver.now).last == 0
        driver.go(driver.start(), FETCHED, DRAFTED)
        before = driver.store.present(driver.now).last
        driver.go(driver.start(), FETCHED)
        assert driver.store.present(driver.now).last == before + 2


class Lately(Subject):
    def test_an_empty_store_had_nothing_happen(self, store: Store) -> None:
        nothing = store.lately(5)
        assert (nothing.rows, nothing.since, nothing.is_cut, nothing.transitions) == (0, 5, False, 0)
        assert (nothing.crossed, nothing.ended, nothing.troubles, nothing.stays, nothing.deaths) == ((), (), (), (), ())

    def test_every_edge_of_the_window_is_counted(self, driver: Driver) -> None:
        driver.go(driver.start(), DONE)
        begin = driver.now + 1
        driver.go(driver.start(), FETCHED, DRAFTED)
        driver.go(driver.start(), DONE)
        driver.commit(moves.cancel(driver.start(LOOP), driver.now, None, None))
        lately = driver.store.lately(begin)
        assert lately.crossed == (
            Crossed("loop", 1, "", "start", "turn", "running", 1),
            Crossed("loop", 1, "turn", "cancel", "turn", "cancelled", 1),
            Crossed("review", 1, "", "start", "fetch", "running", 2),
            Crossed("review", 1, "draft", "success", "human", "waiting", 1),
            Crossed("review", 1, "fetch", "success", "draft", "running", 1),
            Crossed("review", 1, "fetch", "success:nothing", "done", "succeeded", 1),
        )
        assert (lately.rows, lately.transitions, lately.begun, lately.finished) == (7, 7, 3, 2)
        assert lately.ended == (
            Count("loop", 1, "turn", "cancelled", 1),
            Count("review", 1, "done", "succeeded", 1),
        )
        of_one = driver.store.lately(begin, workflow="loop")
        assert (of_one.rows, of_one.transitions, of_one.begun) == (7, 2, 1)

    def test_a_run_that_ended_and_goes_on_again_has_not_ended(self, driver: Driver) -> None:
        run = driver.go(driver.start(), failed("Refused"))
        assert driver.store.lately(0).ended == (Count("review", 1, "rejected", "failed", 1),)
        redrive(driver, run)
        assert driver.store.lately(0).ended == ()
        assert driver.store.lately(0).finished == 1

    def test_retries_and_errors_are_counted_by_state_and_class(self, driver: Driver) -> None:
        for _ in range(3):
            run = driver.go(driver.start(), failed("Timeout", "Transient"))
        driver.go(driver.start(), FETCHED, failed("Boom"))
        driver.go(run, failed("Refused"))
        assert driver.store.lately(0).troubles == (
            Trouble("review", "fetch", "retry", "Timeout", 3),
            Trouble("review", "draft", "error", "Boom", 1),
            Trouble("review", "fetch", "error", "Refused", 1),
        )

    def test_durations_are_exact_by_the_nearest_rank(self, driver: Driver) -> None:
        chance = random.Random(7)
        took = [chance.randrange(1, 100_000) for _ in range(137)]
        for duration in took:
            run = driver.start()
            driver.now += duration - 1  # a decision takes one more
            driver.go(run, DONE)
        took.sort()
        ranks = [took[ceil(len(took) * percent / 100) - 1] for percent in (50, 95, 99)]
        assert driver.store.lately(0).stays == (Stay("review", "fetch", 137, *ranks),)

    @pytest.mark.parametrize("count", [1, 2, 3, 19, 20, 21, 100, 101])
    def test_durations_of_any_number_of_visits_have_their_ranks(self, driver: Driver, count: int) -> None:
        for duration in range(1, count + 1):
            run = driver.start()
            driver.now += duration - 1
            driver.go(run, DONE)
        ranks = [ceil(count * percent / 100) for percent in (50, 95, 99)]
        assert driver.store.lately(0).stays == (Stay("review", "fetch", count, *ranks),)

    def test_a_visit_lasts_from_its_entry_through_retries_and_counts_once(self, driver: Driver) -> None:
        run = driver.start()
        driver.now += 100
        run = driver.go(run, UNAVAILABLE)
        run = driver.wake(run)
        driver.go(run, DONE)
        (stay,) = driver.store.lately(0).stays
        assert stay == Stay("review", "fetch", 1, *[driver.now - run.started_at] * 3)
        assert stay.p50_ms > 10_000

    def test_after_a_redrive_a_visit_counts_from_there(self, driver: Driver) -> None:
        run = driver.start()
        driver.now += 99
        dead = driver.go(run, failed("Boom"))
        driver.now += 50 * HOUR
        again = driver.claim(redrive(driver, dead))
        driver.now += 6
        driver.go(again, DONE)
        assert driver.store.lately(0).stays == (Stay("review", "fetch", 2, 7, 100, 100),)

    def test_a_visit_that_a_move_broke_off_or_an_end_has_no_duration(self, driver: Driver) -> None:
        driver.commit(moves.cancel(driver.start(), driver.now, None, None))
        dead = driver.go(driver.start(), failed("Boom"))
        redrive(driver, dead)
        live = driver.go(driver.start(), FETCHED)
        driver.commit(rewound(driver, live, 1))
        Migration().migrated(driver, driver.go(driver.start(), FETCHED))
        assert [(stay.state, stay.visits) for stay in driver.store.lately(0).stays] == [("fetch", 3)]

    def test_a_visit_belongs_to_the_window_in_which_it_was_left(self, driver: Driver) -> None:
        run = driver.start()
        driver.now += 5 * HOUR
        driver.go(run, DONE)
        assert driver.store.lately(driver.now).stays == (Stay("review", "fetch", 1, *[5 * HOUR + 1] * 3),)
        assert driver.store.lately(driver.now + 1).stays == ()

    def test_the_comings_and_goings_of_dead_letters_are_counted_by_the_hour(self, driver: Driver) -> None:
        driver.now = HOUR * 400_000
        dead = [driver.go(driver.start(), failed("Boom")) for _ in range(3)]
        driver.now += HOUR
        again = redrive(driver, dead[0])
        driver.now += 2 * HOUR
        driver.go(driver.claim(again), failed("Boom"))
        redrive(driver, dead[1])
        first = HOUR * 400_000
        assert driver.store.lately(0).deaths == (
            Deaths(first, 3, 0), Deaths(first + HOUR, 0, 1), Deaths(first + 3 * HOUR, 1, 1),
        )  # fmt: skip
        assert driver.store.lately(0, bucket_ms=5 * HOUR).deaths == (Deaths(first, 4, 2),)

    def test_a_dead_letter_that_is_migrated_comes_no_second_time(self, driver: Driver) -> None:
        dead = driver.go(driver.start(), FETCHED, failed("Boom"))
        Migration().migrated(driver, dead)
        lately = driver.store.lately(0, bucket_ms=10 * HOUR)
        assert [(one.entered, one.left) for one in lately.deaths] == [(1, 0)]
        assert lately.finished == 1

    def test_a_window_of_too_many_rows_begins_later_and_says_so(self, driver: Driver) -> None:
        run = driver.go(driver.start(LOOP), *[AGAIN] * 9)
        rows = [row.transition for row in driver.store.history(run.id)]
        whole = driver.store.lately(rows[0].at, rows_max=10)
        assert (whole.rows, whole.since, whole.is_cut) == (10, rows[0].at, False)
        assert driver.store.lately(rows[0].at, rows_max=9).is_cut
        cut = driver.store.lately(rows[0].at, rows_max=4)
        assert (cut.rows, cut.since, cut.is_cut, cut.transitions) == (4, rows[6].at, True, 4)

    def test_the_window_begins_with_the_first_row_since_the_instant_whatever_was_deleted(self, driver: Driver) -> None:
        chance = random.Random(11)
        runs = []
        for _ in range(30):
            driver.now += chance.randrange(0, 3)
            runs.append(driver.go(driver.start(), DONE))
        gone = [run for run in runs if chance.random() < 0.5]
        driver.store.delete(gone)
        rows = sorted(row.transition.at for run in runs if run not in gone for row in driver.store.history(run.id))
        for since in range(rows[0] - 3, rows[-1] + 4):
            assert driver.store.lately(since).rows == sum(at >= since for at in rows)
        driver.store.delete(runs)
        assert driver.store.lately(0).rows == 0
