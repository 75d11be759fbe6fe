"""The actions of the soak, and the outside world that they act on: a log that every effect is appended to.

What an action does depends on its run's number and its attempt alone, so that a run which is disturbed has to go the
same way as one that is not. The log is one file that all processes append to; a line tells what was done, when, by
which process, and what the attempt was told.
"""

import asyncio
import json
import os
import time
from typing import Any

import fsm

LOG = os.environ.get("FSM_SOAK_LOG")
"""Where effects go; nowhere in the process that works out how the runs go undisturbed."""


class Refused(Exception):
    """What the settling of some runs ends with."""


def note(kind: str, ctx: fsm.Context, **more: Any) -> None:
    """Append one line; it is there whole or not at all, and outlives the process."""
    line = {
        "kind": kind, "at_ns": time.time_ns(), "pid": os.getpid(), "run": ctx.run_id, "state": ctx.state,
        "visit": ctx.visit, "attempt": ctx.attempt, "interrupted": ctx.interrupted, "key": ctx.key, **more,
    }  # fmt: skip
    if LOG is None:
        return
    fd = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(fd, (json.dumps(line) + "\n").encode())
    finally:
        os.close(fd)


def takes(seconds: float) -> float:
    """Return how long something takes: no time where nobody looks."""
    return seconds if LOG else 0.0


def digit(n: int, place: int, base: int) -> int:
    """Return one digit of a run's number: each decides about something else."""
    return n // place % base


@fsm.action("soak.fetch")
async def fetch(n: int, ctx: fsm.AsyncContext) -> dict[str, int]:
    note("begin", ctx)
    await asyncio.sleep(takes(0.004))

    def pay() -> int:
        note("once", ctx, name="pay")
        return n * 3

    paid = await ctx.once("pay", pay)
    note("saved", ctx, name="pay")
    if digit(n, 4, 3) == 1 and ctx.attempt == 1:
        raise fsm.Unavailable("the first attempt never gets through")
    return {"paid": paid, "attempt": ctx.attempt}


@fsm.action("soak.turn")
def turn(n: int, ctx: fsm.Context, turns: int | None) -> fsm.Outcome[Any, int]:
    note("begin", ctx)
    time.sleep(takes(0.002))
    if digit(n, 12, 3) == 2 and ctx.attempt <= 2:
        raise fsm.RateLimited("twice too often", retry_after_s=0.01)
    now = (turns or 0) + 1
    return fsm.Outcome("done" if now > digit(n, 1, 4) else "again", now)


@fsm.action("soak.settle")
def settle(n: int, fetch: dict[str, int], turns: int, ctx: fsm.Context) -> list[int]:
    note("begin", ctx)

    def book() -> int:
        note("once", ctx, name="book")
        return n + fetch["paid"]

    booked = ctx.once("book", book)
    note("saved", ctx, name="book")
    ctx.heartbeat({"booked": booked})
    if digit(n, 108, 4) == 3:
        raise Refused(f"{n} is refused")
    return [n, booked, turns]
