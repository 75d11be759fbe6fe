"""Actions in processes of their own under a worker: many runs share a few, and a pause may interrupt them."""

import threading
from pathlib import Path

from fsm import operations
from fsm.engine.cells import at_once_max
from tests.cell.conftest import Yard, all_gone, pids_in


def test_many_runs_share_a_few_processes(yard: Yard) -> None:
    engine = yard.opens("pid")
    ids = [engine.start(yard.flow, {"value": n}).id for n in range(24)]
    engine.work(until="idle")
    runs = [engine.get(run_id) for run_id in ids]
    assert {run.status for run in runs} == {"succeeded"}
    assert len({run.output for run in runs}) <= at_once_max()


def test_contexts_save_and_give_signs_of_life_there_too(yard: Yard) -> None:
    engine = yard.opens("saves_from_threads", "heartbeat: 10s, timeout: 1m, ")
    run = engine.start(yard.flow, {"value": 8})
    engine.work(until="idle")
    assert engine.get(run.id).output == [n * n for n in range(8)]


def test_one_that_dies_does_not_take_the_others_along(yard: Yard) -> None:
    engine = yard.opens("ends_or_adds")
    dying, living = engine.start(yard.flow, {"value": -1}), engine.start(yard.flow, {"value": 1})
    engine.work(until="idle")
    assert (engine.get(dying.id).state, engine.get(living.id).output) == ("failed", 2)


def test_a_pause_that_is_to_stop_actions_kills_the_process(yard: Yard, tmp_path: Path) -> None:
    engine, place = yard.opens("spins"), tmp_path / "pids"
    run = engine.start(yard.flow, {"value": str(place)})
    worker = threading.Thread(target=engine.work, kwargs={"until": "idle"})
    worker.start()
    pids = pids_in(place)
    operations.pause(engine, now=True, actor="ana", reason="enough")
    worker.join()
    all_gone(pids)
    left = engine.get(run.id)
    assert (left.status, left.interrupted) == ("ready", True)
