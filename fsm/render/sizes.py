"""Sizes as people read them."""

_UNITS = ("kB", "MB", "GB", "TB")
_STEP = 1_000
_SHORT = 10


def sized(size_bytes: int) -> str:
    """Return a size in its largest unit: `812 bytes`, `4.1 kB`, `37 MB`."""
    if size_bytes < _STEP:
        return f"{size_bytes} bytes"
    size, unit = size_bytes / _STEP, 0
    while size >= _STEP - 0.5 and unit < len(_UNITS) - 1:
        size, unit = size / _STEP, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if size < _SHORT - 0.05 else f"{size:.0f} {_UNITS[unit]}"
