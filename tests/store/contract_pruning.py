"""Ended runs are deleted with everything they have, a bounded number of rows at a time, and leave no number behind."""

import pytest

from fsm.errors import NotFound
from fsm.kernel import moves
from fsm.model.pause import Pause
from fsm.model.run import Artifact, Run
from fsm.store import Store
from fsm.store.answers import ROWS_DELETED_MAX, Aged, Deleted
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver, failed
from tests.store.subject import Subject

DONE = FETCHED._replace(outcome="nothing")


def ended(driver: Driver) -> Run:
    return driver.go(driver.start(), DONE)


def aged(run: Run) -> Aged:
    return Aged(
        run.id, run.row, run.workflow, run.state, run.status, run.seq, run.started_at, run.updated_at, run.updated_at,
        resting=False, paused=False,
    )  # fmt: skip


def prune(store: Store, *runs: Run, rows_max: int = ROWS_DELETED_MAX) -> Deleted:
    return store.prune([aged(run) for run in runs], rows_max=rows_max)


class Pruning(Subject):
    def test_a_deleted_run_is_found_no_more_by_anything(self, driver: Driver) -> None:
        run = driver.start(key="k")
        driver.store.save_checkpoint(run, "half", "1")
        driver.store.beat(run, '"half way"', driver.now)
        driver.store.keep(run, driver.signal("accept", message_id="m"))
        gone = driver.go(run, DONE)
        other = ended(driver)
        assert prune(driver.store, gone) == Deleted((gone.id,), 8, is_whole=True)
        with pytest.raises(NotFound):
            driver.store.get(gone.id)
        with pytest.raises(NotFound):
            list(driver.store.history(gone.id))
        assert driver.store.find("review", "k") is None
        assert driver.store.runs() == [other]
        assert driver.store.values(gone, ["uri", "document"]) == {}
        assert (driver.store.checkpoint(run, "half"), driver.store.last_beat(run)) == (None, None)
        assert driver.store.message(gone, "m") is None

    @pytest.mark.parametrize("status", ["succeeded", "failed", "dead", "cancelled"])
    def test_whatever_has_ended_may_be_deleted(self, driver: Driver, status: str) -> None:
        runs = {
            "succeeded": ended(driver),
            "failed": driver.go(driver.start(), failed("Refused")),
            "dead": driver.go(driver.start(), failed("Boom")),
            "cancelled": driver.commit(moves.cancel(driver.start(), driver.now, None, None)),
        }
        assert runs[status].status == status
        assert prune(driver.store, runs[status]).ids == (runs[status].id,)
        assert {run.id for run in driver.store.runs()} == {run.id for run in runs.values()} - {runs[status].id}

    def test_a_live_run_is_passed_over(self, driver: Driver) -> None:
        live = [driver.start(status="ready"), driver.start(), driver.go(driver.start(), FETCHED, DRAFTED)]
        done = ended(driver)
        assert prune(driver.store, *live, done).ids == (done.id,)
        assert [driver.store.get(run.id) for run in live] == live

    def test_a_run_that_moved_on_meanwhile_is_passed_over(self, driver: Driver) -> None:
        seen = driver.go(driver.start(), failed("Boom"))
        failure = driver.store.last_failure(seen)
        again = driver.commit(moves.redrive(driver.flow(seen), seen, failure, driver.now, None, None))
        dead = driver.go(driver.claim(again), failed("Boom"))
        assert prune(driver.store, seen).ids == ()
        assert driver.store.get(dead.id) == dead

    def test_a_run_that_is_gone_or_never_was_is_passed_over(self, driver: Driver) -> None:
        gone, done = ended(driver), ended(driver)
        prune(driver.store, gone)
        assert prune(driver.store, gone, done._replace(id="nothing"), done).ids == (done.id,)

    def test_the_runs_that_fit_go_and_the_others_stay_whole(self, driver: Driver) -> None:
        runs = [ended(driver) for _ in range(5)]
        first = prune(driver.store, *runs, rows_max=10)
        assert first.ids == (runs[0].id, runs[1].id)
        assert not first.is_whole
        for run in runs[2:]:
            assert len(list(driver.store.history(run.id))) == run.seq
            assert driver.store.values(run, ["uri"]) == {"uri": '"a.pdf"'}

    def test_a_long_run_goes_at_once_and_its_rows_with_later_calls(self, driver: Driver) -> None:
        long = driver.go(driver.start(LOOP), *[AGAIN] * 60, AGAIN._replace(outcome="success"))
        rows = 1 + long.seq + 61
        first = prune(driver.store, long, rows_max=50)
        assert first == Deleted((long.id,), 50, is_whole=False)
        with pytest.raises(NotFound):
            driver.store.get(long.id)
        later = []
        while True:
            step = driver.store.prune([], rows_max=50)
            later.append(step.rows)
            if step.is_whole:
                break
        assert later == [50, rows - 100]
        assert driver.store.prune([]) == Deleted((), 0, is_whole=True)

    def test_a_long_run_that_is_dropped_is_cleared_by_prunes_to_come(self, driver: Driver) -> None:
        long = driver.go(driver.start(LOOP), *[AGAIN] * 700, AGAIN._replace(outcome="success"))
        assert driver.store.delete([long]) == [long]
        assert driver.store.prune([]) == Deleted((), long.seq + 701 - ROWS_DELETED_MAX, is_whole=True)
        assert driver.store.prune([]) == Deleted((), 0, is_whole=True)

    def test_what_is_left_of_a_long_run_goes_before_the_next_run(self, driver: Driver) -> None:
        long = driver.go(driver.start(LOOP), *[AGAIN] * 60, AGAIN._replace(outcome="success"))
        other = ended(driver)
        prune(driver.store, long, rows_max=50)
        assert prune(driver.store, other, rows_max=50) == Deleted((), 50, is_whole=False)
        assert prune(driver.store, other, rows_max=50).ids == (other.id,)

    def test_a_run_started_while_rows_of_a_deleted_one_are_left_has_none_of_them(self, driver: Driver) -> None:
        long = driver.go(driver.start(LOOP), *[AGAIN] * 60, AGAIN._replace(outcome="success"))
        prune(driver.store, long, rows_max=10)
        fresh = driver.start(LOOP)
        assert [row.transition.seq for row in driver.store.history(fresh.id)] == [1]
        driver.store.prune([])
        assert [row.transition.seq for row in driver.store.history(fresh.id)] == [1]
        assert driver.go(fresh, AGAIN).seq == 2

    def test_a_large_value_counts_for_the_pages_that_it_fills(self, driver: Driver) -> None:
        large = '"' + "x" * 400_000 + '"'
        runs = [driver.go(driver.start(), DONE._replace(value=large)) for _ in range(3)]
        steps = [prune(driver.store, *runs, rows_max=50)]
        while not steps[-1].is_whole:
            steps.append(prune(driver.store, *runs, rows_max=50))
        assert sorted(run_id for step in steps for run_id in step.ids) == [run.id for run in runs]
        assert len(steps) >= len(runs)
        assert all(step.rows < 200 for step in steps)

    def test_no_number_is_given_twice_whatever_is_deleted(self, driver: Driver) -> None:
        given = []
        for _ in range(3):
            runs = [ended(driver) for _ in range(3)]
            given += [run.row for run in runs]
            for run in reversed(runs):
                assert prune(driver.store, run).is_whole
        assert given == sorted(set(given))

    def test_aged_tells_every_run_in_the_order_of_ids_in_pages(self, driver: Driver) -> None:
        runs = [
            driver.start(status="ready"),
            driver.start(),
            driver.go(driver.start(), FETCHED, DRAFTED),
            driver.go(driver.start(), failed("Unavailable", "Transient")),
            ended(driver),
        ]
        page = driver.store.aged("", 3)
        told = [*page, *driver.store.aged(page[-1].id, 3)]
        assert [(one.id, one.workflow, one.state, one.status, one.seq) for one in told] == [
            (run.id, run.workflow, run.state, run.status, run.seq) for run in runs
        ]
        assert [(one.started_at, one.updated_at) for one in told] == [(run.started_at, run.updated_at) for run in runs]
        assert [one.resting for one in told] == [True, False, False, False, False]
        assert [one.idle_since for one in told] == [run.updated_at for run in runs]
        assert not any(one.paused for one in told)

    def test_aged_tells_what_is_paused_and_since_when_it_is_no_more(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        scopes = [("", ""), ("review", ""), ("review", "human"), ("review", "pause"), ("loop", "")]
        told = []
        for number, (workflow, state) in enumerate(scopes, 1):
            driver.store.pause(Pause(workflow, state, False, None, None, driver.now))
            (paused,) = driver.store.aged("", 9)
            driver.store.unpause(workflow, state, driver.now + number)
            (after,) = driver.store.aged("", 9)
            assert not after.paused
            told.append((paused.paused, after.idle_since - driver.now))
        assert told == [(True, 1), (True, 2), (True, 3), (False, 3), (False, 3)]
        assert driver.store.get(run.id).updated_at == driver.now

    def test_the_names_are_those_of_the_saved_workflows(self, driver: Driver) -> None:
        assert driver.store.names() == []
        driver.start(LOOP)
        driver.start()
        driver.start()
        assert driver.store.names() == ["loop", "review"]

    def test_a_deleted_run_with_artifacts_of_many_names_leaves_none(self, driver: Driver) -> None:
        run = driver.start(LOOP)
        decision = driver.decision(run, AGAIN._replace(outcome="success"))
        many = tuple(Artifact(f"a{number}", "1") for number in range(30))
        (done,) = driver.store.commit([decision._replace(artifacts=many)])
        assert done is not None
        assert prune(driver.store, done, rows_max=20).rows == 20
        assert driver.store.prune([]).rows == 1 + done.seq + 30 - 20
