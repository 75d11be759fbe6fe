"""Instants and durations as people and programs read them. The zone is an argument; None is the machine's own."""

from datetime import UTC, datetime, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEYOND = "after the year 9999"
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_SHORT = 10_000


def utc(instant_ms: int | None) -> str | None:
    """Return an instant as RFC 3339 in UTC, to the millisecond; None for none.

    Args:
        instant_ms: UTC milliseconds since 1970.
    """
    if instant_ms is None:
        return None
    moment = _moment(instant_ms)
    return _BEYOND if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(instant_ms: int, zone: tzinfo | None) -> str:
    """Return date and time of day in a zone, to the second."""
    return _shown(instant_ms, zone, "%Y-%m-%d %H:%M:%S")


def time_of_day(instant_ms: int, zone: tzinfo | None) -> str:
    """Return the time of day in a zone, to the second."""
    return _shown(instant_ms, zone, "%H:%M:%S")


def ago(instant_ms: int, now_ms: int) -> str:
    """Return how long ago an instant was, in its largest unit, rounded down."""
    past = now_ms - instant_ms
    if past < _SECOND:
        return "just now"
    for unit_ms, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if past >= unit_ms:
            return f"{past // unit_ms} {unit} ago"
    return f"{past // _SECOND} s ago"


def lasting(duration_ms: int) -> str:
    """Return a duration in at most two units: `400 ms`, `1.2 s`, `12 s`, `3 min 20 s`, `2 d 4 h`."""
    if duration_ms < _SECOND:
        return f"{duration_ms} ms"
    if duration_ms < _SHORT:
        return f"{duration_ms / _SECOND:.1f} s"
    if duration_ms < _MINUTE:
        return f"{duration_ms // _SECOND} s"
    units = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (_SECOND, "s"))
    place = next(n for n, (unit_ms, _) in enumerate(units) if duration_ms >= unit_ms)
    (large_ms, large), (small_ms, small) = units[place], units[place + 1]
    rest = duration_ms % large_ms // small_ms
    return f"{duration_ms // large_ms} {large}" + (f" {rest} {small}" if rest else "")


def _moment(instant_ms: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=instant_ms)
    except OverflowError:
        return None


def _shown(instant_ms: int, zone: tzinfo | None, form: str) -> str:
    moment = _moment(instant_ms)
    try:
        return _BEYOND if moment is None else moment.astimezone(zone).strftime(form)
    except (OverflowError, ValueError):  # the zone leads over the edge of the calendar
        return _BEYOND
