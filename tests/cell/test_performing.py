"""Actions in a process of their own: what goes in, what comes back, and what they may ask for meanwhile."""

import asyncio
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import fsm
from tests.cell import deeds
from tests.cell.conftest import Yard, pids_in
from tests.engine.builders import events

VALUES: list[Any] = [None, 0, 1.5, "", "ünïcode \u2028 \x00 \U0001f600", [], {"a": [None, {"é": True}]}, 2**63]


class TestValues:
    @pytest.mark.parametrize("value", VALUES, ids=repr)
    def test_what_goes_in_comes_back(self, yard: Yard, value: Any) -> None:
        run = yard.does("echo", value)
        assert (run.status, run.output) == ("succeeded", value)

    def test_large_values_go_in_and_come_back(self, yard: Yard) -> None:
        value = ["é" * 1_000] * 5_000
        assert yard.does("echo", value).output == value

    def test_a_result_that_is_too_large_is_an_invalid_one(self, yard: Yard) -> None:
        run = yard.does("grows")
        assert run.state == "failed"
        assert yard.error(run)["class"] == "InvalidResult"
        assert "too large to store" in yard.error(run)["message"]

    def test_models_are_made_there_and_their_json_comes_back(self, yard: Yard) -> None:
        assert yard.does("double", {"number": "7", "cents": 2}).output == {"number": "77", "cents": 4}

    def test_outcomes_come_back_with_their_value_by_its_own_annotation(self, yard: Yard) -> None:
        there = yard.does("point", {"x": 1, "y": 2})
        assert (there.state, there.output) == ("done", {"x": 2, "y": 1})
        assert yard.again({"x": 0, "y": 2}).state == "other"
        assert yard.does("outcome", "é").output == "é"

    @pytest.mark.parametrize(("deed", "value", "said"), [
        ("double", {"number": 7, "cents": 2}, '"value" does not fit action "deed.double": number: '),
        ("wrong", "5", '"deed.wrong" returned what does not fit: Input should be a valid integer'),
        ("unstorable", None, '"deed.unstorable" returned what does not fit: '),
    ])  # fmt: skip
    def test_what_does_not_fit_is_an_invalid_result(self, yard: Yard, deed: str, value: Any, said: str) -> None:
        run = yard.does(deed, value)
        assert yard.error(run)["class"] == "InvalidResult"
        assert yard.error(run)["message"].startswith(said)

    def test_what_is_unwritten_is_null_there_too(self, yard: Yard) -> None:
        yard.house.define("""
            workflow: optional
            version: 1
            start: choose
            input: {filled: bool}
            states:
              choose: {switch: [{when: filled, to: fill}, {else: work}], error: failed}
              fill: {action: deed.pid, writes: value, retry: never, error: failed, success: work}
              work: {action: deed.echo, optional: value, retry: never, error: failed, success: done}
              done: {end: success, output: work}
              failed: {end: failure}
        """)
        run = yard.house.engine(deeds).run("optional", {"filled": False})
        assert (run.status, run.output) == ("succeeded", None)


class TestProcesses:
    def test_it_is_another_process_and_the_same_for_the_next_call(self, yard: Yard) -> None:
        pids = [yard.does("pid").output, yard.again().output, yard.again().output]
        assert len(set(pids)) == 1
        assert pids[0] != os.getpid()
        assert yard.does("pid").output != pids[0], "another engine has processes of its own"

    def test_it_looks_for_modules_where_the_engine_does_and_knows_the_command_line(self, yard: Yard) -> None:
        found = yard.does("looks").output
        assert found["argv"] == sys.argv
        assert found["path"] == sys.path
        assert found["cwd"] == str(Path.cwd())

    def test_asynchronous_actions_run_on_a_loop_there(self, yard: Yard) -> None:
        assert yard.does("soon", "é").output == ["é", "é", ["half", "é"]]
        assert yard.again("a").output == ["a", "a", ["half", "a"]]

    def test_something_cancelled_inside_is_a_failure(self, yard: Yard) -> None:
        error = yard.error(yard.does("cancelled"))
        assert (error["class"], error["message"]) == (
            "CancelledError", "something that the action awaited was cancelled")  # fmt: skip

    def test_many_runs_on_a_loop_share_a_few_processes(self, yard: Yard) -> None:
        engine = yard.opens("pid")

        async def drive() -> list[fsm.Run]:
            return await asyncio.gather(*(engine.run_async(yard.flow, {"value": n}) for n in range(20)))

        pids = [run.output for run in asyncio.run(drive())]
        assert os.getpid() not in pids
        assert 1 <= len(set(pids)) <= max(4, os.cpu_count() or 1)
        assert yard.again().output in pids, "the loop and the calling thread share them"


