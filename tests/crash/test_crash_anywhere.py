"""Guarantees 1 to 5, on random workflows, with deaths at points that Hypothesis chooses."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from fsm.checks import check_text
from fsm.model.workflow import Workflow
from tests.crash.world import MEMORY, World, chain, no_committed_work_was_repeated, told
from tests.strategies import sound_definitions, to_yaml

INPUTS = {"amount": 7, "title": "a", "tags": ["x"]}


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    definition = draw(sound_definitions(states_max=6))
    _hurry(definition)
    _ask_nobody(definition)
    return {
        "definition": definition,
        "script": draw(st.lists(st.integers(0, 50), min_size=3, max_size=12)),
        "with_once": draw(st.booleans()),
    }


def _hurry(definition: dict[str, Any]) -> None:
    """Let actions run on the driving thread: what a death does there, it does on any."""
    definition.get("defaults", {}).pop("timeout", None)
    for state in definition["states"].values():
        state.pop("timeout", None)
        state.pop("heartbeat", None)
        # A deadline that sleeping through a crash's retries might miss would make the two runs differ by design.
        if "action" in state:
            state.pop("deadline", None)
        # A key of the author's own may be that of an earlier visit; here every visit is an effect of its own.
        if isinstance(state.get("idempotent"), str):
            state["idempotent"] = True


def _ask_nobody(definition: dict[str, Any]) -> None:
    """A question to a person is an answer more in the ledger; it has a test of its own."""
    for state in definition["states"].values():
        if state.get("interrupted") == "ask":
            state["interrupted"] = {"probe": f"probe.{state['action'].removeprefix('act.')}"}


def _read(drawn: dict[str, Any]) -> tuple[str, Workflow]:
    text = to_yaml(drawn["definition"])
    source, _ = check_text(text, "random.yaml")
    assert source.workflow
    return text, source.workflow


def _world(folder: str, text: str, flow: Workflow, drawn: dict[str, Any]) -> World:
    inputs = {name: value for name, value in INPUTS.items() if name in flow.definition.input}
    return World(text, flow, inputs, drawn["script"], Path(folder), with_once=drawn["with_once"])


def _undisturbed(
    text: str, flow: Workflow, drawn: dict[str, Any]
) -> tuple[int, list[tuple[Any, ...]], dict[str, str], Counter[str]]:
    """Return the points of a life that nobody disturbs, its ledger, and its effects."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        world = _world(folder, text, flow, drawn)
        assert world.live(None)
        return world.fuse.points, list(told(chain(world.store, world.flow))), world.effects, world.asked_effects()


# Not shrunk: a life costs milliseconds, and what is printed is small enough to read.
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(drawn=worlds(), places=st.lists(st.integers(0, 999), min_size=1, max_size=3))
def test_a_run_that_dies_anywhere_ends_in_the_ledger_of_an_undisturbed_one(
    drawn: dict[str, Any], places: list[int]
) -> None:
    text, flow = _read(drawn)
    points, expected, effects, asked = _undisturbed(text, flow, drawn)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        world = _world(folder, text, flow, drawn)
        for place in [*places, None]:
            # Each death comes at so many thousandths of a life that nobody disturbs.
            ended = world.live(None if place is None else points * place // 1000)
            rows = list(told(chain(world.store, world.flow)))
            assert len(rows) >= world.acknowledged, "an acknowledged edge was lost"
            assert rows == expected[: len(rows)]
            if ended:
                break
        assert ended
        assert rows == expected
        event(f"deaths: {world.life}, repeated attempts: {no_committed_work_was_repeated(world)}")
        assert world.effects == effects
        assert world.asked_effects() == asked, "the probe's answer was not heard"
