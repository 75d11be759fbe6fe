"""Interruptions: what the next attempt is told after a crash, and who is asked first."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import fsm
from fsm import operations
from fsm.engine.engine import Engine
from tests.engine.builders import NOW, Died, House, events, killed, named
from tests.engine.post import AGAIN, ASK, FLOW, NEVER, PROBE, Post, mail


class TestKilled:
    """A real process, a real SIGKILL, in the middle of the action."""

    def test_the_next_process_repeats_the_attempt_with_the_same_key_and_is_told(self, house: House) -> None:
        place = house.define(FLOW.replace("OPTIONS", NEVER))
        log = house.folder / "log"
        ended = self.kill(house.store, place, log)
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        key, told = log.read_text().split()

        post = Post()
        engine = post.engine(house)
        left = engine.find("mail", "one")
        assert left is not None
        assert (left.status, left.state, left.crashes) == ("running", "send", 0)
        (run,) = engine.resume()
        assert (run.id, run.status) == (left.id, "succeeded")
        assert post.sent == [(key, True, 1)]
        assert told == "False"
        assert events(engine, run) == ["start", "success"]

    def test_a_probe_that_finds_it_done_keeps_it_from_being_done_twice(self, house: House) -> None:
        place = house.define(FLOW.replace("OPTIONS", NEVER + PROBE))
        log = house.folder / "log"
        assert self.kill(house.store, place, log).returncode == -signal.SIGKILL
        key, _ = log.read_text().split()
        post = Post(fsm.Outcome("success", "found in the log"))
        (run,) = post.engine(house).resume()
        assert (run.output, post.sent, post.asked) == ("found in the log", [], [(key, True)])

    def test_a_run_that_kills_every_process_is_given_up_after_three_forgiven_crashes(self, house: House) -> None:
        place = house.define(FLOW.replace("OPTIONS", NEVER))
        log = house.folder / "log"
        for _ in range(4):
            assert self.kill(house.store, place, log).returncode == -signal.SIGKILL
        run = house.engine(named("mail.send", lambda log: "never"), definitions=[]).resume()[0]
        assert (run.status, run.state) == ("failed", "poisoned")
        assert run.reason == 'Interrupted: 4 crashes in "send"; at most 3 are forgiven'
        assert len(set(log.read_text().split("\n")) - {""}) == 2, "the key changed, or more than one first attempt"

    def kill(self, store: Path, place: Path, log: Path) -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, "-m", "tests.engine.victim", str(store), str(place), str(log)]
        return subprocess.run(command, capture_output=True, check=False, cwd=Path(__file__).parents[2])


class TestAfterACrash:
    def test_repeat_tells_the_attempt_and_each_one_after_it(self, house: House) -> None:
        mail(house, AGAIN)
        post = Post()
        post.fates = [fsm.Unavailable("down")]
        post.crash(house)
        (run,) = post.engine(house).resume()
        assert run.status == "succeeded"
        assert [(told, attempt) for _, told, attempt in post.sent] == [(False, 1), (True, 1), (True, 2)]
        assert len({key for key, _, _ in post.sent}) == 1

    def test_a_crash_is_no_attempt_and_the_next_visit_knows_nothing_of_it(self, house: House) -> None:
        once_more = FLOW.replace("OPTIONS", NEVER + "max_visits: 2, ").replace("bounced: bounced", "bounced: send")
        house.define(once_more.replace("\n      bounced: {end: failure, reason: \"'it bounced'\"}", ""))
        post = Post()
        post.fates = [fsm.Outcome("bounced")]
        post.crash(house)
        (run,) = post.engine(house).resume()
        assert (run.status, run.crashes) == ("succeeded", 0)
        assert [(told, attempt) for _, told, attempt in post.sent] == [(False, 1), (True, 1), (False, 1)]

    @pytest.mark.parametrize(("found", "state"), [("success", "done"), ("bounced", "bounced")])
    def test_a_probe_that_finds_an_outcome_takes_its_edge(self, house: House, found: str, state: str) -> None:
        mail(house, NEVER + PROBE)
        post = Post(fsm.Outcome(found, "as found"))
        post.crash(house)
        engine = post.engine(house)
        (run,) = engine.resume()
        assert (run.state, len(post.sent), len(post.asked)) == (state, 1, 1)
        assert engine.artifacts(run)["send"] == "as found"
        assert post.asked[0] == (post.sent[0][0], True)

    def test_a_probe_that_finds_nothing_lets_the_attempt_be_made_as_if_it_were_the_first(self, house: House) -> None:
        mail(house, NEVER + PROBE)
        post = Post(None)
        post.crash(house)
        (run,) = post.engine(house).resume()
        assert (run.output, [told for _, told, _ in post.sent]) == ("sent", [False, False])

    def test_a_probe_that_fails_is_tried_again_later_and_the_attempt_is_not_made_before_it_answers(
        self, house: House
    ) -> None:
        mail(house, AGAIN + PROBE)
        post = Post(fsm.Unavailable("the log is down"), fsm.Unavailable("still"), fsm.Outcome("success", "found"))
        post.crash(house)
        engine = post.engine(house)
        (run,) = engine.resume()
        assert (run.output, len(post.sent), len(post.asked)) == ("found", 1, 3)
        assert house.clock.slept == [2_000, 4_000]
        told = engine.history(run.id)[1].transition
        assert (told.event, (told.detail or {})["message"]) == ("retry:1", "the probe failed: the log is down")

    def test_a_probe_that_never_answers_ends_in_the_error_edge_with_the_effect_unknown(self, house: House) -> None:
        mail(house, NEVER + PROBE)
        post = Post(ValueError("no such log"))
        post.crash(house)
        engine = post.engine(house)
        (run,) = engine.resume()
        assert (run.status, run.reason) == ("dead", "ValueError: the probe failed: no such log")
        assert engine.history(run.id)[-1].transition.interrupted

    def test_its_redrive_asks_the_probe_again_before_it_does_anything(self, house: House) -> None:
        mail(house, NEVER + PROBE)
        post = Post(ValueError("no such log"), fsm.Outcome("success", "found"))
        run_id = post.crash(house)
        engine = post.engine(house)
        engine.resume()
        operations.redrive(engine, run_id, actor="ana")
        (run,) = engine.resume()
        assert (run.output, len(post.sent), len({key for key, _ in post.asked})) == ("found", 1, 1)

    def test_a_redrive_without_a_probe_tells_the_attempt(self, house: House) -> None:
        mail(house, NEVER)
        post = Post()
        post.fates = [ValueError("bad")]
        run_id = post.crash(house)
        engine = post.engine(house)
        assert [run.status for run in engine.resume()] == ["dead"]
        operations.redrive(engine, run_id)
        engine.resume()
        assert [told for _, told, _ in post.sent] == [False, True, True]
        assert len({key for key, _, _ in post.sent}) == 1

    def test_a_deadline_that_passed_meanwhile_does_not_keep_the_probe_from_being_asked(self, house: House) -> None:
        mail(house, NEVER + PROBE + "deadline: 10s, ")
        post = Post(fsm.Outcome("success", "found"))
        post.crash(house)
        house.clock.instant = NOW + 60_000
        (run,) = post.engine(house).resume()
        assert (run.output, len(post.sent)) == ("found", 1)

    def test_nothing_found_after_the_deadline_is_the_deadline_s_error(self, house: House) -> None:
        mail(house, NEVER + PROBE + "deadline: 10s, ")
        post = Post(None)
        post.crash(house)
        house.clock.instant = NOW + 60_000
        (run,) = post.engine(house).resume()
        assert (run.status, run.reason) == ("dead", 'DeadlineExceeded: "send" was not done by its deadline')
        assert len(post.sent) == 1

    @pytest.mark.parametrize(("crashes", "state", "asked"), [(3, "done", 4), (4, "poisoned", 4)])
    def test_after_a_crash_too_many_the_probe_is_asked_once_more_and_then_never_since_it_may_be_the_cause(
        self, house: House, crashes: int, state: str, asked: int
    ) -> None:
        mail(house, NEVER + PROBE)
        post = Post(*[Died()] * crashes, fsm.Outcome("success", "found"))
        post.crash(house)
        for _ in range(crashes):
            engine = post.engine(house)
            killed(engine, engine.resume)
        (run,) = post.engine(house).resume()
        assert (run.state, len(post.sent), len(post.asked)) == (state, 1, asked)

    def test_a_redrive_forgives_the_crashes(self, house: House) -> None:
        mail(house, NEVER)
        post = Post()
        post.fates = [Died(), Died(), Died()]
        run_id = post.crash(house)
        for _ in range(3):
            engine = post.engine(house)
            killed(engine, engine.resume)
        engine = post.engine(house)
        assert [run.state for run in engine.resume()] == ["poisoned"]
        operations.redrive(engine, run_id)
        assert [run.output for run in engine.resume()] == ["sent"]


class TestAskingAPerson:
    def asked(self, house: House, post: Post) -> tuple[Engine, fsm.Run]:
        mail(house, NEVER + ASK)
        post.crash(house)
        engine = post.engine(house)
        (run,) = engine.resume()
        return engine, run

    def test_the_run_waits_and_nothing_is_done(self, house: House) -> None:
        post = Post()
        engine, run = self.asked(house, post)
        assert (run.status, run.state, run.awaits, run.due_at) == ("waiting", "send", ("complete", "redrive"), None)
        assert engine.resume() == []
        assert engine.resume(run.id) == [run]
        assert len(post.sent) == 1

    def test_complete_says_it_was_done(self, house: House) -> None:
        post = Post()
        engine, run = self.asked(house, post)
        done = operations.complete(engine, run.id, "seen in the outbox", actor="ana", reason="I looked")
        assert (done.status, done.output, len(post.sent)) == ("succeeded", "seen in the outbox", 1)
        row = engine.history(run.id)[-1].transition
        assert (row.event, row.actor, (row.detail or {})["because"]) == ("complete", "ana", "I looked")

    def test_complete_may_name_another_outcome(self, house: House) -> None:
        engine, run = self.asked(house, Post())
        assert operations.complete(engine, run.id, outcome="bounced", actor="ana").state == "bounced"

    def test_redrive_says_do_it_again(self, house: House) -> None:
        post = Post()
        engine, run = self.asked(house, post)
        assert operations.redrive(engine, run.id, actor="ana").status == "ready"
        (done,) = engine.resume()
        assert (done.output, [told for _, told, _ in post.sent]) == ("sent", [False, False])
        assert len({key for key, _, _ in post.sent}) == 1

    def test_a_signal_or_a_second_answer_is_refused(self, house: House) -> None:
        engine, run = self.asked(house, Post())
        with pytest.raises(fsm.IllegalTransition, match="signal:yes"):
            engine.signal(run.id, "yes")
        operations.complete(engine, run.id, actor="ana")
        with pytest.raises(fsm.IllegalTransition, match="asks nobody"):
            operations.complete(engine, run.id, actor="ben")

    def test_it_may_be_cancelled(self, house: House) -> None:
        engine, run = self.asked(house, Post())
        assert engine.cancel(run.id).status == "cancelled"

    def test_nobody_who_answers_by_the_deadline_is_the_deadline_s_error(self, house: House) -> None:
        mail(house, NEVER + ASK + "deadline: 1h, ")
        post = Post()
        post.crash(house)
        engine = post.engine(house)
        (run,) = engine.resume()
        assert (run.awaits, run.due_at) == (("complete", "redrive"), NOW + 3_600_000)
        house.clock.instant += 3_600_000
        (late,) = engine.resume()
        assert (late.status, len(post.sent)) == ("dead", 1)
        assert engine.history(run.id)[-1].transition.interrupted
        operations.redrive(engine, run.id, actor="ana")
        assert [done.output for done in engine.resume()] == ["sent"], "the redrive of a dead letter answers, too"


class TestAnUnknownResult:
    """Without any crash: a timeout, or a connection lost in mid-call."""

    @pytest.mark.parametrize("error", [ConnectionResetError("reset"), TimeoutError("timed out"), fsm.Timeout("slow")])
    def test_the_probe_is_asked_before_another_attempt(self, house: House, error: Exception) -> None:
        mail(house, AGAIN + PROBE)
        post = Post(None, fsm.Outcome("success", "found"))
        post.fates = [error, error]
        run = post.run(post.engine(house))
        assert (run.output, len(post.sent), len(post.asked)) == ("found", 2, 2)

    def test_and_before_the_error_edge(self, house: House) -> None:
        mail(house, NEVER + PROBE)
        post = Post(fsm.Outcome("success", "found"))
        post.fates = [ConnectionResetError("reset")]
        assert post.run(post.engine(house)).output == "found"

    def test_what_it_finds_undone_is_an_ordinary_failure(self, house: House) -> None:
        mail(house, NEVER + PROBE)
        post = Post(None)
        post.fates = [ConnectionResetError("reset")]
        engine = post.engine(house)
        run = post.run(engine)
        assert (run.status, run.reason) == ("dead", "ConnectionResetError: reset")
        assert not engine.history(run.id)[-1].transition.interrupted

    def test_a_refused_connection_is_known_to_have_done_nothing_and_asks_nobody(self, house: House) -> None:
        mail(house, AGAIN + PROBE)
        post = Post()
        post.fates = [ConnectionRefusedError("refused")]
        assert post.run(post.engine(house)).output == "sent"
        assert post.asked == []

    def test_a_timeout_that_the_engine_measured_asks_too(self, house: House) -> None:
        mail(house, NEVER + PROBE + "timeout: 300ms, ")
        gate = threading.Event()
        post = Post(fsm.Outcome("success", "found"))
        engine = house.engine(named("mail.send", lambda log: gate.wait()), named("mail.find", post.find))
        assert post.run(engine).output == "found"
        gate.set()

    def test_an_attempt_that_the_deadline_cut_off_is_asked_about_too(self, house: House) -> None:
        mail(house, NEVER + PROBE + "deadline: 20ms, ")
        gate = threading.Event()
        post = Post(fsm.Outcome("success", "found"))
        engine = house.engine(named("mail.send", lambda log: gate.wait()), named("mail.find", post.find))
        assert post.run(engine).output == "found"
        gate.set()

    def test_a_person_is_asked_at_once(self, house: House) -> None:
        mail(house, AGAIN + ASK)
        post = Post()
        post.fates = [ConnectionResetError("reset")]
        run = post.run(post.engine(house))
        assert (run.status, run.awaits, len(post.sent)) == ("waiting", ("complete", "redrive"), 1)

    def test_the_next_attempt_is_told(self, house: House) -> None:
        mail(house, AGAIN)
        post = Post()
        post.fates = [ConnectionResetError("reset"), ConnectionRefusedError("refused")]
        engine = post.engine(house)
        run = post.run(engine)
        assert [told for _, told, _ in post.sent] == [False, True, True]
        assert [row.transition.interrupted for row in engine.history(run.id)] == [False, True, False, False]
