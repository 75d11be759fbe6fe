"""Actions: how functions are marked and found, and what their annotations say."""

import functools
from types import ModuleType
from typing import Any, Literal

import pytest

import fsm
from fsm.actions.address import Address
from fsm.actions.outcome import Outcome
from fsm.actions.registry import Action, Registry
from fsm.model.signature import Parameter


@fsm.action("mail.send")
def send(to: str, text: str = "", *, ctx: fsm.Context) -> int:
    return len(to + text)


@fsm.action
def plain(uri: str) -> None: ...


@fsm.action("film.encode", isolation="process")
def encode(uri: str) -> None: ...


class Studio:
    @staticmethod
    @fsm.action(isolation="process")
    def render(uri: str) -> None: ...


render = Studio.render


class TestMarking:
    def test_a_marked_function_stays_what_it_was(self) -> None:
        assert send("a", "bc", ctx=None) == 3  # type: ignore[arg-type]

    def test_a_bare_mark_names_it_by_module_and_function(self) -> None:
        assert list(Registry([plain])) == ["test_registry.plain"]
        assert list(Registry([fsm.action()(plain)])) == ["test_registry.plain"]

    @pytest.mark.parametrize("name", ["", "mail send", "1mail", "mail.", ".send", "mail..send", "mail-send", "é"])
    def test_a_name_is_dotted_identifiers(self, name: str) -> None:
        with pytest.raises(fsm.UsageError, match="is no name for an action"):
            fsm.action(name)

    def test_a_lambda_needs_a_name(self) -> None:
        with pytest.raises(fsm.UsageError, match="is no name for an action"):
            fsm.action(lambda: None)
        assert list(Registry([fsm.action("a.b")(lambda: None)])) == ["a.b"]


class TestIsolation:
    def test_an_action_has_a_thread_or_a_process_as_it_asks(self) -> None:
        found = Registry([send, render, encode])
        assert [found[name].isolation for name in ("mail.send", "test_registry.render", "film.encode")] == [
            "thread", "process", "process"]  # fmt: skip
        assert found["film.encode"].address == Address(__name__, "encode", __file__)
        assert found["test_registry.render"].address == Address(__name__, "Studio.render", __file__)

    def test_there_is_no_third_way(self) -> None:
        with pytest.raises(fsm.UsageError, match='isolation is "thread" or "process", not \'fork\''):
            fsm.action("a.b", isolation="fork")  # type: ignore[call-overload]

    def test_what_another_process_does_not_find_by_name_is_refused_with_the_cure(self) -> None:
        def inside() -> None: ...

        class Callable:
            def __call__(self) -> None: ...

        elsewhere = ModuleType("elsewhere")
        exec("def lost(): ...", vars(elsewhere))
        for function, said in (
            (inside, "it is defined inside another function"),
            (lambda: None, "it is a lambda"),
            (Callable(), "it is no function of an imported module"),
            (functools.partial(send), "it is no function of an imported module"),
            (vars(elsewhere)["lost"], "it is no function of an imported module"),
            (functools.wraps(send)(lambda: None), f"it is not what {__name__}.send means"),
        ):
            with pytest.raises(fsm.UsageError) as refused:
                Registry([fsm.action("a.b", isolation="process")(function)])
            assert str(refused.value) == (
                'action "a.b" asks for a process of its own, which finds its function by name, but '
                f"{said}; define it with `def` at the top of a module"
            )
            assert list(Registry([fsm.action("a.b")(function)])) == ["a.b"]

    def test_the_check_of_definitions_tells_it(self) -> None:
        (fault,) = fsm.check(actions=[fsm.action("a.b", isolation="process")(lambda: None)])
        assert (fault.code, "it is a lambda" in fault.message) == ("FSM001", True)


class TestCollecting:
    def module(self, **members: Any) -> ModuleType:
        made = ModuleType("deeds")
        vars(made).update(members)
        return made

    def test_modules_and_functions_are_taken_together(self) -> None:
        found = Registry([self.module(send=send, other=print, number=5), plain])
        assert sorted(found) == ["mail.send", "test_registry.plain"]
        assert found["mail.send"].function is send

    def test_the_same_function_twice_is_one_action(self) -> None:
        assert len(Registry([send, send, self.module(a=send, b=send)])) == 1

    def test_two_functions_may_not_claim_one_name(self) -> None:
        with pytest.raises(fsm.UsageError, match=r'two functions claim the action "mail.send": .*send and .*<lambda>'):
            Registry([send, fsm.action("mail.send")(lambda: None)])

    def test_a_module_without_actions_is_a_mistake(self) -> None:
        with pytest.raises(fsm.UsageError, match=r'module "deeds" has no actions; mark functions with @fsm.action'):
            Registry([self.module(a=print)])

    @pytest.mark.parametrize("source", [print, 5, "mail.send", None, {"a": send}])
    def test_what_is_no_action_is_refused(self, source: Any) -> None:
        with pytest.raises(fsm.UsageError, match="is no action; mark the function"):
            Registry([source])

    def test_a_method_that_is_bound_may_be_an_action(self) -> None:
        class Post:
            def __init__(self, stamp: str) -> None:
                self.stamp = stamp

            @fsm.action("post.stamp")
            def put(self, text: str) -> str:
                return text + self.stamp

        found = Registry([Post("!").put])["post.stamp"]
        assert found.function(text="a") == "a!"
        assert [parameter.name for parameter in found.signature.parameters] == ["text"]

    def test_a_missing_one_is_told_with_the_nearest_name(self) -> None:
        assert Registry([send]).missing("mail.sent") == 'no action "mail.sent" is registered; did you mean "mail.send"?'
        assert Registry([send]).missing("quite.other") == 'no action "quite.other" is registered'


