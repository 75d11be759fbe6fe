"""Backup: a copy of the whole store, taken while others work on it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fsm.engine.engine import Engine


class Copied(NamedTuple):
    """A backup that was made.

    Attributes:
        size_bytes: of the copy.
        store_bytes: of the store when it began, its log included.
    """

    path: Path
    size_bytes: int
    store_bytes: int


def backup(
    engine: Engine,
    path: str | os.PathLike[str],
    *,
    force: bool = False,
    watch: Callable[[int, int], object] | None = None,
) -> Copied:
    """Copy the store as it is at one instant into a file, which opens as a store at once.

    It is written under another name beside the file, synced and checked before it takes the file's name; until then a
    file that was there stays. Runs that are held count in the copy as left behind by a dead process. While it lasts the
    store's log grows by what others write.

    Args:
        path: the file, on any disk.
        force: whether a file that is there is replaced.
        watch: called with how many pages are copied, and of how many.

    Raises:
        UsageError: the file exists, is the store itself, or cannot be written without harm.
        StoreError: it could not be written, or the store is damaged.
    """
    store_bytes = engine.store.size()
    size_bytes = engine.store.backup(path, force=force, told=watch)
    return Copied(Path(path), size_bytes, store_bytes)
