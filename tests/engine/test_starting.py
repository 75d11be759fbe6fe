"""Starting runs: by name, by key, by version; with inputs that fit and with ones that do not."""

import sqlite3
from datetime import UTC, datetime
from typing import Any

import pytest

import fsm
from tests.engine.builders import NOW, House, events, named

GREET = """
    workflow: greet
    version: 1
    start: say
    input: {name: str, times: {type: int, default: 1}, at: {type: datetime | null, default: null}}
    defaults: {timeout: 1m, retry: never, error: failed}
    states:
      say: {action: greet.say, idempotent: true, success: done}
      done: {end: success, output: say}
      failed: {end: failure}
"""
GREET_2 = GREET.replace("version: 1", "version: 2").replace("output: say", "output: \"'two: ' + say\"")


@fsm.action("greet.say")
def say(name: str, times: int) -> str:
    return " ".join([f"hello {name}"] * times)


@pytest.fixture
def greeting(house: House) -> House:
    house.define(GREET)
    return house


class TestRunning:
    def test_a_run_is_driven_to_its_end_and_returned_as_it_stands(self, greeting: House) -> None:
        engine = greeting.engine(say)
        run = engine.run("greet", {"name": "Ana", "times": 2})
        assert (run.status, run.state, run.output, run.reason) == ("succeeded", "done", "hello Ana hello Ana", None)
        assert (run.workflow, run.version, run.started_at, run.key) == ("greet", 1, NOW, None)
        assert events(engine, run) == ["start", "success"]
        assert engine.get(run.id) == run

    def test_starting_leaves_it_for_resume(self, greeting: House) -> None:
        engine = greeting.engine(say)
        run = engine.start("greet", {"name": "Ana"})
        assert (run.status, run.state, run.seq) == ("ready", "say", 1)
        assert [done.output for done in engine.resume()] == ["hello Ana"]
        assert engine.get(run.id).status == "succeeded"

    def test_a_priority_is_given_at_birth_and_stays(self, greeting: House) -> None:
        engine = greeting.engine(say)
        run = engine.start("greet", {"name": "Ana"}, key="k", priority=7)
        assert engine.get(run.id).priority == run.priority == 7
        assert engine.run("greet", {"name": "Ana"}, key="k", priority=1).priority == 7
        assert engine.run("greet", {"name": "Eva"}, priority=-1).priority == -1
        assert engine.run("greet", {"name": "Eva"}).priority == 0

    @pytest.mark.parametrize("priority", [2**31, -(2**31) - 1, 1.0, True, "high", None])
    def test_a_priority_that_is_no_whole_number_of_32_bits_is_refused(self, greeting: House, priority: Any) -> None:
        with pytest.raises(fsm.UsageError, match="priority must be a whole number of 32 bits; it is "):
            greeting.engine(say).start("greet", {"name": "Ana"}, priority=priority)

    def test_what_a_run_left_behind_is_read_back_by_another_engine(self, greeting: House) -> None:
        run = greeting.engine(say).run("greet", {"name": "Ana"})
        assert greeting.engine(definitions=[]).get(run.id) == run

    def test_a_run_is_found_by_the_beginning_of_its_id(self, greeting: House) -> None:
        engine = greeting.engine(say, clock=None)
        run = engine.run("greet", {"name": "Ana"})
        assert engine.get(run.id[:20]) == run
        assert engine.get(run.id[:20].lower()) == run
        with pytest.raises(fsm.NotFound, match="no run"):
            engine.get("zzz")
        with pytest.raises(fsm.NotFound, match=r'no run ""'):
            engine.get("")

    def test_a_prefix_of_several_runs_is_refused(self, greeting: House) -> None:
        engine = greeting.engine(say)
        engine.start("greet", {"name": "a"})
        engine.start("greet", {"name": "b"})
        with pytest.raises(fsm.NotFound, match=r'several runs begin with "000"; give more of the id'):
            engine.get("000")


