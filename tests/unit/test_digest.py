"""The digest: the same for every way to write the same thing, another for everything else."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.source import read

SAMPLE = """\
workflow: sample
version: 1
start: work
input: {order: str}
errors: {BadOrder: [NoStock, NoAddress]}
policies: {slow: {attempts: 4, delay: 2s}}
defaults: {timeout: 30s, retry: slow, error: dead}
states:
  work:
    action: a.work
    with: {number: order.number, lines: order.lines}
    retry: 5
    success: {success: pick, nothing: done}
    error: {BadOrder: done, Transient: dead, else: dead}
  pick:
    switch:
      - {when: work > 1, to: rest}
      - {when: work > 0, to: human}
      - {else: dead}
  rest: {wait: 90s, success: human, error: dead}
  human: {signal: {accept: done, refuse: dead}, deadline: 5d, error: dead}
  done: {end: success, output: work}
  dead: {end: dead_letter}
"""


def digest_of(text: str) -> str:
    source = read(text, "sample.yaml")
    assert source.diagnostics == ()
    assert source.workflow is not None
    return source.workflow.digest


def changed(old: str, new: str) -> str:
    assert SAMPLE.count(old) == 1
    return SAMPLE.replace(old, new)


def test_a_digest_is_that_of_the_language_and_stays_what_it_is() -> None:
    text = "workflow: a\nversion: 1\nstart: b\nstates: {b: {end: success}}\n"
    content = '{"start":"b","states":{"b":{"end":"success"}},"version":1,"workflow":"a"}'
    canonical = f'{{"definition":{content},"language":1}}'
    assert digest_of(text) == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1\n", "version: 1  # the first\n"),
        ("version: 1\n", "version: 1\ndescription: what it does\n"),
        ("    action: a.work\n", "    action: a.work\n    description: performs it\n"),
        ("{order: str}", "{order: {type: str, description: what was ordered}}"),
        ("timeout: 30s", "timeout: 30000ms"),
        ("wait: 90s", "wait: 1m30s"),
        ("retry: 5", "retry: {attempts: 5}"),
        ("retry: 5", "retry: [5]"),
        ("retry: 5", "retry:\n      - attempts: 5"),
        ("error: dead}\nstates", "error: {else: dead}}\nstates"),
        ("{success: pick, nothing: done}", "{nothing: done, success: pick}"),
        ("{accept: done, refuse: dead}", "{refuse: {to: dead}, accept: {to: done}}"),
        ("{order: str}", "{order: {type: str}}"),
        ("retry: slow", "retry: [slow]"),
        ("start: work", 'start: "work"'),
        ("{attempts: 4, delay: 2s}", "{delay: 2.0s, attempts: 4}"),
        ("output: work", "output: ' work '"),
        ("{number: order.number, lines: order.lines}", "{lines: order.lines, number: order.number}"),
    ],
)
def test_another_way_to_write_the_same_keeps_the_digest(old: str, new: str) -> None:
    assert digest_of(changed(old, new)) == digest_of(SAMPLE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("workflow: sample", "workflow: other"),
        ("version: 1", "version: 2"),
        ("start: work", "start: work\nretention: 7d"),
        ("start: work", "start: work\nexpires: never"),
        ("start: work", "start: rest"),
        ("{order: str}", "{order: int}"),
        ("{order: str}", "{order: {type: str, default: x}}"),
        ("[NoStock, NoAddress]", "[NoStock]"),
        ("attempts: 4", "attempts: 3"),
        ("timeout: 30s", "timeout: 31s"),
        ("action: a.work", "action: a.worked"),
        ("order.number", "order.name"),
        ("retry: 5", "retry: 6"),
        ("retry: 5", "retry: never"),
        ("retry: 5", "retry: {attempts: 5, factor: 3}"),
        ("nothing: done", "nothing: dead"),
        ("{BadOrder: done, Transient: dead, else: dead}", "{Transient: dead, BadOrder: done, else: dead}"),
        ("work > 1, to: rest", "work > 2, to: rest"),
        ("wait: 90s", "wait: 91s"),
        ("accept: done", "accept: {to: done, count: 2}"),
        ("deadline: 5d", "deadline: 6d"),
        ("output: work", "output: work + 1"),
        ("end: dead_letter", "end: failure"),
    ],
)
def test_anything_else_changes_the_digest(old: str, new: str) -> None:
    assert digest_of(changed(old, new)) != digest_of(SAMPLE)


def test_the_order_of_rules_changes_the_digest() -> None:
    first, second = "      - {when: work > 1, to: rest}\n", "      - {when: work > 0, to: human}\n"
    assert digest_of(changed(first + second, second + first)) != digest_of(SAMPLE)


def test_a_name_or_value_called_description_is_no_description() -> None:
    assert digest_of(changed("{order: str}", "{order: str, description: str}")) != digest_of(SAMPLE)
    one, other = (changed("{order: str}", f"{{order: {{type: dict, default: {{description: {n}}}}}}}") for n in (1, 2))
    assert digest_of(one) != digest_of(other)


TOP, STATES = SAMPLE.split("states:\n")


@given(st.permutations(TOP.splitlines(keepends=True)), st.permutations(re.split(r"(?m)^(?=  \w)", STATES)))
def test_the_order_of_keys_and_states_does_not_change_the_digest(top: list[str], states: list[str]) -> None:
    assert digest_of(f"{''.join(top)}states:\n{''.join(states)}") == digest_of(SAMPLE)
