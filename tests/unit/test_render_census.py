"""Stats and looks as text and JSON."""

import json
from datetime import UTC
from typing import Any

import pytest

from fsm.model.census import Count, Crew, Crossed, Deaths, Lately, Present, Stay, Stuck, Trouble
from fsm.render import stats, watch
from fsm.render.terminal import width

AT = 1_786_000_000_123
HOUR = 3_600_000
RUN = "01J4K3Z0000000000000000000"
PRESENT = Present(
    counts=(
        Count("order", 2, "charge", "ready", 12_000, 5),
        Count("order", 2, "human", "waiting", 3),
        Count("order", 1, "parked", "dead", 17),
    ),
    stuck=(Stuck(RUN, "order", 2, "charge", "ready", "ready", AT - 3 * HOUR),),
    stuck_runs=1,
    crew=(
        Crew(7, "shop-1", 4_711, AT - 25 * HOUR, 256, AT + 21_000, lives=True),
        Crew(8, "shop-1", 4_712, AT - HOUR, 1, None, lives=True),
        Crew(9, "shop-1", 4_713, AT - HOUR, 3, AT - 61_000, lives=True),
        Crew(10, "shop-1", 4_714, AT - HOUR, 2, AT - 61_000, lives=False),
    ),
    ready_since=AT - 3 * HOUR,
    due_at=AT + 12_000,
    last=99,
)
LATELY = Lately(
    since=AT - 24 * HOUR,
    rows=30_000,
    is_cut=True,
    crossed=(
        Crossed("order", 2, "", "start", "charge", "running", 10_000),
        Crossed("order", 2, "charge", "success", "done", "succeeded", 9_990),
        Crossed("order", 1, "charge", "error:else", "parked", "dead", 10),
    ),
    ended=(Count("order", 2, "done", "succeeded", 9_990),),
    troubles=(Trouble("order", "charge", "retry", "Unavailable", 31), Trouble("order", "charge", "error", "Boom", 10)),
    stays=(Stay("order", "charge", 10_000, 420, 1_200, 61_000),),
    deaths=(Deaths(AT // HOUR * HOUR, 10, 2),),
)
EMPTY = Present((), (), 0, (), None, None, 0)
NOTHING = Lately(AT - 24 * HOUR, 0, False, (), (), (), (), ())

TOLD = """\
Live and dead runs
WORKFLOW  STATE   STATUS   RUNS    PAUSED
order@2   charge  ready    12,000  5
order@2   human   waiting  3
order@1   parked  dead     17

Ended in the last 1 d
WORKFLOW  STATE  STATUS     RUNS
order@2   done   succeeded  9,990

Stuck: 1 run could go on, and nobody has driven it for 1 min
ID                          WORKFLOW  STATE   STATUS  WHY    SINCE
01J4K3Z0000000000000000000  order@2   charge  ready   ready  3 h ago

Visits that were left in the last 1 d, and how long they lasted
WORKFLOW  STATE   VISITS  P50     P95    P99
order     charge  10,000  420 ms  1.2 s  1 min 1 s

Retries and errors in the last 1 d
WORKFLOW  STATE   WHAT   ERROR        TIMES
order     charge  retry  Unavailable  31
order     charge  error  Boom         10

Dead letters: 17 now; those that came and went
FROM              ENTERED  LEFT
2026-08-06 07:00  10       2

In the last 1 d: 20,000 transitions (13.9/min), 10,000 starts (6.9/min), 10,000 ends (6.9/min)"""

LOOK = """\
runs.db · 07:06:40 · 1,234.5 edges/s
oldest ready: 3 h ago · due next: in 12 s · dead letters: 17 · stuck: 1

WORKFLOW  STATE   STATUS   RUNS    PAUSED
order@2   charge  ready    12,000  5
order@2   human   waiting  3
order@1   parked  dead     17

HOST    PID   RUNS  SINCE    LEASE
shop-1  4711  256   1 d ago  21 s
shop-1  4712  1     1 h ago  while it lives
shop-1  4713  3     1 h ago  over since 1 min 1 s
shop-1  4714  2     1 h ago  dead"""


def test_stats_are_told_under_headings() -> None:
    assert stats.told(PRESENT, LATELY, AT, 60_000, None, UTC) == TOLD


def test_of_a_store_where_nothing_is_and_happened_only_the_rates_are_told() -> None:
    told = stats.told(EMPTY, NOTHING, AT, 60_000, None, UTC)
    assert told == "In the last 1 d: 0 transitions (0.00/min), 0 starts (0.00/min), 0 ends (0.00/min)"


@pytest.mark.parametrize("room", [60, 80, 100])
def test_no_table_is_wider_than_the_terminal(room: int) -> None:
    rows = [line for line in stats.told(PRESENT, LATELY, AT, 60_000, room, UTC).splitlines() if "  " in line]
    assert all(width(line) <= room for line in rows)


def test_it_is_said_what_was_looked_at_and_that_there_is_more() -> None:
    said = stats.scanned(PRESENT, LATELY, UTC)
    assert said == (
        "looked at 30,000 rows of the ledger since 2026-08-05 07:06:40, and at 12,020 runs live or dead; "
        "the window has more: --since looks at all of them"
    )
    assert stats.scanned(EMPTY, NOTHING, UTC).endswith("and at 0 runs live or dead")


def test_the_json_of_stats_has_every_number() -> None:
    found: Any = json.loads(json.dumps(stats.fields(PRESENT, LATELY, AT, 60_000, HOUR)))
    assert found["scanned"] == {"ledger_rows": 30_000, "is_cut": True, "runs": 12_020}
    assert found["runs"][0] == {
        "workflow": "order", "version": 2, "state": "charge", "status": "ready", "runs": 12_000, "paused": 5,
    }  # fmt: skip
    assert found["ended"] == [
        {"workflow": "order", "version": 2, "state": "done", "status": "succeeded", "runs": 9_990}
    ]
    assert found["stuck"]["oldest"][0]["since"] == "2026-08-06T04:06:40.123Z"
    assert found["rates"]["started"] == {"count": 10_000, "per_minute": 6.944}
    assert found["durations"][0]["p99_ms"] == 61_000
    assert found["troubles"][1] == {
        "workflow": "order",
        "state": "charge",
        "kind": "error",
        "error": "Boom",
        "times": 10,
    }
    assert found["dead"] == {
        "runs": 17, "bucket_ms": HOUR, "trend": [{"from": "2026-08-06T07:00:00.000Z", "entered": 10, "left": 2}],
    }  # fmt: skip


def test_a_window_of_no_length_has_no_rate() -> None:
    told = stats.told(EMPTY, NOTHING._replace(since=AT), AT, 60_000, None, UTC)
    assert told == "In the last 0 ms: 0 transitions (0.00/min), 0 starts (0.00/min), 0 ends (0.00/min)"


def test_a_look_is_told_in_lines() -> None:
    assert "\n".join(watch.lines("runs.db", PRESENT, AT, 1_234.5, None, UTC)) == LOOK


def test_a_first_look_at_an_idle_store_says_so() -> None:
    assert watch.lines("runs.db", EMPTY, AT, None, 80, UTC) == [
        "runs.db · 07:06:40",
        "oldest ready: none · due next: nothing · dead letters: 0 · stuck: 0",
        "",
        "no live and no dead runs",
        "",
        "no process drives runs",
    ]


def test_an_instant_that_is_past_is_late() -> None:
    assert "due next: 1 min 5 s late" in watch.lines("x", EMPTY._replace(due_at=AT - 65_000), AT, None, None, UTC)[1]


def test_control_characters_of_a_name_cannot_reach_the_terminal() -> None:
    odd = PRESENT._replace(counts=(Count("order", 1, "\x1b[2J", "ready", 1),))
    assert "\x1b" not in "\n".join(watch.lines("\x1b]0;x", odd, AT, None, None, UTC))
    assert "\x1b" not in stats.told(odd, LATELY, AT, 60_000, None, UTC)


def test_the_json_of_a_look_has_every_number() -> None:
    found: Any = json.loads(json.dumps(watch.fields(PRESENT, AT, 1.23456)))
    assert found["edges_per_second"] == 1.235
    assert (found["dead"], found["stuck"], found["due_at"]) == (17, 1, "2026-08-06T07:06:52.123Z")
    assert found["workers"][0] == {
        "worker": 7, "host": "shop-1", "pid": 4_711, "at": "2026-08-05T06:06:40.123Z", "runs": 256,
        "expires_at": "2026-08-06T07:07:01.123Z", "lives": True,
    }  # fmt: skip
    assert watch.fields(EMPTY, AT, None)["edges_per_second"] is None
