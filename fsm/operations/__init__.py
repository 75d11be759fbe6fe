"""What operators do to runs and stores, one file per verb. Each takes an engine, and goes through the same law.

from fsm import operations

operations.redrive(engine, run.id, actor="ana", reason="the card was renewed")
"""

from fsm.operations.complete import complete
from fsm.operations.redrive import redrive

__all__ = ["complete", "redrive"]
