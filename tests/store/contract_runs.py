"""Workflows are stored once and sealed; runs are started once, found and listed."""

import pytest

from fsm.errors import IllegalTransition, NotFound, UsageError
from fsm.kernel.decide import begin
from fsm.store import Store
from tests.store.driving import DRAFTED, FETCHED, LOOP, REVIEW, URI, Driver, artifacts_of, failed, flow_of
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject


class Workflows(Subject):
    def test_a_saved_workflow_is_found_by_digest_and_name(self, store: Store) -> None:
        flow = flow_of(REVIEW)
        store.save(flow, REVIEW, 1)
        assert store.text(flow.digest) == REVIEW
        assert store.newest("review") == flow.digest

    def test_saving_the_same_content_again_leaves_the_first_text(self, store: Store) -> None:
        flow = flow_of(REVIEW)
        store.save(flow, REVIEW, 1)
        store.save(flow_of("# a comment\n" + REVIEW), "# a comment\n" + REVIEW, 2)
        assert store.text(flow.digest) == REVIEW

    def test_another_store_object_saves_the_same_content_without_complaint(self, store: Store, opened: Opener) -> None:
        flow = flow_of(REVIEW)
        store.save(flow, REVIEW, 1)
        other = opened()
        other.save(flow, REVIEW, 2)
        assert other.newest("review") == flow.digest

    def test_other_content_under_the_same_version_is_refused_and_nothing_changes(self, store: Store) -> None:
        store.save(flow_of(REVIEW), REVIEW, 1)
        changed = REVIEW.replace("30m", "31m")
        with pytest.raises(UsageError, match=r'"review" changed under version 1.*give the changed file version 2'):
            store.save(flow_of(changed), changed, 2)
        assert store.newest("review") == flow_of(REVIEW).digest
        with pytest.raises(NotFound):
            store.text(flow_of(changed).digest)

    def test_the_newest_version_is_the_highest_whatever_came_last(self, store: Store) -> None:
        texts = [REVIEW.replace("version: 1", f"version: {number}") for number in (2, 10, 9)]
        for text in texts:
            store.save(flow_of(text), text, 1)
        assert store.newest("review") == flow_of(texts[1]).digest

    def test_an_unknown_name_has_no_newest_version(self, store: Store) -> None:
        assert store.newest("review") is None

    def test_the_text_of_an_unknown_digest_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound, match="no workflow with digest ffff"):
            store.text("ffff")