class TestContext:
    def test_it_tells_there_what_it_tells_here(self, yard: Yard) -> None:
        run = yard.does("tells")
        told = run.output
        assert len(told.pop("key")) == 64
        assert told == {
            "run_id": run.id, "workflow": yard.flow, "state": "work", "visit": 1, "attempt": 1, "interrupted": False,
            "last_heartbeat": None,
        }  # fmt: skip

    def test_a_saved_result_is_not_asked_for_again_after_the_process_was_killed(
        self, yard: Yard, tmp_path: Path
    ) -> None:
        asked = tmp_path / "asked"
        run = yard.does("saves", str(asked), "retry: {attempts: 2, delay: 0s, errors: ProcessDied}, ")
        assert (run.status, run.output) == ("succeeded", ["ünïque", {"at": 2}, True])
        assert asked.read_text() == "asked\n"

    def test_a_name_saved_twice_gives_the_first_result(self, yard: Yard) -> None:
        assert yard.does("saves_twice").output == [1, 1]

    def test_it_may_be_asked_from_many_threads(self, yard: Yard) -> None:
        assert yard.does("saves_from_threads", 12).output == [n * n for n in range(12)]

    def test_it_is_refused_once_its_action_has_ended(self, yard: Yard) -> None:
        assert yard.does("keeps_its_context").output is None
        assert yard.again().output == "the action has ended, and its context with it"

    def test_a_lost_lease_is_told_there_and_discards_the_result(self, yard: Yard, tmp_path: Path) -> None:
        engine, place = yard.opens("beats_on"), tmp_path / "pid"
        run = engine.start(yard.flow, {"value": str(place)})

        def cancel() -> None:
            pids_in(place)
            engine.cancel(run.id)
            engine.store.leave()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        (left,) = engine.resume(run.id)
        canceller.join()
        assert (left.status, events(engine, left)) == ("cancelled", ["start", "cancel"])


