"""A store that fails under a run: what is committed stays, and the run goes on when the disk does."""

from collections.abc import Callable
from typing import Any

import pytest

import fsm
from fsm.engine.engine import Engine
from fsm.store.sqlite import connection as connections
from tests.engine.builders import House, events, named
from tests.engine.conftest import Commits
from tests.engine.post import NEVER, Post, mail


class TestABrokenStore:
    @pytest.fixture
    def failing(self, commits: Commits) -> Callable[[House, BaseException, int], tuple[Engine, list[bool]]]:
        """Return an engine whose first attempt arms the next commits, and what its attempts were told."""

        def make(house: House, error: BaseException, times: int) -> tuple[Engine, list[bool]]:
            mail(house, NEVER)
            told: list[bool] = []

            @fsm.action("mail.send")
            def send(log: str, ctx: fsm.Context) -> Any:
                told.append(ctx.interrupted)
                if len(told) == 1:
                    commits.interrupt(error, times=times)
                return ctx.once("it", lambda: "kept") if log == "once" else "sent"

            return house.engine(send), told

        return make

    def test_an_error_in_a_commit_reaches_the_caller_and_the_run_goes_on_later(
        self, house: House, failing: Callable[..., tuple[Engine, list[bool]]]
    ) -> None:
        engine, told = failing(house, fsm.StoreError("the disk is gone"), 1)
        with pytest.raises(fsm.StoreError, match="the disk is gone"):
            engine.run("mail", {"log": ""})
        (left,) = engine.runs()
        assert (left.status, left.interrupted) == ("ready", True)
        assert [done.output for done in engine.resume()] == ["sent"]
        assert told == [False, True]

    def test_where_not_even_the_release_can_be_written_the_run_goes_on_in_this_process_or_after_its_end(
        self, house: House, failing: Callable[..., tuple[Engine, list[bool]]]
    ) -> None:
        engine, told = failing(house, fsm.StoreError("the disk is gone"), 2)
        with pytest.raises(fsm.StoreError):
            engine.run("mail", {"log": ""})
        other = house.engine(named("mail.send", lambda log, ctx: told.append(ctx.interrupted) or "sent"))  # type: ignore[func-returns-value]
        assert other.resume() == []
        engine.close()
        assert [done.output for done in other.resume()] == ["sent"]
        assert told == [False, True]

    def test_a_commit_whose_outcome_is_unknown_is_read_back_and_not_repeated(
        self, house: House, commits: Commits
    ) -> None:
        mail(house, NEVER)
        calls: list[int] = []

        def send(log: str) -> str:
            calls.append(1)
            commits.interrupt(connections.OutcomeUnknown("an I/O error"), late=True)
            return "sent"

        engine = house.engine(named("mail.send", send))
        assert engine.run("mail", {"log": ""}).output == "sent"
        assert calls == [1]

    def test_an_error_inside_ctx_once_is_no_error_of_the_action(
        self, house: House, failing: Callable[..., tuple[Engine, list[bool]]]
    ) -> None:
        engine, told = failing(house, fsm.StoreError("the disk is gone"), 1)
        with pytest.raises(fsm.StoreError):
            engine.run("mail", {"log": "once"})
        assert [run.status for run in engine.runs()] == ["ready"]
        assert [done.output for done in engine.resume()] == ["kept"]
        assert told == [False, True]

    def test_a_disk_that_is_full_refuses_the_edge_whole(self, house: House) -> None:
        mail(house, NEVER)
        post = Post()
        post.fates = ["x" * 200_000]
        engine = post.engine(house)
        run = engine.start("mail", {"log": ""})
        (pages,) = engine.store.sql.execute("PRAGMA page_count").fetchone()  # type: ignore[attr-defined]
        engine.store.sql.execute(f"PRAGMA max_page_count={pages + 8}")  # type: ignore[attr-defined]
        with pytest.raises(fsm.StoreError, match="full; nothing was lost: free some space, then resume"):
            engine.resume(run.id)
        assert events(engine, run) == ["start"]
        engine.store.sql.execute("PRAGMA max_page_count=1000000")  # type: ignore[attr-defined]
        assert [done.output for done in engine.resume()] == ["sent"]
