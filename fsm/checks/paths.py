"""Searches on a directed graph. Iterative: a chain of a thousand states must not meet Python's own limit."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

Following = Callable[[str], Iterable[str]]
"""Where the arrows of a name lead; asked only for names that are visited."""

_SHOWN_MAX = 8


def reached(starts: Iterable[str], following: Following) -> frozenset[str]:
    """Return `starts` and everything that can be reached from them."""
    seen = set(starts)
    fresh = list(seen)
    while fresh:
        for name in following(fresh.pop()):
            if name not in seen:
                seen.add(name)
                fresh.append(name)
    return frozenset(seen)


def shortest(start: str, following: Following, is_goal: Callable[[str], bool]) -> list[str] | None:
    """Return a shortest path of at least one arrow from `start` to a goal, both ends included."""
    came: dict[str, str] = {}
    fresh = deque([start])
    while fresh:
        here = fresh.popleft()
        for name in following(here):
            if is_goal(name):
                return [*_back(here, start, came), name]
            if name not in came and name != start:
                came[name] = here
                fresh.append(name)
    return None


def _back(here: str, start: str, came: Mapping[str, str]) -> list[str]:
    path = [here]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]


def components(names: Iterable[str], following: Following) -> list[list[str]]:
    """Return the strongly connected components among `names`; each comes after those that it leads to.

    Source:
        Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1(2), 1972.
    """
    within = dict.fromkeys(names)
    search = _Search({name: [to for to in following(name) if to in within] for name in within})
    for name in within:
        if name not in search.number:
            search.run(name)
    return search.found


class _Search:
    """The state of one search for components, with the call stack held as a list."""

    def __init__(self, following: Mapping[str, list[str]]) -> None:
        self.following = following
        self.found: list[list[str]] = []
        self.number: dict[str, int] = {}
        self._low: dict[str, int] = {}
        self._stack: list[str] = []
        self._standing: set[str] = set()
        self._calls: list[tuple[str, Iterator[str]]] = []

    def run(self, root: str) -> None:
        self._enter(root)
        while self._calls:
            here, rest = self._calls[-1]
            fresh = next((name for name in rest if self._is_fresh(here, name)), None)
            if fresh is None:
                self._leave()
            else:
                self._enter(fresh)

    def _enter(self, name: str) -> None:
        self.number[name] = self._low[name] = len(self.number)
        self._stack.append(name)
        self._standing.add(name)
        self._calls.append((name, iter(self.following[name])))

    def _is_fresh(self, here: str, name: str) -> bool:
        if name in self._standing:
            self._low[here] = min(self._low[here], self.number[name])
        return name not in self.number

    def _leave(self) -> None:
        here, _ = self._calls.pop()
        if self._calls:
            above = self._calls[-1][0]
            self._low[above] = min(self._low[above], self._low[here])
        if self._low[here] == self.number[here]:
            component = [self._stack.pop()]
            while component[-1] != here:
                component.append(self._stack.pop())
            self._standing.difference_update(component)
            self.found.append(component)


def arrows(path: list[str]) -> str:
    """Return a path as messages have it; the middle of a long one is left out."""
    shown = path if len(path) <= _SHOWN_MAX else [*path[: _SHOWN_MAX // 2], "…", *path[-_SHOWN_MAX // 2 + 1 :]]
    return " → ".join(shown)
