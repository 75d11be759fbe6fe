"""Actions that stay where they are until their own process is let go: for the tests that freeze one in their middle."""

import asyncio
import os
import time
from pathlib import Path

import fsm
from tests.crash.soak.actions import LOG, note

FLOW = """
workflow: holding
version: 1
start: which
input: {n: int, turn: int}
defaults: {retry: never, error: dead}
states:
  which: {switch: [{when: n % 2 == 0, to: block}, {else: await}]}
  block: {action: hold.block, idempotent: true, writes: pid, success: done}
  await: {action: hold.await, idempotent: true, writes: pid, success: done}
  done: {end: success, output: pid}
  dead: {end: dead_letter}
"""


def gate(folder: Path, turn: int, pid: int) -> Path:
    """Return the file that lets the actions of a process go, in one turn."""
    return folder / f"go-{turn}-{pid}"


def is_open(turn: int) -> bool:
    return LOG is not None and gate(Path(LOG).parent, turn, os.getpid()).exists()


@fsm.action("hold.block")
def block(n: int, turn: int, ctx: fsm.Context) -> int:
    note("begin", ctx)
    while not is_open(turn):
        time.sleep(0.005)
    if n % 4 == 0:
        try:
            ctx.once("mark", lambda: note("once", ctx, name="mark"))
        except fsm.LeaseLost:
            note("refused", ctx)
            raise
    note("end", ctx)
    return os.getpid()


@fsm.action("hold.await")
async def wait(n: int, turn: int, ctx: fsm.AsyncContext) -> int:
    note("begin", ctx)
    while not is_open(turn):  # noqa: ASYNC110 - another process opens it
        await asyncio.sleep(0.005)
    if n % 4 == 1:
        try:
            await ctx.once("mark", lambda: note("once", ctx, name="mark"))
        except fsm.LeaseLost:
            note("refused", ctx)
            raise
    note("end", ctx)
    return os.getpid()
