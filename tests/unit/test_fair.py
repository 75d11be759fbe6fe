"""Which runs are taken next: workflows in turn, in each by priority and age."""

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from fsm.kernel.fair import Candidate, fair_share


def made(*workflows: str, priority: int = 0) -> list[Candidate]:
    return [Candidate(row, workflow, priority, 0) for row, workflow in enumerate(workflows, 1)]


def rows(chosen: list[Candidate]) -> list[int]:
    return [one.row for one in chosen]


def test_workflows_take_turns() -> None:
    assert rows(fair_share(made("a", "a", "a", "a", "b", "b", "c"), 9)) == [1, 5, 7, 2, 6, 3, 4]


def test_the_turn_begins_behind_the_one_that_was_served_last() -> None:
    waiting = made("a", "b", "c", "a", "b", "c")
    assert [one.workflow for one in fair_share(waiting, 4, "a")] == ["b", "c", "a", "b"]
    assert [one.workflow for one in fair_share(waiting, 4, "c")] == ["a", "b", "c", "a"]
    assert [one.workflow for one in fair_share(waiting, 2, "bb")] == ["c", "a"]


def test_a_higher_priority_goes_first_and_an_older_run_among_equals() -> None:
    waiting = [Candidate(1, "a", 0, 0), Candidate(2, "a", 5, 0), Candidate(3, "a", 5, 0), Candidate(4, "a", -1, 0)]
    assert rows(fair_share(waiting[::-1], 9)) == [2, 3, 1, 4]


def test_a_priority_moves_no_workflow_out_of_its_turn() -> None:
    urgent, plain = made("a", "a", "a", priority=9), [Candidate(9, "b", 0, 0)]
    assert [one.workflow for one in fair_share(urgent + plain, 2)] == ["a", "b"]


def test_none_are_taken_where_none_are_wanted_or_there() -> None:
    assert fair_share(made("a"), 0) == []
    assert fair_share([], 5, "a") == []


candidates = st.lists(
    st.builds(Candidate, st.integers(1, 10_000), st.sampled_from("abcde"), st.integers(-2, 2), st.integers(0, 4)),
    max_size=40, unique_by=lambda one: one.row,
)  # fmt: skip
served = st.sampled_from(["", "a", "c", "cc", "e", "z"])


@given(candidates, st.integers(0, 50), served, st.randoms())
def test_each_is_taken_once_as_many_as_are_wanted_whatever_order_they_come_in(
    waiting: list[Candidate], limit: int, after: str, chance: object
) -> None:
    chosen = fair_share(waiting, limit, after)
    assert len(chosen) == len(set(chosen)) == min(limit, len(waiting))
    assert set(chosen) <= set(waiting)
    shuffled = list(waiting)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fair_share(shuffled, limit, after) == chosen


@given(candidates, st.integers(0, 50), served)
def test_no_workflow_gets_more_than_one_beyond_any_other_that_still_has_some(
    waiting: list[Candidate], limit: int, after: str
) -> None:
    taken = Counter(one.workflow for one in fair_share(waiting, limit, after))
    there = Counter(one.workflow for one in waiting)
    for one in there:
        if taken[one] < there[one]:
            assert all(taken[other] <= taken[one] + 1 for other in there)


@given(candidates, st.integers(0, 50), served)
def test_in_each_workflow_nobody_is_passed_over_by_a_lower_priority_or_a_younger_run(
    waiting: list[Candidate], limit: int, after: str
) -> None:
    taken: dict[str, list[Candidate]] = defaultdict(list)
    for one in fair_share(waiting, limit, after):
        taken[one.workflow].append(one)
    for workflow, chosen in taken.items():
        line = sorted((one for one in waiting if one.workflow == workflow), key=lambda one: (-one.priority, one.row))
        assert chosen == line[: len(chosen)]


@given(candidates, served)
def test_served_one_by_one_every_workflow_comes_before_any_comes_twice(waiting: list[Candidate], after: str) -> None:
    left, order = list(waiting), []
    while left:
        (one,) = fair_share(left, 1, after)
        left.remove(one)
        order.append(one.workflow)
        after = one.workflow
    workflows = {one.workflow for one in waiting}
    assert set(order[: len(workflows)]) == workflows
    assert Counter(order) == Counter(one.workflow for one in waiting)
