"""What was found in a store, as people and programs read it."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from fsm.model.finding import KINDS, Finding
from fsm.render.endings import Command
from fsm.render.terminal import paint, safe

_INDENT = "  "
_COLOURS = {"fault": "1;31", "note": "1;34"}


def listed(findings: Iterable[Finding], counts: Mapping[str, int], command: Command, *, colour: bool = False) -> str:
    """Return findings under what they say and what to do about it.

    Args:
        findings: those of one kind beside each other.
        counts: how many of each kind there are, shown or not.
        command: writes out a command line.
        colour: whether to use ANSI colours.
    """
    lines: list[str] = []
    for name, group in groupby(findings, key=lambda finding: finding.kind):
        kind, shown = KINDS[name], list(group)
        lines.append(paint(f"{kind.severity}: {kind.what}", _COLOURS[kind.severity], on=colour) + f" [{name}]")
        for finding in shown:
            run = f"{finding.run_id}: " if finding.run_id else ""
            lines.append(safe(f"{_INDENT}{run}{finding.message}"))
            lines += [safe(f"{_INDENT * 2}{cure.does}: {' && '.join(command(*words) for words in cure.commands)}")
                      for cure in finding.cures]  # fmt: skip
        if counts[name] > len(shown):
            lines.append(f"{_INDENT}and {counts[name] - len(shown)} more")
        lines.append(f"{_INDENT}what to do: {kind.cure}")
    return "\n".join(lines)


def summary(counts: Mapping[str, int], runs: int, *, deep: bool) -> str:
    """Return in one line what came of it, and what was not looked at."""
    faults = sum(count for name, count in counts.items() if KINDS[name].severity == "fault")
    notes = sum(counts.values()) - faults
    looked = f"{runs} run{'' if runs == 1 else 's'} looked at"
    noted = f"; {notes} note{'' if notes == 1 else 's'}" if notes else ""
    if faults:
        return f"{looked}: {faults} fault{'' if faults == 1 else 's'}{noted}"
    chains = "" if deep else "; hash chains were not verified: --deep does that"
    return f"{looked}: sound, and every live one has a reason to wake{noted}{chains}"


def fields(finding: Finding, command: Command) -> dict[str, Any]:
    """Return a finding as JSON."""
    kind = KINDS[finding.kind]
    return {
        "kind": finding.kind,
        "severity": kind.severity,
        "message": finding.message,
        "run": finding.run_id,
        "cure": kind.cure,
        "commands": [command(*words) for cure in finding.cures for words in cure.commands],
    }