class TestErrors:
    def test_an_exception_is_classified_there_and_carries_its_value(self, yard: Yard) -> None:
        run = yard.does("raises", "refused", "error: {BadRequest: failed, else: failed}, ")
        assert events(yard.engine, run) == ["start", "error:BadRequest"]
        assert yard.error(run) == {
            "class": "Refused", "message": "no", "state": "work", "attempt": 1,
            "value": {"why": "not ours", "é": ["\u2028", 1]},
        }  # fmt: skip
        detail = yard.engine.history(run.id)[-1].transition.detail
        assert detail is not None
        assert 'raise Refused("no"' in detail["traceback"]

    @pytest.mark.parametrize(("value", "name"), [
        ("odd", "Odd"), ("lost", "ConnectionResetError"), ("group", "ExceptionGroup"), ("deep", "RecursionError"),
        ("surrogate", "OSError"), ("limited", "RateLimited"),
    ])  # fmt: skip
    def test_any_exception_comes_back(self, yard: Yard, value: str, name: str) -> None:
        assert yard.error(yard.does("raises", value))["class"] == name

    def test_a_wait_that_was_asked_for_is_honoured(self, yard: Yard) -> None:
        yard.does("raises", "limited", "retry: {attempts: 2, delay: 1ms}, ")
        assert yard.house.clock.slept == [1_500]

    def test_an_effect_that_is_unknown_is_told(self, yard: Yard) -> None:
        options = "interrupted: {probe: deed.probe}, "
        assert yard.does("raises", "lost", options).output == "probed"

    @pytest.mark.parametrize(("value", "kind"), [
        ("exit", SystemExit), ("interrupt", KeyboardInterrupt), ("own", SystemExit),
    ])  # fmt: skip
    def test_an_interruption_comes_back_as_one(self, yard: Yard, value: str, kind: type[BaseException]) -> None:
        with pytest.raises(kind) as raised:
            yard.does("raises", value)
        if value != "interrupt":
            assert raised.value.args[0] == (7 if value == "exit" else "Abandoned: halfway")
        (left,) = yard.engine.runs()
        assert (left.status, left.interrupted) == ("ready", True)

    def test_an_error_of_an_engine_comes_back_as_one(self, yard: Yard) -> None:
        with pytest.raises(fsm.StoreBusy, match="some other store"):
            yard.does("raises", "engine")


class TestProbes:
    OPTIONS = "timeout: 20ms, interrupted: {probe: deed.PROBE}, "

    @pytest.mark.parametrize(("value", "state"), [("not done", "failed"), ("done", "done")])
    def test_a_probe_may_have_a_process_too(self, yard: Yard, value: str, state: str) -> None:
        assert yard.does("waits", value, self.OPTIONS.replace("PROBE", "probe")).state == state

    def test_a_probe_that_returns_something_else_is_told(self, yard: Yard) -> None:
        run = yard.does("waits", "", self.OPTIONS.replace("PROBE", "bad_probe"))
        said = 'the probe failed: probe "deed.bad_probe" returned str; an Outcome, or None for "not done"'
        assert yard.error(run)["message"] == said


class TestVoice:
    def test_what_is_printed_goes_to_stderr(self, yard: Yard, capfd: pytest.CaptureFixture[str]) -> None:
        assert yard.does("speaks", "é").output == "", "and there is nothing to read"
        out, err = capfd.readouterr()
        assert out == ""
        for line in ("printed ünïcode caf\\udce9\n", "to stderr\n", "bytes\n", "from a program\n",
                     "no newline at the end"):  # fmt: skip
            assert line in err

    def test_it_goes_to_what_stderr_is_at_the_time(self, yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
        yard.does("speaks", "é")
        assert "printed ünïcode" in capsys.readouterr().err

    def test_log_records_go_to_the_engine_s_loggers(self, yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "fsm.action")
        run = yard.does("speaks", "é")
        told = {record.getMessage(): record for record in caplog.records}
        assert set(told) == {"info about é", "warned", "failed"}
        record = told["info about é"]
        assert (record.name, record.levelname, record.filename) == ("fsm.action", "INFO", "deeds.py")
        assert (vars(record)["run"], vars(record)["state"], vars(record)["attempt"]) == (run.id, "work", 1)
        assert record.process != os.getpid()
        assert (vars(told["warned"])["place"], vars(told["warned"])["n"]) == ("/tmp", 1)
        assert "ValueError: in the library" in (told["failed"].exc_text or "")

    def test_what_the_engine_does_not_listen_to_is_not_told(self, yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.ERROR)
        yard.does("speaks")
        assert [record.getMessage() for record in caplog.records] == ["failed"]

    def test_a_forked_process_does_not_speak_into_the_line(self, yard: Yard, capfd: pytest.CaptureFixture[str]) -> None:
        words, code, saved = yard.does("forks").output
        assert words == "a context cannot be used in a process that the action has forked"
        assert code == -15
        assert saved == "the line is whole"
        assert "from a forked process" in capfd.readouterr().err
