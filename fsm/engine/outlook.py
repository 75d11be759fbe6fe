"""The verdict before a deploy: what definitions would mean for the runs that a store has in flight."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from fsm.checks import check_source
from fsm.diagnostics import Diagnostic, Severity, Span, finding
from fsm.engine.library import Library, content
from fsm.engine.prospect import IN_FLIGHT, Prospect, Reading
from fsm.errors import DefinitionError, UsageError
from fsm.kernel.migration import mapped
from fsm.model.migration import Obstacle, Passage
from fsm.model.signature import Signature
from fsm.model.workflow import Workflow
from fsm.source import Source, read


class Stored(Reading, Protocol):
    """What of a store the verdict reads."""

    def names(self) -> list[str]: ...
    def versions(self, name: str) -> dict[int, str]: ...
    def text(self, digest: str) -> str: ...


class Forecast(NamedTuple):
    """What a version in a file means for the runs of one in the store.

    Attributes:
        path: the file.
        passages: of the runs in flight, oldest first.
    """

    path: str
    old: Workflow
    new: Workflow
    states: Mapping[str, str]
    passages: list[Passage]


class Outlook(NamedTuple):
    """The verdict: every finding, sorted by place, and what each version means for the runs that have another one."""

    findings: list[Diagnostic]
    forecasts: list[Forecast]


def outlook(
    place: str | os.PathLike[str], files: Iterable[Path], signatures: Mapping[str, Signature] | None = None,
    states: Mapping[str, str] | None = None,
) -> Outlook:  # fmt: skip
    """Return what definition files mean for a store; nothing of it is changed, and others may work on it meanwhile.

    A file with errors of its own is passed over: they are found without a store.

    Args:
        place: the store.
        signatures: of all registered actions, by name; None where they are not known.
        states: which state of an older version becomes which, where the name is another.

    Raises:
        UsageError: the map leads from or to a state that is in no version.
        StoreError: the store cannot be read.
    """
    from fsm.store.sqlite.survey import Newer, Survey  # noqa: PLC0415 - the one place that looks at a store without it

    try:
        store = Survey(place)
    except Newer as error:
        return Outlook([finding("FSM904", str(error), str(place), None, "upgrade fsm")], [])
    try:
        return _Verdict(store, str(place), signatures, states or {}).of(files)
    finally:
        store.close()


class _Verdict:
    def __init__(
        self, store: Stored, place: str, signatures: Mapping[str, Signature] | None, states: Mapping[str, str]
    ) -> None:
        self._store, self._place, self._signatures, self._states = store, place, signatures, states
        self._library = Library((), None)

    def of(self, files: Iterable[Path]) -> Outlook:
        sources = [source for source in self._sound(files) if source.workflow]
        self._require_known([source.workflow for source in sources if source.workflow])
        findings = list(self._unreadable())
        forecasts = []
        for source in sources:
            changed = self._changed(source)
            findings += changed
            for forecast in self._forecasts(source):
                forecasts.append(forecast)
                findings += _findings(source, forecast)
        return Outlook(sorted(set(findings), key=lambda one: one.sort_key), forecasts)

    def _sound(self, files: Iterable[Path]) -> Iterator[Source]:
        for file in files:
            source = read(content(file), str(file))
            if not any(one.severity is Severity.ERROR for one in check_source(source, self._signatures)):
                yield source

    def _unreadable(self) -> Iterator[Diagnostic]:
        """Yield the stored definitions that this engine cannot read, though runs are pinned to them."""
        for name in self._store.names():
            for version, digest in self._store.versions(name).items():
                if self._read(digest) is None and (runs := self._in_flight(digest)):
                    said = f'version {version} of "{name}", where {_runs(runs)}, cannot be read by this version of fsm'
                    yield finding("FSM904", said, self._place, None, "upgrade fsm")

    def _read(self, digest: str) -> Workflow | None:
        try:
            return self._library.pinned(self._store, digest)
        except (DefinitionError, UsageError):
            return None

    def _in_flight(self, digest: str) -> int:
        return sum(1 for _ in self._store.pinned(digest, IN_FLIGHT))

    def _changed(self, source: Source) -> list[Diagnostic]:
        flow = source.workflow
        assert flow
        versions = self._store.versions(flow.name)
        if versions.get(flow.version, flow.digest) == flow.digest:
            return []
        runs = self._in_flight(versions[flow.version])
        said = f"content changed under version {flow.version}" + (f", where {_runs(runs)}" if runs else "")
        return [finding("FSM901", said, source.path, source.span("version"), f"give it version {max(versions) + 1}")]

    def _forecasts(self, source: Source) -> Iterator[Forecast]:
        """Yield what a file's version means for each older one that has runs in flight."""
        new = source.workflow
        assert new
        for version, digest in self._store.versions(new.name).items():
            old = self._read(digest) if version < new.version else None
            if old:
                states = mapped(old, new, self._given(old, new))
                passages = list(Prospect(self._store, old, new, states, self._signatures).passages())
                if passages:
                    yield Forecast(source.path, old, new, states, passages)

    def _given(self, old: Workflow, new: Workflow) -> dict[str, str]:
        return {name: to for name, to in self._states.items() if name in old.states and to in new.states}

    def _require_known(self, flows: Sequence[Workflow]) -> None:
        """Make sure that the map says something of these workflows. Raises UsageError."""
        stored = [flow for name in {flow.name for flow in flows} for digest in self._store.versions(name).values()
                  if (flow := self._read(digest))]  # fmt: skip
        for name, to in self._states.items():
            if not any(name in flow.states for flow in stored):
                raise UsageError(f'the map leads from "{name}", which is no state of a version in the store')
            if not any(to in flow.states for flow in flows):
                raise UsageError(f'the map leads to "{to}", which is no state of these definitions')


def _findings(source: Source, forecast: Forecast) -> Iterator[Diagnostic]:
    barred: dict[Obstacle, int] = {}
    for passage in forecast.passages:
        for obstacle in passage.obstacles:
            barred[obstacle] = barred.get(obstacle, 0) + 1
    for obstacle, runs in barred.items():
        if obstacle.code:
            said = f"{obstacle.message}, where {_runs(runs)} under version {forecast.old.version}"
            yield finding(obstacle.code, said, source.path, _span(source, obstacle.place), obstacle.hint)


def _runs(number: int) -> str:
    return "1 run stands" if number == 1 else f"{number} runs stand"


def _span(source: Source, place: tuple[str | int, ...]) -> Span | None:
    """Return where a part of the definition is written, or the nearest part around it: its name, where it has one."""
    while place:
        span = source.span(*place) if isinstance(place[-1], int) or len(place) > 2 else source.key_span(*place)  # noqa: PLR2004 - below a state's or an input's name
        if span:
            return span
        place = place[:-1]
    return None
