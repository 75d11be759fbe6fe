"""The line between an engine and the process of an action: JSON messages, each after its length, over a socket."""

import contextlib
import json
import socket
import struct
import threading
import time
from typing import Any

from fsm import errors
from fsm.actions.values import described

_LENGTH = struct.Struct("!Q")
_PART_BYTES = 1 << 16

Message = tuple[str, Any]
"""What kind it is, and its content."""


class Wire:
    """One end of the line. Any thread may send; one at a time receives."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._received = bytearray()
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._line.fileno()

    @property
    def is_open(self) -> bool:
        return self._line.fileno() >= 0

    def send(self, kind: str, content: Any = None, within_s: float | None = None) -> None:
        """Send a message whole.

        Args:
            within_s: after that the line is of no use any more; None waits for as long as it takes.

        Raises:
            TimeoutError: the other side did not take it in time.
            OSError: the other side is gone.
        """
        # Lone surrogates, which file names and tracebacks may bring, have to pass.
        content_bytes = json.dumps([kind, content], ensure_ascii=False).encode("utf-8", "surrogatepass")
        with self._sending:
            self._line.settimeout(within_s)
            self._line.sendall(_LENGTH.pack(len(content_bytes)) + content_bytes)

    def take(self) -> Message | None:
        """Return the next message that has come whole, or None."""
        if len(self._received) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._received)
        end = _LENGTH.size + length
        if len(self._received) < end:
            return None
        kind, content = json.loads(self._received[_LENGTH.size : end].decode("utf-8", "surrogatepass"))
        del self._received[:end]
        return kind, content

    def fill(self) -> bool:
        """Wait until something comes, and take in what is there; return False where nothing more will come."""
        part = self._line.recv(_PART_BYTES)
        self._received += part
        return bool(part)

    def receive(self) -> Message:
        """Wait for the next message. Raises EOFError when the other side is gone."""
        while (message := self.take()) is None:
            if not self.fill():
                raise EOFError
        return message

    def rest(self, within_s: float) -> list[Message]:
        """Return what came before the other side ended; it may take that long to end. Nothing can be sent any more."""
        until_s = time.monotonic() + within_s
        found = []
        with contextlib.suppress(OSError):
            self._line.settimeout(within_s)
            while self.fill():
                self._line.settimeout(max(until_s - time.monotonic(), 0))
        while (message := self.take()) is not None:
            found.append(message)
        return found

    def close(self) -> None:
        self._line.close()


def names_and_words(error: BaseException) -> list[Any]:
    """Return what is told of an error: the names of its class and of those it inherits from, and its message."""
    return [[kind.__name__ for kind in type(error).__mro__], described(error)]


def revived(names: list[str], words: str) -> errors.FSMError:
    """Return an error of the engine that was raised on the other side: of its class, or of the nearest public one."""
    for name in names:
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, errors.FSMError):
            with contextlib.suppress(TypeError):  # one that takes more than a message
                return kind(words)
    return errors.FSMError(words)
