"""The ledger alone rebuilds the run, at every transition of random workflows, whatever operators do to them."""

from hypothesis import HealthCheck, Phase, given, settings

from fsm import operations
from fsm.engine.engine import Engine
from fsm.model.run import Run
from tests.past.wanderer import Wandering, wandered, wanderings


def agree(engine: Engine, run: Run) -> None:
    found = operations.replay(engine, run.id)
    assert found.differences == ()


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(wandering=wanderings())
def test_the_fold_of_a_ledger_is_the_run_after_every_commit(wandering: Wandering) -> None:
    with wandered(wandering, agree) as world:
        assert world.runs
