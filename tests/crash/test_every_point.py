"""Every single point of a reference workflow, one death each, and two deaths in a row."""

import tempfile
from pathlib import Path

import pytest

from fsm.checks import check_text
from tests.crash.world import MEMORY, World, chain, no_committed_work_was_repeated, told

REFERENCE = """
workflow: random
version: 1
start: fetch
input: {amount: int}
errors: {NotAnInvoice: []}
defaults: {retry: {attempts: 3, delay: 1ms}, error: dead}
states:
  fetch: {action: act.fetch, idempotent: true, success: weigh}
  weigh:
    switch:
      - {when: "amount > 5", to: post}
      - {else: rest}
  post:
    action: act.post
    reads: [fetch]
    interrupted: {probe: probe.post}
    retry: {attempts: 4, delay: 1ms, errors: [Transient, NotReady]}
    success: {success: rest, again: weigh}
    max_visits: 3
    error: {NotAnInvoice: human, VisitsExceeded: human, else: dead}
  rest: {wait: 5ms, success: human}
  human:
    signal: {accept: {to: ship, payload: {by: str}}, refuse: refused}
    deadline: 1d
  ship: {action: act.ship, idempotent: true, success: done, error: {Exception: rest, else: dead}, max_visits: 2}
  done: {end: success, output: ship}
  refused: {end: failure, reason: "'refused'"}
  dead: {end: dead_letter}
"""
SCRIPTS = {
    "straight through": [1],
    "retries and loops": [4, 1, 5, 0, 2, 3, 1],
    "errors": [8, 3, 1, 9, 2],
}


def _world(folder: str, script: list[int], *, with_once: bool) -> World:
    source, _ = check_text(REFERENCE, "random.yaml")
    assert source.workflow
    return World(REFERENCE, source.workflow, {"amount": 7}, script, Path(folder), with_once=with_once)


@pytest.mark.parametrize(
    ("script", "with_once"),
    [("straight through", False), ("retries and loops", False), ("retries and loops", True), ("errors", False)],
)
def test_a_death_at_any_point_changes_nothing_but_the_attempt_in_flight(script: str, with_once: bool) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        world = _world(folder, SCRIPTS[script], with_once=with_once)
        assert world.live(None)
        expected, points = list(told(chain(world.store, world.flow))), world.fuse.points
        effects, asked = world.effects, world.asked_effects()
    assert points > 60
    for point in range(points):
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            world = _world(folder, SCRIPTS[script], with_once=with_once)
            assert not world.live(point), "the fuse did not burn"
            assert len(chain(world.store, world.flow)) >= world.acknowledged
            assert world.live(None)
            assert list(told(chain(world.store, world.flow))) == expected
            no_committed_work_was_repeated(world)
            assert world.effects == effects
            assert world.asked_effects() == asked, "the probe's answer was not heard"
