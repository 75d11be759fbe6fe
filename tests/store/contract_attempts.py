"""What an attempt saves on its way: checkpoints and beats, fenced, and forgiving crashes."""

import pytest

from fsm.errors import LeaseLost, UsageError
from fsm.model.run import Rest
from tests.store.driving import AGAIN, FETCHED, LOOP, Driver, failed
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject, crashed


class Attempts(Subject):
    def test_a_checkpoint_is_found_in_its_visit_by_its_name(self, driver: Driver) -> None:
        run = driver.start()
        assert driver.store.checkpoint(run, "half") is None
        driver.store.save_checkpoint(run, "half", '{"a":1}')
        assert driver.store.checkpoint(run, "half") == '{"a":1}'
        assert driver.store.checkpoint(run, "other") is None
        assert driver.store.checkpoint(driver.start(), "half") is None

    def test_checkpoints_outlast_attempts_and_claims(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.save_checkpoint(run, "half", "1")
        run = driver.go(run, failed("Timeout", "Transient"))
        assert driver.store.checkpoint(run, "half") == "1"
        driver.store.release(run, interrupted=True)
        run = driver.claim(run)
        assert driver.store.checkpoint(run, "half") == "1"

    def test_a_new_visit_has_no_checkpoints(self, driver: Driver) -> None:
        run = driver.start(LOOP)
        driver.store.save_checkpoint(run, "half", "1")
        run = driver.go(run, AGAIN)
        assert driver.store.checkpoint(run, "half") is None
        driver.store.save_checkpoint(run, "half", "2")
        assert driver.store.checkpoint(run, "half") == "2"

    def test_a_name_is_saved_once_in_a_visit(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.save_checkpoint(run, "half", "1")
        with pytest.raises(UsageError, match='"half" was saved before in this visit of "fetch"'):
            driver.store.save_checkpoint(run, "half", "2")
        assert driver.store.checkpoint(run, "half") == "1"

    @pytest.mark.parametrize("lost_by", ["edge", "claim", "release", "rest"])
    def test_an_attempt_that_lost_its_run_saves_nothing(self, driver: Driver, lost_by: str) -> None:
        run = driver.start()
        if lost_by == "edge":
            driver.go(run, FETCHED)
        elif lost_by == "rest":
            driver.commit(driver.decision(run, Rest(driver.now + 9)))
        else:
            driver.store.release(run, interrupted=False)
        if lost_by == "claim":
            driver.claim(run)
        before = driver.store.get(run.id)
        with pytest.raises(LeaseLost, match='moved on from attempt 1 of "fetch"'):
            driver.store.save_checkpoint(run, "half", "1")
        with pytest.raises(LeaseLost):
            driver.store.beat(run, '"half"', driver.now)
        assert driver.store.checkpoint(run, "half") is None
        assert driver.store.last_beat(run) is None
        assert driver.store.get(run.id) == before

    def test_the_newest_detail_of_a_visits_beats_is_found(self, driver: Driver) -> None:
        run = driver.start()
        assert driver.store.last_beat(run) is None
        driver.store.beat(run, None, driver.now)
        assert driver.store.last_beat(run) is None
        driver.store.beat(run, '{"done":1}', driver.now)
        driver.store.beat(run, '{"done":2}', driver.now)
        assert driver.store.last_beat(run) == {"done": 2}

    def test_a_beat_without_detail_keeps_the_last_one(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.beat(run, "7", driver.now)
        driver.store.beat(run, None, driver.now)
        assert driver.store.last_beat(run) == 7

    def test_a_new_visit_has_no_beats(self, driver: Driver) -> None:
        run = driver.start(LOOP)
        driver.store.beat(run, "7", driver.now)
        run = driver.go(run, AGAIN)
        assert driver.store.last_beat(run) is None
        driver.store.beat(run, None, driver.now)
        assert driver.store.last_beat(run) is None

    def test_a_checkpoint_forgives_crashes(self, driver: Driver, opened: Opener) -> None:
        run = crashed(driver, opened)
        driver.store.save_checkpoint(run, "half", "1")
        after = driver.store.get(run.id)
        assert (after.crashes, after.interrupted) == (0, True)

    def test_a_beat_with_new_detail_forgives_crashes(self, driver: Driver, opened: Opener) -> None:
        run = crashed(driver, opened)
        driver.store.beat(run, "7", driver.now)
        assert driver.store.get(run.id).crashes == 0

    def test_a_beat_that_tells_nothing_new_forgives_nothing(self, driver: Driver, opened: Opener) -> None:
        run = driver.start(status="ready")

        def tell(line: Line) -> None:
            own = Driver(opened())
            claimed = own.claim(run)
            own.store.beat(claimed, "7", own.now)
            line.send("told")
            line.recv()

        with children(tell) as (child,):
            child.hears()
        claimed = driver.claim(run)
        driver.store.beat(claimed, None, driver.now)
        driver.store.beat(claimed, "7", driver.now)
        assert driver.store.get(run.id).crashes == 1
        driver.store.beat(claimed, "8", driver.now)
        assert driver.store.get(run.id).crashes == 0
