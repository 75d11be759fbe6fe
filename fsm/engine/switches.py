"""How often the interpreter changes threads, which all workers of a process share."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_S = 0.000_5
"""How long a thread that computes keeps the interpreter from the others: an action must not slow all runs down."""


class _Shared:
    """What was set before the first worker, and how many there are."""

    mutex = threading.Lock()
    workers = 0
    before_s = 0.0


@contextmanager
def quick_switches() -> Iterator[None]:
    """Change threads more often in a block: the first worker of a process asks for it, the last one takes it back."""
    with _Shared.mutex:
        _Shared.workers += 1
        if _Shared.workers == 1:
            _Shared.before_s = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        with _Shared.mutex:
            _Shared.workers -= 1
            if not _Shared.workers:
                sys.setswitchinterval(_Shared.before_s)
