"""What is in the way of a run that shall go on under another version."""

from collections.abc import Mapping
from typing import Any

import pytest

from fsm.checks.migration import Crossing
from fsm.kernel.migration import edge_changes
from fsm.model.migration import Obstacle, Standing
from fsm.model.run import LIVE, Status
from fsm.model.signature import Parameter, Signature
from tests.engine.builders import flow_of

OLD = """
    workflow: w
    version: 1
    start: fetch
    input: {uri: str}
    defaults: {retry: never, error: lost}
    states:
      fetch: {action: a.fetch, writes: document, success: ocr}
      ocr: {action: a.ocr, writes: text, max_visits: 3, success: post, error: {VisitsExceeded: lost}}
      post: {action: a.post, reads: [text], success: done}
      done: {end: success, output: text}
      lost: {end: dead_letter}
"""
NEW = """
    workflow: w
    version: 2
    start: fetch
    input: {uri: str, limit: {type: int, default: 7}}
    defaults: {retry: never, error: lost}
    states:
      fetch: {action: a.fetch, writes: document, success: read}
      read:
        {action: a.read, reads: document, writes: text, max_visits: 3, success: extract, error: {VisitsExceeded: lost}}
      extract: {action: a.extract, reads: [text, limit], writes: invoice, success: post}
      post: {action: a.post, reads: [invoice], success: done}
      done: {end: success, output: invoice}
      lost: {end: dead_letter}
"""


def crossing(
    new: str = NEW, states: Mapping[str, str] | None = None, signatures: Mapping[str, Signature] | None = None
) -> Crossing:
    before, after = flow_of(OLD), flow_of(new)
    given = {"ocr": "read"} if states is None else states
    whole = {state: given.get(state, state) for state in before.states if given.get(state, state) in after.states}
    return Crossing(before, after, whole, signatures)


def standing(
    state: str, *written: str, status: Status = "ready", goes_on: str | None = None, entries: int = 1
) -> Standing:
    return Standing(
        state, status, goes_on or (state if status in LIVE else None), frozenset({"uri", *written}), entries
    )


def found(obstacles: tuple[Obstacle, ...]) -> list[tuple[str, str]]:
    return [(one.code, one.message) for one in obstacles]


class TestReads:
    def test_a_run_whose_reads_are_all_written_ahead_of_it_can_go_on(self) -> None:
        for stands in (standing("fetch"), standing("ocr", "document"), standing("post", "document", "text", "invoice")):
            assert crossing().obstacles(stands) == ()

    def test_what_the_state_reads_and_nothing_wrote_is_in_the_way(self) -> None:
        (obstacle,) = crossing().obstacles(standing("post", "document", "text"))
        assert obstacle == Obstacle(
            "FSM903", 'migrating post → post: "invoice" would be unwritten',
            'map it to a state before "invoice" is written, or add "optional: invoice"', ("states", "post", "reads", 0),
        )  # fmt: skip

    def test_what_a_state_further_on_reads_is_in_the_way_too(self) -> None:
        skipped = NEW.replace("reads: [invoice]", "reads: [invoice, document]")
        (obstacle,) = crossing(skipped, {"ocr": "extract"}).obstacles(standing("ocr", "text"))
        assert obstacle.message == 'migrating ocr → extract: "document" would be unwritten in "post"'
        assert obstacle.place == ("states", "post", "reads", 1)

    def test_each_name_is_told_once_where_it_is_read_first(self) -> None:
        obstacles = crossing(states={"ocr": "post"}).obstacles(standing("ocr"))
        assert found(obstacles) == [("FSM903", 'migrating ocr → post: "invoice" would be unwritten')]

    def test_only_what_lies_ahead_matters(self) -> None:
        assert crossing(states={"ocr": "extract"}).obstacles(standing("ocr", "text")) == ()

    def test_one_path_that_does_not_write_it_is_enough(self) -> None:
        forked = NEW.replace("success: extract, error", "success: {success: extract, skip: post}, error")
        assert found(crossing(forked).obstacles(standing("fetch"))) == [
            ("FSM903", 'migrating fetch → fetch: "invoice" would be unwritten in "post"')
        ]

    def test_what_is_optional_may_be_unwritten(self) -> None:
        optional = NEW.replace("reads: [invoice]", "optional: [invoice]").replace("output: invoice", "output: uri")
        assert crossing(optional).obstacles(standing("post")) == ()

    def test_the_error_that_a_state_reads_may_be_unwritten_too(self) -> None:
        asking = NEW.replace("reads: [invoice]", "with: {hint: error.message}, reads: []")
        assert found(crossing(asking).obstacles(standing("post", "invoice"))) == [
            ("FSM903", 'migrating post → post: "error" would be unwritten')
        ]
        assert crossing(asking).obstacles(standing("post", "invoice", "error")) == ()

    def test_the_parameters_of_actions_are_looked_at_where_they_are_known(self) -> None:
        unsaid = NEW.replace("reads: [invoice], ", "")
        parameters = (Parameter("document", Any, required=True), Parameter("more", Any, required=False))
        signature = Signature("a.post", parameters, keywords=False, returns=None)
        stands = standing("post", "invoice")
        assert crossing(unsaid).obstacles(stands) == ()
        assert found(crossing(unsaid, None, {"a.post": signature}).obstacles(stands)) == [
            ("FSM903", 'migrating post → post: "document" would be unwritten')
        ]

    def test_a_state_may_read_what_it_ensures_of_itself(self) -> None:
        ensuring = NEW.replace("writes: invoice, success: post", "writes: invoice, ensure: invoice.ok, success: post")
        assert crossing(ensuring, {"ocr": "extract"}).obstacles(standing("ocr", "text")) == ()


