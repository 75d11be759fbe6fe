"""Listing in SQLite: an index where few are to be looked at, bounded steps where many are, and the same result."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.model.listing import Wanted
from fsm.store.sqlite import SqliteStore, listing
from tests.store.contract_listing import all_wanted, fits, listed, populated
from tests.store.contract_pauses import paused
from tests.store.driving import LOOP, Driver


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    store = SqliteStore(tmp_path / "runs.db")
    yield Driver(store)
    store.close()


@pytest.mark.parametrize(("few", "step"), [(0, 1), (0, 4), (2, 2), (2, 100), (100, 1)])
def test_whichever_way_is_taken_the_same_is_found(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, few: int, step: int
) -> None:
    runs = populated(driver)
    paused(driver, "review", "draft")
    monkeypatch.setattr(listing, "_FEW", few)
    monkeypatch.setattr(listing, "_STEP", step)
    for wanted in all_wanted(runs):
        expected = [run.id for run in runs if fits(run, wanted, driver.store.pauses())]
        assert listed(driver.store, wanted, 2) == expected, wanted


def test_a_step_that_finds_too_little_says_how_far_it_came(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    first = driver.start()
    others = [driver.start(LOOP) for _ in range(5)]
    monkeypatch.setattr(listing, "_STEP", 3)
    page = driver.store.page(Wanted(workflow="review"), 10)
    assert (page.runs, page.before, page.is_cut) == ([], others[2].id, True)
    page = driver.store.page(Wanted(workflow="review"), 10, page.before)
    assert (page.runs, page.before, page.is_cut) == ([driver.store.get(first.id)], None, False)


def plan(driver: Driver, wanted: Wanted) -> list[str]:
    """Return the indexes by which the candidates of a page are found, and whether anything is looked at besides."""
    assert isinstance(driver.store, SqliteStore)
    asked: list[str] = []
    driver.store.sql.set_trace_callback(asked.append)
    driver.store.page(wanted, 10)
    driver.store.sql.set_trace_callback(None)
    steps = [step for text in asked if text.startswith("SELECT") for *_, step in
             driver.store.sql.execute(f"EXPLAIN QUERY PLAN {text}")]  # fmt: skip
    return [
        re.sub(r"^(?:SEARCH|SCAN) runs (?:USING (?:COVERING )?INDEX )?", "", step) for step in steps if " runs" in step
    ]


INDEXED = {
    "ready": (Wanted(statuses=("ready",)), {"runs_ready"}),
    "ready of a workflow": (Wanted("review", ("ready",)), {"runs_ready (name=?)"}),
    "waiting": (Wanted(statuses=("waiting",)), {"runs_due"}),
    "running": (Wanted(statuses=("running",)), {"runs_held"}),
    "dead": (Wanted(statuses=("dead",)), {"runs_dead"}),
    "dead in a state": (Wanted("review", ("dead",), "lost"), {"runs_dead (name=? AND state=?)"}),
    "several": (Wanted(statuses=("ready", "dead")), {"runs_ready", "runs_dead"}),
    "paused": (Wanted(paused=True), {"runs_ready", "runs_due", "runs_held"}),
    "a key": (Wanted(key="a"), {"runs_key (name=? AND key>? AND key<?)"}),
    "a key of a workflow": (Wanted("review", key="a"), {"runs_key (name=? AND key>? AND key<?)"}),
    "held": (Wanted(held=True), {"runs_held"}),
    "lately": (Wanted(since=1), set()),
}


@pytest.mark.parametrize("which", INDEXED)
def test_candidates_come_from_an_index(driver: Driver, which: str) -> None:
    populated(driver)
    wanted, indexes = INDEXED[which]
    used = set(plan(driver, wanted))
    by_row = {step for step in used if "INTEGER PRIMARY KEY" in step or "sqlite_autoindex_runs_1" in step}
    assert used - by_row == indexes
    assert not any("SCAN" in step or step == "" for step in used)


@pytest.mark.parametrize("wanted", [Wanted(state="fetch"), Wanted("review"), Wanted(until=1), Wanted()])
def test_anything_else_goes_newest_first(driver: Driver, wanted: Wanted) -> None:
    populated(driver)
    used = plan(driver, wanted)
    assert any("sqlite_autoindex_runs_1 (uid<?)" in step for step in used), used
