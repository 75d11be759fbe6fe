"""`python -m tests.crash.soak`: the big soak, as a command."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.soak.soak import kills, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="how many runs (10000)")
    parser.add_argument("--workers", type=int, default=4, help="how many worker processes (4)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two kills, in the mean (1)")
    parser.add_argument("--seconds", type=float, default=3_600, help="give up after (3600)")
    parser.add_argument("--seed", type=int, default=1, help="of chance (1)")
    parser.add_argument("--folder", type=Path, help="where the store is; kept (a temporary one)")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="fsm-soak-") as temporary:
        folder = given.folder or Path(temporary)
        report = soak(
            folder, kills(given.every), runs=given.runs, workers=given.workers, seed=given.seed, limit_s=given.seconds
        )
    print(report)
    return bool(report.verdict.violations)


if __name__ == "__main__":
    sys.exit(main())
