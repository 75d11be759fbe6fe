"""python -m benchmarks.peers [--quick] [--json]"""

import argparse
import json
from collections.abc import Sequence

from benchmarks.machine import facts, is_busy, no_disk, say
from benchmarks.peers.engines import ENGINES, Engine
from benchmarks.peers.measure import FULL, QUICK, Engines, Scale
from benchmarks.peers.report import table
from benchmarks.report import header


def main(
    arguments: Sequence[str] | None = None,
    *,
    engines: Sequence[Engine] = ENGINES,
    full: Scale = FULL,
    quick: Scale = QUICK,
) -> None:
    """Measure every engine and print one table. A row in which ours is behind is told, and no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Measure ours beside its peers.")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, and shorter ones")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table, every slice in it")
    given = parser.parse_args(arguments)
    machine = facts()
    if is_busy():
        say("the machine is busy: trust the ratios, and measure again when it is quiet")
    if reason := no_disk():
        say(f"a sync costs nothing here: {reason}")
    measured = Engines(engines, quick if given.quick else full)
    told, rows = measured.facts(), list(measured.rows())
    if given.json:
        found = {"machine": machine, "facts": [vars(one) for one in told], "rows": [one.as_json() for one in rows]}
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        used = "\n".join(f"· {one.title} is used as: {one.how}" for one in engines)
        print(f"{header(machine)}\n\n{table([one.title for one in engines], told, rows)}\n{used}")


if __name__ == "__main__":
    main()
