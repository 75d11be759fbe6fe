"""From what an action raised to a failure with the names a definition matches by.

Exceptions of common client libraries are known by their class names and by the status they carry, so that none of
those libraries is imported. Whether the call may have had its effect is told apart here too: a connection refused
has reached nobody, one lost in mid-call may have.
"""

import re
import traceback
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from fsm.actions.values import plain
from fsm.errors import ActionError, HeartbeatLost, Timeout
from fsm.model.run import Failure

_MESSAGE_MAX = 2_000
_TRACEBACK_MAX = 8_000

_REFUSED = frozenset({"ConnectionRefusedError", "gaierror", "NewConnectionError", "NameResolutionError", "ConnectError",
                      "ConnectTimeout", "ConnectTimeoutError", "PoolTimeout", "ClientConnectorError",
                      "ServerSelectionTimeoutError", "SMTPConnectError", "ProxyError"})  # fmt: skip
"""No connection was made: the call cannot have had an effect."""

_LOST = frozenset({"ConnectionError", "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError",
                   "RemoteDisconnected", "IncompleteRead", "NetworkError", "TransportError", "RemoteProtocolError",
                   "ReadError", "WriteError", "CloseError", "ProtocolError", "ChunkedEncodingError",
                   "ServerDisconnectedError", "ClientOSError", "ClientPayloadError", "APIConnectionError",
                   "EndpointConnectionError", "SMTPServerDisconnected", "InterfaceError"})  # fmt: skip
"""A connection broke: what was asked for may have been done."""

_TIMED_OUT = frozenset({"TimeoutError", "ReadTimeout", "WriteTimeout", "TimeoutException", "ServerTimeoutError",
                        "ReadTimeoutError", "APITimeoutError", "SocketTimeout"})  # fmt: skip
_INVALID = frozenset({"ValidationError", "UnprocessableEntityError", "JSONDecodeError"})
_STATUS = ("status_code", "status", "http_status", "code", "smtp_code")

_NAMES: dict[str, frozenset[str]] = {}


def classify(error: Exception, state_timeout: str = "") -> Failure:
    """Return the failure that an exception of an action amounts to."""
    mro = _names_of(type(error))
    kind, interrupted = _kind(error, mro)
    return Failure(
        name=type(error).__name__,
        message=(str(error) or state_timeout or type(error).__name__)[:_MESSAGE_MAX],
        names=mro | {kind} if kind else mro,
        interrupted=interrupted,
        retry_after_ms=_retry_after_ms(error),
        value=plain(getattr(error, "value", None)),
        traceback="".join(traceback.format_exception(error, limit=-12))[-_TRACEBACK_MAX:],
    )


def _names_of(kind: type[BaseException]) -> frozenset[str]:
    return frozenset(base.__name__ for base in kind.__mro__ if base not in (object, BaseException))


def _kind(error: Exception, mro: frozenset[str]) -> tuple[str | None, bool]:
    """Return the built-in name for an exception and whether its effect is unknown."""
    if isinstance(error, ActionError):
        return None, isinstance(error, (Timeout, HeartbeatLost))
    status = _status(error)
    if status is not None:
        return _by_status(status)
    if mro & _REFUSED:
        return "Unavailable", False
    if mro & _TIMED_OUT:
        return "Timeout", True
    if mro & _LOST:
        return "Unavailable", True
    return ("BadRequest", False) if mro & _INVALID else (None, False)


def _status(error: Exception) -> int | None:
    """Return the status code of HTTP or SMTP that an exception carries, if it does."""
    for source in (error, getattr(error, "response", None)):
        for name in _STATUS:
            value = getattr(source, name, None)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:  # noqa: PLR2004
                return value
    return None


def _by_status(status: int) -> tuple[str, bool]:
    if status == 429:  # noqa: PLR2004
        return "RateLimited", False
    if status in (408, 425) or status >= 500:  # noqa: PLR2004
        # A gateway that timed out says nothing about what happened behind it.
        return "Unavailable", status in (408, 502, 504)
    return "BadRequest", False


def _retry_after_ms(error: Exception) -> int | None:
    """Return the wait that the server asked for: `retry_after_s`, `retry_after`, or a Retry-After header."""
    for name in ("retry_after_s", "retry_after"):
        given = getattr(error, name, None)
        if isinstance(given, (int, float)) and given >= 0:
            return int(given * 1_000)
    headers = getattr(getattr(error, "response", None), "headers", None) or getattr(error, "headers", None)
    if not isinstance(headers, Mapping) and not hasattr(headers, "get"):
        return None
    return _header_ms(headers)


def _header_ms(headers: Any) -> int | None:
    exact = headers.get("retry-after-ms")
    if exact is not None and re.fullmatch(r"\d{1,9}(\.\d+)?", str(exact)):
        return int(float(exact))
    text = headers.get("retry-after") or headers.get("Retry-After")
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", str(text)):
        return int(float(text) * 1_000)
    try:
        until, sent = parsedate_to_datetime(str(text)), parsedate_to_datetime(str(headers.get("date")))
    except (TypeError, ValueError):
        return None
    return max(0, int((until - sent).total_seconds() * 1_000))
