"""Looking back and going back: what a run was at each of its transitions, and rewinds to them."""

from typing import Any

import pytest

from fsm.errors import IllegalTransition, LeaseLost, NotFound
from fsm.kernel import past
from fsm.model.run import Artifact, Decision, Received, Run
from tests.store.contract_commits import altered
from tests.store.contract_records import REFUSED
from tests.store.driving import DRAFTED, FETCHED, LOOP, Driver, failed
from tests.store.subject import Subject

ACCEPTED = Received("accept", '"fine"', (), "ben")


def rewound(driver: Driver, run: Run, to: int) -> Decision:
    """Return the decision that takes a run back, as the operation makes it."""
    then, now = driver.store.moment(run, to), driver.store.moment(run, run.seq)
    names = past.changed(then, now)
    texts = driver.store.values_at(run, names, to)
    restored = [Artifact(name, texts.get(name)) for name in names]
    driver.now += 1
    return past.rewind(driver.flow(run), run, then, restored, driver.now, "ana", "from here")


def branched(driver: Driver, origin: Run, at: int, key: str | None = None) -> tuple[Run, list[Artifact], Decision]:
    """Return a new run, its inputs, and the decision that branches it off another one."""
    then = driver.store.moment(origin, at)
    values = driver.store.values_at(origin, then.written, at)
    driver.now += 1
    run = past.branch(origin, then, driver.new().id, key, driver.now)
    written = [Artifact(name, values[name]) for name in sorted(values) if name != "uri"]
    return (
        run,
        [Artifact("uri", values["uri"])],
        past.fork(driver.flow(run), origin, run, then, written, [], "ana", None),
    )


