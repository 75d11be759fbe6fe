"""A worker is given many runs at once: of all workflows in turn, by priority and age, suspects by themselves."""

from collections.abc import Collection

import pytest

from fsm.model.pause import Pause
from fsm.model.run import Received, Run, Status
from fsm.store import Store
from fsm.store.answers import Claimed
from tests.store.driving import DRAFTED, FETCHED, LOOP, REVIEW, Driver, failed
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject

OTHER = LOOP.replace("workflow: loop", "workflow: other")
THIRD = LOOP.replace("workflow: loop", "workflow: third")
UNAVAILABLE = failed("Unavailable", "Transient")


def claim_some(
    driver: Driver, limit: int = 100, *, alone: bool = True, after: str = "", dead: bool = False,
    unable: Collection[tuple[str, str]] = (),
) -> Claimed:  # fmt: skip
    """Claim as a worker does, and prove that what it is given is what the store holds."""
    claimed = driver.store.claim_some(
        limit, driver.now, alone=alone, after=after, unable=unable, look_for_dead=dead
    )  # fmt: skip
    for run in claimed.runs:
        assert run == driver.store.get(run.id)
        assert run.status == "running"
        assert driver.store.held(run.id, driver.now)
    return claimed


def ids(runs: Collection[Run]) -> list[str]:
    return [run.id for run in runs]


def die_holding(driver: Driver, opened: Opener, *runs: Run) -> None:
    """Let a process die that has claimed runs."""

    def hold(line: Line) -> None:
        own = Driver(opened(), driver.now)
        line.send([own.claim(run).id for run in runs])
        line.recv()

    with children(hold) as (child,):
        child.hears()


