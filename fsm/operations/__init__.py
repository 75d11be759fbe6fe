"""What operators do to runs and stores, one file per verb. Each takes an engine, and goes through the same law.

from fsm import operations

operations.redrive(engine, run.id, actor="ana", reason="the card was renewed")
"""

from fsm.operations.audit import audit
from fsm.operations.backup import backup
from fsm.operations.complete import complete
from fsm.operations.dead_letters import dead_letters
from fsm.operations.doctor import doctor
from fsm.operations.drop import drop
from fsm.operations.effects import effects
from fsm.operations.fork import fork
from fsm.operations.history import history
from fsm.operations.listing import listing
from fsm.operations.migrate import migrate
from fsm.operations.pause import pause
from fsm.operations.prune import prune
from fsm.operations.redrive import redrive
from fsm.operations.replay import replay, replays
from fsm.operations.rewind import rewind
from fsm.operations.stats import stats
from fsm.operations.unpause import unpause
from fsm.operations.watch import watch
from fsm.operations.why import why

__all__ = [
    "audit",
    "backup",
    "complete",
    "dead_letters",
    "doctor",
    "drop",
    "effects",
    "fork",
    "history",
    "listing",
    "migrate",
    "pause",
    "prune",
    "redrive",
    "replay",
    "replays",
    "rewind",
    "stats",
    "unpause",
    "watch",
    "why",
]
