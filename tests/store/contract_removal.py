"""Deleting runs: whole, only what has ended, and never so that a new run takes the place of an old one."""

import pytest

from fsm.errors import NotFound
from fsm.kernel import moves
from fsm.model.run import Run
from fsm.store.answers import Dropped
from tests.store.driving import FETCHED, Driver, failed
from tests.store.subject import Subject


class Removal(Subject):
    def ended(self, driver: Driver, key: str | None = None) -> Run:
        return driver.go(driver.start(key=key), FETCHED, failed("Boom"))

    def test_a_deleted_run_leaves_nothing_behind(self, driver: Driver) -> None:
        run = driver.start(key="a")
        driver.store.save_checkpoint(run, "half", "1")
        driver.store.beat(run, '"far"', driver.now)
        driver.store.keep(run, driver.signal("accept", message_id="m"))
        dead = driver.go(run, FETCHED, failed("Boom"))
        assert driver.store.delete([dead]) == [dead]
        with pytest.raises(NotFound):
            driver.store.get(dead.id)
        assert driver.store.find("review", "a") is None
        assert driver.store.values(dead, ["uri", "document"]) == {}
        assert driver.store.values_at(dead, ["uri"], 0) == {}
        assert driver.store.visited(dead) == {}
        assert driver.store.message(dead, "m") is None
        assert driver.store.kept(dead, ["accept"]) == []
        assert driver.store.checkpoint(run, "half") is None
        assert driver.store.last_beat(run) is None
        assert driver.store.dropped(dead.id) is None

    def test_only_the_runs_that_were_named_go(self, driver: Driver) -> None:
        gone, kept = self.ended(driver), self.ended(driver)
        driver.store.delete([gone])
        assert driver.store.get(kept.id) == kept
        assert driver.store.values(kept, ["document"]) == {"document": '"a page"'}
        assert len(list(driver.store.history(kept.id))) == 3

    def test_a_live_run_stays(self, driver: Driver) -> None:
        live = [driver.start(), driver.start(status="ready"), driver.go(driver.start(), FETCHED)]
        assert driver.store.delete(live) == []
        assert [driver.store.get(run.id) for run in live] == live

    def test_a_run_that_moved_on_since_it_was_looked_at_stays(self, driver: Driver) -> None:
        seen = self.ended(driver)
        failure = driver.store.last_failure(seen)
        again = driver.commit(moves.redrive(driver.flow(seen), seen, failure, driver.now, None, None))
        dead = driver.go(driver.claim(again), failed("Boom"))
        assert driver.store.delete([seen]) == []
        assert driver.store.get(dead.id) == dead

    def test_deleting_twice_does_nothing_more(self, driver: Driver) -> None:
        dead = self.ended(driver)
        assert driver.store.delete([dead]) == [dead]
        assert driver.store.delete([dead]) == []

    def test_who_drops_a_run_and_why_is_kept(self, driver: Driver) -> None:
        dead, live = self.ended(driver), driver.start()
        left = Dropped(driver.now, "ana", "a test order")
        assert driver.store.delete([dead, live], left) == [dead]
        assert driver.store.dropped(dead.id) == left._replace(run_id=dead.id)
        assert driver.store.dropped(dead.id[:-1].lower()) == left._replace(run_id=dead.id)
        assert driver.store.dropped(live.id) is None

    def test_the_key_of_a_deleted_run_is_free(self, driver: Driver) -> None:
        dead = self.ended(driver, "a")
        driver.store.delete([dead])
        assert driver.start(key="a").id != dead.id

    def test_a_late_write_for_a_deleted_run_never_lands_on_a_new_one(self, driver: Driver) -> None:
        """The newest run's place in the store must not be given to the next one: it has the same epoch and seq."""
        old = driver.start()
        late = driver.decision(old, FETCHED)
        ended = driver.commit(moves.cancel(old, driver.now, None, None))
        driver.store.delete([ended])
        new = driver.start()
        assert (new.seq, new.epoch, new.state) == (old.seq, old.epoch, old.state)
        assert driver.store.commit([late]) == [None]
        driver.store.release(old, interrupted=True)
        assert driver.store.get(new.id) == new
