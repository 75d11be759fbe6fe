"""What an action says in a process of its own: its prints and log records go to the engine's process."""

import codecs
import contextlib
import io
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

from fsm.actions.values import plain
from fsm.engine.wire import Wire

STDERR = 2


class _Voice(io.RawIOBase):
    """Sends what is written to it as text; in a process forked from this one, it goes to stderr itself."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return STDERR

    def write(self, part: Any) -> int:
        written = bytes(part)
        if not self._wire.is_open:
            return os.write(STDERR, written)
        if text := self._decoder.decode(written):
            self._wire.send("print", text)
        return len(written)


class _Records(logging.Handler):
    """Sends log records."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def emit(self, record: logging.LogRecord) -> None:
        if not self._wire.is_open:
            if logging.lastResort:
                logging.lastResort.handle(record)
            return
        try:
            self._wire.send("log", _told(record))
        except Exception:  # noqa: BLE001 - the user's objects, in the record
            self.handleError(record)


_EXCEPTIONS = logging.Formatter()


def _told(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record as JSON: its message and traceback made text here, where their objects are."""
    text = record.exc_text
    if record.exc_info and not text:
        text = _EXCEPTIONS.formatException(record.exc_info)
    made = {"msg": record.getMessage(), "args": None, "exc_info": None, "exc_text": text}
    return {name: value if _is_plain(value) else plain(value) for name, value in {**vars(record), **made}.items()}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float))


def speak(wire: Wire) -> None:
    """Lead this process's prints and log records to the engine's."""
    sys.stdout = _stream(wire)
    sys.stderr = _stream(wire)
    logging.root.addHandler(_Records(wire))


def _stream(wire: Wire) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(_Voice(wire)), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def listen(levels: Mapping[str, int]) -> None:
    """Let loggers here have the levels that they have in the engine's process."""
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def hush() -> None:
    """Write out what is printed but not sent."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


# -- the engine's side


def levels() -> dict[str, int]:
    """Return what the engine's process wants to hear: the levels of the root logger, and of actions' own."""
    return {name: logging.getLogger(name).getEffectiveLevel() for name in ("", "fsm.action")}


def heard(kind: str, content: Any) -> None:
    """Print or log what the process of an action said; it never fails because nobody listens."""
    with contextlib.suppress(Exception):  # handlers, filters and streams are the user's
        if kind == "print":
            sys.stderr.write(content)
            sys.stderr.flush()
        else:
            record = logging.makeLogRecord(content)
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
