"""Runs that a worker leaves alone for a while: a fault that was none of their action's kept it from driving them."""

SHUNNED_MS, SHUNNED_MAX_MS = 1_000, 60_000
"""For how long, at first and at most."""


class Shunned:
    """Each run by the store's number for it; the time doubles with every fault, until the run gets on."""

    def __init__(self) -> None:
        self._delays_ms: dict[int, int] = {}
        self._until: dict[int, int] = {}

    def __contains__(self, row: int) -> bool:
        return row in self._until

    def add(self, row: int, now: int) -> int:
        """Leave a run alone from now on; return for how many milliseconds."""
        delay_ms = min(self._delays_ms.get(row, SHUNNED_MS // 2) * 2, SHUNNED_MAX_MS)
        self._delays_ms[row], self._until[row] = delay_ms, now + delay_ms
        return delay_ms

    def forget(self, row: int) -> None:
        """Take note that a run got on."""
        if self._until:
            self._delays_ms.pop(row, None)
            self._until.pop(row, None)

    def at(self, now: int) -> dict[int, int]:
        """Return the runs that are still left alone, each with the instant until when."""
        return {row: until for row, until in self._until.items() if until > now}