class TestKeys:
    def test_the_same_key_is_the_same_run_and_its_action_runs_once(self, greeting: House) -> None:
        calls: list[str] = []

        @fsm.action("greet.say")
        def counted(name: str) -> str:
            calls.append(name)
            return name

        engine = greeting.engine(counted)
        first = engine.run("greet", {"name": "Ana"}, key="k1")
        assert engine.run("greet", {"name": "Ana"}, key="k1") == first
        assert engine.start("greet", {"name": "Ana"}, key="k1") == first
        assert calls == ["Ana"]
        assert engine.find("greet", "k1") == first

    def test_running_a_key_that_was_started_drives_it(self, greeting: House) -> None:
        engine = greeting.engine(say)
        started = engine.start("greet", {"name": "Ana"}, key="k")
        run = engine.run("greet", {"name": "Ana"}, key="k")
        assert (run.id, run.status) == (started.id, "succeeded")

    def test_defaults_count_as_given(self, greeting: House) -> None:
        engine = greeting.engine(say)
        first = engine.start("greet", {"name": "Ana"}, key="k")
        assert engine.start("greet", {"times": 1, "name": "Ana"}, key="k").id == first.id

    def test_the_same_key_with_other_input_is_a_conflict_that_names_the_run(self, greeting: House) -> None:
        engine = greeting.engine(say)
        first = engine.start("greet", {"name": "Ana"}, key="k")
        for again in (engine.start, engine.run):
            with pytest.raises(fsm.KeyConflict, match=f'key "k" of "greet" belongs to run {first.id}'):
                again("greet", {"name": "Ben"}, key="k")
        assert len(engine.runs()) == 1

    def test_a_key_belongs_to_a_workflow_name_across_its_versions(self, greeting: House) -> None:
        first = greeting.engine(say).run("greet", {"name": "Ana"}, key="k")
        greeting.define(GREET_2, "two.yaml")
        greeting.define(GREET.replace("workflow: greet", "workflow: other"), "other.yaml")
        engine = greeting.engine(say)
        assert engine.run("greet", {"name": "Ana"}, key="k") == first
        assert engine.run("other", {"name": "Ana"}, key="k").id != first.id

    def test_no_key_is_always_a_new_run(self, greeting: House) -> None:
        engine = greeting.engine(say)
        assert engine.start("greet", {"name": "Ana"}).id != engine.start("greet", {"name": "Ana"}).id
        assert engine.find("greet", "k") is None

    def test_a_key_that_another_process_took_at_the_same_moment_is_its_run(self, greeting: House) -> None:
        """The look-up says there is none; the insert finds out."""
        one, two = greeting.engine(say), greeting.engine(say)
        first = one.start("greet", {"name": "Ana"}, key="k")
        two.store.find = lambda workflow, key: None  # type: ignore[method-assign]
        assert two.start("greet", {"name": "Ana"}, key="k").id == first.id
        with pytest.raises(fsm.KeyConflict):
            two.start("greet", {"name": "Ben"}, key="k")


class TestInputs:
    def test_all_faults_are_named_at_once(self, greeting: House) -> None:
        with pytest.raises(fsm.UsageError) as caught:
            greeting.engine(say).run("greet", {"nme": "Ana", "times": "2", "at": "soon"})
        said = str(caught.value)
        assert said.startswith('the input of "greet" does not fit: ')
        for fault in ('"nme" is no input; did you mean "name"?', '"name" (str) is missing', '"times" must be int: ',
                      '"at" must be datetime | null: '):  # fmt: skip
            assert fault in said
        assert greeting.engine(say).runs() == []

    @pytest.mark.parametrize("name", [5, None, float("nan"), object(), "\ud800"])
    def test_an_input_of_another_type_is_refused(self, greeting: House, name: Any) -> None:
        with pytest.raises(fsm.UsageError, match=r'"name" must be str'):
            greeting.engine(say).start("greet", {"name": name})

    @pytest.mark.parametrize("given", [["name"], "name", 5])
    def test_inputs_are_a_map(self, greeting: House, given: Any) -> None:
        with pytest.raises(fsm.UsageError, match=r'the input of "greet" is a map from name to value, not'):
            greeting.engine(say).start("greet", given)

    def test_a_number_that_is_a_text_is_not_read_as_one(self, greeting: House) -> None:
        with pytest.raises(fsm.UsageError, match=r'"times" must be int'):
            greeting.engine(say).start("greet", {"name": "Ana", "times": "2"})

    def test_an_instant_is_stored_as_text_and_its_default_as_null(self, greeting: House) -> None:
        engine = greeting.engine(say)
        run = engine.start("greet", {"name": "Ana", "at": datetime(2030, 1, 1, tzinfo=UTC)})
        assert engine.artifacts(run) == {"at": "2030-01-01T00:00:00Z", "name": "Ana", "times": 1}
        assert engine.artifacts(engine.start("greet", {"name": "Ana"}))["at"] is None

    def test_a_workflow_without_inputs_takes_none(self, house: House) -> None:
        house.define("""
            workflow: bare
            version: 1
            start: done
            states: {done: {end: success, output: run.workflow}}
        """)
        engine = house.engine()
        assert engine.run("bare").output == "bare"
        with pytest.raises(fsm.UsageError, match=r'"x" is no input; inputs: none'):
            engine.run("bare", {"x": 1})


