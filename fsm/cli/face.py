"""The command itself: its options, and its subcommands, each imported only when it is called.

What belongs to all commands is here; what they print and do is in one file each.
"""

import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from fsm.cli.exits import Exit, settled, terminable
from fsm.cli.options import Given, definitions, imports, json, quiet, store
from fsm.cli.output import flushed, prepare

COMMANDS = {
    "check": "Prove definitions sound.",
    "show": "Print a definition with every default written out.",
    "graph": "Draw a workflow, with a run's way through it.",
    "run": "Start a run and drive it until it stops.",
    "resume": "Drive on what a crash or a wait left behind.",
    "worker": "Drive many runs at once, until stopped.",
    "ls": "List runs, newest first.",
    "history": "Print a run's ledger.",
    "signal": "Send a signal to a run.",
    "cancel": "End a run where it stands.",
    "dead": "List, show, redrive and drop dead runs.",
    "redrive": "Let a failed run try again.",
    "complete": "Vouch for what a run asks a person about.",
    "rewind": "Take a run back to an earlier transition.",
    "fork": "Begin a new run where another one was.",
    "replay": "Rebuild runs from their ledgers, and compare.",
    "audit": "Verify that the store holds what was committed.",
    "migrate": "Move runs to another version of their workflow.",
    "pause": "Hold back everything, a workflow, or a state of it.",
    "unpause": "End a pause.",
    "why": "Say why a run is not moving, and what would move it.",
    "doctor": "Prove that the store is sound, and that every live run has a reason to wake.",
    "prune": "Delete finished runs whose time has come.",
    "stats": "Count runs, find stuck ones, and sum up the last day.",
    "watch": "Show what there is and how it moves, live.",
    "backup": "Copy the store while others work on it.",
}
"""Every command with the first line of its help, so that the list of them imports none."""


class Lazy(click.Group):
    """A group that imports `fsm.cli.<command>` when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"fsm.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and rarely asked for

    try:
        click.echo(f"fsm {version('fsm')}")
    except PackageNotFoundError:
        click.echo("fsm, not installed as a package")
    ctx.exit()


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine; 1 faults found, or the run failed; 2 usage; 3 engine fault; "
    "4 parked: waiting or dead; 130 and 143 interrupted.",
)
@store
@definitions
@imports
@json
@quiet
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def face() -> None:
    """Durable workflows that are explicit finite-state machines.

    Settings come from options, FSM_* variables, fsm.toml or [tool.fsm] in pyproject.toml, in this order.
    """


def answer(words: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    prepare()

    def command() -> int:
        with face.make_context("fsm", _given_words(words), obj=Given()) as ctx:
            code: Any = face.invoke(ctx)
        return int(code or Exit.FINE)

    with terminable():
        code = settled(command)
        if words is None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process ends; a late Ctrl-C must not show a traceback
    return int(code) if flushed() else int(code or Exit.ENGINE)


def _given_words(words: Sequence[str] | None) -> list[str]:
    return list(sys.argv[1:] if words is None else words)
