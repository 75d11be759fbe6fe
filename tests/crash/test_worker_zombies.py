"""A worker that is frozen past its lease has lost its runs, and whatever it writes later is discarded."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.soak.zombies import takeovers
from tests.crash.world import MEMORY

TURNS, RUNS = 4, 6


def test_what_a_frozen_worker_writes_after_others_took_its_runs_over_loses_every_time() -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        found = takeovers(Path(folder), turns=TURNS, runs=RUNS, limit_s=250)
        assert found.violations == []
        assert found.count >= TURNS * RUNS
        assert found.refused + found.late >= TURNS * RUNS
