"""Time, chance and identity: the only room that touches the outside ones. Everything else is given them."""

import os
import random
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Clock:
    """The real time, chance and ids; tests pass another object with the same verbs."""

    def now(self) -> int:
        """Return UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def draw(self) -> float:
        """Return a number uniform in [0, 1)."""
        return random.random()

    def new_id(self) -> str:
        """Return 26 characters that sort by the instant they were drawn at.

        Source:
            ULID: 48 bits of milliseconds, 80 of chance, Crockford's base 32.
        """
        number = self.now() << 80 | int.from_bytes(os.urandom(10))
        return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))

    def sleep(self, delay_ms: int) -> None:
        """Block the calling thread."""
        time.sleep(delay_ms / 1_000)
