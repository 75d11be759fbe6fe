"""The workflows an engine knows: read from definition files, or from the store by the digest a run is pinned to."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from fsm.checks import check_source
from fsm.diagnostics import Diagnostic, Severity, did_you_mean
from fsm.errors import DefinitionError, NotFound, UsageError
from fsm.model.signature import Signature
from fsm.model.workflow import Workflow
from fsm.source import read

ENDINGS = (".yaml", ".yml")
_SIZE_READ_MAX = 1 << 20

PathLike = str | os.PathLike[str]


class Texts(Protocol):
    """What keeps the texts of definitions by their digests."""

    def text(self, digest: str) -> str: ...


def definition_files(places: Iterable[PathLike]) -> list[Path]:
    """Return the definition files that the places name: files as given, folders searched for *.yaml and *.yml.

    Raises:
        NotFound: a place does not exist, or a folder holds no definition.
    """
    found: list[Path] = []
    for place in map(Path, places):
        if place.is_dir():
            inside = sorted(file for file in place.rglob("*") if file.suffix in ENDINGS and file.is_file())
            if not inside:
                raise NotFound(f"{place} holds no definition; they end in .yaml or .yml")
            found += inside
        elif place.exists():
            found.append(place)
        else:
            raise NotFound(f"{place} does not exist; name a definition file or a folder of them")
    return list(dict.fromkeys(found))


def content(path: Path) -> bytes:
    """Return a file's bytes, not more of them than the size check needs to refuse it.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(_SIZE_READ_MAX)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def check_files(files: Iterable[Path], signatures: Mapping[str, Signature] | None = None) -> list[Diagnostic]:
    """Return every finding in the files, sorted by file and place."""
    found: list[Diagnostic] = []
    for file in files:
        found += check_source(read(content(file), str(file)), signatures)
    return found


class Library:
    """Workflows by name and by digest, each proved sound before it is given out.

    Raises:
        DefinitionError: a definition has errors; all findings of all files are in it.
        UsageError: two files define the same version of one workflow.
    """

    def __init__(self, places: Iterable[PathLike], signatures: Mapping[str, Signature] | None) -> None:
        self._by_digest: dict[str, Workflow] = {}
        self._texts: dict[str, str] = {}
        self._named: dict[tuple[str, int], Workflow] = {}
        faults: list[Diagnostic] = []
        for file in definition_files(places):
            faults += self._add(file, signatures)
        if faults:
            raise DefinitionError(faults)

    def _add(self, file: Path, signatures: Mapping[str, Signature] | None) -> list[Diagnostic]:
        source = read(content(file), str(file))
        faults = [found for found in check_source(source, signatures) if found.severity is Severity.ERROR]
        flow = source.workflow
        if faults or flow is None:
            return faults
        known = self._named.get((flow.name, flow.version))
        if known and known.digest != flow.digest:
            raise UsageError(f'{file} defines "{flow.name}" version {flow.version}, which another file defines too')
        self._named[flow.name, flow.version] = self._by_digest[flow.digest] = flow
        self._texts[flow.digest] = source.text
        return []

    @property
    def flows(self) -> list[Workflow]:
        """The workflows read from files, by name and version."""
        return [self._named[name] for name in sorted(self._named)]

    def newest(self, name: str, version: int | None = None) -> Workflow | None:
        """Return the version asked for, or the highest one, of a workflow read from files."""
        versions = [v for n, v in self._named if n == name and version in (None, v)]
        return self._named[name, max(versions)] if versions else None

    def text(self, flow: Workflow) -> str:
        return self._texts[flow.digest]

    def pinned(self, store: Texts, digest: str) -> Workflow:
        """Return the workflow of a digest, from the store's own text when no file has it.

        Raises:
            DefinitionError: this version of the engine cannot read what an older or newer one stored.
        """
        flow = self._by_digest.get(digest)
        if flow is None:
            text = store.text(digest)
            source = read(text, f"<stored {digest[:12]}>")
            if source.workflow is None or source.workflow.digest != digest:
                raise (
                    DefinitionError(source.diagnostics)
                    if source.diagnostics
                    else UsageError(f"the stored definition {digest[:12]} reads differently in this version of fsm")
                )
            flow = self._by_digest[digest] = source.workflow
            self._texts[digest] = text
        return flow

    def unknown(self, name: str, version: int | None = None) -> NotFound:
        """Return what to say about a workflow, or a version of one, that is not there."""
        versions = [str(known) for other, known in sorted(self._named) if other == name]
        if versions:
            return NotFound(f'no version {version} of "{name}"; there is {", ".join(versions)}')
        names = sorted({known for known, _ in self._named})
        near = did_you_mean(name, names)
        known = f"; known: {', '.join(names)}" if names else "; no definitions were given"
        return NotFound(f'no workflow "{name}"' + (f"; {near}" if near else known))