class TestWhatIsMissing:
    def test_an_unknown_workflow_is_told_with_the_nearest_name(self, greeting: House) -> None:
        engine = greeting.engine(say)
        with pytest.raises(fsm.NotFound, match=r'no workflow "great"; did you mean "greet"?'):
            engine.run("great")
        with pytest.raises(fsm.NotFound, match=r'no workflow "zzz"; known: greet'):
            engine.start("zzz")
        with pytest.raises(fsm.NotFound, match=r'no version 7 of "greet"'):
            engine.start("greet", {"name": "Ana"}, version=7)

    def test_without_definitions_that_is_said(self, house: House) -> None:
        with pytest.raises(fsm.NotFound, match=r'no workflow "greet"; no definitions were given'):
            house.engine().run("greet")

    def test_an_action_that_is_not_given_is_found_before_anything_is_stored(self, greeting: House) -> None:
        engine = greeting.engine()
        with pytest.raises(fsm.UsageError, match=r'"greet" cannot run: no action "greet.say" is registered'):
            engine.run("greet", {"name": "Ana"})
        assert engine.runs() == []

    def test_an_engine_with_some_actions_is_not_made_when_one_is_missing(self, greeting: House) -> None:
        with pytest.raises(fsm.DefinitionError, match=r"FSM701.*greet.say"):
            greeting.engine(named("greet.sing", lambda name: name))

    def test_an_unsound_definition_makes_no_engine_and_every_fault_is_told(self, house: House) -> None:
        house.define(GREET.replace("success: done", "success: dome"))
        house.define(GREET_2.replace("start: say", "start: sai"), "two.yaml")
        with pytest.raises(fsm.DefinitionError) as caught:
            house.engine(say)
        assert {found.code for found in caught.value.diagnostics} >= {"FSM301"}
        assert {found.path.rpartition("/")[2] for found in caught.value.diagnostics} == {"flow.yaml", "two.yaml"}

    def test_a_place_that_is_not_there_or_empty_is_told(self, house: House) -> None:
        with pytest.raises(fsm.NotFound, match="does not exist"):
            house.engine(definitions=[house.folder / "nowhere"])
        with pytest.raises(fsm.NotFound, match="holds no definition"):
            house.engine(definitions=[house.definitions])

    def test_a_database_of_something_else_is_not_touched(self, greeting: House) -> None:
        with sqlite3.connect(greeting.store) as other:
            other.execute("CREATE TABLE mine(a)")
        other.close()
        with pytest.raises(fsm.SchemaError, match="is an SQLite database of something else"):
            greeting.engine(say)


