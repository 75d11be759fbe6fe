"""Edges are committed whole, from the seq and epoch they name, along declared edges only."""

from typing import Any

import pytest

from fsm.errors import IllegalTransition
from fsm.model.run import Chose, Decision, Elapsed, Received, Rest
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver, failed
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject

NOTHING = FETCHED._replace(outcome="nothing")


def altered(decision: Decision, **changed: Any) -> Decision:
    """Return a decision whose ledger row says something else than the kernel decided."""
    assert decision.transition is not None
    return decision._replace(
        transition=decision.transition._replace(**changed),
        run=decision.run._replace(**{name: changed[name] for name in ("status", "seq", "epoch") if name in changed}),
    )


class Commits(Subject):
    def test_an_edge_moves_the_run_and_writes_ledger_and_artifact(self, driver: Driver) -> None:
        started = driver.start()
        run = driver.go(started, FETCHED)
        assert (run.state, run.status, run.seq, run.visit, run.visits) == ("draft", "running", 2, 2, {"draft": 1})
        assert run.head != started.head
        first, second = (written.transition for written in driver.store.history(run.id))
        assert (first.source, first.event, first.target) == ("", "start", "fetch")
        assert (second.source, second.event, second.target, second.hash) == ("fetch", "success", "draft", run.head)
        assert driver.store.values(run, ["document", "uri"]) == {"document": '"a page"', "uri": '"a.pdf"'}

    def test_whatever_happens_the_run_that_is_returned_is_the_run_that_is_stored(self, driver: Driver) -> None:
        """`Driver.commit` and `Driver.claim` compare the two each time."""
        run = driver.go(driver.start(), failed("Timeout", "Transient", interrupted=True))
        assert (run.status, run.attempt, run.interrupted, run.tries) == ("running", 2, True, {"1": 1})
        run = driver.go(run, failed("Unavailable"))
        assert (run.status, run.attempt, run.interrupted, run.tries) == ("waiting", 3, True, {"1": 1, "2": 1})
        run = driver.go(driver.wake(run), FETCHED)
        run = driver.commit(driver.decision(run, Rest(None)))
        run = driver.go(driver.claim(run), DRAFTED)
        run = driver.go(run, Received("refuse", '"no"', (), "ana"))
        run = driver.go(driver.claim(run), DRAFTED, Received("accept", '"fine"', (), "ben"))
        assert (run.state, run.status, run.visits, run.interrupted) == ("pause", "waiting", {"draft": 2}, False)
        run = driver.go(driver.wake(run), Elapsed(), Chose(1))
        assert (run.state, run.status, run.output) == ("done", "succeeded", "a page")

    def test_a_failed_run_keeps_its_reason_and_a_dead_one_its_error(self, driver: Driver) -> None:
        refused = driver.go(driver.start(), failed("Refused"))
        dead = driver.go(driver.start(), failed("Boom"))
        assert (refused.state, refused.status, refused.reason) == ("rejected", "failed", "refused")
        assert (dead.state, dead.status, dead.reason) == ("lost", "dead", "Boom: it broke")
        assert '"state":"fetch"' in driver.store.values(dead, ["error"])["error"]

    def test_a_fault_leaves_the_run_dead_where_it_stands(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        decision = driver.decision(run, failed("Boom"))
        fault = altered(decision, event="fault", target="draft", visit=run.visit, visits=None)
        dead = driver.store.commit([fault])[0]
        assert dead is not None
        stored = driver.store.get(run.id)
        assert (stored.state, stored.status, stored.seq, stored.visit) == ("draft", "dead", 3, run.visit)

    def test_a_second_commit_from_the_same_seq_comes_too_late(self, driver: Driver) -> None:
        run = driver.start()
        once, again = driver.decision(run, FETCHED), driver.decision(run, NOTHING)
        after = driver.commit(once)
        assert driver.store.commit([again]) == [None]
        assert driver.store.commit([once]) == [None]
        assert driver.store.get(run.id) == after
        assert len(list(driver.store.history(run.id))) == 2

    def test_a_commit_ahead_of_the_run_is_refused_too(self, driver: Driver) -> None:
        run = driver.start()
        ahead = altered(driver.decision(run, FETCHED), seq=3)
        assert driver.store.commit([ahead]) == [None]
        assert driver.store.get(run.id) == run

    def test_a_commit_of_an_older_epoch_comes_too_late_and_writes_nothing(self, driver: Driver) -> None:
        run = driver.start()
        late = driver.decision(run, FETCHED)
        driver.store.release(run, interrupted=True)
        taken = driver.claim(run)
        assert driver.store.commit([late]) == [None]
        assert driver.store.get(run.id) == taken
        assert driver.store.values(run, ["document"]) == {}
        assert driver.go(taken, FETCHED).state == "draft"

    def test_a_commit_of_an_epoch_to_come_is_refused(self, driver: Driver) -> None:
        run = driver.start()
        assert driver.store.commit([altered(driver.decision(run, FETCHED), epoch=2)]) == [None]
        assert driver.store.get(run.id) == run

    def test_a_rest_of_an_older_epoch_or_seq_comes_too_late(self, driver: Driver) -> None:
        run = driver.start()
        late = driver.decision(run, Rest(driver.now + 1))
        driver.go(run, FETCHED)
        assert driver.store.commit([late]) == [None]
        run = driver.start()
        late = driver.decision(run, Rest(driver.now + 1))
        driver.store.release(run, interrupted=False)
        taken = driver.claim(run)
        assert driver.store.commit([late]) == [None]
        assert driver.store.get(run.id) == taken

    @pytest.mark.parametrize(
        "changed",
        [
            {"target": "human"}, {"target": "done"}, {"event": "success:nothing"}, {"event": "success:other"},
            {"event": "start"}, {"event": "elapsed"}, {"event": "error:Boom"}, {"event": "retry:3", "target": "fetch"},
            {"source": "draft"}, {"source": ""}, {"status": "succeeded"}, {"status": "dead"}, {"status": "cancelled"},
            {"target": "nowhere"}, {"event": "signal:accept"}, {"event": "rewind"},
        ],
        ids=str,
    )  # fmt: skip
    def test_an_undeclared_edge_is_an_illegal_transition_and_changes_nothing(
        self, driver: Driver, changed: dict[str, Any]
    ) -> None:
        run = driver.start()
        with pytest.raises(IllegalTransition) as raised:
            driver.store.commit([altered(driver.decision(run, FETCHED), **changed)])
        assert raised.value.event == changed.get("event", "success")
        assert driver.store.get(run.id) == run
        assert driver.store.values(run, ["document"]) == {}
        assert len(list(driver.store.history(run.id))) == 1
        driver.go(run, FETCHED)

    @pytest.mark.parametrize("status", ["running", "ready", "waiting", "failed", "dead"])
    def test_an_edge_to_an_end_must_end_the_run_as_that_end_says(self, driver: Driver, status: str) -> None:
        run = driver.start()
        decision = altered(driver.decision(run, NOTHING), status=status, due_at=driver.now)
        with pytest.raises(IllegalTransition):
            driver.store.commit([decision])
        assert driver.store.get(run.id) == run

    def test_no_edge_leads_on_from_an_ended_run(self, driver: Driver) -> None:
        run = driver.start()
        ended = driver.go(run, NOTHING)
        for forged in (ended, ended._replace(status="running"), ended._replace(state="fetch", status="running")):
            decision = driver.decision(forged._replace(state="fetch"), FETCHED)
            with pytest.raises(IllegalTransition):
                driver.store.commit([decision])
        assert driver.store.get(run.id) == ended

    def test_a_batch_commits_what_is_legal_and_answers_none_for_the_rest(self, driver: Driver) -> None:
        runs = [driver.start() for _ in range(5)]
        decisions = [driver.decision(run, FETCHED) for run in runs]
        driver.store.release(runs[1], interrupted=False)
        driver.claim(runs[1])
        decisions[3] = altered(decisions[3], target="human")
        before = [driver.store.get(run.id) for run in runs]
        after = driver.store.commit(decisions)
        assert [run and run.state for run in after] == ["draft", None, "draft", None, "draft"]
        for place, run in enumerate(after):
            stored = driver.store.get(runs[place].id)
            assert stored == (run or before[place])
            assert driver.store.values(stored, ["document"]) == ({"document": '"a page"'} if run else {})

    def test_a_batch_may_mix_edges_rests_and_ends(self, driver: Driver) -> None:
        going, resting, ending, waiting = (driver.start() for _ in range(4))
        after = driver.store.commit([
            driver.decision(going, FETCHED), driver.decision(resting, Rest(driver.now + 5)),
            driver.decision(ending, NOTHING), driver.decision(waiting, failed("Unavailable")),
        ])  # fmt: skip
        assert [run and run.status for run in after] == ["running", "waiting", "succeeded", "waiting"]
        assert [run and driver.store.get(run.id) for run in after] == after

    def test_a_batch_of_256_is_one_commit(self, driver: Driver) -> None:
        runs = [driver.start(LOOP) for _ in range(256)]
        after = driver.store.commit([driver.decision(run, AGAIN) for run in runs])
        assert all(run is not None and run.seq == 2 for run in after)

    def test_an_empty_batch_commits_nothing(self, driver: Driver) -> None:
        assert driver.store.commit([]) == []

    def test_a_run_read_through_another_store_object_is_committed_through_this_one(
        self, driver: Driver, opened: Opener
    ) -> None:
        run = Driver(opened()).start()
        assert Driver(driver.store).go(run, FETCHED).state == "draft"

    def test_a_resting_run_is_held_no_more_and_keeps_what_was_interrupted(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.release(run, interrupted=True)
        resting = driver.commit(driver.decision(driver.claim(run), Rest(driver.now + 5)))
        assert (resting.status, resting.due_at, resting.interrupted) == ("waiting", driver.now + 4, True)
        assert not driver.store.held(run.id)

    def test_a_rest_without_an_end_leaves_the_run_ready(self, driver: Driver) -> None:
        run = driver.commit(driver.decision(driver.start(), Rest(None)))
        assert driver.store.claimable(driver.now) == [run.id]

    def test_of_two_processes_on_one_run_exactly_one_crosses_each_edge(self, driver: Driver, opened: Opener) -> None:
        run = driver.start(LOOP)

        def race(line: Line) -> None:
            own = Driver(opened())
            while given := line.recv():
                own.now = given.updated_at
                line.send(own.store.commit([own.decision(given, AGAIN)])[0])

        with children(race, race) as both:
            for seq in range(2, 102):
                for child in both:
                    child.tell(run)
                (after,) = [one for one in [child.hears() for child in both] if one is not None]
                assert after.seq == seq
                assert after == driver.store.get(run.id)
                run = after
            for child in both:
                child.tell()
                assert child.ended() == 0
        assert [row.transition.seq for row in driver.store.history(run.id)] == list(range(1, 102))
