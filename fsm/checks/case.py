"""What the rules look at: one definition, its graph, and the signatures of its actions when they are known."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from fsm.checks.flow import Flow
from fsm.checks.network import Network
from fsm.checks.reads import Read, reads_of
from fsm.diagnostics import Diagnostic, Span, did_you_mean, finding
from fsm.model.definition import ActionState, RetryPolicy, State
from fsm.model.signature import Signature
from fsm.model.workflow import Workflow
from fsm.source import Source
from fsm.source.tree import Path

_SEARCHES_MAX = 50


@dataclass(frozen=True, eq=False)
class Case:
    """One definition under examination.

    Attributes:
        source: what was read, with the place of everything.
        workflow: what could be made of it.
        signatures: by action name; None when the actions are not known.
    """

    source: Source
    workflow: Workflow
    signatures: Mapping[str, Signature] | None = None

    @cached_property
    def network(self) -> Network:
        """The graph, with what a missing or misspelt part could stand for."""
        states = self.source.tree.value["states"] if self.source.tree else ()
        return Network.of(self.workflow, [name for name in states if name in self.source.names], self.damaged)

    @cached_property
    def reads(self) -> Mapping[str, tuple[Read, ...]]:
        """What each state reads on entry, as far as it is known."""
        return {name: tuple(reads_of(state, self.signatures)) for name, state in self.workflow.states.items()}

    @cached_property
    def flow(self) -> Flow:
        """Which names are written for certain when a state is entered."""
        return Flow(self.workflow, self.network)

    @cached_property
    def damaged(self) -> frozenset[str]:
        """The states that were not read in full: what they lack may be there."""
        return self.source.damaged

    @cached_property
    def whole(self) -> Mapping[str, State]:
        """The states that were read in full, so that what they lack is missing; defaults are written in."""
        return {name: state for name, state in self.workflow.states.items() if name not in self.damaged}

    def is_lost(self, section: str) -> bool:
        """Return whether a section of the top may hold more than could be read."""
        torn = any(found.code.startswith("FSM1") for found in self.source.diagnostics)
        return torn or any(path[0] == section for path in self.source.gone)

    @cached_property
    def written_by_damaged(self) -> frozenset[str]:
        """The names that damaged states write, as far as that can be told."""
        states = self.source.tree.value["states"] if self.source.tree else {}
        raw = {name: states.get(name) for name in self.damaged}
        return frozenset(str(state.get("writes", name)) if isinstance(state, Mapping) else name
                         for name, state in raw.items())  # fmt: skip

    def policies(self) -> Iterator[tuple[Path, RetryPolicy]]:
        """Yield every retry policy that is written out, with its place."""
        for name, policy in self._named_policies.items():
            yield ("policies", name), policy
        for path, items in self.retries():
            for n, item in enumerate(items):
                if isinstance(item, RetryPolicy):
                    yield (*path, n), item

    def retries(self) -> Iterator[tuple[Path, tuple[RetryPolicy | str, ...]]]:
        """Yield every `retry` that was read in full, with its place."""
        definition = self.workflow.definition
        if definition.defaults.retry and not self.is_lost("defaults"):
            yield ("defaults", "retry"), definition.defaults.retry
        for name, state in definition.states.items():
            if isinstance(state, ActionState) and state.retry and name not in self.damaged:
                yield ("states", name, "retry"), state.retry

    def resolved(self, items: Iterable[RetryPolicy | str]) -> list[tuple[int, RetryPolicy]]:
        """Return the policies of a `retry` with their places in it, without those that are not known."""
        found = ((n, self._named_policies.get(item) if isinstance(item, str) else item) for n, item in enumerate(items))
        return [(n, policy) for n, policy in found if policy]

    @cached_property
    def _named_policies(self) -> Mapping[str, RetryPolicy]:
        """The policies that were read in full."""
        torn = {path[1] for path in self.source.gone if len(path) > 1 and path[0] == "policies"}
        return {name: policy for name, policy in self.workflow.definition.policies.items() if name not in torn}

    def routes(self) -> Iterator[tuple[Path, Mapping[str, str]]]:
        """Yield every `error` map as written, with its place."""
        definition = self.workflow.definition
        if definition.defaults.error is not None:
            yield ("defaults", "error"), definition.defaults.error
        for name, state in definition.states.items():
            clauses = getattr(state, "error", None)
            if clauses is not None:
                yield ("states", name, "error"), clauses

    def near(self, name: str, known: Iterable[str]) -> str | None:
        """Return a "did you mean" hint; none after the first fifty names, for each search is dear in a large file."""
        asked = name, frozenset(known)
        if asked not in self._hints and len(self._hints) < _SEARCHES_MAX:
            self._hints[asked] = did_you_mean(name, sorted(asked[1]))
        return self._hints.get(asked)

    @cached_property
    def _hints(self) -> dict[tuple[str, frozenset[str]], str | None]:
        return {}

    def at(self, code: str, message: str, path: Path, hint: str | None = None) -> Diagnostic:
        """Make a finding about the value at `path`."""
        return finding(code, message, self.source.path, self._place(path, self.source.span), hint)

    def at_key(self, code: str, message: str, path: Path, hint: str | None = None) -> Diagnostic:
        """Make a finding about the key at the end of `path`."""
        return finding(code, message, self.source.path, self._place(path, self.source.key_span), hint)

    def inside(
        self, code: str, message: str, path: Path, place: tuple[int, int], hint: str | None = None
    ) -> Diagnostic:
        """Make a finding about the characters `place` (offset and end) of the expression at `path`."""
        span = self.source.expression_span(path, *place)
        return finding(code, message, self.source.path, span, hint)

    def is_written(self, path: Path) -> bool:
        """Return whether the author wrote what stands at `path`, be it in a short form."""
        return self.source.span(*path) is not None

    @staticmethod
    def _place(path: Path, span_of: Callable[..., Span | None]) -> Span | None:
        """Return the place of a path, or of the nearest part around it that is written."""
        span = span_of(*path)
        while path and span is None:
            path = path[:-1]
            span = span_of(*path)
        return span
