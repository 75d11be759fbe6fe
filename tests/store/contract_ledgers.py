"""Rows as they are stored, for whoever doubts them: what was committed, page by page, and nothing of other runs."""

from fsm.store import Store
from fsm.store.ledger import TOMBSTONE, digest_of, genesis, link
from fsm.store.stored import StoredArtifact
from tests.store.contract_past import rewound
from tests.store.contract_records import REFUSED
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver, artifacts_of
from tests.store.subject import Subject


class Ledgers(Subject):
    def test_a_ledger_as_it_is_stored_has_the_hashes_that_it_should_have(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED, REFUSED)
        driver.go(driver.start(), FETCHED)
        run = driver.commit(rewound(driver, run, 2))
        rows, loose = driver.store.stored_rows(run.row, 0)
        head = genesis(run.id, run.digest, artifacts_of({"uri": "a.pdf"}))
        for row in rows:
            head = link(head, row.columns, [(one.name, one.digest) for one in row.artifacts])
            assert (row.hash, row.workflow) == (head, run.digest)
        assert (head, loose) == (run.head, [])
        assert [row.transition for row in rows] == [row.transition for row in driver.store.history(run.id)]
        assert rows[1].artifacts == (
            StoredArtifact("document", 2, digest_of('"a page"'), digest_of('"a page"')),
        )  # fmt: skip
        assert [(one.name, one.digest, one.actual) for one in rows[4].artifacts] == [
            ("text", TOMBSTONE, None), ("verdict", TOMBSTONE, None),
        ]  # fmt: skip

    def test_a_long_ledger_comes_in_pages(self, driver: Driver) -> None:
        run = driver.start(LOOP)
        for _ in range(6):
            run = driver.go(run, AGAIN)
        seqs, after = [], 0
        while page := driver.store.stored_rows(run.row, after, 3)[0]:
            seqs.append([row.seq for row in page])
            assert [[one.seq for one in row.artifacts] for row in page] == [
                [row.seq] if row.seq > 1 else [] for row in page
            ]
            after = page[-1].seq
        assert seqs == [[1, 2, 3], [4, 5, 6], [7]]

    def test_a_run_as_it_is_stored_is_the_run(self, driver: Driver, store: Store) -> None:
        first, second = driver.start(), driver.go(driver.start(), FETCHED)
        stored = store.stored_run(second.id)
        assert stored is not None
        assert (stored.row, stored.id, stored.seq, stored.head, stored.run) == (
            second.row, second.id, 2, second.head, second,
        )  # fmt: skip
        assert store.stored_run(second.id[:-1]) is None
        assert [one.id for one in store.stored_runs(0, 10)] == [first.id, second.id]
        assert [one.id for one in store.stored_runs(0, 1)] == [first.id]
        assert [one.id for one in store.stored_runs(first.row, 10)] == [second.id]
        assert store.stored_runs(second.row, 10) == []

    def test_artifacts_as_they_are_stored_are_those_of_a_part_of_the_ledger(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        given = driver.store.stored_artifacts(run.row, -1, 0)
        assert [(one.name, one.seq, one.actual) for one in given] == [("uri", 0, digest_of('"a.pdf"'))]
        later = driver.store.stored_artifacts(run.row, 1, 3)
        assert [(one.name, one.seq) for one in later] == [("document", 2), ("text", 3)]
        assert driver.store.stored_artifacts(run.row, 1, 3, "text") == later[1:]
        assert driver.store.stored_artifacts(run.row, 3, 9) == []

    def test_nothing_is_astray(self, driver: Driver, store: Store) -> None:
        runs = [driver.start(), driver.go(driver.start(), FETCHED, DRAFTED)]
        assert [store.strays(run.row) for run in runs] == [[], []]
        assert list(store.orphans()) == []