class TestSignature:
    def of(self, function: Any) -> Action:
        return Action("a.b", function)

    def test_parameters_are_given_by_name_and_the_context_is_none_of_them(self) -> None:
        found = self.of(send)
        assert found.signature.parameters == (
            Parameter("to", str, required=True),
            Parameter("text", str, required=False),
        )
        assert found.context_name == "ctx"
        assert not found.signature.keywords

    def test_the_context_is_known_by_its_annotation_or_by_its_name(self) -> None:
        def by_name(ctx, a): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        def by_annotation(a: int, engine: fsm.Context) -> None: ...
        async def by_async(engine: fsm.AsyncContext) -> None: ...
        def without(context: int) -> None: ...

        assert [self.of(function).context_name for function in (by_name, by_annotation, by_async, without)] == [
            "ctx", "engine", "engine", None]  # fmt: skip
        assert self.of(by_name).signature.parameters == (Parameter("a", Any, required=True),)

    def test_further_keywords_are_known(self) -> None:
        def open_ended(a: int, **rest: Any) -> None: ...

        assert self.of(open_ended).signature.keywords
        assert [parameter.name for parameter in self.of(open_ended).signature.parameters] == ["a"]

    def test_parameters_by_position_are_refused(self) -> None:
        def by_position(a: int, /) -> None: ...
        def variadic(*items: int) -> None: ...

        for function, name in ((by_position, "a"), (variadic, "items")):
            with pytest.raises(fsm.UsageError, match=f'takes "{name}" by position; parameters are given by name'):
                _ = self.of(function).signature

    def test_annotations_that_cannot_be_read_are_told(self) -> None:
        def lost(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

        with pytest.raises(fsm.UsageError, match=r'the annotations of action "a.b" cannot be read'):
            _ = self.of(lost).signature

    def test_asynchronous_functions_are_told_apart(self) -> None:
        async def soon() -> None: ...

        assert self.of(soon).is_async
        assert not self.of(send).is_async


class TestReturns:
    def of(self, annotation: Any) -> dict[str, Any] | None:
        def work() -> None: ...

        work.__annotations__["return"] = annotation
        return Action("a.b", work).signature.returns

    @pytest.mark.parametrize(("annotation", "returns"), [
        (int, {"success": int}),
        (None, {"success": type(None)}),
        (int | None, {"success": int | None}),
        (Outcome[Literal["nothing"], None], {"nothing": None}),
        (int | Outcome[Literal["nothing"], None], {"success": int, "nothing": None}),
        (Outcome[Literal["a", "b"], str] | Outcome[Literal["c"], int], {"a": str, "b": str, "c": int}),
        (int | str | Outcome[Literal["a"], str], {"success": int | str, "a": str}),
        (Outcome[str, int], None),
        (Outcome, None),
        (Any, {"success": Any}),
    ])  # fmt: skip
    def test_each_outcome_has_the_type_of_its_value(self, annotation: Any, returns: dict[str, Any] | None) -> None:
        found = self.of(annotation)
        if found and returns:
            found = {name: type(None) if value is None else value for name, value in found.items()}
            returns = {name: type(None) if value is None else value for name, value in returns.items()}
        assert found == returns

    def test_no_annotation_says_nothing(self) -> None:
        def work():  # type: ignore[no-untyped-def]  # noqa: ANN202
            return 1

        assert Action("a.b", work).signature.returns is None


class TestOutcome:
    def test_two_are_equal_by_name_and_value(self) -> None:
        assert Outcome("a", [1]) == Outcome("a", [1])
        assert Outcome("a", 1) != Outcome("b", 1)
        assert Outcome("a", 1) != Outcome("a", 2)
        assert Outcome("a") != "a"
        assert len({Outcome("a", [1]), Outcome("a", [1])}) == 1

    def test_it_is_told_as_it_is_written(self) -> None:
        assert repr(Outcome("nothing", {"a": 1})) == "Outcome('nothing', {'a': 1})"
        assert Outcome("nothing").value is None