class Runs(Subject):
    def test_a_started_run_stands_at_the_workflows_start(self, driver: Driver) -> None:
        run = driver.start(key="k", status="ready")
        assert (run.state, run.status, run.seq, run.visit, run.key) == ("fetch", "ready", 1, 1, "k")
        assert driver.store.get(run.id) == run

    def test_a_run_may_be_born_claimed(self, driver: Driver) -> None:
        run = driver.start()
        assert run.status == "running"
        assert driver.store.get(run.id) == run
        assert driver.store.held(run.id)

    def test_starting_with_a_known_key_finds_the_run_and_adds_none(self, driver: Driver) -> None:
        first = driver.start(key="k")
        assert driver.start(key="k") == first
        assert driver.store.runs() == [first]

    def test_an_empty_key_is_a_key(self, driver: Driver) -> None:
        first = driver.start(key="")
        assert driver.start(key="") == first
        assert driver.store.find("review", "") == first

    def test_the_run_found_by_key_is_returned_as_it_stands_now(self, driver: Driver) -> None:
        ended = driver.go(driver.start(key="k"), failed("Refused"))
        assert driver.start(key="k") == ended
        assert ended.reason == "refused"

    def test_keys_are_unique_per_workflow_name_not_over_all(self, driver: Driver) -> None:
        first, second = driver.start(key="k"), driver.start(LOOP, key="k")
        assert first.id != second.id
        assert driver.store.find("loop", "k") == second

    def test_a_key_belongs_to_the_name_whatever_the_version(self, driver: Driver) -> None:
        first = driver.start(key="k")
        run = driver.new(REVIEW.replace("version: 1", "version: 2"), key="k")
        found = driver.store.start(run, [], begin(driver.flow(run), run, driver.now, URI))
        assert found == first

    def test_runs_without_a_key_are_never_mistaken_for_each_other(self, driver: Driver) -> None:
        assert driver.start().id != driver.start().id

    def test_two_processes_that_start_the_same_key_get_one_run(self, opened: Opener) -> None:
        def start(line: Line) -> None:
            driver = Driver(opened())
            line.send("here")
            line.recv()
            line.send([driver.start(key=str(key)).id for key in range(10)])

        with children(start, start) as both:
            for child in both:
                child.hears()
            for child in both:
                child.tell()
            first, second = (child.hears() for child in both)
        assert first == second
        assert len(opened().runs()) == 10

    def test_a_start_that_the_workflow_does_not_declare_is_refused_and_leaves_no_run(self, driver: Driver) -> None:
        run = driver.new()
        decision = begin(driver.flow(run), run, driver.now, URI)
        assert decision.transition is not None
        elsewhere = decision._replace(
            run=decision.run._replace(state="draft"), transition=decision.transition._replace(target="draft")
        )
        with pytest.raises(IllegalTransition):
            driver.store.start(run, artifacts_of(URI), elsewhere)
        assert driver.store.runs() == []

    def test_an_unknown_run_is_not_found(self, store: Store) -> None:
        for unknown in ("", "nothing", "0" * 26, "%", "{", "0' OR '1"):
            with pytest.raises(NotFound):
                store.get(unknown)
        assert store.find("review", "k") is None

    def test_an_id_that_no_text_can_hold_is_a_usage_error(self, store: Store) -> None:
        with pytest.raises(UsageError, match="lone surrogate"):
            store.get("\udcff")
        with pytest.raises(UsageError, match="lone surrogate"):
            store.find("review", "\udcff")

    def test_an_unambiguous_prefix_finds_a_run_and_an_ambiguous_one_says_so(self, driver: Driver) -> None:
        first = driver.start(uid="01AAAAAAAAAAAAAAAAAAAAAAAA")
        second = driver.start(uid="01AABBBBBBBBBBBBBBBBBBBBBB")
        assert driver.store.get("01AAA") == first
        assert driver.store.get("01aab") == second
        assert driver.store.get(second.id.lower()) == second
        with pytest.raises(NotFound, match='several runs begin with "01AA"'):
            driver.store.get("01AA")
        with pytest.raises(NotFound, match="no run"):
            driver.store.get("01AB")

    def test_a_whole_id_is_never_ambiguous(self, driver: Driver) -> None:
        short, long = driver.start(uid="01AAA"), driver.start(uid="01AAAB")
        assert (driver.store.get("01AAA"), driver.store.get("01AAAB")) == (short, long)

    def test_inputs_are_compared_whole(self, driver: Driver) -> None:
        run = driver.start(given={"uri": "a.pdf"})
        assert driver.store.same_input(run, artifacts_of({"uri": "a.pdf"}))
        assert not driver.store.same_input(run, artifacts_of({"uri": "b.pdf"}))
        assert not driver.store.same_input(run, artifacts_of({"uri": "a.pdf", "more": 1}))
        assert not driver.store.same_input(run, [])

    def test_an_ended_run_is_found_with_its_output_or_reason(self, driver: Driver) -> None:
        done = driver.go(driver.start(key="k"), FETCHED._replace(outcome="nothing"))
        lost = driver.go(driver.start(), failed("Boom"))
        assert (done.status, done.output, done.reason) == ("succeeded", "a page", None)
        assert (lost.status, lost.output, lost.reason) == ("dead", None, "Boom: it broke")
        assert driver.store.find("review", "k") == done
        assert driver.store.runs() == [lost, done]

    def test_runs_are_listed_newest_first_and_in_pages(self, driver: Driver) -> None:
        made = [driver.start() for _ in range(5)]
        newest = made[::-1]
        assert driver.store.runs() == newest
        assert driver.store.runs(limit=2) == newest[:2]
        assert driver.store.runs(limit=2, before=newest[1].id) == newest[2:4]
        assert driver.store.runs(limit=2, before=newest[3].id) == newest[4:]
        assert driver.store.runs(before=newest[4].id) == []

    def test_runs_are_filtered_by_workflow_status_and_state_together(self, driver: Driver) -> None:
        loop = driver.start(LOOP)
        waiting = driver.go(driver.start(), FETCHED, DRAFTED)
        dead = driver.go(driver.start(), failed("Boom"))
        ready = driver.start(status="ready")
        store = driver.store
        assert store.runs(workflow="loop") == [loop]
        assert store.runs(status="waiting") == [waiting]
        assert store.runs(state="fetch") == [ready]
        assert store.runs(workflow="review", status="dead", state="lost") == [dead]
        assert store.runs(workflow="loop", status="dead") == []
        assert store.runs(status="ready", before=ready.id) == []
        assert store.runs(workflow="loop' OR 1 --") == []
