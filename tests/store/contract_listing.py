"""Listing: every filter lets through exactly what it says, in one order, page by page."""

from itertools import product
from typing import Any

import pytest

from fsm.model.listing import Wanted
from fsm.model.run import PERSON, Rest, Run
from fsm.store import Store
from tests.store.contract_pauses import paused
from tests.store.driving import AGAIN, DRAFTED, FETCHED, LOOP, Driver, failed
from tests.store.processes import Line, children
from tests.store.subject import Opener, Subject


def populated(driver: Driver) -> list[Run]:
    """Return runs in every situation, newest first."""
    made = [
        driver.start(status="ready", key="a-1"),
        driver.start(key="a-2"),
        driver.go(driver.start(key="b-1"), FETCHED, DRAFTED),
        driver.go(driver.start(), failed("Unavailable", "Transient")),
        driver.commit(driver.decision(driver.go(driver.start(key="ä_%"), FETCHED), Rest(None, PERSON))),
        driver.go(driver.start(key="a"), failed("Boom")),
        driver.go(driver.start(), failed("Refused")),
        driver.go(driver.start(LOOP, key="a-1"), AGAIN),
        driver.start(LOOP, status="ready"),
    ]
    return sorted((driver.store.get(run.id) for run in made), key=lambda run: run.id, reverse=True)


def listed(store: Store, wanted: Wanted, limit: int = 50) -> list[str]:
    """Return the ids of everything that is wanted, page by page."""
    found: list[str] = []
    before: str | None = None
    while True:
        page = store.page(wanted, limit, before)
        assert len(page.runs) <= limit
        assert page.is_cut or page.before is None or len(page.runs) == limit
        found += [run.id for run in page.runs]
        before = page.before
        if before is None:
            return found


def fits(run: Run, wanted: Wanted, pauses: Any) -> bool:
    return (
        wanted.workflow in (None, run.workflow)
        and (not wanted.statuses or run.status in wanted.statuses)
        and wanted.state in (None, run.state)
        and (wanted.key is None or (run.key is not None and run.key.startswith(wanted.key)))
        and (wanted.since is None or run.updated_at >= wanted.since)
        and (wanted.until is None or run.updated_at <= wanted.until)
        and (not wanted.paused or any(pause.covers(run) for pause in pauses))
    )


def all_wanted(runs: list[Run]) -> list[Wanted]:
    """Return every pair of filters, and some more."""
    middle = sorted(run.updated_at for run in runs)[len(runs) // 2]
    one: list[dict[str, Any]] = [
        {}, {"workflow": "review"}, {"workflow": "loop"}, {"workflow": "none"}, {"statuses": ("ready",)},
        {"statuses": ("dead",)}, {"statuses": ("ready", "waiting", "running")}, {"statuses": ("failed", "dead")},
        {"state": "fetch"}, {"state": "turn"}, {"key": "a"}, {"key": "a-"}, {"key": "ä_%"}, {"key": "_"}, {"key": ""},
        {"since": middle}, {"until": middle}, {"paused": True},
    ]  # fmt: skip
    return [Wanted(**{**first, **second}) for first, second in product(one, one)]


class Listing(Subject):
    @pytest.mark.parametrize("limit", [1, 2, 50])
    def test_every_pair_of_filters_lets_through_what_it_says(self, driver: Driver, limit: int) -> None:
        runs = populated(driver)
        paused(driver, "review", "draft")
        paused(driver, "loop")
        pauses = driver.store.pauses()
        for wanted in all_wanted(runs):
            expected = [run.id for run in runs if fits(run, wanted, pauses)]
            assert listed(driver.store, wanted, limit) == expected, wanted

    def test_a_page_has_whole_runs_and_says_where_the_next_begins(self, driver: Driver) -> None:
        runs = populated(driver)
        page = driver.store.page(Wanted(), 4)
        assert (page.runs, page.before, page.is_cut) == (runs[:4], runs[3].id, False)
        last = driver.store.page(Wanted(), 50, runs[6].id)
        assert (last.runs, last.before) == (runs[7:], None)

    def test_only_what_a_living_process_drives_is_held(self, driver: Driver, opened: Opener) -> None:
        mine = driver.start()
        driver.start(status="ready")

        def hold(line: Line) -> None:
            line.send(Driver(opened(), driver.now + 9).start().id)
            line.recv()

        with children(hold) as (child,):
            theirs = child.hears()
            assert listed(driver.store, Wanted(held=True)) == sorted((mine.id, theirs), reverse=True)
            assert listed(driver.store, Wanted(held=True, workflow="loop")) == []
            child.kill()
            assert listed(driver.store, Wanted(held=True)) == [mine.id]
        assert len(listed(driver.store, Wanted(statuses=("running",)))) == 2
