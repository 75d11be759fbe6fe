"""The words that a definition may use for names, and those the language keeps for itself."""

import re

from fsm.expressions import RESERVED as WORDS

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
WORKFLOW = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
ACTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
LENGTH_MAX = 100

SPECIAL = frozenset({"run", "error", "payload", "key"})
"""Names that the engine fills: the run's identity, the last error, a signal's payload, the idempotency key."""

RESERVED = SPECIAL | WORDS | {"ctx"}
"""Names that neither an input nor an artifact may have."""

TRANSIENT = ("Timeout", "HeartbeatLost", "RateLimited", "Unavailable")
"""The errors that another try may mend: the members of the built-in group `Transient`."""

ORDINARY = frozenset(
    {
        *TRANSIENT,
        "Transient",
        "BadRequest",
        "NotReady",
        "ProcessDied",
        "ChildFailed",
        "ToleranceExceeded",
        "CircuitOpen",
    }
)
"""Built-in names for what went wrong outside; `Exception` means any of these and whatever an action raised."""

VERDICTS = frozenset(
    {
        "VisitsExceeded",
        "DeadlineExceeded",
        "BudgetExceeded",
        "RequireFailed",
        "EnsureFailed",
        "ExpressionError",
        "InvalidResult",
        "KeyConflict",
        "Interrupted",
    }
)
"""What the engine itself concludes; never matched by `Exception`."""

FINAL_VERDICTS = frozenset({"VisitsExceeded", "DeadlineExceeded", "BudgetExceeded", "Interrupted"})
"""Verdicts that say a bound is spent: another attempt could only break it further."""

BUILT_IN_ERRORS = ORDINARY | VERDICTS | {"Exception"}
