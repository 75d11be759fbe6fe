"""Telling of transitions: everything that is committed through an engine goes through the one function made here."""

from fsm.engine.inline import Watcher
from fsm.logs import log_transition
from fsm.model.run import Run, Transition
from fsm.telemetry import Telemetry


def teller(watch: Watcher | None, telemetry: Telemetry | None) -> Watcher:
    """Return what to call after each commit: it logs, counts, and tells whoever watches."""

    def tell(run: Run, row: Transition) -> None:
        log_transition(run, row)
        if telemetry:
            telemetry.crossed(run, row)
        if watch:
            watch(run, row)

    return tell
