"""Dead letters as rows of a table, as JSON, and one of them with everything that is known of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from fsm.model.letter import DeadLetter, Tried
from fsm.model.run import Artifact
from fsm.render import runs
from fsm.render.endings import Command
from fsm.render.instants import ago, local, utc
from fsm.render.table import Column, Table
from fsm.render.terminal import safe

COLUMNS = (
    Column("ID"),
    Column("WORKFLOW", least=8, spare=2),
    Column("FAILED IN", least=8),
    Column("ERROR", least=8, spare=1),
    Column("MESSAGE", least=12, spare=3),
    Column("TRY", spare=6),
    Column("KEY", least=6, spare=5),
    Column("DIED", spare=4),
)
_ATTEMPTS = (Column("TRY"), Column("TIME"), Column("ERROR"), Column("MESSAGE"))
_SHOWN_ATTEMPTS = 20
_INDENT = "  "


def listed(letters: Iterable[DeadLetter], now_ms: int, room: int | None, *, colour: bool = False) -> str:
    """Return dead letters as a table.

    Args:
        letters: in the order to show them.
        now_ms: UTC milliseconds; ages are counted from it.
        room: columns of the terminal, or None for as many as it takes.
        colour: whether to use ANSI colours.
    """
    rows = [
        (letter.run.id, f"{letter.run.workflow}@{letter.run.version}", letter.state, *_error(letter), _attempt(letter),
         letter.run.key or "", ago(letter.run.updated_at, now_ms))
        for letter in letters
    ]  # fmt: skip
    return "\n".join(Table(COLUMNS, room).head(rows, colour=colour))


def fields(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter as JSON: the run, and what failed in it."""
    failure = letter.failure
    kind, message = _error(letter)
    failed = failure and {
        "state": failure.source,
        "visit": failure.visit,
        "attempt": failure.attempt,
        "at": utc(failure.at),
        "class": kind,
        "message": message,
        "interrupted": failure.interrupted,
        "traceback": (failure.detail or {}).get("traceback"),
    }
    return {**runs.fields(letter.run), "failed": failed}


def tried_fields(tried: Tried) -> dict[str, Any]:
    """Return a failed attempt as JSON."""
    return {"attempt": tried.attempt, "at": utc(tried.at), "class": tried.kind, "message": tried.message,
            "interrupted": tried.interrupted}  # fmt: skip


def shown(
    letter: DeadLetter, tried: Sequence[Tried], values: Mapping[str, Sequence[Artifact]], commands: Mapping[str, str],
    now_ms: int, zone: tzinfo | None,
) -> str:  # fmt: skip
    """Return a dead letter with everything that is known of it.

    Args:
        tried: the failed attempts of the visit that failed.
        values: what the run holds, under the title of each part.
        commands: what would move it, each with what it does.
        now_ms: UTC milliseconds; ages are counted from it.
        zone: of the times shown; None is the machine's own.
    """
    run = letter.run
    ended = "is dead" if run.status == "dead" else "failed"
    lines = [f'run {run.id} ({run.workflow}@{run.version}) {ended} in "{run.state}", {ago(run.updated_at, now_ms)}']
    if run.key is not None:
        lines += [f"{_INDENT}key: {run.key}"]
    lines += _failed(letter)
    lines += [line for title, artifacts in values.items() for line in _values(title, artifacts)]
    if tried:
        lines += ["attempts", *_attempts(tried, zone)]
    if traceback := letter.failure and (letter.failure.detail or {}).get("traceback"):
        lines += ["traceback", *(_INDENT + line for line in str(traceback).rstrip().splitlines())]
    widest = max(map(len, commands), default=0)
    lines += ["what moves it", *(f"{_INDENT}{what + ':':<{widest + 1}} {line}" for what, line in commands.items())]
    return "\n".join(safe(line) for line in lines)


def ways(letter: DeadLetter, command: Command) -> dict[str, str]:
    """Return the command lines that move a dead letter, each under what it does."""
    run_id = letter.run.id
    resume = command("resume", run_id)
    found = {}
    if letter.failure:
        found["try again"] = f"{command('redrive', run_id)} && {resume}"
        found["with other values"] = f"{command('dead', 'redrive', run_id, '--set', 'NAME=VALUE')} && {resume}"
    found["from another state"] = f"{command('dead', 'redrive', run_id, '--at', 'STATE')} && {resume}"
    if letter.failure:
        found["done by hand"] = f"{command('complete', run_id, '--actor', 'NAME', '--value', 'JSON')} && {resume}"
    found["give it up"] = command("dead", "drop", run_id)
    return found


def _failed(letter: DeadLetter) -> list[str]:
    failure = letter.failure
    if failure is None:
        return [f"{_INDENT}no error lies behind it", *([f"{_INDENT}{letter.run.reason}"] if letter.run.reason else [])]
    kind, message = _error(letter)
    unknown = "; whether it had its effect is unknown" if failure.interrupted else ""
    return [f'{_INDENT}"{failure.source}" failed at attempt {failure.attempt} of visit {failure.visit}{unknown}',
            *(_INDENT + line for line in f"{kind}: {message}".splitlines())]  # fmt: skip


def _values(title: str, artifacts: Sequence[Artifact]) -> list[str]:
    return [title, *(f"{_INDENT}{name} = {value}" for name, value in artifacts)] if artifacts else []


def _attempts(tried: Sequence[Tried], zone: tzinfo | None) -> list[str]:
    rows = [
        (
            str(one.attempt),
            local(one.at, zone),
            one.kind,
            " ".join(one.message.split()) + ("; effect unknown" if one.interrupted else ""),
        )
        for one in tried[-_SHOWN_ATTEMPTS:]
    ]
    left = len(tried) - len(rows)
    more = [f"{_INDENT}{left} earlier one{'' if left == 1 else 's'}: `fsm history` has all"] if left else []
    return [*more, *(_INDENT + line for line in Table(_ATTEMPTS, None).head(rows))]


def _error(letter: DeadLetter) -> tuple[str, str]:
    detail = (letter.failure.detail if letter.failure else None) or {}
    return detail.get("class", ""), " ".join(detail.get("message", letter.run.reason or "").split())


def _attempt(letter: DeadLetter) -> str:
    return str(letter.failure.attempt) if letter.failure else ""


def as_artifacts(values: Mapping[str, Any]) -> list[Artifact]:
    """Return values as they are shown."""
    return [Artifact(name, json.dumps(value, ensure_ascii=False)) for name, value in values.items()]
