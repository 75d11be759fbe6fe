"""Signals: kept, consumed once, refused for good, and never slept through."""

from typing import Any

import pytest

from fsm.model.run import Kept, Received, Rest, Run
from tests.store.contract_commits import altered
from tests.store.driving import DRAFTED, FETCHED, Driver
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject

BOTH = ("accept", "refuse")


class Signals(Subject):
    def waiting(self, driver: Driver) -> Run:
        return driver.go(driver.start(), FETCHED, DRAFTED)

    def received(self, *signals: Kept) -> Received:
        return Received(signals[-1].name, f'"{signals[-1].payload}"', tuple(one.id for one in signals), "ana")

    def test_a_kept_signal_is_found_with_all_it_carries(self, driver: Driver) -> None:
        run = driver.start()
        sent = driver.signal("accept", {"by": "ana", "ä": [1, None]}, "m1")
        assert driver.store.keep(run, sent)
        (kept,) = driver.store.kept(run, BOTH)
        assert kept.id > 0
        assert kept._replace(id=0) == sent
        assert driver.store.get(run.id) == run

    def test_kept_signals_come_oldest_first_and_only_of_the_names_asked_for(self, driver: Driver) -> None:
        run = driver.start()
        for name in ("accept", "refuse", "accept"):
            driver.store.keep(run, driver.signal(name))
        kept = driver.store.kept(run, BOTH)
        assert [one.name for one in kept] == ["accept", "refuse", "accept"]
        assert [one.id for one in kept] == sorted(one.id for one in kept)
        assert driver.store.kept(run, ["accept"]) == [kept[0], kept[2]]
        assert driver.store.kept(run, []) == []

    def test_signals_belong_to_their_run(self, driver: Driver) -> None:
        run, other = driver.start(), driver.start()
        driver.store.keep(run, driver.signal("accept", message_id="m1"))
        assert driver.store.kept(other, BOTH) == []
        assert driver.store.message(other, "m1") is None
        assert driver.store.keep(other, driver.signal("accept", message_id="m1"))

    def test_a_signal_is_not_kept_for_a_run_that_moved_on(self, driver: Driver) -> None:
        run = driver.start()
        driver.go(run, FETCHED)
        assert not driver.store.keep(run, driver.signal("accept"))
        assert driver.store.kept(run, BOTH) == []

    def test_a_signal_is_not_kept_for_a_run_whose_epoch_or_status_changed(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.release(run, interrupted=False)
        assert not driver.store.keep(run, driver.signal("accept"))
        ready = driver.store.get(run.id)
        driver.claim(ready)
        assert not driver.store.keep(ready, driver.signal("accept"))

    def test_a_message_is_found_by_its_id_consumed_or_not(self, driver: Driver) -> None:
        run = self.waiting(driver)
        driver.store.keep(run, driver.signal("accept", message_id="m1"))
        (kept,) = driver.store.kept(run, BOTH)
        assert driver.store.message(run, "m1") == kept
        run = driver.go(run, self.received(kept))
        assert driver.store.message(run, "m1") == kept
        assert driver.store.message(run, "m2") is None

    def test_a_message_id_is_kept_once(self, driver: Driver) -> None:
        run = driver.start()
        assert driver.store.keep(run, driver.signal("accept", message_id="m1"))
        assert not driver.store.keep(run, driver.signal("accept", message_id="m1"))
        assert len(driver.store.kept(run, BOTH)) == 1

    def test_a_signal_is_not_kept_beside_one_of_its_name_that_the_sender_has_not_seen(self, driver: Driver) -> None:
        run = driver.start()
        assert driver.store.keep(run, driver.signal("accept"), 0)
        (first,) = driver.store.kept(run, BOTH)
        assert not driver.store.keep(run, driver.signal("accept"), 0)
        assert driver.store.keep(run, driver.signal("refuse"), 0)
        assert driver.store.keep(run, driver.signal("accept"), first.id)
        assert driver.store.keep(run, driver.signal("accept"))
        assert [one.name for one in driver.store.kept(run, BOTH)] == ["accept", "refuse", "accept", "accept"]

    def test_a_message_that_was_stored_meanwhile_makes_a_commit_of_the_same_message_late(self, driver: Driver) -> None:
        run = self.waiting(driver)
        fresh = driver.signal("accept", message_id="m1")
        decision = driver.decision(run, Received("accept", '"fine"', (), None))._replace(fresh=fresh)
        assert driver.store.keep(run, fresh)
        assert driver.store.commit([decision]) == [None]
        assert driver.store.get(run.id) == run
        assert len(list(driver.store.history(run.id))) == run.seq

    def test_many_processes_that_send_one_message_store_it_once(self, driver: Driver, opened: Opener) -> None:
        run = driver.start()

        def send(line: Line) -> None:
            store = opened()
            line.send("here")
            line.recv()
            line.send([store.keep(run, Kept(0, "accept", None, n, driver.now, f"m{n}")) for n in range(20)])

        with children(send, send, send) as all_of:
            for child in all_of:
                child.hears()
            for child in all_of:
                child.tell()
            answers = [child.hears() for child in all_of]
        assert [sum(each) for each in zip(*answers, strict=True)] == [1] * 20
        assert len(driver.store.kept(run, BOTH)) == 20

    def test_signals_without_a_message_id_are_all_different(self, driver: Driver) -> None:
        run = driver.start()
        assert driver.store.keep(run, driver.signal("accept"))
        assert driver.store.keep(run, driver.signal("accept"))
        assert len(driver.store.kept(run, BOTH)) == 2

    def test_the_edge_that_consumes_a_signal_takes_it_out_of_the_inbox(self, driver: Driver) -> None:
        run = self.waiting(driver)
        for payload in ("one", "two"):
            driver.store.keep(run, driver.signal("accept", payload))
        first, second = driver.store.kept(run, BOTH)
        run = driver.go(run, self.received(first))
        assert driver.store.kept(run, BOTH) == [second]

    def test_a_commit_that_comes_too_late_consumes_nothing(self, driver: Driver) -> None:
        run = self.waiting(driver)
        driver.store.keep(run, driver.signal("accept"))
        (kept,) = driver.store.kept(run, BOTH)
        late = driver.decision(run, self.received(kept))
        after = driver.go(run, Received("refuse", '"no"', (), None))
        assert driver.store.commit([late]) == [None]
        assert driver.store.kept(after, BOTH) == [kept]

    def test_a_fresh_signal_is_stored_as_consumed_by_its_edge(self, driver: Driver) -> None:
        run = self.waiting(driver)
        fresh = driver.signal("accept", message_id="m1")
        run = driver.commit(driver.decision(run, Received("accept", '"fine"', (), None))._replace(fresh=fresh))
        assert driver.store.kept(run, BOTH) == []
        found = driver.store.message(run, "m1")
        assert found is not None
        assert found._replace(id=0) == fresh

    def test_a_refused_signal_is_looked_at_no_more(self, driver: Driver) -> None:
        run = driver.wake(self.waiting(driver))
        driver.store.keep(run, driver.signal("accept", message_id="m1"))
        (kept,) = driver.store.kept(run, BOTH)
        rest = Rest(driver.now + 9, BOTH, seen=kept.id, refused=(kept.id,))
        run = driver.commit(driver.decision(run, rest))
        assert run.status == "waiting"
        assert driver.store.kept(run, BOTH) == []
        assert driver.store.message(run, "m1") == kept

    def test_a_run_that_comes_to_await_a_signal_it_already_has_is_ready_instead(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        driver.store.keep(run, driver.signal("accept"))
        run = driver.go(run, DRAFTED)
        assert (run.state, run.status) == ("human", "ready")
        assert driver.store.claimable(driver.now) == [run.id]

    def test_a_signal_of_another_name_does_not_keep_a_run_from_waiting(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        driver.store.keep(run, driver.signal("other"))
        assert driver.go(run, DRAFTED).status == "waiting"

    def test_in_a_batch_only_the_run_that_has_its_signal_goes_on(self, driver: Driver) -> None:
        runs = [driver.go(driver.start(), FETCHED) for _ in range(3)]
        driver.store.keep(runs[1], driver.signal("refuse"))
        after = driver.store.commit([driver.decision(run, DRAFTED) for run in runs])
        assert [run and run.status for run in after] == ["waiting", "ready", "waiting"]
        assert [run and driver.store.get(run.id) for run in after] == after

    def test_a_run_rests_when_it_has_seen_all_signals(self, driver: Driver) -> None:
        run = driver.wake(self.waiting(driver))
        driver.store.keep(run, driver.signal("accept"))
        (kept,) = driver.store.kept(run, BOTH)
        run = driver.commit(driver.decision(run, Rest(driver.now + 9, BOTH, seen=kept.id)))
        assert run.status == "waiting"

    def test_a_signal_that_came_after_the_last_look_keeps_a_run_from_resting(self, driver: Driver) -> None:
        run = driver.wake(self.waiting(driver))
        driver.store.keep(run, driver.signal("accept"))
        (seen,) = driver.store.kept(run, BOTH)
        rest = driver.decision(run, Rest(driver.now + 9, BOTH, seen=seen.id))
        driver.store.keep(run, driver.signal("accept"))
        run = driver.commit(rest)
        assert (run.status, run.state) == ("ready", "human")

    @pytest.mark.parametrize("wrong", ["illegal", "late"])
    def test_a_batch_in_which_a_part_is_refused_consumes_the_signals_of_the_rest(
        self, driver: Driver, wrong: str
    ) -> None:
        first, second = self.waiting(driver), self.waiting(driver)
        for run in (first, second):
            driver.store.keep(run, driver.signal("accept"))
        decisions = [driver.decision(run, self.received(*driver.store.kept(run, BOTH))) for run in (first, second)]
        changed: dict[str, Any] = {"target": "done"} if wrong == "illegal" else {"epoch": first.epoch + 1}
        decisions[0] = altered(decisions[0], **changed)
        refused, taken = driver.store.commit(decisions)
        assert refused is None
        assert taken is not None
        assert len(driver.store.kept(first, BOTH)) == 1
        assert driver.store.kept(second, BOTH) == []
