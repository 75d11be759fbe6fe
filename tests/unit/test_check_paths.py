"""Searches on graphs, against the plainest way to say the same."""

from collections.abc import Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fsm.checks.paths import arrows, components, reached, shortest

NAMES = "abcdefgh"
graphs = st.fixed_dictionaries({name: st.lists(st.sampled_from(NAMES), max_size=3) for name in NAMES})


def closure(graph: Mapping[str, list[str]], name: str) -> set[str]:
    """Everything that is at least one arrow away."""
    found = set(graph[name])
    for _ in NAMES:
        found |= {far for near in found for far in graph[near]}
    return found


@given(graphs)
def test_reached_is_the_start_and_whatever_is_some_arrows_away(graph: dict[str, list[str]]) -> None:
    assert reached(["a"], graph.__getitem__) == {"a"} | closure(graph, "a")


@given(graphs)
def test_components_are_the_sets_that_reach_each_other(graph: dict[str, list[str]]) -> None:
    found = components(NAMES, graph.__getitem__)
    together = {frozenset(component) for component in found}
    assert together == {
        frozenset({name} | {far for far in closure(graph, name) if name in closure(graph, far)}) for name in NAMES
    }
    assert sorted(name for component in found for name in component) == list(NAMES)


@given(graphs)
def test_components_come_after_those_that_they_lead_to(graph: dict[str, list[str]]) -> None:
    place = {name: n for n, component in enumerate(components(NAMES, graph.__getitem__)) for name in component}
    assert all(place[target] <= place[name] for name, targets in graph.items() for target in targets)


@given(graphs, st.sampled_from(NAMES))
def test_a_shortest_path_follows_arrows_and_exists_when_the_goal_is_in_reach(
    graph: dict[str, list[str]], goal: str
) -> None:
    path = shortest("a", graph.__getitem__, lambda name: name == goal)
    assert (path is not None) == (goal in closure(graph, "a"))
    if path:
        assert path[0] == "a"
        assert path[-1] == goal
        assert all(after in graph[before] for before, after in pairwise(path))
        assert len(set(path[:-1])) == len(path) - 1


def test_arrows_that_leave_the_names_are_not_followed() -> None:
    assert components(["a"], {"a": ["b"], "b": ["a"]}.__getitem__) == [["a"]]


def test_a_chain_longer_than_the_stack_of_python_is_searched() -> None:
    names = [str(n) for n in range(20_000)]
    ring = {name: [names[(n + 1) % len(names)]] for n, name in enumerate(names)}
    assert len(components(names, ring.__getitem__)) == 1
    assert len(reached(["0"], ring.__getitem__)) == len(names)
    assert len(shortest("0", ring.__getitem__, lambda name: name == "0") or ()) == len(names) + 1


def test_a_long_path_is_told_by_its_ends() -> None:
    assert arrows(list("abc")) == "a → b → c"
    assert arrows([str(n) for n in range(30)]) == "0 → 1 → 2 → 3 → … → 27 → 28 → 29"
