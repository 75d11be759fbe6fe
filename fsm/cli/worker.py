"""`fsm worker`: drive many runs at once, until stopped."""

import logging
import sys

import click

from fsm.cli import options
from fsm.cli.exits import Exit
from fsm.cli.output import kept_clean, tell
from fsm.cli.session import ACTIONS_CURE, session
from fsm.errors import UsageError
from fsm.logs import JsonFormatter
from fsm.model.durations import parse_duration
from fsm.telemetry import Telemetry


def _seconds(_ctx: click.Context, parameter: click.Parameter, value: str) -> float:
    try:
        return parse_duration(value) / 1_000
    except ValueError as fault:
        raise click.BadParameter(str(fault), param=parameter) from None


def _log(level: int, form: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


@click.command("worker")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 10_000),
    default=256,
    show_default=True,
    metavar="N",
    help="How many runs it drives at once.",
)
@click.option(
    "--lease",
    default="30s",
    show_default=True,
    callback=_seconds,
    metavar="DURATION",
    help="How long its claims hold without a sign of life.",
)
@click.option(
    "--grace",
    default="30s",
    show_default=True,
    callback=_seconds,
    metavar="DURATION",
    help="How long actions in flight may take when it is stopped.",
)
@click.option("--until-idle", is_flag=True, help="End once nothing is left that could go on now.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is worth a line on stderr; -q takes warnings only.",
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How a line looks."
)
@click.option("--otel", is_flag=True, help="Tell OpenTelemetry of attempts and transitions.")
@options.store
@options.imports
@options.quiet
def command(
    *, concurrency: int, lease: float, grace: float, until_idle: bool, log_level: str, log_format: str, otel: bool
) -> int:
    """Drive many runs at once, until stopped.

    It takes up whatever can go on: runs that others start, due timers and retries, signals that came, and what a dead
    process left behind. Several workers may share a store. SIGTERM or Ctrl-C lets it end after the edges in flight;
    once more, and it interrupts them. Definitions are not needed: the store keeps what runs are pinned to.
    """
    here = session()
    modules = here.modules()
    if not modules:
        raise UsageError(f"a worker needs actions; {ACTIONS_CURE}")
    _log(logging.WARNING if here.options.quiet else getattr(logging, log_level.upper()), log_format)
    with here.engine((), modules, telemetry=Telemetry() if otel else None) as engine:
        if not here.options.quiet and log_format == "text":
            tell(f"working on {here.store}, {concurrency} runs at once; Ctrl-C or SIGTERM stops it")
        with kept_clean():
            engine.work(
                concurrency=concurrency, lease_s=lease, grace_s=grace, until="idle" if until_idle else "stopped"
            )
    return Exit.FINE
