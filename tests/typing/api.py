"""The public API as a caller writes it: strict mypy accepts every line, and `tests/test_public_api.py` runs it."""

from pathlib import Path
from typing import Any, Literal

import fsm

DEFINITION = """\
workflow: typed
version: 1
start: look
input: {word: str}
defaults: {timeout: 30s, retry: {attempts: 2, delay: 1ms}, error: parked}
states:
  look:   {action: typed.look, idempotent: true, writes: found, success: {success: shout, nothing: ask}}
  shout:  {action: typed.shout, idempotent: true, success: done}
  ask:    {signal: {skip: {to: done, payload: {by: str}}}, deadline: 1d}
  done:   {end: success, optional: shout, output: shout}
  parked: {end: dead_letter}
"""


@fsm.action("typed.look")
def look(word: str, ctx: fsm.Context) -> str | fsm.Outcome[Literal["nothing"], None]:
    if not word:
        return fsm.Outcome("nothing")
    length: int = ctx.once("length", len, word)
    ctx.heartbeat({"length": length})
    ctx.log.info("attempt %d with key %s", ctx.attempt, ctx.key)
    return word


@fsm.action
async def unused(word: str) -> str:
    return word


@fsm.action(isolation="process")
def heavy(word: str) -> str:
    return word


@fsm.action("typed.heavier", isolation="process")
async def heavier(word: str) -> str:
    return word


HEAVY: str = heavy("w")


@fsm.action("typed.shout")
async def shout(found: str, ctx: fsm.AsyncContext) -> str:
    async def upper(word: str) -> str:
        return word.upper()

    shouted: str = await ctx.once("upper", upper, found)
    if ctx.interrupted and ctx.visit:
        raise fsm.Unavailable("later", retry_after_s=0.1, value={"word": found})
    return shouted


def drive(folder: Path) -> tuple[str | None, list[str]]:
    """Use every verb of the engine once; return a run's output and the events of another."""
    definition = folder / "typed.yaml"
    definition.write_text(DEFINITION)
    faults: list[fsm.Diagnostic] = fsm.check(definition, actions=[look, shout])
    assert not [fault for fault in faults if fault.severity is not fsm.Severity.NOTE]
    events: list[str] = []

    def watch(run: fsm.Run, row: fsm.Transition) -> None:
        events.append(f"{run.workflow}: {row.event}")

    with fsm.Engine(folder / "typed.db", definitions=[definition], actions=[look, shout], watch=watch) as engine:
        run: fsm.Run = engine.run("typed", {"word": "hello"}, key="hello", until="end")
        output: Any = run.output
        asking = engine.start("typed", {"word": ""})
        driven: list[fsm.Run] = engine.resume(asking.id)
        answered = engine.signal(driven[0].id, "skip", {"by": "ana"}, actor="ana", message_id="1")
        found: fsm.Run | None = engine.find("typed", "hello")
        assert found is not None
        assert found.id == run.id
        assert found.id in {one.id for one in engine.runs(workflow="typed", status="succeeded", limit=10)}
        rows: list[fsm.Written] = engine.history(answered.id)
        assert [one.transition.event for one in rows] == [one.transition.event for one in engine.follow(answered.id)]
        values: dict[str, Any] = engine.artifacts(answered)
        assert values["ask"] == {"by": "ana"}
        assert engine.workflow(run).name == "typed"
        return output, [one.transition.event for one in rows]


def refuse(engine: fsm.Engine, run_id: str) -> tuple[str, ...]:
    """Say what is legal where a signal is not."""
    try:
        engine.signal(run_id, "nonsense")
    except fsm.IllegalTransition as error:
        return error.legal
    except (fsm.NotFound, fsm.KeyConflict, fsm.UsageError, fsm.StoreError, fsm.LeaseLost):
        return ()
    return ("nonsense",)


async def drive_async(engine: fsm.Engine, word: str) -> list[str]:
    """Use every asynchronous face once."""
    run: fsm.Run = await engine.run_async("typed", {"word": word}, until="rest")
    started: fsm.Run = await engine.start_async("typed", {"word": ""})
    await engine.resume_async()
    await engine.signal_async(started.id, "skip", {"by": "bob"})
    waiting = await engine.run_async("typed", {"word": ""})
    cancelled = await engine.cancel_async(waiting.id, actor="bob", reason="enough")
    rows = await engine.history_async(run.id)
    return [cancelled.status, (await engine.get_async(started.id)).status, rows[-1].transition.status]
