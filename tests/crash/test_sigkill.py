"""The same by SIGKILL: a real process dies at every boundary of a reference workflow, and at random instants."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from fsm.checks import check_text
from tests.crash.test_every_point import REFERENCE, SCRIPTS
from tests.crash.world import MEMORY, World, chain, no_committed_work_was_repeated, told

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

ONE_SCRIPT = SCRIPTS["retries and loops"]


def _world(folder: str) -> World:
    source, _ = check_text(REFERENCE, "random.yaml")
    assert source.workflow
    return World(REFERENCE, source.workflow, {"amount": 7}, ONE_SCRIPT, Path(folder), with_once=True)


def test_a_process_killed_at_any_boundary_is_resumed_by_the_next_at_once() -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        world = _world(folder)
        assert world.live(None)
        expected, points = list(told(chain(world.store, world.flow))), world.fuse.points
    for point in range(points):
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            world = _world(folder)
            assert not world.live_in_a_process(point), "the kill did not happen"
            assert len(chain(world.store, world.flow)) >= world.acknowledged
            assert world.live_in_a_process(None)
            assert list(told(chain(world.store, world.flow))) == expected
            no_committed_work_was_repeated(world)


COUNTER = """
workflow: counter
version: 1
start: count
input: {upto: int}
defaults: {timeout: 10s, retry: never, error: dead}
states:
  count:
    action: counter.count
    optional: count
    reads: [upto]
    idempotent: true
    max_visits: 1000
    success: {more: count, done: end}
    error: {VisitsExceeded: dead, else: dead}
  end: {end: success, output: count}
  dead: {end: dead_letter}
"""
ACTIONS = """
import os
import fsm


@fsm.action("counter.count")
def count(upto: int, count: int | None, ctx: fsm.Context):
    fd = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{ctx.key} {ctx.interrupted}\\n".encode())
    os.close(fd)
    now = (count or 0) + 1
    return fsm.Outcome("done" if now == upto else "more", now)
"""


def test_the_command_line_killed_again_and_again_at_random_instants_counts_every_number_once(tmp_path: Path) -> None:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "counter.yaml").write_text(COUNTER)
    (tmp_path / "actions.py").write_text(ACTIONS)
    (tmp_path / "fsm.toml").write_text('store = "runs.db"\ndefinitions = "definitions"\nactions = "actions.py"\n')
    effects = tmp_path / "effects"
    environment = {**os.environ, "EFFECTS": str(effects)}
    upto, chance, kills = 150, random.Random(7), 0
    command = [sys.executable, "-m", "fsm", "run", "counter", "-i", f"upto={upto}", "--key", "one", "--quiet"]
    while True:
        done = len(effects.read_text().splitlines()) if effects.exists() else 0
        child = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)  # fmt: skip
        target = done + chance.randint(1, 25)
        while child.poll() is None and kills < 8 and _lines(effects) < target:
            time.sleep(0.001)
        if child.poll() is None and kills < 8:
            child.send_signal(signal.SIGKILL)
            kills += 1
        _, said = child.communicate()
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL, said
    lines = [line.split() for line in effects.read_text().splitlines()]
    keys = list(dict.fromkeys(key for key, _ in lines))
    assert kills == 8
    assert len(keys) == upto
    repeated = [(key, told) for place, (key, told) in enumerate(lines) if key in {k for k, _ in lines[:place]}]
    assert len(repeated) <= kills
    assert all(told == "True" for _, told in repeated)


def _lines(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0
