"""python -m benchmarks [row ...] [--quick] [--json]"""

import argparse
import json
import sys
from collections.abc import Sequence

from benchmarks.figures import FULL, QUICK, Scale
from benchmarks.machine import facts, is_busy, say
from benchmarks.report import header, table
from benchmarks.rows import ROWS


def main(arguments: Sequence[str] | None = None, *, full: Scale = FULL, quick: Scale = QUICK) -> None:
    """Measure the rows asked for, all by default, and print them. A missed target is told, and no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the engine beside a raw loop.")
    parser.add_argument("rows", nargs="*", metavar="row", help=f"{', '.join(ROWS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, and a smaller crowd")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.rows) - ROWS.keys()):
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    machine, figures = facts(), []
    if is_busy():
        say("the machine is busy: trust ratios and CPU, and measure again when it is quiet")
    for name in given.rows or ROWS:
        print(name, file=sys.stderr)
        for figure in ROWS[name](quick if given.quick else full):
            say(f"{figure.what}: {figure.skipped or figure.note or figure.value}")
            figures.append(figure)
    if given.json:
        print(
            json.dumps(
                {"machine": machine, "figures": [one.as_json() for one in figures]}, indent=2, ensure_ascii=False
            )
        )
    else:
        print(f"{header(machine)}\n\n{table(figures)}")


if __name__ == "__main__":
    main()
