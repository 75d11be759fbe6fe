"""Migrating runs through the API: checked before any moves, then on under the new version."""

import threading
from typing import Any

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from fsm.kernel.migration import migrate
from fsm.operations.migrate import Migrated
from fsm.operations.migration import Migration
from tests.engine.builders import House, events, named
from tests.store.chain import breaks

FIRST = """
    workflow: intake
    version: 1
    start: fetch
    input: {uri: str}
    errors: {Torn: []}
    defaults: {retry: never, error: lost}
    states:
      fetch: {action: i.fetch, writes: document, success: ocr}
      ocr:
        action: i.ocr
        writes: text
        retry: [{attempts: 2, delay: 1m, jitter: none, errors: [Unavailable]}]
        success: human
        error: {Torn: refused}
      human: {signal: {accept: done}, writes: verdict, error: lost}
      done: {end: success, output: text}
      refused: {end: failure}
      lost: {end: dead_letter}
"""
SECOND = (
    FIRST.replace("version: 1", "version: 2").replace("ocr:", "scan:").replace("success: ocr", "success: scan")
    .replace("i.ocr", "i.scan").replace("uri: str", "uri: str, language: {type: str, default: de}")
)  # fmt: skip
MAP = {"ocr": "scan"}


class Torn(Exception):
    pass


