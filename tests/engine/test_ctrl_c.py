"""Ctrl-C, wherever it falls: the run is free, and an attempt that was under way is told of."""

import asyncio

import pytest

import fsm
from tests.engine.builders import NOW, Died, House, events, named
from tests.engine.conftest import Commits
from tests.engine.post import AGAIN, NEVER, Post, mail


class TestCtrlC:
    def test_in_an_action_it_leaves_the_run_free_and_the_next_attempt_told(self, house: House) -> None:
        mail(house, NEVER)
        post = Post()
        post.fates = [KeyboardInterrupt()]
        engine = post.engine(house)
        with pytest.raises(KeyboardInterrupt):
            post.run(engine, key="k")
        left = engine.find("mail", "k")
        assert left is not None
        assert (left.status, left.state, left.interrupted, left.crashes) == ("ready", "send", True, 0)
        assert post.run(engine, key="k").output == "sent"
        assert [told for _, told, _ in post.sent] == [False, True]

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, Died])
    def test_in_an_action_on_a_thread_of_its_own_it_arrives_just_the_same(
        self, house: House, interruption: type[BaseException]
    ) -> None:
        mail(house, NEVER + "timeout: 1m, ")
        post = Post()
        post.fates = [interruption()]
        engine = post.engine(house)
        with pytest.raises(interruption):
            post.run(engine, key="k")
        assert post.run(engine, key="k").output == "sent"

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, Died])
    def test_in_an_asynchronous_action_it_arrives_and_hangs_nothing(
        self, house: House, interruption: type[BaseException]
    ) -> None:
        mail(house, NEVER)
        fates: list[type[BaseException]] = [interruption]

        @fsm.action("mail.send")
        async def send(log: str, ctx: fsm.AsyncContext) -> bool:
            if fates:
                raise fates.pop()
            return ctx.interrupted

        engine = house.engine(send)
        with pytest.raises(interruption):
            engine.run("mail", {"log": ""}, key="k")
        assert engine.run("mail", {"log": ""}, key="k").output is True

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, Died])
    @pytest.mark.parametrize("is_async", [True, False])
    def test_under_an_event_loop_the_run_is_free_when_the_loop_has_ended(
        self, house: House, interruption: type[BaseException], is_async: bool
    ) -> None:
        mail(house, NEVER)
        fates: list[type[BaseException]] = [interruption]

        async def slowly(log: str) -> str:
            if fates:
                raise fates.pop()
            return "sent"

        def at_once(log: str) -> str:
            if fates:
                raise fates.pop()
            return "sent"

        engine = house.engine(named("mail.send", slowly if is_async else at_once))
        with pytest.raises(interruption):
            asyncio.run(engine.run_async("mail", {"log": ""}, key="k"))
        left = engine.find("mail", "k")
        assert left is not None
        assert (left.status, left.interrupted) == ("ready", True)
        assert engine.run("mail", {"log": ""}, key="k").output == "sent"

    def test_in_the_sleep_before_a_retry_the_run_goes_on_when_it_is_due(self, house: House) -> None:
        mail(house, AGAIN)
        post = Post()
        post.fates = [fsm.Unavailable("down")]
        engine = post.engine(house)

        def interrupt() -> None:
            house.clock.on_sleep = lambda: None
            raise KeyboardInterrupt

        house.clock.on_sleep = interrupt
        with pytest.raises(KeyboardInterrupt):
            post.run(engine, key="k")
        left = engine.find("mail", "k")
        assert left is not None
        assert (left.status, left.due_at, left.interrupted) == ("waiting", NOW + 2_000, False)
        house.clock.instant += 500
        (run,) = engine.resume()
        assert (run.output, house.clock.slept) == ("sent", [1_500])
        assert [(told, attempt) for _, told, attempt in post.sent] == [(False, 1), (False, 2)]

    @pytest.mark.parametrize("late", [False, True])
    @pytest.mark.parametrize("edge", ["success", "retry:1"])
    def test_inside_a_commit_the_edge_is_there_or_is_not_and_the_run_is_free(
        self, house: House, commits: Commits, edge: str, late: bool
    ) -> None:
        mail(house, AGAIN)
        calls: list[bool] = []

        @fsm.action("mail.send")
        def send(log: str, ctx: fsm.Context) -> str:
            calls.append(ctx.interrupted)
            if len(calls) == 1:
                commits.interrupt(KeyboardInterrupt(), late=late)
                if edge != "success":
                    raise fsm.Unavailable("down")
            return "sent"

        engine = house.engine(send)
        with pytest.raises(KeyboardInterrupt):
            engine.run("mail", {"log": ""}, key="k")
        left = engine.find("mail", "k")
        assert left is not None
        assert left.status != "running"
        assert events(engine, left) == (["start", edge] if late else ["start"])
        assert left.interrupted is not late
        assert engine.run("mail", {"log": ""}, key="k").output == "sent"
        again = [] if edge == "success" else [False]
        assert calls == ([False, *again] if late else [False, True])

    @pytest.mark.parametrize("late", [False, True])
    def test_in_the_commit_of_the_start_there_is_no_run_or_a_free_one(
        self, house: House, commits: Commits, late: bool
    ) -> None:
        mail(house, NEVER)
        post = Post()
        engine = post.engine(house)
        first = post.run(engine)
        commits.interrupt(KeyboardInterrupt(), late=late)
        with pytest.raises(KeyboardInterrupt):
            post.run(engine, key="k")
        assert [run.status for run in engine.runs() if run != first] == (["ready"] if late else [])
        assert post.run(engine, key="k").output == "sent"
        assert [told for _, told, _ in post.sent] == [False, False]

    @pytest.mark.parametrize("late", [False, True])
    def test_in_the_commit_of_a_claim_the_run_is_free(self, house: House, commits: Commits, late: bool) -> None:
        mail(house, NEVER)
        post = Post()
        engine = post.engine(house)
        post.run(engine)
        run = engine.start("mail", {"log": ""})
        commits.interrupt(KeyboardInterrupt(), late=late)
        with pytest.raises(KeyboardInterrupt):
            engine.resume(run.id)
        left = engine.get(run.id)
        assert (left.status, left.crashes, left.interrupted) == ("ready", 0, False)
        assert [done.output for done in engine.resume()] == ["sent"]

    def test_in_a_watch_the_run_is_free_and_the_edge_stands(self, house: House) -> None:
        mail(house, NEVER)
        for event in ("start", "success"):
            post = Post()

            def interrupt(run: fsm.Run, transition: fsm.Transition, event: str = event) -> None:
                if transition.event == event:
                    raise KeyboardInterrupt

            watched = post.engine(house, watch=interrupt)
            with pytest.raises(KeyboardInterrupt):
                post.run(watched, key=event)
            engine = post.engine(house)
            assert post.run(engine, key=event).output == "sent"
            assert [told for _, told, _ in post.sent] == [False]
