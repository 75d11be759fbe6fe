"""History through the API: what each transition read and wrote, as of then."""

import json
from typing import Any

from fsm import operations
from fsm.engine.engine import Engine
from tests.engine.builders import House, named
from tests.engine.test_rewinding import FLOW, Post


def told(engine: Engine, run_id: str, after: int = 0) -> list[tuple[str, Any, Any]]:
    return [
        (
            row.transition.event,
            None if row.read is None else {name: json.loads(text) for name, text in row.read.items()},
            {name: text and json.loads(text) for name, text in row.written},
        )
        for row in operations.history(engine, run_id, after=after)
    ]


def test_each_transition_tells_what_was_read_then_and_what_it_wrote(house: House) -> None:
    post = Post(house)
    engine = post.engine()
    run = post.reviewed(engine)
    operations.rewind(engine, run.id, 2)
    expected = [
        ("start", {"to": "Ben"}, {}),
        ("success", {"to": "Ben"}, {"text": "Ben, draft 1"}),
        ("signal:worse", None, {"critique": "too long"}),
        ("success", {"to": "Ben", "critique": "too long"}, {"text": "Ben, draft 2"}),
        ("signal:fine", None, {"critique": None}),
        ("success", {"text": "Ben, draft 2"}, {"receipt": "receipt"}),
        ("rewind", None, {"critique": None, "receipt": None, "text": "Ben, draft 1"}),
    ]
    assert told(engine, run.id) == expected
    assert told(engine, run.id, after=3) == expected[3:]
    assert told(engine, run.id, after=7) == []


def test_without_the_action_the_definition_tells_what_it_reads(house: House) -> None:
    post = Post(house)
    run = post.reviewed(post.engine())
    engine = house.engine(definitions=[])
    read = [row.read for row in operations.history(engine, run.id)]
    # Of `draft` only what it may lack is written down, of `send` what makes its key.
    assert read == [{"to": '"Ben"'}, {}, None, {"critique": '"too long"'}, None, {"text": '"Ben, draft 2"'}]


def test_an_action_whose_reads_are_written_down_has_read_those(house: House) -> None:
    house.define(FLOW.replace("action: l.send,", "action: l.send, reads: [text, to],"))
    engine = house.engine(named("l.draft", lambda to, critique: "a"), named("l.send", lambda text, to: None))
    run = engine.run("letter", {"to": "Ben"})
    engine.signal(run.id, "fine")
    engine.resume()
    for opened in (engine, house.engine(definitions=[])):
        assert list(operations.history(opened, run.id))[-1].read == {"text": '"a"', "to": '"Ben"'}


def test_what_was_read_is_told_where_a_state_is_left_not_at_each_attempt(house: House) -> None:
    house.define(FLOW.replace("retry: never", "retry: 2"))
    fails = [ConnectionRefusedError("no"), ConnectionRefusedError("no")]

    def draft(to: str, critique: Any) -> str:
        raise fails.pop()

    engine = house.engine(named("l.draft", draft), named("l.send", lambda text: None))
    run = engine.run("letter", {"to": "Ben"})
    assert [(event, read) for event, read, _ in told(engine, run.id)] == [
        ("start", {"to": "Ben"}), ("retry:1", None), ("error:else", {"to": "Ben"}),
    ]  # fmt: skip


def test_expressions_read_too_but_what_ensure_names_is_the_new_value(house: House) -> None:
    house.define("""
        workflow: sums
        version: 1
        start: first
        input: {a: int, b: int, c: int}
        defaults: {retry: never, error: dead}
        states:
          first:
            action: s.add
            with: {x: a + 1}
            require: b > 0
            ensure: c > first
            success: done
          done: {end: success}
          dead: {end: dead_letter}
    """)
    engine = house.engine(named("s.add", lambda x: x))
    run = engine.run("sums", {"a": 1, "b": 2, "c": 3})
    *_, last = operations.history(engine, run.id)
    assert (last.transition.event, last.read) == ("success", {"a": "1", "b": "2"})