class Office:
    """What the actions do: by the uri of a document."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.repaired = False
        self.inside, self.gate = threading.Event(), threading.Event()

    def fetch(self, uri: str) -> str:
        return f"page of {uri}"

    def ocr(self, uri: str, document: str, ctx: fsm.Context) -> str:
        self.keys.append(ctx.key)
        if uri == "slow":
            self.inside.set()
            self.gate.wait()
        return self.read(uri, document)

    def scan(self, uri: str, document: str, language: str, ctx: fsm.Context) -> str:
        self.keys.append(ctx.key)
        return f"{language}: {self.read(uri, document)}"

    def read(self, uri: str, document: str) -> str:
        if uri == "torn":
            raise Torn
        if uri == "busy":
            raise fsm.Unavailable("later")
        if uri == "broken" and not self.repaired:
            raise ValueError("no text")
        return f"text of {document}"


@pytest.fixture
def office() -> Office:
    return Office()


def engine_of(house: House, office: Office, *texts: str) -> Engine:
    for version, text in enumerate(texts, 1):
        house.define(text, f"v{version}.yaml")
    return house.engine(named("i.fetch", office.fetch), named("i.ocr", office.ocr), named("i.scan", office.scan))


@pytest.fixture
def engine(house: House, office: Office) -> Engine:
    return engine_of(house, office, FIRST, SECOND)


def started(engine: Engine, uri: str = "a.pdf", **more: Any) -> fsm.Run:
    return engine.run("intake", {"uri": uri}, version=1, **more)


def moved(engine: Engine, **more: Any) -> Migrated:
    return operations.migrate(engine, "intake", 1, 2, states=MAP, actor="ana", reason="better scans", **more)


class TestTheMove:
    def test_a_dead_run_is_redriven_under_the_repaired_version_in_the_visit_that_failed(
        self, engine: Engine, house: House, office: Office
    ) -> None:
        run = started(engine, "broken")
        assert (run.status, run.state) == ("dead", "lost")
        (after,) = moved(engine).moved
        assert (after.status, after.state, after.version) == ("dead", "lost", 2)
        assert (after.reason, after.key) == (run.reason, run.key)
        office.repaired = True
        assert operations.redrive(engine, run.id).state == "scan"
        (resting,) = engine.resume()
        assert (resting.state, resting.status) == ("human", "waiting")
        assert len(set(office.keys)) == 1, "the repaired state acts with the key of the one that failed"
        assert engine.signal(run.id, "accept").output == "de: text of page of broken"
        assert events(engine, run) == [
            "start", "success", "error:else", "migrate", "redrive", "success", "signal:accept",
        ]  # fmt: skip
        assert breaks(house.store, run.id) == []
        assert operations.replay(engine, run.id).differences == ()
        assert operations.audit(engine).altered == []

    def test_what_waited_for_a_signal_waits_on(self, engine: Engine) -> None:
        run = started(engine)
        (after,) = moved(engine).moved
        assert (after.id, after.state, after.status, after.visit) == (run.id, "human", "ready", run.visit)
        engine.resume()
        assert engine.get(run.id).status == "waiting"
        assert engine.signal(run.id, "accept").status == "succeeded"

    def test_a_signal_sent_between_the_move_and_the_resume_is_kept(self, engine: Engine) -> None:
        run = started(engine)
        moved(engine)
        assert engine.signal(run.id, "accept").status == "ready"
        assert engine.resume()[0].status == "succeeded"

    def test_a_delay_before_a_retry_goes_on(self, engine: Engine, house: House) -> None:
        run = engine.start("intake", {"uri": "busy"}, version=1)
        house.clock.on_sleep = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            engine.resume()
        resting = engine.get(run.id)
        (after,) = moved(engine).moved
        assert (after.status, after.due_at, after.attempt) == ("waiting", resting.due_at, 2)
        house.clock.on_sleep = lambda: None
        assert engine.resume()[0].status == "dead"

    def test_a_new_input_gets_its_default_and_is_told_in_the_ledger(self, engine: Engine) -> None:
        run = started(engine)
        moved(engine)
        assert engine.artifacts(engine.get(run.id))["language"] == "de"
        row = engine.history(run.id)[-1]
        assert row.transition.actor == "ana"
        assert (row.transition.detail or {})["because"] == "better scans"
        assert row.artifacts == (("language", '"de"'),)

    def test_the_store_can_be_opened_without_the_definitions_afterwards(self, engine: Engine, house: House) -> None:
        run = started(engine)
        moved(engine)
        other = house.engine(definitions=[])
        assert other.workflow(other.get(run.id)).version == 2

    def test_a_drive_that_sleeps_through_a_delay_goes_on_under_the_new_version(
        self, engine: Engine, house: House, office: Office
    ) -> None:
        other = engine_of(house, office, FIRST, SECOND)

        def meanwhile() -> None:
            house.clock.on_sleep = lambda: None
            (after,) = moved(other).moved
            assert after.status == "waiting"
            office.read = lambda uri, document: "read at last"  # type: ignore[method-assign]

        house.clock.on_sleep = meanwhile
        run = started(engine, "busy")
        assert (run.version, run.state, run.status) == (2, "human", "waiting")
        assert engine.artifacts(run)["text"] == "de: read at last"

    def test_a_run_whose_failed_state_is_gone_goes_on_from_another_one_that_it_has_been_in(
        self, house: House, office: Office
    ) -> None:
        """Checks would not let it be moved so; the store may have been by something else."""
        engine = engine_of(house, office, FIRST, SECOND)
        run = started(engine, "broken")
        old, new = engine.workflow(run), engine.library.newest("intake", 2)
        assert new
        engine.store.save(new, SECOND, engine.clock.now())
        states = {"fetch": "fetch", "lost": "lost"}
        engine.store.map_states(old.digest, new.digest, states)
        failed, visited = engine.store.last_failure(run), engine.store.visited(run)
        engine.move(run.id, lambda run: migrate(old, new, run, states, visited, failed, 1, None, None))
        with pytest.raises(fsm.IllegalTransition, match='version 2 has no state "ocr", which failed'):
            operations.redrive(engine, run.id)
        with pytest.raises(fsm.IllegalTransition, match='version 2 has no state "ocr", which failed'):
            operations.complete(engine, run.id, "text", actor="ana")
        office.repaired = True
        operations.redrive(engine, run.id, at="fetch", changes={"language": "en"})
        assert engine.resume()[0].state == "human"
        assert operations.audit(engine).altered == []

    def test_runs_that_a_worker_drives_meanwhile_all_end_as_they_would_have(self, house: House, office: Office) -> None:
        fetched: list[str] = []

        def fetch(uri: str, ctx: fsm.Context) -> str:
            ctx.once("fetched", lambda: fetched.append(uri))
            return f"page of {uri}"

        human = "human: {signal: {accept: done}, writes: verdict, error: lost}"
        for version, text in ((1, FIRST), (2, SECOND)):
            house.define(text.replace(human, "human: {switch: [{else: done}], error: lost}"), f"v{version}.yaml")
        actions = named("i.fetch", fetch), named("i.ocr", office.ocr), named("i.scan", office.scan)
        engine, other = house.engine(*actions), house.engine(*actions)
        runs = [engine.start("intake", {"uri": f"{n}.pdf"}, version=1) for n in range(40)]
        worker = threading.Thread(target=lambda: engine.work(until="idle"))
        worker.start()
        moves = 0
        while worker.is_alive():
            moves += len(operations.migrate(other, "intake", 1, 2, states=MAP, running=True, where_possible=True).moved)
        worker.join()
        engine.work(until="idle")
        assert {engine.get(run.id).status for run in runs} == {"succeeded"}
        assert sum(events(engine, run).count("migrate") for run in runs) == moves
        for run in runs:
            assert breaks(house.store, run.id) == []
            assert operations.replay(engine, run.id).differences == ()
        assert set(fetched) == {f"{n}.pdf" for n in range(40)}
        assert operations.audit(engine).altered == []


class TestWhoIsMoved:
    def test_live_and_dead_runs_are_and_failed_ones_where_asked_for(self, engine: Engine) -> None:
        waiting, dead, failed = started(engine), started(engine, "broken"), started(engine, "torn")
        done = started(engine)
        engine.signal(done.id, "accept")
        cancelled = engine.cancel(started(engine).id)
        assert {run.id for run in moved(engine).moved} == {waiting.id, dead.id}
        assert [run.id for run in moved(engine, failed=True).moved] == [failed.id]
        assert {engine.get(run.id).version for run in (done, cancelled)} == {1}

    def test_one_run_is_where_it_is_named(self, engine: Engine) -> None:
        first, second = started(engine), started(engine)
        assert [run.id for run in moved(engine, run_id=second.id).moved] == [second.id]
        assert engine.get(first.id).version == 1

    @pytest.mark.parametrize("end", ["done", "cancelled"])
    def test_what_has_ended_for_good_is_not(self, engine: Engine, end: str) -> None:
        run = started(engine)
        _ = engine.cancel(run.id) if end == "cancelled" else engine.signal(run.id, "accept")
        with pytest.raises(fsm.UsageError, match="it needs no other version"):
            moved(engine, run_id=run.id)

    def test_repeating_it_does_nothing_more(self, engine: Engine) -> None:
        run = started(engine)
        moved(engine)
        assert moved(engine) == ([], [])
        with pytest.raises(fsm.UsageError, match='is one of "intake" version 2, not of "intake" version 1'):
            moved(engine, run_id=run.id)

    def test_a_run_that_is_driven_is_left_unless_it_is_to_be_taken(
        self, engine: Engine, house: House, office: Office
    ) -> None:
        ended: list[fsm.Run] = []
        driver = threading.Thread(target=lambda: ended.append(started(engine, "slow")))
        driver.start()
        assert office.inside.wait(10)
        other = engine_of(house, office, FIRST, SECOND)
        try:
            with pytest.raises(fsm.UsageError, match=r"1 of 1 runs cannot be moved, .* it is being driven"):
                moved(other)
            (after,) = moved(other, running=True).moved
            assert (after.status, after.interrupted) == ("ready", True)
            assert other.history(after.id)[-1].transition.interrupted
        finally:
            office.gate.set()
            driver.join()
        (run,) = ended
        assert (run.version, run.state) == (2, "human")
        assert events(engine, run) == ["start", "success", "migrate", "success"]
        assert len(set(office.keys)) == 1


class TestChecksBeforeAnyMoves:
    def test_one_run_that_cannot_be_moved_keeps_all_where_they_are(self, engine: Engine) -> None:
        fine, stuck = started(engine), started(engine, "broken")
        with pytest.raises(fsm.UsageError, match=r'1 of 2 runs cannot be moved, .*version 2 drops "ocr"'):
            operations.migrate(engine, "intake", 1, 2)
        assert [engine.get(run.id) for run in (fine, stuck)] == [fine, stuck]

    def test_those_that_can_be_moved_are_where_that_is_enough(self, engine: Engine) -> None:
        fine, stuck = started(engine), started(engine, "broken")
        done = operations.migrate(engine, "intake", 1, 2, where_possible=True)
        assert [run.id for run in done.moved] == [fine.id]
        assert [passage.run for passage in done.left] == [stuck]
        assert engine.get(stuck.id) == stuck

    def test_what_the_actions_would_miss_is_found(self, house: House, office: Office) -> None:
        demanding = SECOND.replace("language: {type: str, default: de}", "pages: {type: int, default: 1}")
        house.define(FIRST, "v1.yaml")
        house.define(demanding.replace("writes: document, success", "writes: page, success"), "v2.yaml")
        scan = named("i.scan", lambda page: page)
        engine = house.engine(named("i.fetch", office.fetch), named("i.ocr", office.ocr), scan)
        run = started(engine, "broken")
        with pytest.raises(fsm.UsageError, match='migrating ocr → scan: "page" would be unwritten'):
            moved(engine)
        assert engine.get(run.id) == run

    def test_an_input_of_another_type_is_found(self, house: House, office: Office) -> None:
        engine = engine_of(house, office, FIRST, SECOND.replace("uri: str", """uri: '"b.pdf" | "c.pdf"'"""))
        started(engine, "b.pdf")
        started(engine, "a.pdf")
        with pytest.raises(fsm.UsageError, match=r'1 of 2 runs .*"uri" is no "b.pdf" . "c.pdf"'):
            moved(engine)

    def test_a_visit_limit_that_the_old_version_did_not_have_counts_from_here(
        self, house: House, office: Office
    ) -> None:
        counted = FIRST.replace("writes: text\n", "writes: text\n        max_visits: 2\n")
        second, third = (counted.replace("version: 1", f"version: {version}") for version in (2, 3))
        engine = engine_of(house, office, FIRST, second, third)
        run = started(engine, "broken")
        assert operations.migrate(engine, "intake", 1, 2).moved[0].visits == {"ocr": 1}
        assert operations.migrate(engine, "intake", 2, 3).moved[0].visits == {"ocr": 1}
        assert operations.redrive(engine, run.id).visits == {"ocr": 0}

    def test_a_run_that_moves_on_between_check_and_move_is_checked_again(self, engine: Engine, house: House) -> None:
        run = started(engine)
        move = engine.move

        def meanwhile(run_id: str, decide: Any) -> fsm.Run:
            engine.move = move  # type: ignore[method-assign]
            house.engine(definitions=[]).signal(run.id, "accept")
            return move(run_id, decide)

        engine.move = meanwhile  # type: ignore[method-assign, assignment]
        done = moved(engine)
        assert done.moved == []
        assert "it needs no other version" in done.left[0].obstacles[0].message


class TestWhatIsAskedFor:
    @pytest.mark.parametrize(
        ("old", "new", "states", "said"),
        [
            (7, 2, {}, 'the store has no version 7 of "intake"; it has 1'),
            (1, 7, {}, 'the store has no version 7 of "intake"; it has 1'),
            (1, 1, {}, '"intake" has version 1 already'),
            (1, 2, {"ocx": "scan"}, 'the map leads from "ocx", which is no state of version 1; did you mean "ocr"?'),
            (1, 2, {"ocr": "skan"}, 'the map leads to "skan", which is no state of version 2; did you mean "scan"?'),
        ],
    )
    def test_versions_and_states_must_be_there(
        self, engine: Engine, old: int, new: int, states: dict[str, str], said: str
    ) -> None:
        started(engine)
        with pytest.raises(fsm.UsageError) as caught:
            operations.migrate(engine, "intake", old, new, states=states)
        assert said in str(caught.value)

    def test_a_file_that_changed_under_its_version_is_refused(
        self, engine: Engine, house: House, office: Office
    ) -> None:
        started(engine)
        engine.start("intake", {"uri": "a"}, version=2)
        (house.definitions / "v2.yaml").unlink()
        changed = engine_of(house, office, FIRST, SECOND.replace("default: de", "default: en"))
        with pytest.raises(fsm.UsageError, match='content of "intake" changed under version 2'):
            moved(changed)

    def test_a_plan_changes_nothing(self, engine: Engine) -> None:
        run = started(engine)
        plan = Migration(engine, "intake", 1, 2, MAP)
        assert [(passage.run, passage.target, passage.is_open) for passage in plan.passages()] == [(run, "human", True)]
        assert plan.is_whole
        assert engine.store.versions("intake").keys() == {1}
        assert engine.get(run.id) == run
