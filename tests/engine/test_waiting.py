"""Waiting for time: delays, instants, deadlines."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsm.engine.engine import Engine
from tests.engine.builders import NOW, House, events


def instant(offset_s: float) -> str:
    return (datetime.fromtimestamp(NOW / 1_000, UTC) + timedelta(seconds=offset_s)).isoformat()


def nap(house: House, wait: str, deadline: str = "") -> Engine:
    house.define(f"""
        workflow: nap
        version: 1
        start: rest
        input: {{x: any}}
        defaults: {{error: failed}}
        states:
          rest: {{wait: {wait}, {deadline} success: done, error: {{DeadlineExceeded: late, ExpressionError: odd}}}}
          done: {{end: success}}
          late: {{end: failure}}
          odd: {{end: failure}}
          failed: {{end: failure}}
    """)
    return house.engine()


class TestWaits:
    def test_a_run_rests_and_goes_on_when_it_is_due(self, house: House) -> None:
        engine = nap(house, "90s")
        run = engine.run("nap", {"x": 0})
        assert (run.status, run.state, run.due_at) == ("waiting", "rest", NOW + 90_000)
        house.clock.instant += 89_999
        assert engine.resume() == []
        assert engine.resume(run.id)[0].status == "waiting"
        house.clock.instant += 1
        (done,) = engine.resume()
        assert (done.status, events(engine, run)) == ("succeeded", ["start", "elapsed"])

    def test_it_counts_from_the_entry_however_late_the_run_is_looked_at(self, house: House) -> None:
        engine = nap(house, "{for: x}")
        run = engine.start("nap", {"x": 60})
        house.clock.instant += 59_000
        assert engine.resume() == [engine.get(run.id)]
        assert engine.get(run.id).due_at == NOW + 60_000
        house.clock.instant += 1_000
        assert engine.resume()[0].status == "succeeded"

    @pytest.mark.parametrize(("wait", "x", "due_s"), [
        ("{for: x * 2}", 30, 60), ("{for: x}", 0.25, 0.25),
        ("{until: x}", instant(60), 60), ("{until: x}", instant(60).replace("+00:00", "Z"), 60),
        ("{until: x}", instant(60).replace("+00:00", ""), 60),
        ("{until: x}", instant(7_260).replace("+00:00", "+02:00"), 60),
    ])  # fmt: skip
    def test_seconds_and_instants_of_the_future(self, house: House, wait: str, x: Any, due_s: float) -> None:
        engine = nap(house, wait)
        run = engine.run("nap", {"x": x})
        assert (run.status, run.due_at) == ("waiting", NOW + int(due_s * 1_000))

    @pytest.mark.parametrize(("wait", "x"), [
        ("{for: x}", 0), ("{for: x}", -5), ("{until: x}", "2001-01-01T00:00:00Z"), ("{until: x}", "2001-01-01"),
        ("{until: x}", instant(0)), ("0s", 0)])  # fmt: skip
    def test_what_is_past_already_goes_on_at_once(self, house: House, wait: str, x: Any) -> None:
        assert nap(house, wait).run("nap", {"x": x}).status == "succeeded"

    @pytest.mark.parametrize(("wait", "x"), [
        ("{for: x}", "5"), ("{for: x}", None), ("{for: x}", True), ("{for: x}", 1e300), ("{for: x}", 10**30),
        ("{until: x}", 5), ("{until: x}", "tomorrow"), ("{until: x}", None), ("{until: x}", ""),
        ("{until: x}", "99999-01-01")])  # fmt: skip
    def test_what_is_no_time_is_an_error(self, house: House, wait: str, x: Any) -> None:
        assert nap(house, wait).run("nap", {"x": x}).state == "odd"

    def test_the_year_9999_can_be_waited_for(self, house: House) -> None:
        run = nap(house, "{until: x}").run("nap", {"x": "9999-12-31T23:59:59Z"})
        assert run.due_at == 253_402_300_799_000

    def test_a_wait_beyond_its_deadline_ends_at_the_deadline(self, house: House) -> None:
        engine = nap(house, "{for: x}", "deadline: 1m,")
        run = engine.run("nap", {"x": 3_600})
        assert (run.status, run.due_at) == ("waiting", NOW + 60_000)
        house.clock.instant += 60_000
        assert engine.resume()[0].state == "late"

    def test_until_the_end_stays_through_a_wait(self, house: House) -> None:
        engine = nap(house, "200ms")
        run = engine.run("nap", {"x": 0}, until="end")
        assert (run.status, sum(house.clock.slept)) == ("succeeded", 200)
