"""A process that kills itself in the middle of an action: `python -m tests.engine.victim STORE DEFINITION MODE`."""

import os
import signal
import sys
from pathlib import Path

import fsm


@fsm.action("mail.send")
def send(log: str, ctx: fsm.Context) -> str:
    """Do the effect, then die before anybody learns of it."""
    with Path(log).open("a") as file:
        file.write(f"{ctx.key} {ctx.interrupted}\n")
        file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@fsm.action("mail.find")
def find(log: str) -> None:
    """Say that nothing was done; the victim never asks."""


if __name__ == "__main__":
    store, definition, log = sys.argv[1:]
    fsm.Engine(store, definitions=definition, actions=[send, find]).run("mail", {"log": log}, key="one")
