"""Importing user code: modules by dotted name, and Python files. Only the command line does so."""

import sys
import sysconfig
import traceback
from collections.abc import Iterable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from fsm.cli.output import kept_clean
from fsm.errors import UsageError

_PACKAGE = Path(__file__).resolve().parent.parent
_INSTALLED = tuple(
    {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


def import_all(names: Iterable[str], folders: Iterable[Path]) -> list[ModuleType]:
    """Return the modules that hold actions.

    Args:
        names: dotted modules, or paths of Python files.
        folders: where dotted modules are looked for before the installed ones.

    Raises:
        UsageError: one is not there, or fails while it is imported; names the line.
    """
    for folder in reversed([folder.resolve() for folder in folders]):
        _look_in(folder)
    with kept_clean():
        return [_imported(name) for name in names]


def _look_in(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _imported(name: str) -> ModuleType:
    path = Path(name).resolve() if name.endswith(".py") else None
    if path is not None and not path.is_file():
        raise UsageError(f"{path} does not exist; --import takes a module or a Python file")
    try:
        return import_module(name) if path is None else _from_file(path)
    except (Exception, SystemExit) as fault:
        if isinstance(fault, ModuleNotFoundError) and path is None and _is_the_one(fault, name):
            looked = f"{sys.path[0]} and among what is installed"
            raise UsageError(f'there is no module "{name}"; it was looked for in {looked}') from None
        raise _broken(name, fault) from fault


def _is_the_one(fault: ModuleNotFoundError, name: str) -> bool:
    """Return whether what was not found is the module asked for, not one that it needs."""
    return fault.name is not None and f"{name}.".startswith(f"{fault.name}.") and _line_of(fault) is None


def _from_file(path: Path) -> ModuleType:
    """Import a file under its own name, so that its actions are called as if its folder was on the path."""
    _look_in(path.parent)
    name = _free_name(path)
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _free_name(path: Path) -> str:
    """Return the file's name as a module, with that of its folder where another module has it."""
    known = sys.modules.get(path.stem)
    if path.stem not in sys.stdlib_module_names and (known is None or _file_of(known) == path):
        return path.stem
    return f"{path.parent}.{path.stem}"


def _file_of(module: ModuleType) -> Path | None:
    place = getattr(module, "__file__", None)
    return Path(place).resolve() if place else None


def _broken(name: str, fault: BaseException) -> UsageError:
    said = str(fault).split("\n")[0] or "no message"
    if isinstance(fault, SyntaxError) and fault.filename:
        return UsageError(f"{fault.filename}:{fault.lineno}: {type(fault).__name__}: {fault.msg} (importing {name})")
    place = _line_of(fault)
    return UsageError(f"{place + ': ' if place else ''}{type(fault).__name__}: {said} (importing {name})")


def _line_of(fault: BaseException) -> str | None:
    """Return the last line of the user's own code that an exception passed, or the last one at all."""
    frames = [
        (frame, Path(frame.filename).resolve())
        for frame in traceback.extract_tb(fault.__traceback__)
        if not frame.filename.startswith("<")
    ]
    foreign = [found for found in frames if not found[1].is_relative_to(_PACKAGE) and "importlib" not in found[1].parts]
    own = [found for found in foreign if not any(found[1].is_relative_to(place) for place in _INSTALLED)]
    chosen = (own or foreign)[-1:]
    return f"{chosen[0][0].filename}:{chosen[0][0].lineno}" if chosen else None
