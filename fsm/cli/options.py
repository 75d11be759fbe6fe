"""The options that several commands share, and the kinds of values that they take.

Those of the group are accepted before and after the command; they collect in one `Given`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    TextKind = click.ParamType[str]
else:  # older versions of click know no parameter there
    TextKind = click.ParamType

F = TypeVar("F", bound=Callable[..., Any])
_RUN_ID = re.compile(r"[0-9A-Za-z]{1,26}")


@dataclass
class Given:
    """What the shared options said, wherever on the line they stood."""

    store: str | None = None
    definitions: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    json: bool = False
    quiet: bool = False


def given() -> Given:
    """Return what the shared options of this command line said."""
    found = click.get_current_context().find_root().obj
    assert isinstance(found, Given)
    return found


def _shared(*names: str, **more: Any) -> Callable[[F], F]:
    """Return an option whose value goes into `Given` under its own name."""

    def keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
        everything = ctx.find_root().obj
        if isinstance(everything, Given) and parameter.name and value not in (None, (), False):
            before = getattr(everything, parameter.name)
            setattr(everything, parameter.name, before + value if isinstance(value, tuple) else value)

    return click.option(*names, expose_value=False, callback=keep, **more)


class Text(TextKind):
    """Text that can be stored; bytes that are no UTF-8 are refused."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail("not UTF-8", param, ctx)
        return str(value)


class RunId(TextKind):
    """The id of a run, or the beginning of one."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _RUN_ID.fullmatch(value):
            self.fail(f"{value!r} is no run; ids are 26 letters and digits, and `fsm ls` lists them", param, ctx)
        return str(value).upper()


class Duration(TextKind):
    """A duration as definitions have it, in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from fsm.model.durations import parse_duration  # noqa: PLC0415 - the list of commands needs none

        if isinstance(value, int):  # a default
            return value
        try:
            return parse_duration(value)
        except ValueError as fault:
            return self.fail(str(fault), param, ctx)


TEXT = Text()
RUN_ID = RunId()
DURATION = Duration()

store = _shared("--store", metavar="PATH", help="The database file.")
store_of_check = _shared(
    "--store", metavar="[PATH]", is_flag=False, flag_value="", help="Look at the runs in flight of this store, too."
)
definitions = _shared(
    "--definitions", multiple=True, metavar="PATH", help="A definition file or a folder of them; repeatable."
)
imports = _shared("--import", "imports", multiple=True, metavar="MODULE|FILE.py", help="Where actions are; repeatable.")
json = _shared("--json", is_flag=True, help="Print data as JSON.")
quiet = _shared("--quiet", "-q", is_flag=True, help="Print no progress and no summaries.")

run_id = click.argument("run_id", metavar="RUN", type=RUN_ID)
actor = click.option("--actor", type=TEXT, metavar="NAME", help="Who does this.")
reason = click.option("--reason", type=TEXT, metavar="TEXT", help="Why; kept with what was done.")
of_workflow = click.option("--workflow", type=TEXT, metavar="NAME", help="Only this workflow, all its versions.")
of_state = click.option("--state", type=TEXT, metavar="NAME", help="Only this state of the workflow.")
