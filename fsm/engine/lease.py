"""The lease of a worker: a thread extends it, so that a loop which is busy is not taken for dead."""

import logging
import threading
import time
from collections.abc import Callable

from fsm.errors import StoreError
from fsm.store import Store

_LOG = logging.getLogger("fsm.worker")


class Lease:
    """A lease on whatever this process claims.

    Args:
        lease_ms: how long it holds without a new sign of life; one is given three times as often.
    """

    def __init__(self, store: Store, now: Callable[[], int], lease_ms: int) -> None:
        self._store = store
        self._now = now
        self._lease_ms = lease_ms
        self._extended_s = self._lapsed_s = float("-inf")
        self._lapses = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._extend_all, name="fsm-lease", daemon=True)

    def begin(self) -> None:
        """Take the lease, and extend it from now on. Raises StoreError."""
        try:
            self._extend()
        finally:
            self._store.leave()
        self._thread.start()

    @property
    def is_steady(self) -> bool:
        """Whether this lease has held without a gap for as long as one lasts.

        After a gap nobody may be taken for dead because of a lease that is over: what kept this process from extending
        its own, a machine that was suspended or a disk that hung, kept the others from it too.
        """
        lease_s, now_s = self._lease_ms / 1_000, time.monotonic()
        return now_s - self._extended_s < lease_s <= now_s - self._lapsed_s

    @property
    def lapses(self) -> int:
        """How often the lease was over before it was extended; one more while it is over."""
        is_over = time.monotonic() - self._extended_s >= self._lease_ms / 1_000
        return self._lapses + is_over

    def _extend(self) -> None:
        """Extend the lease; once more where that took so long that it was soon over again."""
        lease_s = self._lease_ms / 1_000
        while not self._ended.is_set():
            asked_s, now = time.monotonic(), self._now()
            self._store.lease(now, now + self._lease_ms)
            done_s = time.monotonic()
            if self._extended_s > float("-inf") and done_s - self._extended_s >= lease_s:
                self._lapsed_s = done_s
                self._lapses += 1
            self._extended_s = asked_s
            if done_s - asked_s < lease_s / 3:
                break

    def _extend_all(self) -> None:
        while not self._ended.wait(self._lease_ms / 3_000):
            try:
                self._extend()
            except StoreError as error:
                _LOG.warning("the lease could not be extended: %s", error)
        self._store.leave()

    def end(self) -> None:
        """Stop extending; what this process drives otherwise is held for as long as it lives."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._store.lease(self._now(), None)
        except StoreError as error:
            _LOG.warning("the lease could not be given back: %s", error)
        finally:
            self._store.leave()
