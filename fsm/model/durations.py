"""Durations: "500ms", "1.5h", "1h30m", to whole milliseconds and back."""

import re
from fractions import Fraction

UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""Milliseconds per unit, largest first: the order in which a compound names them."""

DURATION_MAX_MS = 3_650 * UNITS_MS["d"]
"""Ten years of 365 days."""

_NUMBER = r"[0-9]{1,15}"
_EXACT = re.compile("".join(rf"(?:(?P<{unit}>{_NUMBER}(?:\.[0-9]{{1,9}}(?={unit}$))?){unit})?" for unit in UNITS_MS))
_LOOSE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}) *([a-z]+)(?: *(?:,|and)? *)")
_ISO = re.compile(r"p(?:([0-9]+)w)?(?:([0-9]+)d)?(?:t(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?)?")
_LENGTH_MAX = 64

_SPELLINGS = {
    "w": "w wk wks week weeks",
    "d": "d day days",
    "h": "h hr hrs hour hours",
    "m": "m min mins minute minutes",
    "s": "s sec secs second seconds",
    "ms": "ms msec msecs milli millis millisecond milliseconds",
}
_UNIT_OF = {spelling: unit for unit, words in _SPELLINGS.items() for spelling in words.split()}


def parse_duration(text: str | float) -> int:
    """Return a duration in milliseconds.

    Args:
        text: numbers with a unit each (ms, s, m, h, d, w), largest unit first, only the last with decimals.

    Returns:
        Milliseconds in [0, DURATION_MAX_MS].

    Raises:
        ValueError: it is something else; the message says what, and the nearest right spelling.
    """
    if not isinstance(text, str):
        raise _unitless(text)
    if (total_ms := _exact(text)) is None:
        raise _misspelt(text)
    if total_ms > DURATION_MAX_MS:
        raise ValueError(f'"{text}" is longer than ten years')
    if total_ms.denominator != 1:
        raise ValueError(f'"{text}" is finer than a millisecond')
    return int(total_ms)


def format_duration(ms: int) -> str:
    """Return the shortest exact spelling in days, hours, minutes and seconds; parse_duration reads it back.

    Args:
        ms: milliseconds, 0 <= ms.
    """
    if ms < 0:
        raise ValueError(f"{ms} ms is negative")
    if 0 < ms < UNITS_MS["s"]:
        return f"{ms}ms"
    parts, rest = [], ms
    for unit in "dhm":
        count, rest = divmod(rest, UNITS_MS[unit])
        parts.append(f"{count}{unit}" if count else "")
    if rest or not any(parts):
        seconds, fraction = divmod(rest, UNITS_MS["s"])
        decimals = f".{fraction:03}".rstrip("0") if fraction else ""
        parts.append(f"{seconds}{decimals}s")
    return "".join(parts)


def _exact(text: str) -> Fraction | None:
    found = _EXACT.fullmatch(text) if len(text) <= _LENGTH_MAX else None
    if not text or found is None:
        return None
    return sum((Fraction(count) * UNITS_MS[unit] for unit, count in found.groupdict().items() if count), Fraction())


def _unitless(number: float) -> ValueError:
    if isinstance(number, bool):
        return ValueError(f"{str(number).lower()} is not a duration")
    written = repr(number)
    if number < 0:
        return ValueError(f"{written} is negative and has no unit")
    cure = f"{written}s"
    return ValueError(f"{written} has no unit; {cure}?" if _fits(cure) else f"{written} is not a duration")


def _misspelt(text: str) -> ValueError:
    words = text.strip().lower()
    quoted = f'"{text}"' if len(text) <= _LENGTH_MAX else f'"{text[:_LENGTH_MAX]}…"'
    bare = words.lstrip("+-").strip()
    cure = _nearest(bare) if len(bare) <= _LENGTH_MAX else None
    if cure is None:
        return ValueError(f"{quoted} is not a duration; write 500ms, 30s, 5m, 1h, 2d or 1w")
    if words.startswith("-"):
        return ValueError(f"{quoted} is negative; {cure}?")
    wrong = "has no unit" if _is_number(bare) else "is not a duration"
    return ValueError(f"{quoted} {wrong}; {cure}?")


def _nearest(words: str) -> str | None:
    """Return the right spelling of what was meant, or None when that is a guess."""
    if _is_number(words):
        return f"{words}s" if _fits(f"{words}s") else None
    parts = _iso_parts(words) or _loose_parts(words)
    if not parts:
        return None
    cure = "".join(f"{count}{unit}" for count, unit in parts)
    if _fits(cure):
        return cure
    total_ms = sum((Fraction(count) * UNITS_MS[unit] for count, unit in parts), Fraction())
    sound = total_ms.denominator == 1 and total_ms <= DURATION_MAX_MS
    return format_duration(int(total_ms)) if sound else None


def _loose_parts(words: str) -> list[tuple[str, str]]:
    parts, at = [], 0
    while at < len(words):
        found = _LOOSE.match(words, at)
        if found is None or found[2] not in _UNIT_OF:
            return []
        count = found[1].removesuffix(".")
        parts.append((f"0{count}" if count.startswith(".") else count, _UNIT_OF[found[2]]))
        at = found.end()
    return parts


def _iso_parts(words: str) -> list[tuple[str, str]]:
    found = _ISO.fullmatch(words)
    counts = found.groups() if found else ()
    return [(count, unit) for count, unit in zip(counts, "wdhms", strict=False) if count]


def _is_number(words: str) -> bool:
    return re.fullmatch(rf"{_NUMBER}(?:\.[0-9]{{1,9}})?", words) is not None


def _fits(cure: str) -> bool:
    total_ms = _exact(cure)
    return total_ms is not None and total_ms <= DURATION_MAX_MS and total_ms.denominator == 1
