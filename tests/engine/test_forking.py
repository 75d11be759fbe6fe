"""Fork through the API: a new run where another one was, with other values if told so."""

import pytest

import fsm
from fsm import operations
from tests.engine.builders import NOW, House
from tests.engine.test_rewinding import Post


@pytest.fixture
def post(house: House) -> Post:
    return Post(house)


def test_a_fork_has_what_the_other_run_had_then_and_goes_its_own_way(post: Post) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    before = engine.history(run.id)
    new = operations.fork(engine, run.id, 2, key="second", actor="ana", reason="what if")
    assert (new.state, new.status, new.forked_from, new.visits) == ("review", "ready", run.id, {"draft": 1})
    assert engine.find("letter", "second") == engine.get(new.id) == new
    assert engine.artifacts(new) == {"to": "Ben", "text": "Ben, draft 1"}
    engine.resume()
    engine.signal(new.id, "fine")
    (done,) = engine.resume()
    assert (done.status, post.sent) == ("succeeded", ["Ben, draft 2", "Ben, draft 1"])
    assert (engine.get(run.id), engine.history(run.id)) == (run, before)
    row = engine.history(new.id)[0].transition
    assert (row.event, row.source, row.of_seq, row.actor) == ("fork", "", 2, "ana")
    assert row.detail == {"run": run.id, "reason": "what if"}


def test_its_actions_have_keys_of_their_own(post: Post) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    operations.fork(engine, run.id, 1)
    engine.resume()
    assert len({key for key, _ in post.drafts}) == len(post.drafts) == 3


def test_inputs_and_values_are_changed_and_left_out(post: Post) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    new = operations.fork(engine, run.id, 3, changes={"to": "Eva", "text": {"any": 1}}, unset=["critique"])
    assert engine.artifacts(new) == {"to": "Eva", "text": {"any": 1}}
    assert engine.store.values_at(new, ["to", "text"], 0) == {"to": '"Eva"'}
    engine.resume()
    other = operations.fork(engine, run.id, 1, changes={"critique": "be brief"})
    engine.resume()
    assert [critique for _, critique in post.drafts[-2:]] == [None, "be brief"]
    assert engine.artifacts(other)["critique"] == "be brief"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"changes": {"to": 7}}, '"to" must be str'),
        ({"changes": {"txet": 7}}, 'did you mean "text"'),
        ({"changes": {"text": float("nan")}}, '"text" must be JSON'),
        ({"unset": ["to"]}, '"to" is an input and cannot be left out; give it another value'),
        ({"unset": ["critique"]}, '"critique" is not written there; written: text, to'),
    ],
)
def test_what_does_not_fit_is_refused_and_begins_nothing(post: Post, options: dict[str, object], said: str) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    with pytest.raises(fsm.UsageError, match=said):
        operations.fork(engine, run.id, 2, **options)  # type: ignore[arg-type]
    assert engine.runs() == [run]


def test_the_same_key_gives_the_same_fork(post: Post) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    new = operations.fork(engine, run.id, 2, key="k", changes={"text": "other"})
    engine.resume()
    assert operations.fork(engine, run.id, 2, key="k", changes={"text": "other"}) == engine.get(new.id)
    for at, changes in ((1, {"text": "other"}), (2, {}), (2, {"text": "third"}), (2, {"text": "other", "to": "Eva"})):
        with pytest.raises(fsm.KeyConflict, match=f'key "k" of "letter" belongs to run {new.id}, which is not this'):
            operations.fork(engine, run.id, at, key="k", changes=changes)
    assert len(engine.runs()) == 2


def test_the_key_of_a_run_that_was_started_is_no_fork_s(post: Post) -> None:
    engine = post.engine()
    run = engine.run("letter", {"to": "Ben"}, key="k")
    with pytest.raises(fsm.KeyConflict):
        operations.fork(engine, run.id, 1, key="k")


def test_there_is_no_fork_at_what_was_not_or_at_an_end(post: Post) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    with pytest.raises(fsm.NotFound, match="has no transition 7; it has 1 to 6"):
        operations.fork(engine, run.id, 7)
    with pytest.raises(fsm.IllegalTransition, match='transition 6 led to "done", where a run ends'):
        operations.fork(engine, run.id, 6)
    assert engine.runs() == [run]


def test_a_fork_after_a_rewind_holds_what_the_rewind_restored(post: Post) -> None:
    engine = post.engine()
    run = post.reviewed(engine)
    operations.rewind(engine, run.id, 2)
    new = operations.fork(engine, run.id, 7)
    assert (new.state, engine.artifacts(new)) == ("review", {"to": "Ben", "text": "Ben, draft 1"})


def test_whoever_watches_is_told_of_it(post: Post) -> None:
    heard: list[tuple[str, str, int]] = []
    engine = post.house.engine(watch=lambda run, row: heard.append((run.id, row.event, run.seq)))
    run = post.reviewed(post.engine())
    new = operations.fork(engine, run.id, 2)
    operations.rewind(engine, run.id, 2)
    assert heard == [(new.id, "fork", 1), (run.id, "rewind", 7)]
    assert new.started_at == NOW