class TestStates:
    def test_a_state_that_is_dropped_is_in_the_way(self) -> None:
        (obstacle,) = crossing(states={}).obstacles(standing("ocr", "document"))
        assert (obstacle.code, obstacle.message) == ("FSM902", 'version 2 drops "ocr"')
        assert obstacle.hint == "map it to another state"

    def test_a_dead_run_needs_the_state_that_failed_and_a_place_to_be_dead_in(self) -> None:
        dead = standing("lost", "document", status="dead", goes_on="ocr")
        assert crossing().obstacles(dead) == ()
        assert found(crossing(states={}).obstacles(dead)) == [("FSM902", 'version 2 drops "ocr"')]
        renamed = NEW.replace("lost", "parked")
        assert found(crossing(renamed).obstacles(dead)) == [("FSM902", 'version 2 drops "lost"')]
        assert crossing(renamed, {"ocr": "read", "lost": "parked"}).obstacles(dead) == ()

    def test_what_failed_is_checked_where_it_goes_on(self) -> None:
        dead = standing("lost", "text", status="dead", goes_on="post")
        assert found(crossing().obstacles(dead)) == [("FSM903", 'migrating post → post: "invoice" would be unwritten')]

    def test_a_dead_run_without_an_error_behind_it_needs_its_end_only(self) -> None:
        assert crossing().obstacles(standing("lost", status="dead")) == ()

    def test_a_live_run_goes_to_no_end_and_a_dead_one_to_no_other(self) -> None:
        assert found(crossing(states={"ocr": "done"}).obstacles(standing("ocr", "invoice"))) == [
            ("FSM902", '"ocr" would become "done", where a run ends')
        ]
        astray = {"ocr": "read", "lost": "done"}
        assert found(crossing(states=astray).obstacles(standing("lost", status="dead"))) == [
            ("FSM902", '"lost" would become "done", which is another end')
        ]

    def test_a_run_that_died_of_a_fault_stands_where_it_failed(self) -> None:
        assert crossing().obstacles(standing("ocr", "document", status="dead", goes_on="ocr")) == ()


class TestInputs:
    def test_an_input_without_a_default_is_in_the_way(self) -> None:
        demanding = NEW.replace("limit: {type: int, default: 7}", "limit: int")
        (obstacle,) = crossing(demanding).obstacles(standing("fetch"))
        assert (obstacle.code, obstacle.message) == ("FSM903", 'input "limit" would be unwritten')
        assert (obstacle.hint, obstacle.place) == ("give it a default", ("input", "limit"))

    def test_one_that_the_run_holds_already_is_not(self) -> None:
        demanding = NEW.replace("limit: {type: int, default: 7}", "limit: int")
        assert crossing(demanding).obstacles(standing("fetch", "limit")) == ()


class TestLimits:
    @pytest.mark.parametrize(("entries", "code"), [(1, []), (3, []), (4, ["FSM905"])])
    def test_entries_beyond_the_limit_are_in_the_way(self, entries: int, code: list[str]) -> None:
        obstacles = crossing().obstacles(standing("ocr", "document", entries=entries))
        assert [one.code for one in obstacles] == code

    def test_it_says_how_many_there_were(self) -> None:
        (obstacle,) = crossing().obstacles(standing("ocr", "document", entries=5))
        assert obstacle.message == '"read" was entered 5 times, and may be 3 times'


class TestEdges:
    def test_edges_that_only_changed_the_names_of_their_states_are_the_same(self) -> None:
        old, new = flow_of(OLD), flow_of(OLD.replace("version: 1", "version: 2").replace("ocr", "read"))
        assert edge_changes(old, new, {"ocr": "read"}) == ([], [])

    def test_those_that_went_and_those_that_came_are_told(self) -> None:
        gone, come = edge_changes(flow_of(OLD), flow_of(NEW), {"ocr": "read"})
        assert [(edge.source, edge.event, edge.target) for edge in gone] == [("ocr", "success", "post")]
        assert [edge[:3] for edge in come if edge.event == "success"] == [
            ("read", "success", "extract"), ("extract", "success", "post"),
        ]  # fmt: skip
