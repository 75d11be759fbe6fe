"""A worker that waits for runs started by another process: python -m benchmarks.idle FOLDER."""

import sys
import time
from pathlib import Path

import fsm

FLOW = """workflow: tick
version: 1
start: tick
defaults: {retry: never, error: failed}
states:
  tick: {action: tick.tick, idempotent: true, success: done}
  done: {end: success}
  failed: {end: failure}
"""


def main(place: Path) -> None:
    """Work until terminated; the action writes down the time at which it was begun."""

    @fsm.action("tick.tick")
    def tick() -> None:
        now = time.time_ns()
        with (place / "ticks").open("a") as ticks:
            ticks.write(f"{now}\n")

    (place / "tick.yaml").write_text(FLOW)
    with fsm.Engine(place / "runs.db", definitions=place / "tick.yaml", actions=[tick]) as engine:
        print("here", flush=True)
        engine.work()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
