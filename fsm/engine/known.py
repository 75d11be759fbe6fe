"""What the driver of a run knows of its values: nobody else changes them while it drives, so none is read twice."""

from collections.abc import Iterable, Mapping

from fsm.model.run import Artifact, Run
from fsm.store import Store

KEPT_CHARS_MAX = 64 * 1024
"""Larger values are read again where they are needed, so that many runs at once stay small."""


class Known:
    """The values of one driven run, as JSON text by name.

    Args:
        texts: what was read beforehand; None for a name that is not written.
    """

    def __init__(self, store: Store, run: Run, texts: Mapping[str, str | None] | None = None) -> None:
        self._store = store
        self._run = run
        self._texts: dict[str, str | None] = dict(texts or {})

    def texts(self, names: Iterable[str]) -> dict[str, str]:
        """Return the newest value of each name that is written; what is not known yet is read."""
        found: dict[str, str] = {}
        unread = []
        for name in names:
            if name not in self._texts:
                unread.append(name)
            elif (text := self._texts[name]) is not None:
                found[name] = text
        if unread:
            read = self._store.values(self._run, unread)
            for name in unread:
                text = read.get(name)
                if text is None or len(text) <= KEPT_CHARS_MAX:
                    self._texts[name] = text
            found |= read
        return found

    def wrote(self, artifacts: Iterable[Artifact]) -> None:
        """Take note of what a transition of this driver wrote."""
        for name, text in artifacts:
            if text is None or len(text) <= KEPT_CHARS_MAX:
                self._texts[name] = text
            else:
                self._texts.pop(name, None)
