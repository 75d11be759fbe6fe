"""Writes that share a transaction: each is taken, refused or undone by itself, and all become durable at once."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from fsm.errors import IllegalTransition, LeaseLost, UsageError
from fsm.kernel.decide import begin
from fsm.model.run import Artifact, Decision, Rest, Run
from fsm.store import Store
from tests.store.driving import DRAFTED, FETCHED, LOOP, Driver, artifacts_of, failed
from tests.store.subject import Opener, Subject

if TYPE_CHECKING:
    from collections.abc import Callable


def refused(decision: Decision) -> Decision:
    """Return the decision with an edge that its workflow does not have."""
    assert decision.transition
    return decision._replace(transition=decision.transition._replace(event="success:unheard"))


def runs_of(committed: list[Run | None] | Exception) -> list[Run | None]:
    assert isinstance(committed, list), committed
    return committed


class Batches(Subject):
    def test_decisions_and_works_are_answered_in_their_order(self, driver: Driver) -> None:
        first, second, third = (driver.start() for _ in range(3))
        ready = driver.start(LOOP, status="ready")
        decisions = [driver.decision(first, FETCHED), driver.decision(second, failed("Boom"))]
        works: list[Callable[[], Any]] = [
            lambda: driver.store.claim(ready.id, driver.now), lambda: driver.store.save_checkpoint(third, "a", "1"),
            lambda: "nothing", lambda: driver.store.checkpoint(third, "a"),
        ]  # fmt: skip
        committed, (claimed, saved, said, found) = driver.store.together(decisions, works)
        assert [run and (run.id, run.state) for run in runs_of(committed)] == [
            (first.id, "draft"), (second.id, "lost")
        ]  # fmt: skip
        assert (claimed.id, claimed.status, saved, said, found) == (ready.id, "running", None, "nothing", "1")
        for run in (*runs_of(committed), claimed):
            assert run == driver.store.get(run.id)

    def test_nothing_at_all_is_nothing(self, store: Store) -> None:
        assert store.together([], []) == ([], [])

    def test_works_alone_and_decisions_alone_are_as_good(self, driver: Driver) -> None:
        run, ready = driver.start(), driver.start(status="ready")
        committed, answers = driver.store.together([driver.decision(run, FETCHED)], [])
        assert (runs_of(committed), answers) == ([driver.store.get(run.id)], [])
        committed, (claimed,) = driver.store.together([], [lambda: driver.store.claim(ready.id, driver.now)])
        assert (runs_of(committed), claimed) == ([], driver.store.get(ready.id))

    def test_others_see_all_of_it_or_nothing(self, driver: Driver, opened: Opener) -> None:
        other, run, ready = opened(), driver.start(), driver.start(status="ready")
        seen: list[Any] = []

        def look() -> None:
            driver.store.save_checkpoint(run, "a", "1")
            driver.store.claim(ready.id, driver.now)
            seen.append((other.checkpoint(run, "a"), other.get(ready.id).status))

        driver.store.together([], [look])
        assert seen == [(None, "ready")]
        assert (other.checkpoint(run, "a"), other.get(ready.id).status) == ("1", "running")

    @pytest.mark.parametrize("error", [LeaseLost("gone"), UsageError("no"), ValueError("no")])
    def test_a_work_that_raises_has_written_nothing_and_the_others_have(self, driver: Driver, error: Exception) -> None:
        one, two, three = driver.start(), driver.start(), driver.start()
        ready = driver.start(status="ready")

        def fail() -> None:
            driver.store.save_checkpoint(two, "a", "1")
            driver.store.claim(ready.id, driver.now)
            raise error

        works: list[Callable[[], Any]] = [
            lambda: driver.store.save_checkpoint(one, "a", "1"), fail,
            lambda: driver.store.save_checkpoint(three, "a", "1"),
        ]  # fmt: skip
        committed, answers = driver.store.together([driver.decision(two, FETCHED)], works)
        assert answers == [None, error, None]
        assert [driver.store.checkpoint(run, "a") for run in (one, two, three)] == ["1", None, "1"]
        assert runs_of(committed) == [driver.store.get(two.id)]
        assert driver.store.get(ready.id) == ready
        assert driver.claim(ready).crashes == 0

    def test_a_verb_that_is_refused_is_refused_alone(self, driver: Driver) -> None:
        run, gone = driver.start(), driver.start()
        driver.go(gone, FETCHED)
        works: list[Callable[[], Any]] = [
            lambda: driver.store.save_checkpoint(gone, "a", "1"), lambda: driver.store.beat(run, '"x"', 1),
            lambda: driver.store.save_checkpoint(run, "a", "1"), lambda: driver.store.save_checkpoint(run, "a", "2"),
        ]  # fmt: skip
        _, (lost, beat, saved, twice) = driver.store.together([], works)
        assert isinstance(lost, LeaseLost)
        assert (beat, saved) == (None, None)
        assert isinstance(twice, UsageError)
        assert (driver.store.checkpoint(run, "a"), driver.store.last_beat(run)) == ("1", "x")

    def test_a_start_that_the_law_refuses_is_refused_alone(self, driver: Driver) -> None:
        run, new = driver.start(), driver.new()
        bad = refused(begin(driver.flow(new), new, driver.now, {"uri": "a"}))

        def start() -> Run:
            return driver.store.start(new, artifacts_of({"uri": "a"}), bad)

        committed, (answer,) = driver.store.together([driver.decision(run, FETCHED)], [start])
        assert isinstance(answer, IllegalTransition)
        assert runs_of(committed) == [driver.store.get(run.id)]
        assert [found.id for found in driver.store.runs()] == [run.id]

    def test_what_came_too_late_or_is_illegal_is_left_out_and_the_rest_is_taken(self, driver: Driver) -> None:
        runs = [driver.start() for _ in range(5)]
        decisions = [driver.decision(run, FETCHED) for run in runs]
        driver.commit(decisions[1])
        decisions[2] = refused(decisions[2])
        decisions[3] = driver.decision(runs[3], Rest(driver.now + 5))
        for works in ([], [lambda: "beside"]):
            committed, answers = driver.store.together(decisions, works)
            assert answers == ["beside"] * len(works)
            expected = [2, None, None, 1, 2] if not works else [None] * 5
            assert [run and run.seq for run in runs_of(committed)] == expected
        assert [driver.store.get(run.id).seq for run in runs] == [2, 2, 1, 1, 2]

    def test_a_decision_that_is_alone_and_illegal_is_told_so(self, driver: Driver) -> None:
        run = driver.start()
        with pytest.raises(IllegalTransition):
            driver.store.together([refused(driver.decision(run, FETCHED))], [])
        committed, _ = driver.store.together([refused(driver.decision(run, FETCHED))], [lambda: None])
        assert isinstance(committed, IllegalTransition) or committed == [None]
        assert driver.store.get(run.id) == run

    def test_a_work_that_makes_a_decision_late_wins(self, driver: Driver) -> None:
        """Works come first: an operator's release and the edge of who lost the run meet in one transaction."""
        run = driver.start()
        late = driver.decision(run, FETCHED)

        def take() -> Run | None:
            driver.store.release(run, interrupted=True)
            return driver.store.claim(run.id, driver.now)

        committed, (taken,) = driver.store.together([late], [take])
        assert runs_of(committed) == [None]
        assert (taken.epoch, taken.interrupted, taken.crashes) == (run.epoch + 1, True, 0)
        assert driver.store.get(run.id) == taken
        assert driver.store.held(run.id)

    # -- many values at once

    def test_the_newest_value_of_each_name_comes_with_each_run(self, driver: Driver) -> None:
        first = driver.go(driver.start(given={"uri": "one"}), FETCHED)
        second = driver.go(driver.start(given={"uri": 'two "quoted" \u2603'}), FETCHED, DRAFTED)
        third = driver.start(LOOP)
        wanted = [(first, ["uri", "document", "text"]), (third, []), (second, ["text", "uri", "nothing"])]
        found = driver.store.values_of(wanted, 1_000)
        assert found == [
            {"uri": '"one"', "document": '"a page"', "text": None}, {},
            {"text": '"a text"', "uri": json.dumps('two "quoted" \u2603'), "nothing": None},
        ]  # fmt: skip
        for (run, names), texts in zip(wanted, found, strict=True):
            assert driver.store.values(run, names) == {name: text for name, text in texts.items() if text is not None}

    def test_of_a_name_written_twice_the_newest_counts_and_one_taken_back_is_not_written(self, driver: Driver) -> None:
        run = driver.start()
        decision = driver.decision(run, failed("Timeout", "Transient"))
        run = driver.commit(decision._replace(artifacts=(Artifact("document", "1"), Artifact("uri", '"other"'))))
        assert driver.store.values_of([(run, ["document", "uri"])], 9) == [{"document": "1", "uri": '"other"'}]
        decision = driver.decision(run, failed("Timeout", "Transient"))
        run = driver.commit(decision._replace(artifacts=(Artifact("document", None),)))
        assert driver.store.values_of([(run, ["document", "uri"])], 9) == [{"document": None, "uri": '"other"'}]

    def test_a_value_longer_than_asked_for_is_left_out(self, driver: Driver) -> None:
        run = driver.start(given={"uri": "x" * 8})
        assert driver.store.values_of([(run, ["uri", "text"])], 10) == [{"uri": '"xxxxxxxx"', "text": None}]
        assert driver.store.values_of([(run, ["uri", "text"])], 9) == [{"text": None}]

    def test_a_number_is_a_value_like_any_other(self, driver: Driver) -> None:
        run = driver.start()
        decision = driver.decision(run, failed("Timeout", "Transient"))
        run = driver.commit(decision._replace(artifacts=(Artifact("document", "0"), Artifact("text", "null"))))
        assert driver.store.values_of([(run, ["document", "text"])], 9) == [{"document": "0", "text": "null"}]
