"""What `import fsm` promises: its names, what it costs, its errors, and that a caller's code is well typed."""

import ast
import asyncio
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fsm
from fsm import errors
from tests.typing import api

HEAVY = {"pydantic", "pydantic_core", "yaml", "transitions", "sqlite_utils", "sqlite3", "asyncio", "click", "rich"}
PACKAGE = Path(fsm.__file__).parent


def real(kinds: Iterator[type[Exception]]) -> set[tuple[str, str | None]]:
    """Return each class with its nearest public ancestor among them; None for a root."""
    known = list(kinds)
    return {
        (kind.__name__, next((base.__name__ for base in kind.__mro__[1:] if base in known), None)) for kind in known
    }


def drawn(text: str) -> set[tuple[str, str | None]]:
    """Return each class of a tree drawn in text with the one it hangs from; None for a root."""
    found: set[tuple[str, str | None]] = set()
    above: dict[int, str] = {}
    for line in text.splitlines():
        node = re.match(r"(?P<branch>[ │├└─]*)(?P<name>[A-Z]\w+)(?:  |$)", line)
        if node:
            depth = len(node["branch"]) // 4
            above[depth] = node["name"]
            found.add((node["name"], above.get(depth - 1) if depth else None))
    return found


def exceptions(names: Iterator[str] | list[str], room: object) -> Iterator[type[Exception]]:
    for name in names:
        kind = getattr(room, name)
        if inspect.isclass(kind) and issubclass(kind, Exception):
            yield kind


def exported_in_types() -> set[str]:
    """Return the names that type checkers see: those imported under TYPE_CHECKING."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    ours = [node for node in guarded.body if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fsm")]
    return {alias.name for node in ours for alias in node.names}


def test_all_names_exactly_what_type_checkers_and_the_lazy_table_know() -> None:
    lazy = {name for names in fsm._ROOMS.values() for name in names}
    assert set(fsm.__all__) == exported_in_types() == lazy
    assert list(fsm.__all__) == sorted(set(fsm.__all__))


@pytest.mark.parametrize("name", fsm.__all__)
def test_every_public_name_can_be_imported_and_says_what_it_is(name: str) -> None:
    found = getattr(fsm, name)
    assert name in dir(fsm)
    assert (found.__doc__ or "").strip()
    assert not (found.__doc__ or "").startswith(f"{name}(")  # a dataclass or a tuple that wrote its own


@pytest.mark.parametrize("kind", [fsm.Engine, fsm.Context, fsm.AsyncContext])
def test_every_public_verb_says_what_it_does(kind: type) -> None:
    verbs = [found for name, found in inspect.getmembers(kind, callable) if not name.startswith("_")]
    assert [verb.__name__ for verb in verbs if not inspect.getdoc(verb)] == []


def test_a_name_that_is_not_public_is_refused_like_any_other() -> None:
    with pytest.raises(AttributeError, match="module 'fsm' has no attribute 'engin'"):
        fsm.engin  # noqa: B018


def loaded_by(statement: str) -> set[str]:
    """Return the modules, by their first name, that a statement loads in a fresh interpreter."""
    script = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


def test_import_fsm_loads_nothing_heavy() -> None:
    assert loaded_by("import fsm") & HEAVY == set()


def test_what_an_action_module_needs_loads_neither_the_store_nor_the_definitions() -> None:
    used = loaded_by("import fsm\n@fsm.action('a.b')\ndef b(ctx: fsm.Context) -> None: ...\nfsm.Outcome('c')")
    assert used & (HEAVY - {"pydantic", "pydantic_core"}) == set()


def test_the_tree_drawn_in_the_errors_room_is_the_real_one() -> None:
    public = [name for name in vars(errors) if not name.startswith("_")]
    own = [kind for kind in exceptions(public, errors) if kind.__module__ == errors.__name__]
    assert drawn(errors.__doc__ or "") == real(iter(own))


def test_every_error_of_the_errors_room_is_public() -> None:
    assert {name for name, _ in drawn(errors.__doc__ or "")} <= set(fsm.__all__)


def test_every_public_error_has_one_of_the_two_roots() -> None:
    for kind in exceptions(fsm.__all__, fsm):
        assert issubclass(kind, fsm.FSMError) != issubclass(kind, fsm.ActionError)


def test_the_typed_example_runs_as_it_is_typed(tmp_path: Path) -> None:
    output, events = api.drive(tmp_path)
    assert output == "HELLO"
    assert events == ["start", "success:nothing", "signal:skip"]


def test_the_typed_example_runs_on_an_event_loop(tmp_path: Path) -> None:
    (tmp_path / "typed.yaml").write_text(api.DEFINITION)
    with fsm.Engine(tmp_path / "a.db", definitions=tmp_path, actions=[api.look, api.shout]) as engine:
        assert asyncio.run(api.drive_async(engine, "hello")) == ["cancelled", "succeeded", "succeeded"]
        waiting = engine.run("typed", {"word": ""})
        assert api.refuse(engine, waiting.id) == ("signal:skip",)
