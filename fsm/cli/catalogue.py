"""The definitions that a command line can name: by file, or by the name of a workflow among those configured."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fsm.diagnostics import Diagnostic, Severity, did_you_mean
from fsm.engine.library import ENDINGS, check_files, content, definition_files
from fsm.errors import DefinitionError, FSMError, NotFound
from fsm.source.reader import Source, read


@dataclass(frozen=True)
class Named:
    """A workflow that was named, and the files that define its versions."""

    name: str
    files: tuple[Path, ...]


def named(places: Iterable[str], word: str) -> Named:
    """Return the workflow that a word means: the one in a file of that name, or the one called so.

    Files that define other workflows do not matter, sound or not.

    Raises:
        NotFound: there is none; names the nearest one.
        DefinitionError: the file holds nothing that could be called a workflow.
    """
    if _is_file(word):
        (file, *_) = definition_files([word])
        definition = read(content(file), str(file)).definition
        if definition is None:
            raise DefinitionError(errors_of([file]))
        return Named(definition.workflow, (file,))
    by_name: dict[str, list[Path]] = {}
    unread = 0
    for file in definition_files(places):
        definition = read(content(file), str(file)).definition
        if definition is None:
            unread += 1
        else:
            by_name.setdefault(definition.workflow, []).append(file)
    if word not in by_name:
        raise _unknown(word, by_name, unread)
    return Named(word, tuple(by_name[word]))


def newest(found: Named) -> Source:
    """Return the highest version of a workflow as it was read, sound or not."""
    sources = [read(content(file), str(file)) for file in found.files]
    return max(sources, key=lambda source: source.definition.version if source.definition else 0)


def errors_of(files: Iterable[Path]) -> list[Diagnostic]:
    """Return the findings that make definitions unsound."""
    return [one for one in check_files(files) if one.severity is Severity.ERROR]


def text_of(path: str) -> str:
    """Return a file's text to quote from; nothing where it cannot be read."""
    try:
        return content(Path(path)).decode("utf-8", "replace").removeprefix("\ufeff")
    except FSMError:
        return ""


def _is_file(word: str) -> bool:
    return Path(word).suffix in ENDINGS or "/" in word


def _unknown(word: str, known: Iterable[str], unread: int) -> NotFound:
    names = sorted(known)
    near = did_you_mean(word, names)
    said = f'no workflow "{word}"; {near or "known: " + (", ".join(names) or "none")}'
    broken = f"; {unread} file{'s' if unread > 1 else ''} could not be read: `fsm check` says why" if unread else ""
    return NotFound(said + broken)
