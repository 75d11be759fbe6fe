"""Pauses: what is held back is claimed by nobody and crosses no edge, from the moment that the pause is committed."""

import pytest

from fsm.kernel import moves
from fsm.model.pause import PastPause, Pause
from fsm.model.run import PERSON, Received, Rest, Run
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver, failed
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject, crashed

BOTH = ("accept", "refuse")
SCOPES = [("", ""), ("review", ""), ("review", "fetch")]
ELSEWHERE = [("loop", ""), ("loop", "fetch"), ("review", "draft"), ("Review", ""), ("review", "Fetch")]
SIGNALLED = Received("accept", '"fine"', (), "ana")


def paused(driver: Driver, workflow: str = "", state: str = "", *, stops_actions: bool = False) -> Pause:
    driver.now += 1
    pause = Pause(workflow, state, stops_actions, "ana", "the carrier is down", driver.now)
    driver.store.pause(pause)
    return pause


class Pauses(Subject):
    def signalled(self, driver: Driver) -> Run:
        """Return a run that waits for a signal, which came while it was paused."""
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        assert driver.store.keep(run, driver.signal("accept"), paused=True)
        assert driver.store.get(run.id) == run
        return run

    # -- what is paused

    def test_nothing_is_paused_at_first(self, driver: Driver) -> None:
        assert (driver.store.pauses(), driver.store.past_pauses()) == ([], [])

    def test_what_is_paused_is_told_with_who_and_why(self, driver: Driver, opened: Opener) -> None:
        made = [paused(driver, "review", "fetch", stops_actions=True), paused(driver), paused(driver, "loop")]
        assert driver.store.pauses() == opened().pauses() == [made[1], made[2], made[0]]

    def test_a_pause_takes_the_place_of_one_of_the_same(self, driver: Driver) -> None:
        first = paused(driver, "review")
        second = paused(driver, "review", stops_actions=True)
        assert driver.store.pauses() == [second]
        assert [over.pause for over in driver.store.past_pauses()] == [first]

    def test_a_pause_that_is_over_is_kept_with_who_ended_it_and_why(self, driver: Driver) -> None:
        made = paused(driver, "review", "fetch", stops_actions=True)
        ended = driver.store.unpause("review", "fetch", driver.now + 5, actor="bo", reason="mended")
        assert ended == made
        assert driver.store.pauses() == []
        assert driver.store.past_pauses() == [PastPause(made, driver.now + 5, "bo", "mended")]

    @pytest.mark.parametrize("other", [("", ""), ("review", ""), ("loop", "fetch"), ("review", "draft")])
    def test_only_exactly_what_is_paused_can_be_unpaused(self, driver: Driver, other: tuple[str, str]) -> None:
        made = paused(driver, "review", "fetch")
        assert driver.store.unpause(*other, driver.now) is None
        assert driver.store.pauses() == [made]
        assert driver.store.past_pauses() == []

    def test_the_names_and_states_of_saved_workflows_are_known(self, driver: Driver) -> None:
        assert (driver.store.names(), driver.store.states("review")) == ([], set())
        driver.new()
        driver.new(LOOP)
        assert driver.store.names() == ["loop", "review"]
        assert driver.store.states("loop") == {"turn", "done"}
        assert "" not in driver.store.states("review")

    # -- claims

    @pytest.mark.parametrize("scope", SCOPES)
    def test_a_run_that_is_paused_can_not_be_claimed_until_it_is_unpaused(
        self, driver: Driver, scope: tuple[str, str]
    ) -> None:
        run = driver.start(status="ready")
        made = paused(driver, *scope)
        assert made.covers(run)
        assert driver.store.claimable(driver.now, delayed=True) == []
        assert driver.store.claim(run.id, driver.now) is None
        assert driver.store.get(run.id) == run
        driver.store.unpause(*scope, driver.now)
        assert driver.store.claimable(driver.now) == [run.id]
        driver.claim(run)

    @pytest.mark.parametrize("scope", ELSEWHERE)
    def test_a_pause_of_something_else_holds_nothing_back(self, driver: Driver, scope: tuple[str, str]) -> None:
        run = driver.start(status="ready")
        assert not paused(driver, *scope).covers(run)
        assert driver.store.claimable(driver.now) == [run.id]
        assert driver.go(driver.claim(run), failed("Timeout", "Transient")).status == "running"

    def test_of_two_pauses_both_have_to_end(self, driver: Driver) -> None:
        run = driver.start(status="ready")
        paused(driver)
        paused(driver, "review")
        driver.store.unpause("", "", driver.now)
        assert driver.store.claim(run.id, driver.now) is None
        driver.store.unpause("review", "", driver.now)
        driver.claim(run)

    def test_clocks_run_on_and_what_is_due_can_be_claimed_after_the_pause(self, driver: Driver) -> None:
        run = driver.go(driver.start(), failed("Unavailable", "Transient"))
        assert run.due_at is not None
        paused(driver)
        assert driver.store.claimable(run.due_at, delayed=True) == []
        assert driver.store.claim(run.id, run.due_at) is None
        driver.store.unpause("", "", driver.now)
        assert driver.wake(run).attempt == 2

    def test_a_run_that_a_dead_process_left_is_not_taken_over_while_it_is_paused(
        self, driver: Driver, opened: Opener
    ) -> None:
        def hold(line: Line) -> None:
            line.send(Driver(opened()).start().id)
            line.recv()

        with children(hold) as (child,):
            run_id = child.hears()
            paused(driver, "review")
            child.kill()
            assert driver.store.claimable(driver.now) == []
            assert driver.store.claim(run_id, driver.now) is None
        assert driver.store.get(run_id).crashes == 0
        driver.store.unpause("review", "", driver.now)
        assert driver.claim(driver.store.get(run_id)).crashes == 1

    def test_the_runs_that_only_a_pause_holds_back_are_counted(self, driver: Driver) -> None:
        ready, due = driver.start(status="ready"), driver.go(driver.start(), failed("Unavailable", "Transient"))
        driver.start(LOOP, status="ready")
        driver.go(driver.start(), FETCHED, DRAFTED)
        assert due.due_at is not None
        assert driver.store.held_back(due.due_at) == 0
        paused(driver, "review", "fetch")
        assert driver.store.held_back(due.due_at - 1) == 1
        assert driver.store.held_back(due.due_at) == 2
        driver.claim(driver.start(LOOP, status="ready"))
        driver.store.unpause("review", "fetch", driver.now)
        driver.claim(ready)
        paused(driver)
        assert driver.store.held_back(due.due_at) == 2

    # -- commits

    @pytest.mark.parametrize("scope", [("", ""), ("review", ""), ("review", "draft")])
    def test_a_result_that_comes_back_is_committed_and_the_run_goes_no_further(
        self, driver: Driver, opened: Opener, scope: tuple[str, str]
    ) -> None:
        run = driver.start()
        paused(driver, *scope)
        after = driver.go(run, FETCHED)
        assert (after.state, after.status, after.seq) == ("draft", "ready", run.seq + 1)
        assert driver.store.values(after, ["document"]) == {"document": '"a page"'}
        assert not opened().held(after.id)
        assert opened().claim(after.id, driver.now) is None
        driver.store.unpause(*scope, driver.now)
        claimed = driver.claim(after)
        assert (claimed.crashes, claimed.interrupted, claimed.attempt) == (0, False, 1)
        assert driver.go(claimed, DRAFTED).state == "human"

    def test_a_run_leaves_a_state_that_is_paused_by_the_edge_of_its_result_and_goes_on(self, driver: Driver) -> None:
        run = driver.start()
        paused(driver, "review", "fetch")
        assert driver.go(run, FETCHED).status == "running"

    def test_a_retry_in_a_paused_state_is_recorded_and_not_begun(self, driver: Driver) -> None:
        run = driver.start()
        paused(driver, "review", "fetch")
        after = driver.go(run, failed("Timeout", "Transient"))
        assert (after.state, after.status, after.attempt) == ("fetch", "ready", 2)

    def test_an_end_and_a_rest_are_what_they_are_though_everything_is_paused(self, driver: Driver) -> None:
        ending, resting = driver.start(), driver.go(driver.start(), FETCHED)
        paused(driver)
        assert driver.go(ending, failed("Refused")).status == "failed"
        assert driver.go(resting, DRAFTED).status == "waiting"

    def test_in_a_batch_only_what_is_paused_goes_no_further(self, driver: Driver) -> None:
        reviews, loops = [driver.start() for _ in range(2)], [driver.start(LOOP) for _ in range(2)]
        paused(driver, "loop", "turn")
        batch = [driver.decision(run, FETCHED) for run in reviews] + [driver.decision(run, AGAIN) for run in loops]
        after = [run for run in driver.store.commit(batch) if run is not None]
        assert [run.status for run in after] == ["running", "running", "ready", "ready"]
        assert [driver.store.get(run.id) for run in after] == after
        assert [driver.store.held(run.id) for run in after] == [True, True, False, False]

    def test_a_run_is_born_but_not_begun_where_its_first_state_is_paused(self, driver: Driver, opened: Opener) -> None:
        paused(driver, "review", "fetch")
        run = driver.start()
        assert (run.state, run.status, run.seq) == ("fetch", "ready", 1)
        assert driver.store.get(run.id) == run
        assert not opened().held(run.id)
        assert driver.start(LOOP).status == "running"

    def test_a_held_run_can_still_save_what_it_did(self, driver: Driver) -> None:
        run = driver.start()
        paused(driver)
        driver.store.save_checkpoint(run, "half", "1")
        driver.store.beat(run, '"half"', driver.now)
        assert driver.store.checkpoint(run, "half") == "1"

    def test_operators_moves_work_on_what_is_paused(self, driver: Driver) -> None:
        dead = driver.go(driver.start(), failed("Boom"))
        running = driver.start()
        asking = driver.commit(driver.decision(driver.go(driver.start(), FETCHED), Rest(None, PERSON)))
        paused(driver)
        assert driver.commit(moves.cancel(running, driver.now, "ana", None)).status == "cancelled"
        failure = driver.store.last_failure(dead)
        assert driver.commit(moves.redrive(driver.flow(dead), dead, failure, driver.now, "ana", None)).status == "ready"
        values = driver.values(asking)
        done = moves.complete(driver.flow(asking), asking, None, "success", '"x"', driver.now, "ana", None, values)
        assert driver.commit(done).status == "waiting"

    # -- signals

    def test_a_signal_moves_no_run_out_of_a_paused_state(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        decision = driver.decision(run, SIGNALLED)._replace(fresh=driver.signal("accept", message_id="m"))
        paused(driver, "review", "human")
        assert driver.store.commit([decision]) == [None]
        assert driver.store.get(run.id) == run
        assert driver.store.message(run, "m") is None

    def test_in_a_batch_a_signal_that_is_held_back_hinders_no_other(self, driver: Driver) -> None:
        run, other = driver.go(driver.start(), FETCHED, DRAFTED), driver.start(LOOP)
        held = driver.decision(run, SIGNALLED)._replace(fresh=driver.signal("accept"))
        paused(driver, "review")
        refused, taken = driver.store.commit([held, driver.decision(other, AGAIN)])
        assert refused is None
        assert taken is not None

    def test_a_signal_is_kept_for_a_pause_only_while_that_lasts(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        assert not driver.store.keep(run, driver.signal("accept"), paused=True)
        paused(driver, "loop")
        assert not driver.store.keep(run, driver.signal("accept"), paused=True)
        assert driver.store.kept(run, BOTH) == []
        paused(driver, "review", "human")
        assert driver.store.keep(run, driver.signal("accept"), paused=True)

    @pytest.mark.parametrize("scope", [("", ""), ("review", ""), ("review", "human")])
    def test_the_end_of_a_pause_wakes_the_runs_whose_signal_came_meanwhile(
        self, driver: Driver, scope: tuple[str, str]
    ) -> None:
        quiet = driver.go(driver.start(), FETCHED, DRAFTED)
        paused(driver, *scope)
        run = self.signalled(driver)
        assert driver.store.claimable(driver.now) == []
        driver.store.unpause(*scope, driver.now)
        assert driver.store.claimable(driver.now) == [run.id]
        assert driver.store.get(run.id).status == "ready"
        assert driver.store.get(quiet.id) == quiet

    def test_the_end_of_one_of_two_pauses_lets_nothing_go_on(self, driver: Driver) -> None:
        paused(driver)
        paused(driver, "review", "human")
        self.signalled(driver)
        driver.store.unpause("review", "human", driver.now)
        assert driver.store.claimable(driver.now) == []
        driver.store.unpause("", "", driver.now)
        assert len(driver.store.claimable(driver.now)) == 1

    def test_a_signal_that_the_run_does_not_await_or_has_used_wakes_nothing(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        asking = driver.commit(driver.decision(driver.go(driver.start(), FETCHED), Rest(None, PERSON)))
        paused(driver)
        assert driver.store.keep(run, driver.signal("other"), paused=True)
        for name in ("accept", *PERSON):
            assert driver.store.keep(asking, driver.signal(name), paused=True)
        driver.store.unpause("", "", driver.now)
        assert [driver.store.get(one.id).status for one in (run, asking)] == ["waiting", "waiting"]

    # -- between processes

    def test_no_edge_follows_the_one_in_flight_in_any_process(self, driver: Driver, opened: Opener) -> None:
        """Each child crosses edges as fast as it can; none of them begins another state once the pause is returned."""

        def turn(line: Line) -> None:
            own = Driver(opened())
            run = own.start(LOOP)
            line.send((run.id, run.seq))
            while run.status == "running":
                run = own.go(run, AGAIN)
            line.send(run.seq)

        with children(turn, turn, turn) as all_of:
            ids = [child.hears()[0] for child in all_of]
            paused(driver, "loop")
            reached = [driver.store.get(run_id).seq for run_id in ids]
            for child, before in zip(all_of, reached, strict=True):
                assert child.hears() - before <= 1
                assert child.ended() == 0
        driver.store.unpause("loop", "", driver.now)
        assert driver.store.claimable(driver.now) == sorted(ids)

    def test_a_crash_under_a_pause_is_no_crash_of_the_run_that_the_pause_put_to_rest(
        self, driver: Driver, opened: Opener
    ) -> None:
        run = crashed(driver, opened)
        paused(driver, "review", "draft")
        assert driver.go(run, FETCHED).crashes == 0
        driver.store.unpause("review", "draft", driver.now)
        assert driver.claim(run).crashes == 0
