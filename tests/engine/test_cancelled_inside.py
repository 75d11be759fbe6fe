"""An asynchronous action in which something else was cancelled has failed; it is no interruption of the run."""

import asyncio
from pathlib import Path

import fsm

DEFINITION = """
workflow: inside
version: 1
start: work
defaults: {timeout: 10s, retry: never, error: failed}
states:
  work: {action: inside.work, success: done}
  done: {end: success}
  failed: {end: failure}
"""


@fsm.action("inside.work")
async def work() -> None:
    task = asyncio.ensure_future(asyncio.Event().wait())
    task.cancel()
    await task


def test_a_cancellation_inside_an_action_takes_its_error_edge(tmp_path: Path) -> None:
    (tmp_path / "inside.yaml").write_text(DEFINITION)
    with fsm.Engine(tmp_path / "runs.db", definitions=tmp_path / "inside.yaml", actions=[work]) as engine:
        run = engine.run("inside")
        assert (run.status, run.reason) == (
            "failed", "CancelledError: something that the action awaited was cancelled",
        )  # fmt: skip
        assert engine.history(run.id)[-1].transition.interrupted
