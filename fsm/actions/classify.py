"""From what an action raised to a failure with the names a definition matches by.

Exceptions of common client libraries are known by their class names and by the status they carry, so that none of
those libraries is imported. Whether the call may have had its effect is told apart here too: a connection refused
has reached nobody, one lost in mid-call may have. Whatever an exception's own code does, it becomes a failure.
"""

import contextlib
import errno
import re
import traceback
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from fsm.actions.values import described, plain
from fsm.errors import ActionError, HeartbeatLost, Timeout
from fsm.model.durations import DURATION_MAX_MS
from fsm.model.run import Failure

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
_INVALID = frozenset({"ValidationError", "UnprocessableEntityError", "JSONDecodeError", "LocalProtocolError",
                      "UnsupportedProtocol", "InvalidURL"})  # fmt: skip
_STATUS = ("status_code", "status", "http_status", "code")
_UNREACHABLE = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH})


def classify(error: Exception) -> Failure:
    """Return the failure that an exception of an action amounts to."""
    mro = _names_of(type(error))
    kind, interrupted = _kind(error, mro)
    return Failure(
        name=type(error).__name__,
        message=described(error) or type(error).__name__,
        names=mro | {kind} if kind else mro,
        interrupted=interrupted,
        retry_after_ms=_retry_after_ms(error),
        value=plain(_attribute(error, "value")),
        traceback=described(error, _traced, _TRACEBACK_MAX),
    )


def ended(error: BaseException) -> Failure:
    """Return the failure of an action that tried to end the process it runs in, as `sys.exit` does."""
    name = type(error).__name__
    return Failure(
        name=name,
        message=described(error) or name,
        names=_names_of(type(error)),
        interrupted=True,
        traceback=described(error, _traced, _TRACEBACK_MAX),
    )


def _traced(error: BaseException) -> str:
    return "".join(traceback.format_exception(error, limit=-12))[-_TRACEBACK_MAX:]


def _attribute(source: Any, name: str) -> Any:
    """Return an attribute, or None where there is none or asking for it fails."""
    with contextlib.suppress(Exception):
        return getattr(source, name)
    return None


def _names_of(kind: type[BaseException]) -> frozenset[str]:
    return frozenset(base.__name__ for base in kind.__mro__ if base not in (object, BaseException))


def _kind(error: Exception, mro: frozenset[str]) -> tuple[str | None, bool]:
    """Return the built-in name for an exception and whether its effect is unknown."""
    if isinstance(error, ActionError):
        return None, isinstance(error, (Timeout, HeartbeatLost))
    status = _status(error)
    if status is not None:
        return _by_status(status)
    if replies := _smtp_replies(error):
        # The other way round than HTTP: 4xx is "later", 5xx is "never".
        return ("Unavailable" if min(replies) < 500 else "BadRequest"), False  # noqa: PLR2004
    reason = _attribute(error, "reason")
    cause = reason if isinstance(reason, OSError) else error  # urllib tells only there what happened
    mro |= _names_of(type(cause))
    if mro & _REFUSED or (isinstance(cause, OSError) and cause.errno in _UNREACHABLE):
        return "Unavailable", False
    if mro & _TIMED_OUT:
        return "Timeout", True
    if mro & _INVALID:
        return "BadRequest", False
    return ("Unavailable", True) if mro & _LOST else (None, False)


def _status(error: Exception) -> int | None:
    """Return the HTTP status code that an exception carries, if it does."""
    for source in (error, _attribute(error, "response")):
        for name in _STATUS:
            value = _attribute(source, name)
            if _is_refusal(value):
                return int(value)
    return None


def _is_refusal(code: Any) -> bool:
    return isinstance(code, int) and 400 <= code < 600  # noqa: PLR2004


def _smtp_replies(error: Exception) -> list[int]:
    """Return what an SMTP server answered: one code, or one for each recipient that it refused."""
    replies = [_attribute(error, "smtp_code")]
    if type(error).__name__ == "SMTPRecipientsRefused":
        with contextlib.suppress(Exception):
            replies += [code for code, _ in _attribute(error, "recipients").values()]
    return [code for code in replies if _is_refusal(code)]


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
        given = _attribute(error, name)
        if isinstance(given, (int, float)) and given >= 0:
            return int(min(given * 1_000, DURATION_MAX_MS))
    with contextlib.suppress(Exception):  # headers are the client library's objects
        return _header_ms(_attribute(_attribute(error, "response"), "headers") or _attribute(error, "headers"))
    return None


def _header_ms(headers: Any) -> int | None:
    exact = headers.get("retry-after-ms")
    if exact is not None and re.fullmatch(r"\d{1,9}(\.\d+)?", str(exact)):
        return int(float(exact))
    text = str(headers.get("retry-after") or headers.get("Retry-After"))
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return int(float(text) * 1_000)
    wait = _instant(text) - _instant(str(headers.get("date") or headers.get("Date")))
    return min(max(0, int(wait.total_seconds() * 1_000)), DURATION_MAX_MS)


def _instant(text: str) -> datetime:
    found = parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
