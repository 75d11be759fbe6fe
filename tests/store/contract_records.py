"""What runs carry and leave behind: values, ledger, last failure."""

import pytest

from fsm.errors import NotFound
from fsm.model.run import Artifact, Received
from fsm.store import Store
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver, failed
from tests.store.subject import Subject

REFUSED = Received("refuse", '"worse"', (), "ana")


class Records(Subject):
    def test_inputs_are_values_from_the_start(self, driver: Driver) -> None:
        run = driver.start(given={"uri": "ä\u2028\x00 \U0001f600"})
        assert driver.store.values(run, ["uri", "document"]) == {"uri": '"\\u00e4\\u2028\\u0000 \\ud83d\\ude00"'}

    def test_the_newest_artifact_of_a_name_wins(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED, REFUSED)
        run = driver.go(driver.claim(run), DRAFTED._replace(value='"a better text"'))
        assert driver.store.values(run, ["text"]) == {"text": '"a better text"'}
        assert driver.store.values(run, ["verdict"]) == {"verdict": '"worse"'}

    def test_only_what_is_asked_for_is_loaded(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        assert driver.store.values(run, []) == {}
        assert driver.store.values(run, ["document", "nothing"]) == {"document": '"a page"'}

    def test_values_of_one_run_are_not_those_of_another(self, driver: Driver) -> None:
        driver.go(driver.start(), FETCHED)
        assert driver.store.values(driver.start(), ["document"]) == {}

    def test_a_large_value_comes_back_whole(self, driver: Driver) -> None:
        value = '"' + "x" * 5_000_000 + '"'
        run = driver.go(driver.start(), FETCHED._replace(value=value))
        assert driver.store.values(run, ["document"]) == {"document": value}

    def test_the_ledger_holds_every_column_as_it_was_decided(self, driver: Driver) -> None:
        run = driver.start()
        decisions = []
        for result in (failed("Unavailable", interrupted=True), FETCHED, DRAFTED, REFUSED):
            decision = driver.decision(driver.wake(run) if run.due_at and not run.awaits else run, result)
            decisions.append(decision)
            run = driver.commit(decision)
        rows = list(driver.store.history(run.id, after=1))
        for decision, row in zip(decisions, rows, strict=True):
            assert decision.transition is not None
            assert row.transition._replace(hash=b"") == decision.transition
            assert row.artifacts == decision.artifacts
        assert rows[-1].transition.hash == run.head

    def test_history_goes_on_after_any_row(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        assert [row.transition.seq for row in driver.store.history(run.id, after=1)] == [2, 3]
        assert list(driver.store.history(run.id, after=3)) == []

    def test_the_start_row_carries_no_inputs(self, driver: Driver) -> None:
        run = driver.start()
        (row,) = driver.store.history(run.id)
        assert row.artifacts == ()

    def test_a_long_ledger_comes_whole_and_in_order_whatever_its_pages(self, driver: Driver) -> None:
        edges = 1_002
        run = driver.start(LOOP)
        for value in range(2, edges + 1):
            decision = driver.decision(run, AGAIN)
            (after,) = driver.store.commit([decision._replace(artifacts=(Artifact("turn", str(value)),))])
            assert after is not None
            run = after
        for after_seq in (0, 1, 2, 3, edges - 501, edges - 500, edges - 499, edges - 1):
            rows = list(driver.store.history(run.id, after=after_seq))
            assert [row.transition.seq for row in rows] == list(range(after_seq + 1, edges + 1))
            assert [int(a.value or 0) for row in rows for a in row.artifacts] == list(
                range(max(after_seq, 1) + 1, edges + 1)
            )

    def test_the_ledger_of_an_unknown_run_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            list(store.history("nothing"))

    def test_a_run_without_errors_has_no_last_failure(self, driver: Driver) -> None:
        run = driver.go(driver.start(), failed("Timeout", "Transient"), FETCHED)
        assert driver.store.last_failure(run) is None

    def test_the_last_failure_is_the_latest_error_edge(self, driver: Driver) -> None:
        run = driver.go(driver.start(), failed("Boom"))
        failure = driver.store.last_failure(run)
        assert failure is not None
        assert (failure.seq, failure.source, failure.event, failure.target) == (2, "fetch", "error:else", "lost")
        assert failure.detail is not None
        assert failure.detail["class"] == "Boom"

    def test_the_last_failure_tells_the_visit_that_failed(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, failed("Boom"))
        failure = driver.store.last_failure(run)
        assert failure is not None
        assert (failure.seq, failure.source, failure.visit) == (3, "draft", 2)
