"""Migration: a run goes on under another version, where a map says, and everything behind it is still found."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from fsm.errors import IllegalTransition, LeaseLost
from fsm.kernel import moves
from fsm.kernel.migration import migrate
from fsm.model.run import PERSON, Artifact, Decision, Received, Rest, Run
from fsm.model.workflow import Workflow
from tests.store.contract_commits import altered
from tests.store.driving import DRAFTED, FETCHED, LOOP, REVIEW, Driver, failed, flow_of
from tests.store.subject import Opener, Subject, crashed

SECOND = re.sub(r"(?<!\.)\bdraft\b", "compose", REVIEW).replace("version: 1", "version: 2").replace("lost", "parked")
"""`draft` is called `compose`, and `lost` is called `parked`."""

THIRD = SECOND.replace("version: 2", "version: 3").replace("compose", "write")
"""And here it is called `write`."""


class Migration(Subject):
    def saved(self, driver: Driver, text: str) -> Workflow:
        flow = flow_of(text)
        driver.store.save(flow, text, driver.now)
        return flow

    def mapped(self, driver: Driver, run: Run, new: Workflow, **states: str) -> dict[str, str]:
        """Write a map of states: as given, and every other state to the one of its name."""
        old = driver.flow(run)
        whole = {state: states.get(state, state) for state in old.states if states.get(state, state) in new.states}
        driver.store.map_states(old.digest, new.digest, whole)
        return whole

    def move(
        self, driver: Driver, run: Run, new: Workflow, states: Mapping[str, str], written: tuple[Artifact, ...] = ()
    ) -> Decision:
        failure, visited = driver.store.last_failure(run), driver.store.visited(run)
        old = driver.flow(run)
        return migrate(old, new, run, states, visited, failure, driver.now, "ana", "repaired", written=written)

    def migrated(self, driver: Driver, run: Run, text: str = SECOND, **states: str) -> Run:
        new = self.saved(driver, text)
        states = states or {"draft": "compose", "lost": "parked"}
        return driver.commit(self.move(driver, run, new, self.mapped(driver, run, new, **states)))

    def dead_in(self, driver: Driver) -> Run:
        """Return a run that died in `draft`, its second visit, by the error edge of seq 3."""
        return driver.go(driver.start(), FETCHED, failed("Boom", interrupted=True))

    # -- what is live

    def test_the_versions_of_a_workflow_are_known(self, driver: Driver) -> None:
        run, new = driver.start(), self.saved(driver, SECOND)
        assert driver.store.versions("review") == {1: run.digest, 2: new.digest}
        assert driver.store.versions("other") == {}

    def test_the_runs_of_a_version_are_listed_by_status(self, driver: Driver) -> None:
        ready, dead, running = driver.start(status="ready"), self.dead_in(driver), driver.start()
        driver.start(LOOP)
        assert list(driver.store.pinned(ready.digest, {"ready", "dead"})) == [ready, dead]
        moved = self.migrated(driver, dead)
        assert list(driver.store.pinned(ready.digest, {"ready", "dead", "running"})) == [ready, running]
        assert list(driver.store.pinned(moved.digest, {"dead"})) == [moved]

    def test_a_ready_run_goes_on_in_the_same_visit_under_the_new_version(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        driver.store.save_checkpoint(run, "half", '"1"')
        driver.store.release(run, interrupted=False)
        ready = driver.store.get(run.id)
        moved = self.migrated(driver, ready)
        assert (moved.state, moved.status, moved.version) == ("compose", "ready", 2)
        assert (moved.visit, moved.attempt, moved.entered_at, moved.key) == (2, 1, ready.entered_at, ready.key)
        assert (moved.visits, moved.epoch) == ({"compose": 1}, ready.epoch + 1)
        assert driver.store.values(moved, ["uri", "document"]) == {"uri": '"a.pdf"', "document": '"a page"'}
        claimed = driver.claim(moved)
        assert driver.store.checkpoint(claimed, "half") == '"1"'
        assert driver.go(claimed, DRAFTED).state == "human"

    def test_its_row_says_between_which_versions_and_where_the_visits_went(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        self.migrated(driver, run)
        row = list(driver.store.history(run.id))[-1].transition
        assert (row.event, row.source, row.target, row.actor) == ("migrate", "human", "human", "ana")
        detail = dict(row.detail or {})
        assert (detail.pop("from")["version"], detail.pop("to")["version"]) == (1, 2)
        assert detail == {"visits": {"1": "fetch", "2": "compose", "3": "human"}, "because": "repaired"}

    def test_a_run_that_is_driven_is_taken_and_its_attempt_is_unknown(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        late = driver.decision(run, DRAFTED)
        moved = self.migrated(driver, run)
        assert (moved.status, moved.interrupted, moved.epoch) == ("ready", True, run.epoch + 1)
        assert list(driver.store.history(run.id))[-1].transition.interrupted
        assert driver.store.commit([late]) == [None]
        with pytest.raises(LeaseLost):
            driver.store.save_checkpoint(run, "half", "1")

    def test_crashes_of_the_visit_stay_counted(self, driver: Driver, opened: Opener) -> None:
        run = crashed(driver, opened)
        driver.store.release(run, interrupted=True)
        moved = self.migrated(driver, driver.store.get(run.id))
        assert (moved.crashes, moved.interrupted) == (1, True)

    def test_a_delay_before_a_retry_is_kept(self, driver: Driver) -> None:
        resting = driver.go(driver.start(), failed("Unavailable"))
        assert resting.due_at == driver.now + 10_000
        moved = self.migrated(driver, resting)
        assert (moved.status, moved.due_at, moved.attempt, moved.tries) == (
            "waiting", resting.due_at, 2, {"2": 1},
        )  # fmt: skip
        assert driver.go(driver.wake(moved), FETCHED).state == "compose"

    def test_a_question_to_a_person_is_kept(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        asking = driver.commit(driver.decision(run, Rest(None, PERSON)))
        moved = self.migrated(driver, asking)
        assert (moved.status, moved.awaits, moved.interrupted) == ("waiting", PERSON, True)
        again = driver.commit(moves.redrive(driver.flow(moved), moved, None, driver.now, None, None))
        assert (again.state, again.visit) == ("compose", 2)

    def test_what_waits_for_a_signal_is_looked_at_anew(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        moved = self.migrated(driver, run)
        assert (moved.state, moved.status, moved.awaits, moved.due_at) == ("human", "ready", (), None)
        claimed = driver.claim(moved)
        assert driver.go(claimed, Received("accept", '"fine"', (), None)).state == "pause"

    def test_an_input_that_only_the_new_version_has_is_written_by_the_row(self, driver: Driver) -> None:
        run = driver.start(status="ready")
        new = self.saved(driver, SECOND)
        states = self.mapped(driver, run, new, draft="compose", lost="parked")
        moved = driver.commit(self.move(driver, run, new, states, (Artifact("limit", "7"),)))
        assert driver.store.values(moved, ["limit"]) == {"limit": "7"}

    # -- what failed

    def test_a_dead_run_stays_dead_and_is_redriven_where_the_failed_state_went(self, driver: Driver) -> None:
        run = self.dead_in(driver)
        moved = self.migrated(driver, run)
        assert (moved.state, moved.status, moved.reason) == ("parked", "dead", run.reason)
        failure = driver.store.last_failure(moved)
        assert failure is not None
        assert (failure.source, failure.visit, failure.seq) == ("compose", 2, 3)
        again = driver.commit(moves.redrive(driver.flow(moved), moved, failure, driver.now, "ana", None))
        assert (again.state, again.status, again.visit) == ("compose", "ready", 2)
        assert driver.go(driver.claim(again), DRAFTED).state == "human"

    def test_a_dead_run_is_completed_where_the_failed_state_went(self, driver: Driver) -> None:
        moved = self.migrated(driver, self.dead_in(driver))
        failure = driver.store.last_failure(moved)
        move = moves.complete(driver.flow(moved), moved, failure, "success", '"a text"', driver.now, "ana", None, {})
        for changed in ({"of_seq": 2}, {"of_seq": 4}, {"target": "pause"}, {"target": "done"}, {"target": "compose"},
                        {"actor": None}):  # fmt: skip
            self.illegal(driver, altered(move, **changed))
        done = driver.commit(move)
        assert (done.state, done.status) == ("human", "waiting")

    def at(self, driver: Driver, run: Run, state: str) -> Decision:
        failure, visited = driver.store.last_failure(run), driver.store.visited(run)
        return moves.redrive(driver.flow(run), run, failure, driver.now, "ana", None, at=state, visited=visited)

    def test_the_visits_of_before_go_by_their_new_names(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED, Received("refuse", '"no"', (), None), failed("Boom"))
        moved = self.migrated(driver, run)
        assert driver.store.visited(moved) == {"fetch": 1, "compose": 4, "human": 3, "parked": 5}
        again = driver.commit(self.at(driver, moved, "human"))
        assert (again.state, again.visit) == ("human", 3)

    def test_versions_may_follow_one_another_and_lead_back(self, driver: Driver) -> None:
        run = self.dead_in(driver)
        second = self.migrated(driver, run)
        third = self.migrated(driver, second, THIRD, compose="write")
        failure = driver.store.last_failure(third)
        assert failure is not None
        assert (failure.source, failure.visit) == ("write", 2)
        assert driver.store.visited(third) == {"fetch": 1, "write": 2, "parked": 3}
        first = self.migrated(driver, third, REVIEW, write="draft", parked="lost")
        assert (first.digest, first.state) == (run.digest, "lost")
        again = driver.commit(self.at(driver, first, "draft"))
        assert (again.state, again.visit) == ("draft", 2)

    def test_states_that_change_their_names_with_one_another_are_not_mistaken(self, driver: Driver) -> None:
        swapped = (
            REVIEW.replace("version: 1", "version: 5").replace("fetch:", "x:").replace("draft:", "fetch:")
            .replace("x:", "draft:").replace("start: fetch", "start: draft")
            .replace("success: draft, nothing", "success: fetch, nothing").replace("refuse: draft", "refuse: fetch")
            .replace("else: draft", "else: fetch")
        )  # fmt: skip
        moved = self.migrated(driver, self.dead_in(driver), swapped, fetch="draft", draft="fetch")
        failure = driver.store.last_failure(moved)
        assert failure is not None
        assert (failure.source, failure.visit) == ("fetch", 2)
        move = self.at(driver, moved, "draft")
        for changed in ({"visit": 2}, {"of_seq": 2}, {"target": "fetch"}, {"of_seq": 4}, {"of_seq": 3}):
            self.illegal(driver, altered(move, **changed))
        assert driver.commit(move).visit == 1

    def test_of_two_states_that_become_one_the_latest_visit_counts_and_the_failed_one_is_found(
        self, driver: Driver
    ) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED, Received("refuse", '"no"', (), None), failed("Boom"))
        moved = self.migrated(driver, run, human="compose", draft="compose", lost="parked")
        assert driver.store.visited(moved) == {"fetch": 1, "compose": 4, "parked": 5}
        failure = driver.store.last_failure(moved)
        assert failure is not None
        assert (failure.source, failure.visit) == ("compose", 4)

    def test_an_error_behind_a_run_that_was_live_then_is_found_by_its_new_name(self, driver: Driver) -> None:
        caught = REVIEW.replace("workflow: review", "workflow: caught").replace(
            "    writes: document", "    writes: document\n    error: {else: human}"
        )
        run = driver.go(driver.start(caught), failed("Boom"))
        assert run.state == "human"
        later = caught.replace("version: 1", "version: 2").replace("fetch:", "load:").replace("t: fetch", "t: load")
        moved = self.migrated(driver, run, later, fetch="load")
        failure = driver.store.last_failure(moved)
        assert failure is not None
        assert (failure.source, failure.visit) == ("load", 1)

    def test_a_state_that_was_not_mapped_is_no_place_to_go_back_to(self, driver: Driver) -> None:
        moved = self.migrated(driver, self.dead_in(driver), lost="parked")
        assert driver.store.visited(moved) == {"fetch": 1, "parked": 3}
        failure = driver.store.last_failure(moved)
        with pytest.raises(IllegalTransition, match='version 2 has no state "draft"'):
            moves.redrive(driver.flow(moved), moved, failure, driver.now, None, None)

    # -- what the law refuses

    def illegal(self, driver: Driver, move: Decision) -> None:
        before = driver.store.get(move.run.id)
        with pytest.raises(IllegalTransition):
            driver.store.commit([move])
        assert driver.store.get(move.run.id) == before

    @pytest.mark.parametrize(
        "changed",
        [
            {"target": "draft"}, {"target": "fetch"}, {"target": "human"}, {"target": "done"}, {"target": "parked"},
            {"status": "running"}, {"status": "dead"}, {"status": "succeeded"}, {"visit": 1}, {"visit": 3},
            {"attempt": 2}, {"tries": {"1": 1}}, {"due_at": 5}, {"awaits": PERSON}, {"source": "fetch"},
            {"status": "waiting", "due_at": 5}, {"status": "waiting", "awaits": PERSON},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_migration_that_changes_more_than_the_map_says_is_illegal(
        self, driver: Driver, changed: dict[str, Any]
    ) -> None:
        run = driver.go(driver.start(), FETCHED)
        driver.store.release(run, interrupted=False)
        new = self.saved(driver, SECOND)
        run = driver.store.get(run.id)
        states = self.mapped(driver, run, new, draft="compose", lost="parked")
        self.illegal(driver, altered(self.move(driver, run, new, states), **changed))

    @pytest.mark.parametrize(
        "changed",
        [{"status": "ready"}, {"status": "failed"}, {"target": "compose"}, {"target": "done"}, {"visit": 2}],
        ids=str,
    )
    def test_a_migration_that_revives_the_dead_is_illegal(self, driver: Driver, changed: dict[str, Any]) -> None:
        run, new = self.dead_in(driver), self.saved(driver, SECOND)
        states = self.mapped(driver, run, new, draft="compose", lost="parked")
        self.illegal(driver, altered(self.move(driver, run, new, states), **changed))

    @pytest.mark.parametrize("changed", [{"due_at": 5}, {"due_at": None}, {"awaits": PERSON}], ids=str)
    def test_a_migration_that_alters_a_rest_is_illegal(self, driver: Driver, changed: dict[str, Any]) -> None:
        run, new = driver.go(driver.start(), failed("Unavailable")), self.saved(driver, SECOND)
        states = self.mapped(driver, run, new, draft="compose", lost="parked")
        move = altered(self.move(driver, run, new, states), **changed)
        self.illegal(driver, move) if changed != {"due_at": None} else self.refused_by_shape(driver, move)

    def refused_by_shape(self, driver: Driver, move: Decision) -> None:
        before = driver.store.get(move.run.id)
        with pytest.raises(Exception, match="refused"):
            driver.store.commit([move])
        assert driver.store.get(move.run.id) == before

    def test_a_dead_run_goes_to_no_other_kind_of_end(self, driver: Driver) -> None:
        run, new = self.dead_in(driver), self.saved(driver, SECOND)
        states = self.mapped(driver, run, new, draft="compose", lost="rejected")
        with pytest.raises(IllegalTransition, match='"lost" would become "rejected"'):
            self.move(driver, run, new, states)
        move = self.move(driver, run, new, {**states, "lost": "parked"})
        self.illegal(driver, altered(move, target="rejected", status="failed"))
        self.illegal(driver, altered(move, target="rejected"))

    def test_what_a_run_left_behind_names_no_visit(self, driver: Driver) -> None:
        """The law looks for the names of visits in the detail of a migration, where an output may stand too."""
        run, new = self.dead_in(driver), self.saved(driver, SECOND)
        states = self.mapped(driver, run, new, draft="compose", lost="parked")
        move = self.move(driver, run, new, states)
        assert move.transition is not None
        output = {"2": "fetch", "visits": {"2": "fetch"}}
        moved = driver.commit(
            altered(move, detail={**(move.transition.detail or {}), "output": output})._replace(
                run=move.run._replace(output=output)
            )
        )
        failure = driver.store.last_failure(moved)
        redrive = moves.redrive(driver.flow(moved), moved, failure, driver.now, None, None)
        self.illegal(driver, altered(redrive, target="fetch"))
        assert driver.commit(redrive).state == "compose"

    def test_without_a_map_nothing_is_migrated(self, driver: Driver) -> None:
        run, new = driver.start(status="ready"), self.saved(driver, SECOND)
        states = {"fetch": "fetch"}
        self.illegal(driver, self.move(driver, run, new, states))
        driver.store.map_states(run.digest, new.digest, states)
        move = self.move(driver, run, new, states)
        driver.store.map_states(run.digest, new.digest, {"draft": "compose"})
        self.illegal(driver, move)
        driver.store.map_states(run.digest, new.digest, states)
        assert driver.commit(move).version == 2

    @pytest.mark.parametrize("status", ["succeeded", "cancelled"])
    def test_a_run_that_has_ended_for_good_stays_what_it_is(self, driver: Driver, status: str) -> None:
        run = driver.start()
        if status == "cancelled":
            run = driver.commit(moves.cancel(run, driver.now, None, None))
        else:
            run = driver.go(run, FETCHED._replace(outcome="nothing"))
        new = self.saved(driver, SECOND)
        states = self.mapped(driver, run, new)
        with pytest.raises(IllegalTransition, match=f"the run has ended, {status}"):
            self.move(driver, run, new, states)
        live = self.move(driver, run._replace(status="ready", interrupted=False), new, {**states, "done": "fetch"})
        self.illegal(driver, live)
        self.illegal(driver, altered(live, target=run.state, status=status))

    def test_a_live_run_goes_to_no_end(self, driver: Driver) -> None:
        run, new = driver.start(status="ready"), self.saved(driver, SECOND)
        states = self.mapped(driver, run, new, fetch="done")
        with pytest.raises(IllegalTransition, match='"fetch" would become "done", where a run ends'):
            self.move(driver, run, new, states)
        self.illegal(driver, altered(self.move(driver, run, new, {"fetch": "fetch"}), target="done"))

    def test_what_came_before_a_migration_is_not_redriven_by_its_old_name(self, driver: Driver) -> None:
        moved = self.migrated(driver, self.dead_in(driver))
        failure = driver.store.last_failure(moved)
        move = moves.redrive(driver.flow(moved), moved, failure, driver.now, None, None)
        for changed in ({"target": "draft"}, {"target": "fetch"}, {"visit": 1}, {"of_seq": 2, "visit": 1},
                        {"of_seq": 4}, {"of_seq": 1}):  # fmt: skip
            self.illegal(driver, altered(move, **changed))