class Past(Subject):
    def twice_drafted(self, driver: Driver) -> Run:
        """Return a run in `human` for the second time: start, success, success, signal, success."""
        run = driver.go(driver.start(), FETCHED, DRAFTED, REFUSED)
        return driver.go(driver.claim(run), DRAFTED._replace(value='"a better text"'))

    def test_a_moment_is_the_run_right_after_a_transition(self, driver: Driver) -> None:
        run = self.twice_drafted(driver)
        rows = [row.transition for row in driver.store.history(run.id)]
        moments = [driver.store.moment(run, seq) for seq in range(1, 6)]
        assert [moment.transition for moment in moments] == rows
        assert {moment.digest for moment in moments} == {run.digest}
        assert {moment.version for moment in moments} == {1}
        assert [moment.visits for moment in moments] == [{}, *[{"draft": 1}] * 2, *[{"draft": 2}] * 2]
        assert [sorted(moment.written) for moment in moments] == [
            ["uri"], ["document", "uri"], ["document", "text", "uri"], *[["document", "text", "uri", "verdict"]] * 2,
        ]  # fmt: skip
        assert moments[2].written["text"] != moments[4].written["text"]
        assert moments[2].written["document"] == moments[4].written["document"]

    @pytest.mark.parametrize("seq", [-1, 0, 4, 99])
    def test_there_is_no_moment_without_a_transition(self, driver: Driver, seq: int) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        with pytest.raises(NotFound, match=f"has no transition {seq}; it has 1 to 3"):
            driver.store.moment(run, seq)

    def test_values_are_those_of_any_transition(self, driver: Driver) -> None:
        run = self.twice_drafted(driver)
        names = ["uri", "text", "verdict", "nothing"]
        told = [driver.store.values_at(run, names, seq) for seq in range(6)]
        assert [values.get("text") for values in told] == [
            None, None, None, '"a text"', '"a text"', '"a better text"',
        ]  # fmt: skip
        assert [values.get("verdict") for values in told] == [*[None] * 4, '"worse"', '"worse"']
        assert all(values["uri"] == '"a.pdf"' and "nothing" not in values for values in told)

    def test_a_rewound_run_stands_where_it_stood_with_what_it_had_then(self, driver: Driver) -> None:
        run = self.twice_drafted(driver)
        back = driver.commit(rewound(driver, run, 3))
        assert (back.state, back.status, back.seq, back.visit, back.attempt) == ("human", "ready", 6, 6, 1)
        assert (back.visits, back.epoch, back.due_at, back.awaits) == ({"draft": 1}, run.epoch + 1, None, ())
        assert driver.store.values(back, ["uri", "document", "text", "verdict"]) == {
            "uri": '"a.pdf"', "document": '"a page"', "text": '"a text"',
        }  # fmt: skip
        row = list(driver.store.history(run.id))[-1]
        assert row.artifacts == (Artifact("text", '"a text"'), Artifact("verdict", None))
        assert (row.transition.event, row.transition.of_seq, row.transition.detail) == (
            "rewind", 3, {"reason": "from here"},
        )  # fmt: skip

    def test_what_was_taken_back_is_unwritten_at_every_moment_until_it_is_written_again(self, driver: Driver) -> None:
        run = self.twice_drafted(driver)
        back = driver.commit(rewound(driver, run, 2))
        assert driver.store.moment(back, 6).written == {
            **driver.store.moment(back, 2).written, "text": None, "verdict": None,
        }  # fmt: skip
        again = driver.go(driver.claim(back), DRAFTED)
        assert driver.store.values_at(again, ["text", "verdict"], 5) == {
            "text": '"a better text"', "verdict": '"worse"',
        }  # fmt: skip
        assert driver.store.values_at(again, ["text", "verdict"], 6) == {}
        assert driver.store.values_at(again, ["text", "verdict"], 7) == {"text": '"a text"'}

    def test_counts_of_visits_go_back_to_none_at_all(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        assert run.visits == {"draft": 1}
        back = driver.commit(rewound(driver, run, 1))
        assert (back.state, back.visits) == ("fetch", {})
        assert driver.store.moment(back, 3).visits == {}

    def test_a_rewind_and_then_one_beyond_it_and_one_back(self, driver: Driver) -> None:
        run = self.twice_drafted(driver)
        values = {seq: driver.store.values_at(run, ["document", "text", "verdict"], seq) for seq in range(1, 6)}
        visits = {seq: driver.store.moment(run, seq).visits for seq in range(1, 6)}
        for seq in (3, 1, 5, 2, 4, 5, 1):
            run = driver.commit(rewound(driver, run, seq))
            assert driver.store.values(run, ["document", "text", "verdict"]) == values[seq]
            assert run.visits == visits[seq]

    def test_a_rewind_takes_the_run_from_its_holder(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        late = driver.decision(run, DRAFTED)
        back = driver.commit(rewound(driver, driver.store.get(run.id), 1))
        assert driver.store.commit([late]) == [None]
        with pytest.raises(LeaseLost):
            driver.store.save_checkpoint(run, "half", "1")
        assert driver.store.get(run.id) == back
        row = list(driver.store.history(run.id))[-1].transition
        assert row.interrupted, "an action was in flight"
        assert driver.go(driver.claim(back), FETCHED).state == "draft"

    def test_runs_that_have_ended_are_rewound_too(self, driver: Driver) -> None:
        done = driver.go(driver.start(), FETCHED._replace(outcome="nothing"))
        dead = driver.go(driver.start(), FETCHED, failed("Boom"))
        refused = driver.go(driver.start(), failed("Refused"))
        assert [run.status for run in (done, dead, refused)] == ["succeeded", "dead", "failed"]
        for run in (done, dead, refused):
            back = driver.commit(rewound(driver, run, 1))
            assert (back.state, back.status, back.output, back.reason) == ("fetch", "ready", None, None)
            assert driver.store.values(back, ["error", "document"]) == {}
            assert driver.go(driver.claim(back), FETCHED).state == "draft"

    def test_what_failed_before_a_rewind_is_no_failure_any_more(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED, failed("Boom"))
        back = driver.commit(rewound(driver, run, 1))
        assert driver.store.last_failure(back) is None
        again = driver.go(driver.claim(back), failed("Boom"))
        failure = driver.store.last_failure(again)
        assert failure is not None
        assert (failure.seq, failure.visit) == (5, 4)

    def test_signals_that_were_not_consumed_stay_and_those_that_were_do_not_come_back(self, driver: Driver) -> None:
        run = driver.go(driver.start(), FETCHED)
        used, left = driver.signal("accept", "used", "m1"), driver.signal("accept", "left", "m2")
        assert driver.store.keep(run, used)
        assert driver.store.keep(run, left)
        first, second = driver.store.kept(run, ["accept"])
        run = driver.go(run, DRAFTED)
        received = Received("accept", '"used"', (first.id,), "ana")
        run = driver.go(driver.claim(run), received)
        back = driver.commit(rewound(driver, run, 2))
        assert driver.store.kept(back, ["accept"]) == [second]
        assert driver.store.message(back, "m1") is not None

    def test_a_visit_that_a_rewind_opened_has_none_of_the_checkpoints_of_the_old_one(self, driver: Driver) -> None:
        run = driver.start()
        driver.store.save_checkpoint(run, "half", "1")
        back = driver.commit(rewound(driver, run, 1))
        assert driver.store.checkpoint(back, "half") is None

    @pytest.mark.parametrize(
        "changed",
        [
            {"of_seq": 1}, {"of_seq": 3}, {"of_seq": None}, {"of_seq": 99}, {"of_seq": 5, "target": "human"},
            {"target": "fetch"}, {"target": "done"}, {"target": "nowhere"}, {"target": ""},
            {"of_seq": 5, "target": "lost"}, {"visit": 2}, {"visit": 7}, {"attempt": 2}, {"source": "draft"},
            {"status": "running"}, {"status": "waiting"}, {"status": "dead"}, {"status": "succeeded"},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_rewind_to_where_its_row_did_not_lead_is_illegal(self, driver: Driver, changed: dict[str, Any]) -> None:
        run = driver.go(driver.start(), FETCHED, DRAFTED)
        run = driver.go(run, Received("refuse", '"no"', (), "ana"))
        run = driver.go(driver.claim(run), failed("Boom"))
        assert (run.status, run.state, run.seq) == ("dead", "lost", 5)
        self.refused(driver, altered(rewound(driver, run, 2), **changed))

    def test_a_rewind_to_the_row_of_another_run_is_illegal(self, driver: Driver) -> None:
        longer = driver.go(driver.start(LOOP))
        driver.go(driver.start(), FETCHED, DRAFTED)
        run = driver.start()
        self.refused(driver, altered(rewound(driver, run, 1), of_seq=2, target="draft"))
        self.refused(driver, altered(rewound(driver, longer, 1), target="fetch"))

    def test_a_rewind_of_a_run_that_moved_on_comes_too_late(self, driver: Driver) -> None:
        run = driver.start()
        move = rewound(driver, run, 1)
        driver.go(run, FETCHED)
        assert driver.store.commit([move]) == [None]
        assert driver.store.get(run.id).seq == 2

    def test_a_rewound_run_goes_on_by_its_edges(self, driver: Driver) -> None:
        run = driver.commit(rewound(driver, self.twice_drafted(driver), 2))
        run = driver.go(driver.claim(run), DRAFTED, ACCEPTED)
        assert (run.state, run.status) == ("pause", "waiting")
        assert driver.values(run) == {}

    def test_a_fork_stands_where_the_other_run_stood_with_what_that_had_then(self, driver: Driver) -> None:
        origin = self.twice_drafted(driver)
        rows = list(driver.store.history(origin.id))
        run, inputs, decision = branched(driver, origin, 3, key="k")
        run = driver.store.start(run, inputs, decision)
        assert run == driver.store.get(run.id) == driver.store.find("review", "k")
        assert (run.state, run.status, run.seq, run.visit, run.epoch, run.forked_from) == (
            "human", "ready", 1, 1, 1, origin.id,
        )  # fmt: skip
        assert run.visits == {"draft": 1}
        assert driver.store.values(run, ["uri", "document", "text", "verdict"]) == {
            "uri": '"a.pdf"', "document": '"a page"', "text": '"a text"',
        }  # fmt: skip
        assert driver.store.values_at(run, ["uri", "text"], 0) == {"uri": '"a.pdf"'}
        (row,) = driver.store.history(run.id)
        assert (row.transition.event, row.transition.source, row.transition.of_seq) == ("fork", "", 3)
        assert row.artifacts == (Artifact("document", '"a page"'), Artifact("text", '"a text"'))
        assert driver.store.get(origin.id) == origin
        assert list(driver.store.history(origin.id)) == rows
        assert driver.go(driver.claim(run), ACCEPTED).state == "pause"

    def test_a_fork_with_a_key_that_is_taken_gives_the_run_that_has_it(self, driver: Driver) -> None:
        origin = self.twice_drafted(driver)
        first = driver.store.start(*branched(driver, origin, 3, key="k"))
        assert driver.store.start(*branched(driver, origin, 1, key="k")) == first

    def test_a_fork_of_a_run_that_has_ended_and_one_of_a_fork(self, driver: Driver) -> None:
        done = driver.go(driver.start(), FETCHED._replace(outcome="nothing"))
        first = driver.store.start(*branched(driver, done, 1))
        run = driver.go(driver.claim(first), FETCHED)
        second = driver.store.start(*branched(driver, run, 2))
        assert (second.state, second.forked_from, second.visits) == ("draft", first.id, {"draft": 1})
        third = driver.store.start(*branched(driver, second, 1))
        assert (third.state, third.visits) == ("draft", {"draft": 1})
        assert driver.store.values(third, ["document"]) == {"document": '"a page"'}

    def test_a_fork_is_rewound_to_where_it_began(self, driver: Driver) -> None:
        run = driver.store.start(*branched(driver, self.twice_drafted(driver), 2))
        again = driver.go(driver.claim(run), DRAFTED)
        back = driver.commit(rewound(driver, again, 1))
        assert (back.state, back.visits) == ("draft", {"draft": 1})
        assert driver.store.values(back, ["document", "text"]) == {"document": '"a page"'}

    @pytest.mark.parametrize(
        "changed",
        [
            {"of_seq": 1}, {"of_seq": None}, {"of_seq": 99}, {"target": "fetch"}, {"target": "done"},
            {"target": "lost", "of_seq": 5}, {"source": "fetch"}, {"visit": 2}, {"attempt": 2},
            {"status": "running"}, {"status": "waiting"}, {"status": "dead"}, {"event": "start"}, {"event": "rewind"},
            {"event": "redrive"}, {"event": "complete"},
        ],
        ids=str,
    )  # fmt: skip
    def test_a_fork_from_where_the_other_run_was_not_is_illegal(self, driver: Driver, changed: dict[str, Any]) -> None:
        origin = driver.go(driver.start(), FETCHED, DRAFTED)
        origin = driver.go(origin, Received("refuse", '"no"', (), "ana"))
        origin = driver.go(driver.claim(origin), failed("Boom"))
        run, inputs, decision = branched(driver, origin, 2)
        with pytest.raises(IllegalTransition):
            driver.store.start(run, inputs, altered(decision, **changed))
        with pytest.raises(NotFound):
            driver.store.get(run.id)

    @pytest.mark.parametrize("other", ["nobody", None])
    def test_a_fork_of_nobody_is_illegal(self, driver: Driver, other: str | None) -> None:
        run, inputs, decision = branched(driver, self.twice_drafted(driver), 2)
        with pytest.raises(IllegalTransition):
            driver.store.start(run._replace(forked_from=other), inputs, decision)

    def test_a_fork_off_a_run_of_another_workflow_is_illegal(self, driver: Driver) -> None:
        loop = driver.start(LOOP)
        run, inputs, decision = branched(driver, driver.start(), 1)
        with pytest.raises(IllegalTransition):
            driver.store.start(run._replace(forked_from=loop.id), inputs, altered(decision, target="turn"))
        with pytest.raises(IllegalTransition):
            driver.store.start(run._replace(forked_from=loop.id), inputs, decision)

    def test_a_run_that_has_begun_cannot_fork_once_more(self, driver: Driver) -> None:
        origin = self.twice_drafted(driver)
        run, inputs, decision = branched(driver, origin, 2)
        run = driver.store.start(run, inputs, decision)
        self.refused(driver, altered(decision._replace(run=run), seq=2, visit=1, source="draft"))

    def refused(self, driver: Driver, move: Decision) -> None:
        before = driver.store.get(move.run.id)
        rows = list(driver.store.history(move.run.id))
        with pytest.raises(IllegalTransition):
            driver.store.commit([move])
        assert driver.store.get(move.run.id) == before
        assert list(driver.store.history(move.run.id)) == rows