class Crowds(Subject):
    def many(self, driver: Driver, text: str, count: int, status: Status = "ready", priority: int = 0) -> list[Run]:
        return [driver.start(text, status=status, priority=priority) for _ in range(count)]

    # -- which are given

    def test_what_is_ready_and_what_is_due_is_given_and_nothing_else(self, driver: Driver) -> None:
        due = driver.go(driver.start(), UNAVAILABLE)
        later = driver.go(driver.start(), UNAVAILABLE)
        driver.go(driver.start(), FETCHED, DRAFTED)
        driver.go(driver.start(), failed("Boom"))
        held = driver.start()
        ready = driver.start(status="ready")
        assert due.due_at is not None
        assert later.due_at is not None
        driver.now = due.due_at
        claimed = claim_some(driver, dead=True)
        assert sorted(ids(claimed.runs)) == sorted([due.id, ready.id])
        assert not claimed.suspects
        assert driver.store.get(held.id) == held
        assert claim_some(driver, dead=True).runs == []
        driver.now = later.due_at
        (run,) = claim_some(driver).runs
        assert (run.id, run.attempt, run.due_at, run.awaits) == (later.id, 2, None, ())

    def test_nothing_there_is_nothing_given_and_the_turn_stays(self, driver: Driver) -> None:
        assert claim_some(driver, after="loop") == Claimed([], suspects=False, last="loop")

    def test_a_limit_holds_and_the_older_ones_go_first(self, driver: Driver) -> None:
        runs = self.many(driver, LOOP, 5)
        assert ids(claim_some(driver, 3).runs) == ids(runs[:3])
        assert ids(claim_some(driver, 3).runs) == ids(runs[3:])

    def test_a_higher_priority_goes_first_whatever_its_age(self, driver: Driver) -> None:
        low, middle, high, high_too = (driver.start(LOOP, status="ready", priority=p) for p in (-1, 0, 7, 7))
        taken = [claim_some(driver, 1).runs[0] for _ in range(4)]
        assert ids(taken) == ids([high, high_too, middle, low])
        assert [run.priority for run in taken] == [7, 7, 0, -1]

    def test_a_priority_counts_for_what_is_due_too(self, driver: Driver) -> None:
        low = driver.go(driver.start(priority=1), UNAVAILABLE)
        high = driver.go(driver.start(priority=2), UNAVAILABLE)
        ready = driver.start(status="ready")
        assert high.due_at is not None
        driver.now = high.due_at
        assert ids([claim_some(driver, 1).runs[0] for _ in range(2)]) in ([high.id, low.id], [low.id, high.id])
        assert ids(claim_some(driver, 1).runs) == [ready.id]

    def test_workflows_are_served_in_turn_however_many_runs_each_has(self, driver: Driver) -> None:
        loops = self.many(driver, LOOP, 50, priority=9)
        others, thirds = self.many(driver, OTHER, 2), self.many(driver, THIRD, 1)
        claimed = claim_some(driver, 6)
        names = sorted(run.workflow for run in claimed.runs)
        assert names == ["loop", "loop", "loop", "other", "other", "third"]
        assert {run.id for run in claimed.runs} == {*ids(loops[:3]), *ids(others), *ids(thirds)}

    def test_the_turn_goes_on_behind_the_workflow_that_was_served_last(self, driver: Driver) -> None:
        for text in (LOOP, OTHER, THIRD):
            self.many(driver, text, 3)
        served, after = [], ""
        for _ in range(6):
            claimed = claim_some(driver, 1, after=after)
            after = claimed.last
            served.append(claimed.runs[0].workflow)
        assert served == ["loop", "other", "third", "loop", "other", "third"]

    def test_what_the_caller_cannot_perform_is_left_to_others(self, driver: Driver) -> None:
        loop, other = driver.start(LOOP, status="ready"), driver.start(OTHER, status="ready")
        waiting = driver.go(driver.start(), UNAVAILABLE)
        assert waiting.due_at is not None
        driver.now = waiting.due_at
        unable = {(loop.digest, "turn"), (waiting.digest, "fetch"), (other.digest, "done")}
        assert ids(claim_some(driver, unable=unable).runs) == [other.id]
        assert sorted(ids(claim_some(driver).runs)) == sorted([loop.id, waiting.id])

    def test_a_state_that_cannot_be_performed_hides_no_other_state_of_its_workflow(self, driver: Driver) -> None:
        stuck = [driver.start(status="ready") for _ in range(3)]
        further = driver.go(driver.start(status="ready"), FETCHED)
        assert (further.status, further.state) == ("ready", "draft")
        assert ids(claim_some(driver, 1, unable=[(stuck[0].digest, "fetch")]).runs) == [further.id]

    def test_a_run_that_is_shunned_is_left_out(self, driver: Driver, opened: Opener) -> None:
        runs = [*self.many(driver, LOOP, 3), driver.go(driver.start(), UNAVAILABLE)]
        assert runs[3].due_at is not None
        driver.now = runs[3].due_at
        die_holding(driver, opened, runs[1])
        shunned = [runs[1].row, runs[2].row, runs[3].row]
        claimed = driver.store.claim_some(9, driver.now, alone=True, shunned=shunned, look_for_dead=True)
        assert ids(claimed.runs) == [runs[0].id]
        assert sorted(ids(claim_some(driver, dead=True).runs)) == sorted(ids(runs[1:]))

    def test_a_run_of_a_text_that_is_hard_to_quote_comes_out_as_it_went_in(self, driver: Driver) -> None:
        keys = ["a\x00b", 'say "hi"', "back\\slash", "line\nbreak", "\u2028", "snow \u2603 \U0001f600", "[1,2]", "null"]
        runs = [driver.start(status="ready", key=key) for key in keys]
        claimed = claim_some(driver)
        assert [(run.id, run.key) for run in claimed.runs] == [(run.id, run.key) for run in runs]

    def test_a_paused_run_is_not_given_and_the_others_are(self, driver: Driver) -> None:
        loop, other = driver.start(LOOP, status="ready"), driver.start(OTHER, status="ready")
        waiting = driver.go(driver.start(), UNAVAILABLE)
        assert waiting.due_at is not None
        driver.now = waiting.due_at
        driver.store.pause(Pause("loop", "", False, None, None, driver.now))
        driver.store.pause(Pause("review", "fetch", False, None, None, driver.now))
        assert ids(claim_some(driver).runs) == [other.id]
        driver.store.unpause("review", "fetch", driver.now)
        assert ids(claim_some(driver).runs) == [waiting.id]
        driver.store.unpause("loop", "", driver.now)
        assert ids(claim_some(driver).runs) == [loop.id]

    def test_a_pause_of_everything_gives_nothing(self, driver: Driver, opened: Opener) -> None:
        runs = self.many(driver, LOOP, 3)
        die_holding(driver, opened, runs[0])
        driver.store.pause(Pause("", "", False, None, None, driver.now))
        assert claim_some(driver, dead=True) == Claimed([], suspects=False, last="")
        driver.store.unpause("", "", driver.now)
        assert len(claim_some(driver, dead=True).runs) == 3

    # -- once, and by one

    def test_what_was_given_counts_as_any_claim(self, driver: Driver, opened: Opener) -> None:
        (run,) = self.many(driver, LOOP, 1)
        (claimed,) = claim_some(driver).runs
        assert (claimed.epoch, claimed.seq, claimed.crashes, claimed.interrupted) == (run.epoch + 1, run.seq, 0, False)
        assert opened().held(run.id, driver.now)
        assert driver.store.claim(run.id, driver.now) is None

    def test_of_many_processes_each_run_is_given_to_exactly_one(self, driver: Driver, opened: Opener) -> None:
        runs = self.many(driver, LOOP, 30) + self.many(driver, OTHER, 30)

        def take(line: Line) -> None:
            own = Driver(opened(), driver.now)
            line.send("here")
            line.recv()
            taken: list[str] = []
            while claimed := claim_some(own, 4).runs:
                taken += ids(claimed)
            line.send(taken)
            line.recv()

        with children(take, take, take) as all_of:
            for child in all_of:
                child.hears()
            for child in all_of:
                child.tell()
            taken = [one for child in all_of for one in child.hears()]
        assert sorted(taken) == sorted(ids(runs))

    # -- the dead, and suspects

    def test_what_a_dead_process_left_behind_is_given_to_who_looks_for_it(self, driver: Driver, opened: Opener) -> None:
        runs = self.many(driver, LOOP, 3)
        die_holding(driver, opened, *runs[:2])
        assert ids(claim_some(driver).runs) == [runs[2].id]
        claimed = claim_some(driver, dead=True).runs
        assert [(run.id, run.crashes, run.interrupted) for run in claimed] == [(run.id, 1, True) for run in runs[:2]]

    def test_what_was_given_back_in_mid_action_is_told_and_counts_no_crash(self, driver: Driver) -> None:
        run = driver.start(LOOP)
        driver.store.release(run, interrupted=True)
        (claimed,) = claim_some(driver).runs
        assert (claimed.crashes, claimed.interrupted) == (0, True)

    @pytest.mark.parametrize("left", ["ready", "held by the dead"])
    def test_a_run_that_crashed_twice_is_given_by_itself_to_who_drives_nothing_else(
        self, driver: Driver, opened: Opener, left: str
    ) -> None:
        suspect, *others = self.many(driver, LOOP, 4)
        die_holding(driver, opened, suspect)
        die_holding(driver, opened, suspect)
        if left == "ready":
            driver.store.release(driver.claim(suspect), interrupted=True)
            assert driver.store.get(suspect.id).crashes == 2
        assert claim_some(driver, alone=False, dead=True) == Claimed([], suspects=True, last="")
        claimed = claim_some(driver, dead=True)
        assert (ids(claimed.runs), claimed.suspects) == ([suspect.id], True)
        assert claimed.runs[0].crashes == 2
        claimed = claim_some(driver, alone=False, dead=True)
        assert (ids(claimed.runs), claimed.suspects) == (ids(others), False)

    def test_a_suspect_is_found_however_many_others_are_before_it(self, driver: Driver, opened: Opener) -> None:
        self.many(driver, LOOP, 5, priority=9)
        suspect = driver.start(LOOP, status="ready")
        for _ in range(2):
            die_holding(driver, opened, suspect)
        driver.store.release(driver.claim(suspect), interrupted=True)
        assert claim_some(driver, 1, alone=False) == Claimed([], suspects=True, last="")
        assert ids(claim_some(driver, 1).runs) == [suspect.id]
        assert len(claim_some(driver).runs) == 5

    def test_a_suspect_that_waits_is_given_when_it_is_due(self, driver: Driver, opened: Opener) -> None:
        run = driver.start(status="ready")
        for _ in range(2):
            die_holding(driver, opened, run)
        (claimed,) = claim_some(driver, dead=True).runs
        waiting = driver.go(claimed, UNAVAILABLE)
        assert (waiting.status, waiting.crashes) == ("waiting", 2)
        assert waiting.due_at is not None
        assert claim_some(driver, alone=False) == Claimed([], suspects=False, last="")
        driver.now = waiting.due_at
        assert claim_some(driver, alone=False) == Claimed([], suspects=True, last="")
        assert ids(claim_some(driver).runs) == [run.id]

    def test_a_run_that_crashed_once_is_no_suspect(self, driver: Driver, opened: Opener) -> None:
        runs = self.many(driver, LOOP, 2)
        die_holding(driver, opened, *runs)
        claimed = claim_some(driver, alone=False, dead=True)
        assert (ids(claimed.runs), claimed.suspects) == (ids(runs), False)

    def test_suspects_are_given_one_at_a_time(self, driver: Driver, opened: Opener) -> None:
        runs = self.many(driver, LOOP, 3)
        for _ in range(2):
            die_holding(driver, opened, *runs)
        given = [claim_some(driver, dead=True) for _ in range(3)]
        assert [ids(claimed.runs) for claimed in given] == [[run.id] for run in runs]
        assert claim_some(driver, dead=True) == Claimed([], suspects=False, last="")

    def test_a_suspect_that_may_not_go_on_holds_nobody_back(self, driver: Driver, opened: Opener) -> None:
        suspect, other = driver.start(LOOP, status="ready"), driver.start(OTHER, status="ready")
        for _ in range(2):
            die_holding(driver, opened, suspect)
        driver.store.pause(Pause("loop", "turn", False, None, None, driver.now))
        assert ids(claim_some(driver, alone=False, dead=True).runs) == [other.id]
        driver.store.unpause("loop", "turn", driver.now)
        claimed = claim_some(driver, alone=True, dead=True, unable=[(suspect.digest, "turn")])
        assert claimed == Claimed([], suspects=False, last="")

    def test_an_edge_clears_a_suspect(self, driver: Driver, opened: Opener) -> None:
        run = driver.start(REVIEW, status="ready")
        for _ in range(2):
            die_holding(driver, opened, run)
        (claimed,) = claim_some(driver, dead=True).runs
        driver.store.release(driver.go(claimed, FETCHED), interrupted=False)
        again = claim_some(driver, alone=False)
        assert (ids(again.runs), again.suspects, again.runs[0].crashes) == ([run.id], False, 0)

    # -- leases

    def lease_of_another(self, driver: Driver, opened: Opener, run: Run, until: int | None) -> Store:
        """Return another store here, whose process has claimed the run under a lease."""
        other = opened()
        other.lease(driver.now, until)
        assert other.claim(run.id, driver.now) is not None
        return other

    def test_a_lease_that_is_over_frees_what_its_holder_drives_though_that_lives(
        self, driver: Driver, opened: Opener
    ) -> None:
        (run,) = self.many(driver, LOOP, 1)
        other = self.lease_of_another(driver, opened, run, driver.now + 1_000)
        driver.now += 999
        assert driver.store.held(run.id, driver.now)
        assert claim_some(driver, dead=True).runs == []
        driver.now += 1
        assert not driver.store.held(run.id, driver.now)
        assert driver.store.claimable(driver.now) == [run.id]
        (claimed,) = claim_some(driver, dead=True).runs
        assert (claimed.id, claimed.crashes, claimed.interrupted) == (run.id, 1, True)
        late = Driver(other, driver.now)
        assert other.commit([late.decision(run._replace(epoch=2, status="running"), FETCHED)]) == [None]
        assert driver.store.get(run.id) == claimed

    def test_a_lease_that_is_extended_holds(self, driver: Driver, opened: Opener) -> None:
        (run,) = self.many(driver, LOOP, 1)
        other = self.lease_of_another(driver, opened, run, driver.now + 1_000)
        other.lease(driver.now, driver.now + 5_000)
        driver.now += 4_999
        assert claim_some(driver, dead=True).runs == []
        driver.now += 1
        assert ids(claim_some(driver, dead=True).runs) == [run.id]

    def test_without_a_lease_a_claim_holds_for_as_long_as_its_process_lives(
        self, driver: Driver, opened: Opener
    ) -> None:
        (run,) = self.many(driver, LOOP, 1)
        other = self.lease_of_another(driver, opened, run, driver.now + 1_000)
        other.lease(driver.now, None)
        driver.now += 10**9
        assert claim_some(driver, dead=True).runs == []
        assert driver.store.claim(run.id, driver.now) is None
        other.close()
        assert ids(claim_some(driver, dead=True).runs) == [run.id]

    def test_a_process_does_not_take_from_itself_when_its_own_lease_is_over(self, driver: Driver) -> None:
        (run,) = self.many(driver, LOOP, 1)
        driver.store.lease(driver.now, driver.now + 1_000)
        (claimed,) = claim_some(driver).runs
        driver.now += 5_000
        assert driver.store.held(run.id, driver.now)
        assert claim_some(driver, dead=True).runs == []
        assert driver.go(claimed, FETCHED).status == "succeeded"

    def test_a_caller_that_could_not_write_itself_takes_nobody_for_dead_by_a_lease(
        self, driver: Driver, opened: Opener
    ) -> None:
        run, other = self.many(driver, LOOP, 2)
        self.lease_of_another(driver, opened, run, driver.now + 1_000)
        die_holding(driver, opened, other)
        driver.now += 5_000
        claimed = driver.store.claim_some(9, driver.now, alone=True, look_for_dead=True, by_lease=False)
        assert ids(claimed.runs) == [other.id]
        assert ids(claim_some(driver, dead=True).runs) == [run.id]

    # -- what there is to look for

    def test_the_version_changes_when_anybody_writes_and_only_then(self, driver: Driver, opened: Opener) -> None:
        mine, other = driver.store, Driver(opened(), driver.now)
        before = mine.version()
        assert mine.version() == before
        other.start(LOOP, status="ready")
        after = mine.version()
        assert after != before
        assert mine.version() == after
        mine.runs()
        other.store.runs()
        assert mine.version() == after
        driver.start(LOOP, status="ready")
        assert mine.version() != after

    def test_the_next_instant_is_that_of_the_waiting_run_which_is_due_first(self, driver: Driver) -> None:
        assert driver.store.next_due(driver.now) is None
        driver.start(LOOP, status="ready")
        human = driver.go(driver.start(), FETCHED, DRAFTED)
        assert driver.store.next_due(driver.now) == human.due_at
        retrying = driver.go(driver.start(), UNAVAILABLE)
        assert driver.store.next_due(driver.now) == retrying.due_at
        assert retrying.due_at is not None
        assert driver.store.next_due(retrying.due_at - 1) == retrying.due_at
        assert driver.store.next_due(retrying.due_at) == human.due_at
        driver.wake(retrying)
        assert driver.store.next_due(0) == human.due_at
        driver.go(driver.store.get(human.id), Received("accept", '"fine"', (), None))
        assert driver.store.next_due(0) != human.due_at
