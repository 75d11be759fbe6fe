"""How the process of an action ends: at its limits, by itself, by somebody's hand; and what becomes of the attempt."""

import asyncio
import gc
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import fsm
from fsm.engine import cell as cells
from fsm.engine import leash
from tests.cell.conftest import Yard, all_gone, is_gone, pids_in
from tests.engine.builders import events
from tests.store.processes import eventually


class TestLimits:
    @pytest.mark.parametrize("deed", ["spins", "holds"])
    def test_an_endless_computation_is_killed_at_its_timeout_with_what_it_started(
        self, yard: Yard, tmp_path: Path, deed: str
    ) -> None:
        run = yard.does(deed, str(tmp_path / "pids"), "timeout: 100ms, ")
        assert yard.error(run)["message"] == "no result after 100 ms"
        assert events(yard.engine, run) == ["start", "error:else"]
        pids = pids_in(tmp_path / "pids")
        assert is_gone(pids[0])
        all_gone(pids)

    def test_a_timeout_is_one_as_it_ever_was(self, yard: Yard) -> None:
        run = yard.does("waits", None, "timeout: 20ms, retry: {attempts: 2, delay: 1ms}, error: {Timeout: failed, "
                        "else: failed}, ")  # fmt: skip
        assert events(yard.engine, run) == ["start", "retry:1", "error:Timeout"]
        assert yard.error(run)["class"] == "Timeout"
        assert yard.engine.history(run.id)[-1].transition.interrupted

    def test_a_limit_in_years_is_one_too(self, yard: Yard) -> None:
        assert yard.does("echo", 1, "timeout: 3000d, deadline: 3000d, heartbeat: 2000d, ").output == 1

    def test_prints_do_not_put_off_the_end(self, yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
        assert yard.error(yard.does("chatters", None, "timeout: 50ms, "))["class"] == "Timeout"
        assert "still here\n" in capsys.readouterr().err

    def test_a_deadline_kills_too(self, yard: Yard, tmp_path: Path) -> None:
        run = yard.does("spins", str(tmp_path / "pids"), "deadline: 10s, ")
        assert yard.error(run)["message"] == "no result after 10000 ms, at the deadline"
        assert yard.error(run)["class"] == "DeadlineExceeded"
        assert is_gone(pids_in(tmp_path / "pids")[0])

    def test_a_deadline_before_the_process_has_started_begins_nothing(self, yard: Yard, tmp_path: Path) -> None:
        run = yard.does("spins", str(tmp_path / "pids"), "deadline: 1ms, ")
        assert yard.error(run)["message"] == "the deadline came before the action had begun"
        assert not yard.engine.history(run.id)[-1].transition.interrupted
        assert not (tmp_path / "pids").exists()

    def test_silence_between_heartbeats_kills(self, yard: Yard) -> None:
        run = yard.does("beats", 3, "heartbeat: 300ms, timeout: 1m, ")
        assert (yard.error(run)["class"], yard.error(run)["message"]) == ("HeartbeatLost", "no heartbeat for 300 ms")

    def test_the_next_call_has_a_fresh_process(self, yard: Yard) -> None:
        yard.opens("waits_unless", "timeout: 50ms, ")
        first = yard.again("pid").output
        assert yard.again("pid").output == first
        assert yard.again("wait").state == "failed"
        assert yard.again("pid").output != first
        assert is_gone(first)

    def test_a_process_that_does_not_import_its_action_in_time_is_given_up(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cells, "LOADING_S", 0.0)
        with pytest.raises(fsm.MissingAction, match=r'the module of action "deed.echo" was not imported within 0 s'):
            yard.does("echo")
        (left,) = yard.engine.runs()
        assert (left.status, left.interrupted) == ("ready", False)


class TestDeaths:
    @pytest.mark.parametrize(("value", "said"), [
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        ("segfault", "was killed by SIGSEGV"),
        (-9, "was killed by SIGKILL, as Linux does when memory runs out"),
        (-6, "was killed by SIGABRT"),
        (-40, "was killed by signal 40"),
    ])  # fmt: skip
    def test_a_process_that_ends_by_itself_is_a_failure_that_says_how(self, yard: Yard, value: Any, said: str) -> None:
        run = yard.does("ends", value, "error: {ProcessDied: failed, else: failed}, ")
        assert events(yard.engine, run) == ["start", "error:ProcessDied"]
        assert yard.error(run)["class"] == "ProcessDied"
        assert yard.error(run)["message"] == f"the action's process {said}"
        assert yard.engine.history(run.id)[-1].transition.interrupted

    def test_what_it_printed_before_is_printed(self, yard: Yard, capsys: pytest.CaptureFixture[str]) -> None:
        yard.does("ends", 0)
        assert "last words" in capsys.readouterr().err

    def test_it_is_not_transient_but_an_exception(self, yard: Yard) -> None:
        run = yard.does("ends", 1, "retry: 2, error: {Transient: failed, Exception: failed}, ")
        assert events(yard.engine, run) == ["start", "error:Exception"]

    def test_a_policy_may_name_it(self, yard: Yard) -> None:
        run = yard.does("ends", 1, "retry: {attempts: 2, delay: 0s, errors: ProcessDied}, ")
        assert events(yard.engine, run) == ["start", "retry:1", "error:else"]

    def test_whether_it_had_its_effect_is_asked(self, yard: Yard) -> None:
        assert yard.does("ends", 1, "interrupted: {probe: deed.probe}, ").output == "probed"

    def test_a_process_that_cuts_its_line_is_ended(self, yard: Yard) -> None:
        run = yard.does("ends", "closes everything")
        assert yard.error(run)["class"] == "ProcessDied"

    def test_a_forked_child_that_outlives_it_hides_nothing_and_ends_with_it(self, yard: Yard, tmp_path: Path) -> None:
        run = yard.does("hides", str(tmp_path / "pids"))
        assert yard.error(run)["message"] == "the action's process ended with exit code 3"
        all_gone(pids_in(tmp_path / "pids"))

    def test_somebody_s_kill_of_the_process_at_work_is_a_failure(self, yard: Yard, tmp_path: Path) -> None:
        place = tmp_path / "pids"
        killer = threading.Thread(target=lambda: os.kill(pids_in(place)[0], signal.SIGKILL))
        killer.start()
        run = yard.does("spins", str(place))
        killer.join()
        assert "SIGKILL" in yard.error(run)["message"]

    def test_the_end_of_its_keeper_ends_it_too(self, yard: Yard, tmp_path: Path) -> None:
        place = tmp_path / "pids"
        killer = threading.Thread(target=lambda: os.kill(os.getpgid(pids_in(place)[0]), signal.SIGKILL))
        killer.start()
        run = yard.does("spins", str(place))
        killer.join()
        assert yard.error(run)["message"] == "the action's process ended"
        all_gone(pids_in(place))

    def test_a_frozen_process_is_killed_at_its_timeout(self, yard: Yard, tmp_path: Path) -> None:
        place = tmp_path / "pids"
        freezer = threading.Thread(target=lambda: os.killpg(os.getpgid(pids_in(place)[0]), signal.SIGSTOP))
        freezer.start()
        with pytest.MonkeyPatch.context() as patience:
            patience.setattr(leash, "PATIENCE_S", 0.05)
            run = yard.does("spins", str(place), "timeout: 1s, ")
        freezer.join()
        assert yard.error(run)["class"] == "Timeout"
        eventually(lambda: is_gone(pids_in(place)[0]))

    def test_a_kill_between_two_calls_is_not_noticed(self, yard: Yard) -> None:
        pid = yard.does("pid").output
        os.kill(pid, signal.SIGKILL)
        run = yard.again()
        assert run.output != pid
        assert events(yard.engine, run) == ["start", "success"]

    def test_nor_is_one_of_all_that_are_kept(self, yard: Yard) -> None:
        engine = yard.opens("pid")

        async def drive() -> list[fsm.Run]:
            return await asyncio.gather(*(engine.run_async(yard.flow, {"value": n}) for n in range(8)))

        pids = {run.output for run in asyncio.run(drive())}
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        all_gone(pids)
        run = yard.again()
        assert run.output not in pids
        assert events(engine, run) == ["start", "success"]

    def test_a_signal_that_stops_services_is_left_to_the_engine(self, yard: Yard) -> None:
        pid = yard.does("pid").output
        os.killpg(os.getpgid(pid), signal.SIGTERM)
        assert yard.again().output == pid

    def test_that_signal_still_ends_what_the_action_has_started(self, yard: Yard) -> None:
        assert yard.does("terminates").output == -signal.SIGTERM

    def test_without_another_process_to_be_had_it_is_a_failure(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.executable", "")
        run = yard.does("echo")
        error = yard.error(run)
        assert error["class"] == "ProcessDied"
        assert error["message"].startswith("no process could be started for the action: this program does not know")
        assert not yard.engine.history(run.id)[-1].transition.interrupted


class TestLettingGo:
    def test_closing_the_engine_ends_what_is_free(self, yard: Yard) -> None:
        pid = yard.does("pid").output
        yard.engine.close()
        assert is_gone(pid)

    def test_closing_the_engine_gives_up_what_is_at_work(self, yard: Yard, tmp_path: Path) -> None:
        engine, place = yard.opens("spins"), tmp_path / "pids"
        ended: list[BaseException] = []

        def drive() -> None:
            try:
                engine.run(yard.flow, {"value": str(place)})
            except fsm.FSMError as error:
                ended.append(error)

        driver = threading.Thread(target=drive)
        driver.start()
        pid = pids_in(place)[0]
        engine.close()
        driver.join()
        all_gone([pid])
        assert [type(error) for error in ended] == [fsm.StoreError], "it has no store any more"

    def test_an_engine_that_is_forgotten_leaves_nothing_behind(self, yard: Yard) -> None:
        pid = yard.does("pid").output
        yard.house._engines.clear()
        yard.engine = None  # type: ignore[assignment]
        gc.collect()
        assert is_gone(pid)

    def test_a_cancelled_run_on_a_loop_has_ended_its_process_when_it_is_free(self, yard: Yard, tmp_path: Path) -> None:
        engine, place = yard.opens("spins"), tmp_path / "pids"

        async def cancel() -> None:
            drive = asyncio.create_task(engine.run_async(yard.flow, {"value": str(place)}))
            await asyncio.to_thread(pids_in, place)
            drive.cancel()
            with pytest.raises(asyncio.CancelledError):
                await drive
            (left,) = engine.runs()
            assert (left.status, left.interrupted) == ("ready", True)
            all_gone(pids_in(place))

        asyncio.run(cancel())
