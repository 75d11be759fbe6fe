"""Workers killed at random while they drive hundreds of runs: every run ends as it would have, and nothing is repeated.

`make soak` does the same with ten thousand.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.soak.soak import kills_by_effects, soak
from tests.crash.world import MEMORY

KILLS = 10


def test_runs_end_as_they_would_have_though_their_workers_are_killed_again_and_again() -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        report = soak(
            Path(folder), kills_by_effects(KILLS, every_bytes=30_000), runs=300, workers=4, kinds=80, limit_s=250
        )
        assert report.verdict.violations == []
        assert report.kills == KILLS
        assert report.verdict.repeated > 0, "no kill hit an action"
        assert sum(report.verdict.endings.values()) == 300
