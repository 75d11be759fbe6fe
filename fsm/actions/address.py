"""Where a function is found: by module and qualified name, here and again in another process."""

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from fsm.errors import UsageError

_MAIN = "__mp_main__"
"""What a program's main module is called where it is not the program; the name that `multiprocessing` gave it."""


class Address(NamedTuple):
    """A function's place.

    Attributes:
        module: the module's name; "__main__" for a program that was started as a file.
        name: the function's qualified name in it.
        file: the module's file; None for one that has none.
    """

    module: str
    name: str
    file: str | None


def address_of(function: Any) -> Address:
    """Return where another process finds a function.

    Raises:
        UsageError: it can only be found in this process; the message begins with "it" and says why.
    """
    name = getattr(function, "__qualname__", "")
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if "<lambda>" in name:
        raise UsageError("it is a lambda")
    if "<locals>" in name:
        raise UsageError("it is defined inside another function")
    if not name or module is None:
        raise UsageError("it is no function of an imported module")
    if _member(module, name) != function:
        raise UsageError(f"it is not what {module.__name__}.{name} means")
    return _address(module, name)


def _member(module: ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _address(module: ModuleType, name: str) -> Address:
    file = getattr(module, "__file__", None)
    if module.__name__ != "__main__":
        return Address(module.__name__, name, file)
    spec = module.__spec__  # of `python -m name`; a program that is a file has none
    if spec is not None and spec.name != "__main__":
        return Address(spec.name, name, file)
    if file is None or not Path(file).is_file():
        raise UsageError("it was typed in, and stands in no file")
    return Address("__main__", name, str(Path(file).resolve()))


def function_at(address: Address) -> Any:
    """Import the module of an address, and return the function.

    Raises:
        Exception: whatever importing the module raises.
        UsageError: there is no such function in it.
    """
    with _importing(address):
        module = _imported(address)
    function = _member(module, address.name)
    if not callable(function):
        raise UsageError(f"{module.__name__} ({address.file}) has no function {address.name} when it is imported")
    return function


def _imported(address: Address) -> ModuleType:
    name = _MAIN if address.module == "__main__" else address.module
    known = sys.modules.get(name)
    if known is not None:
        return known
    if address.file is None or (address.module != "__main__" and _is_found(address.module, address.file)):
        return import_module(name)
    return _from_file(name, address.file)


def _is_found(name: str, file: str) -> bool:
    """Return whether importing by name gives this very file."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return False
    if spec is None or spec.origin is None:
        return False
    return spec.origin == file or Path(spec.origin).resolve() == Path(file).resolve()


def _from_file(name: str, file: str) -> ModuleType:
    spec = spec_from_loader(name, SourceFileLoader(name, file))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    if name == _MAIN:
        # As `multiprocessing` has it: what pickles by this name is found, and processes of its own find the file.
        module.__spec__ = None
        sys.modules["__main__"] = module
    return module


_now_importing: list[Address] = []


@contextlib.contextmanager
def _importing(address: Address) -> Iterator[None]:
    _now_importing.append(address)
    try:
        yield
    finally:
        _now_importing.pop()


def refuse_while_importing() -> None:
    """Refuse to open an engine in a process that only imports a module to find an action in it.

    It would drive runs beside the engine whose action this is, and start further such processes without end.

    Raises:
        UsageError: says how to keep the two apart.
    """
    if _now_importing:
        address = _now_importing[-1]
        raise UsageError(
            f"{address.file or address.module} opens an engine whenever it is imported, and the process of the action "
            f'{address.name} imports it; open the engine under `if __name__ == "__main__":`, or in a function, or keep '
            "the actions in a module of their own"
        )