class TestVersions:
    def started(self, greeting: House) -> str:
        with greeting.engine(say) as engine:
            return engine.start("greet", {"name": "Ana"}).id

    def test_the_highest_version_is_started_unless_another_is_asked_for(self, greeting: House) -> None:
        greeting.define(GREET_2, "two.yaml")
        engine = greeting.engine(say)
        assert engine.run("greet", {"name": "Ana"}).output == "two: hello Ana"
        assert engine.run("greet", {"name": "Ana"}, version=1).output == "hello Ana"

    def test_a_run_goes_on_as_it_began_when_only_the_next_version_is_there(self, greeting: House) -> None:
        run_id = self.started(greeting)
        greeting.define(GREET_2)
        (run,) = greeting.engine(say).resume()
        assert (run.id, run.version, run.output) == (run_id, 1, "hello Ana")

    def test_a_run_goes_on_without_any_definition(self, greeting: House) -> None:
        run_id = self.started(greeting)
        engine = greeting.engine(say, definitions=[])
        (run,) = engine.resume()
        assert (run.id, run.output) == (run_id, "hello Ana")
        assert engine.workflow(run).definition.version == 1
        assert engine.artifacts(run)["say"] == "hello Ana"

    def test_a_new_run_may_be_started_from_what_the_store_keeps(self, greeting: House) -> None:
        self.started(greeting)
        assert greeting.engine(say, definitions=[]).run("greet", {"name": "Ben"}).output == "hello Ben"

    def test_other_content_under_the_same_version_is_refused_once_runs_exist(self, greeting: House) -> None:
        self.started(greeting)
        greeting.define(GREET.replace("output: say", "output: name"))
        engine = greeting.engine(say)
        with pytest.raises(fsm.UsageError, match=r'the content of "greet" changed under version 1, .* version 2'):
            engine.run("greet", {"name": "Ben"})
        assert [run.output for run in engine.resume()] == ["hello Ana"]

    def test_a_comment_or_a_description_changes_nothing(self, greeting: House) -> None:
        self.started(greeting)
        greeting.define(GREET.replace("success: done", "success: done, description: says it") + "\n# that was all\n")
        assert greeting.engine(say).run("greet", {"name": "Ben"}).output == "hello Ben"

    def test_two_files_may_not_define_one_version_differently(self, greeting: House) -> None:
        greeting.define(GREET, "copy.yaml")
        assert greeting.engine(say).run("greet", {"name": "Ana"}).status == "succeeded"
        greeting.define(GREET.replace("output: say", "output: name"), "copy.yaml")
        with pytest.raises(fsm.UsageError, match=r'defines "greet" version 1, which another file defines too'):
            greeting.engine(say)


class TestResuming:
    def test_a_run_whose_action_is_missing_stays_where_it_is_and_the_others_go_on(
        self, greeting: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        greeting.define(GREET.replace("workflow: greet", "workflow: sing").replace("greet.say", "sing.it"), "sing.yaml")
        with greeting.engine(say, named("sing.it", lambda name: name)) as engine:
            singing = engine.start("sing", {"name": "Ana"})
            greeted = engine.start("greet", {"name": "Ana"})
        engine = greeting.engine(say, definitions=[])
        assert [run.id for run in engine.resume()] == [greeted.id]
        assert engine.get(singing.id) == singing._replace(epoch=singing.epoch + 1)
        assert f'run {singing.id} stays where it is: no action "sing.it" is registered' in caplog.text
        with pytest.raises(fsm.MissingAction, match=r'no action "sing.it"'):
            engine.resume(singing.id)
        assert engine.get(singing.id).status == "ready"

    def test_one_that_ended_is_returned_as_it_is(self, greeting: House) -> None:
        engine = greeting.engine(say)
        run = engine.run("greet", {"name": "Ana"})
        assert engine.resume(run.id) == [run]
        assert engine.resume() == []
        with pytest.raises(fsm.NotFound):
            engine.resume("nobody")

    def test_a_definition_that_cannot_be_read_any_more_leaves_its_run_free(self, greeting: House) -> None:
        with greeting.engine(say) as engine:
            run = engine.start("greet", {"name": "Ana"})
        engine = greeting.engine(say, definitions=[])
        engine.store.text = lambda digest: "workflow: other"  # type: ignore[method-assign]
        with pytest.raises(fsm.DefinitionError):
            engine.resume(run.id)
        assert engine.get(run.id).status == "ready"
        assert [done.id for done in greeting.engine(say).resume()] == [run.id]
