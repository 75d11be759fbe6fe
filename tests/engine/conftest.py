from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fsm.store.sqlite import connection as connections
from tests.engine.builders import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


class Commits:
    """Does something else instead of the next commit, once it is armed."""

    def __init__(self) -> None:
        self.plan: Callable[[Callable[[], None]], None] | None = None

    def interrupt(self, error: BaseException, *, late: bool = False, times: int = 1) -> None:
        """Raise at the next commits, before they are made or, `late`, after."""

        def plan(commit: Callable[[], None]) -> None:
            if times > 1:
                self.interrupt(error, late=late, times=times - 1)
            if late:
                commit()
            raise error

        self.plan = plan


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    armed = Commits()
    real = connections.Connection.commit

    def commit(connection: connections.Connection) -> None:
        plan, armed.plan = armed.plan, None
        return plan(lambda: real(connection)) if plan else real(connection)

    monkeypatch.setattr(connections.Connection, "commit", commit)
    return armed
