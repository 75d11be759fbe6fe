"""What the engine asks of a store. One suite of tests, `tests/store/contract.py`, holds every store to it."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from fsm.model.census import Lately, Present
from fsm.model.finding import Examined, Finding
from fsm.model.listing import Page, Wanted
from fsm.model.pause import PastPause, Pause
from fsm.model.reason import Standing
from fsm.model.run import Artifact, Decision, Kept, Moment, Run, Status, Transition
from fsm.model.workflow import Edge, Workflow
from fsm.store.answers import ROWS_DELETED_MAX, ROWS_STORED_MAX, Aged, Claimed, Deleted, Dropped, Written
from fsm.store.stored import StoredArtifact, StoredRow, StoredRun, Stray


class Store(Protocol):
    """Keeps workflows, runs, their ledgers, artifacts, checkpoints and signals.

    Every write is one transaction, durable on return. Writes about a run name its epoch and seq; one that comes
    too late is refused, never merged. Instants are UTC milliseconds. Values are JSON text.
    """

    def save(self, flow: Workflow, text: str, now: int) -> None:
        """Store a workflow with its text; one that is there already is left as it is.

        Raises:
            UsageError: another content has this name and version.
        """

    def text(self, digest: str) -> str:
        """Return a workflow's text by its digest. Raises NotFound."""

    def newest(self, name: str) -> str | None:
        """Return the digest of the highest version of a workflow, or None."""

    def states(self, workflow: str) -> set[str]:
        """Return the states of all saved versions of a workflow; none where there is no such workflow."""

    def start(self, run: Run, inputs: Sequence[Artifact], decision: Decision) -> Run:
        """Create a run and cross its `start` edge, or branch it off another one.

        A run of the same workflow name and key is returned instead.

        Args:
            run: before its start, as `decision` took it.
            inputs: what it is given, by name.
            decision: of `begin`, or of `fork`.

        Raises:
            IllegalTransition: the workflow has no such `start` edge, or the other run was never there.
            NotFound: the workflow was not saved.
        """

    def get(self, run_id: str) -> Run:
        """Return a run by its id, or by an unambiguous prefix of it. Raises NotFound."""

    def find(self, workflow: str, key: str) -> Run | None:
        """Return the run of a workflow name with this key, or None."""

    def same_input(self, run: Run, inputs: Sequence[Artifact]) -> bool:
        """Return whether a run was started with exactly these inputs."""

    def runs(self, *, workflow: str | None = None, status: Status | None = None, state: str | None = None,
             limit: int = 50, before: str | None = None) -> list[Run]:  # fmt: skip
        """Return runs, newest first; `before` continues after the last of the previous page."""

    def page(self, wanted: Wanted, limit: int, before: str | None = None, now: int = 0) -> Page:
        """Return runs that are wanted, newest first, after looking at a bounded number of runs.

        Args:
            limit: how many at most, from 1.
            before: continues after the last of the previous page.
            now: by which leases are judged.
        """

    def claimable(self, now: int, *, delayed: bool = False) -> list[str]:
        """Return the ids of the runs that could go on now: ready, due, or left behind by a dead process; none paused.

        Args:
            delayed: also those in the delay before a retry, for a driver that sleeps through it.
        """

    def claim(self, run_id: str, now: int) -> Run | None:
        """Take a run to drive it, or return None when it rests, has ended, is paused, or a living process holds it."""

    def claim_some(
        self, limit: int, now: int, *, alone: bool, after: str = "", unable: Collection[tuple[str, str]] = (),
        shunned: Collection[int] = (), look_for_dead: bool = False, by_lease: bool = True,
    ) -> Claimed:  # fmt: skip
        """Take runs to drive: ready and due ones, of all workflows in turn, by priority and age in each.

        A run that has crashed its process twice is given only to a caller that drives nothing else, by itself; while
        one waits, nothing else is given out.

        Args:
            limit: how many at most.
            alone: whether the caller drives nothing.
            after: the workflow that was served last.
            unable: digests and states that the caller cannot perform.
            shunned: rows of runs that are left out this time.
            look_for_dead: whether to look for runs left behind by the dead, too.
            by_lease: whether who lives, and whose lease is over, counts as dead.
        """

    def lease(self, now: int, until: int | None) -> None:
        """Let the claims of this process hold until an instant; None for as long as it lives."""

    def version(self) -> int:
        """Return a number that changes when anybody has written, as far as this thread sees."""

    def next_due(self, after: int) -> int | None:
        """Return the first instant after this one at which a waiting run goes on by itself, or None."""

    def held(self, run_id: str, now: int = 0) -> bool:
        """Return whether a living process, whose lease is not over at `now`, drives the run."""

    def release(self, run: Run, *, interrupted: bool) -> None:
        """Give a claimed run back; `interrupted` when its action had begun. Without effect if the lease is lost.

        Where it cannot be written, the run counts as left behind by a dead process.
        """

    def commit(self, decisions: Sequence[Decision]) -> list[Run | None]:
        """Commit decisions in one transaction and return the runs as they are then; None for each that came too late.

        A run that would go on in a paused state is `ready` instead, and its holder's no more. A signal that would move
        one out of a paused state comes too late.

        Raises:
            IllegalTransition: the one decision given is no declared edge from where its run is.
        """

    def together(
        self, decisions: Sequence[Decision], works: Sequence[Callable[[], Any]]
    ) -> tuple[list[Run | None] | Exception, list[Any]]:
        """Do other writes of this store, then commit decisions, all in one transaction.

        Returns:
            What `commit` gives, and what each work returned or raised; one that raised has written nothing.

        Raises:
            StoreError: nothing was written.
        """

    def values(self, run: Run, names: Iterable[str]) -> dict[str, str]:
        """Return the newest value of each name that is written."""

    def values_of(self, wanted: Sequence[tuple[Run, Iterable[str]]], chars_max: int) -> list[dict[str, str | None]]:
        """Return for each run the newest value of each name, None where it is not written; longer ones are left out."""

    def history(self, run_id: str, after: int = 0) -> Iterator[Written]:
        """Yield a run's ledger in order, from the row after seq `after`."""

    def moment(self, run: Run, seq: int) -> Moment:
        """Return what a run was right after the transition of this seq. Raises NotFound, naming those there are."""

    def values_at(self, run: Run, names: Iterable[str] | None, seq: int) -> dict[str, str]:
        """Return of each name, or of all there are, the value that it had right after a transition."""

    def inputs(self, run: Run) -> dict[str, str]:
        """Return what a run was given at its start, by name, whatever an operator put in its place since."""

    def stored_runs(self, after: int, limit: int) -> list[StoredRun]:
        """Return a page of the rows of all runs as they are stored, by the store's own numbers, after one of these."""

    def stored_run(self, run_id: str) -> StoredRun | None:
        """Return the row of a run, by its whole id, as it is stored."""

    def stored_rows(
        self, run: int, after: int, limit: int = ROWS_STORED_MAX
    ) -> tuple[list[StoredRow], list[StoredArtifact]]:
        """Return a page of a run's ledger as it is stored, and the artifacts in it that name no row of it.

        Args:
            run: the store's own number.
            after: the seq of the last row of the page before; the first page begins after 0.
        """

    def stored_artifacts(self, run: int, after: int, last: int, name: str | None = None) -> list[StoredArtifact]:
        """Return a run's artifacts, or those of one name, as they are stored; their seq is in (after, last]."""

    def strays(self, run: int) -> list[Stray]:
        """Return the rows that lie beyond a run's last transition, or before its first."""

    def orphans(self) -> Iterator[Stray]:
        """Yield the rows of runs that are not there, and that nobody deleted."""

    def last_failure(self, run: Run) -> Transition | None:
        """Return the run's latest row that is an error edge or a fault, or None.

        Its `visit` and `attempt` are those that it ended, and its `source` goes by the name that the state has in the
        version which the run is pinned to now. What lies before a rewind is not looked at: the run has gone back
        beyond it.
        """

    def visited(self, run: Run) -> dict[str, int]:
        """Return the states that a run has been in, ends included, each with its latest visit.

        They go by the names that they have in the version which the run is pinned to now; what a migration did not
        map is left out.
        """

    def versions(self, name: str) -> dict[int, str]:
        """Return the versions of a workflow that were saved, in order, each with its digest."""

    def pinned(self, digest: str, statuses: Collection[Status]) -> Iterator[Run]:
        """Yield the runs of a version that have one of these statuses, oldest first, in short reads."""

    def map_states(self, old: str, new: str, states: Mapping[str, str]) -> None:
        """Write which state of one version, by its digest, becomes which of another, in place of what was written.

        What `commit` migrates afterwards follows it.
        """

    def delete(self, runs: Sequence[Run], dropped: Dropped | None = None) -> list[Run]:
        """Delete ended runs with everything they have, in one transaction, and return those that were deleted.

        None of it is found any more; where that are very many rows, the last of them are left to `prune`.
        One that is live, or has moved on from the `seq` given, is left as it is.

        Args:
            dropped: who drops them and why, to be kept; None leaves no trace.
        """

    def dropped(self, run_id: str) -> Dropped | None:
        """Return who dropped a run, by its id or an unambiguous prefix of it; None if nobody did."""

    def keep(self, run: Run, signal: Kept, seen: int | None = None, *, paused: bool = False) -> bool:
        """Put a signal into the inbox of a run; False when the run or the message id is not as the caller saw it.

        Args:
            seen: the newest signal of this name that the caller looked at; one that came after it refuses this one,
                since both together may be enough. None keeps it whatever there is.
            paused: that the run is paused is why the signal is kept; one that is not, or no more, refuses it.
        """

    def message(self, run: Run, message_id: str) -> Kept | None:
        """Return the signal that came to a run under a message id, consumed or not."""

    def kept(self, run: Run, names: Iterable[str]) -> list[Kept]:
        """Return the signals of these names that are neither consumed nor refused, oldest first."""

    def pauses(self) -> list[Pause]:
        """Return what is paused."""

    def past_pauses(self, limit: int = 50) -> list[PastPause]:
        """Return pauses that are over, the latest first."""

    def held_back(self, now: int) -> int:
        """Return how many runs are ready or due, and would go on but for a pause."""

    def pause(self, pause: Pause) -> None:
        """Hold back what a pause covers, in every process, from the moment of return; it takes the place of one before.

        No claim takes a covered run, and one that commits goes no further. What is in flight may still commit.
        """

    def unpause(
        self, workflow: str, state: str, now: int, *, actor: str | None = None, reason: str | None = None
    ) -> Pause | None:
        """End the pause of exactly this and return it, or None; runs whose signals came meanwhile are `ready`."""

    def standing(self, run_id: str, now: int) -> Standing:
        """Return a run, by its id or an unambiguous prefix of it, with what tells why it is where it is.

        Raises:
            NotFound: there is no such run.
        """

    def last_row(self) -> int:
        """Return the row number of the newest run, or 0."""

    def examine(self, after: int, now: int) -> Examined:
        """Look at the runs of the next part of the store, by row number from the one after `after`, as of one moment.

        Whether ledgers and runs agree, whether what belongs to them is there, and whether every live one has a reason
        to wake. Short, so that nobody is held up.
        """

    def examine_file(self) -> Iterator[tuple[str, list[Finding]]]:
        """Look at the file itself, step by step; yield what was looked at and what was found."""

    def workflows_stored(self) -> list[tuple[str, str, int, int]]:
        """Return digest, name, version and number of live runs of every workflow that was saved."""

    def edges(self, digest: str) -> set[Edge]:
        """Return the edges of a workflow that the law goes by."""

    def checkpoint(self, run: Run, name: str) -> str | None:
        """Return a named result saved in this visit, or None."""

    def save_checkpoint(self, run: Run, name: str, value: str) -> None:
        """Save a named result in this visit; it is progress, and forgives crashes.

        Raises:
            LeaseLost: somebody else has the run, or it has moved on.
            UsageError: the name was saved before in this visit.
        """

    def beat(self, run: Run, detail: str | None, now: int) -> None:
        """Record a sign of life of an attempt; a new detail is progress, and forgives crashes. Raises LeaseLost."""

    def last_beat(self, run: Run) -> Any:
        """Return the detail of the last heartbeat in this visit, or None."""

    def names(self) -> list[str]:
        """Return the names of all workflows that were saved, sorted."""

    def aged(self, after: str, limit: int) -> list[Aged]:
        """Return a page of all runs by id, which is the order they were started in, from the one after `after`."""

    def prune(self, runs: Sequence[Aged], *, rows_max: int = ROWS_DELETED_MAX) -> Deleted:
        """Delete ended runs in order, with everything they have, in one transaction of about `rows_max` rows.

        Runs beyond that are left alone, and one that is live, or has moved on from the `seq` given, is passed over. Of
        a run too long by itself the rows that are left go with later calls, before anything else; so a call with no
        runs goes on with them.
        """

    def present(self, now: int, *, workflow: str | None = None, late_ms: int = 60_000, stuck_max: int = 10) -> Present:
        """Return what there is now; costs as much as there are live and dead runs, however many have ended.

        Args:
            workflow: only runs of this one.
            late_ms: how long a run may be due, or ready, without being driven before it counts as stuck.
            stuck_max: how many of the stuck runs to name.
        """

    def lately(
        self, since: int, *, workflow: str | None = None, bucket_ms: int = 3_600_000, rows_max: int | None = None
    ) -> Lately:
        """Return what happened since an instant, or in as many of the newest rows of the ledger as `rows_max` allows.

        Args:
            workflow: only runs of this one.
            bucket_ms: in which steps to count the comings and goings of dead letters.
        """

    def backup(
        self, path: str | os.PathLike[str], *, force: bool = False, told: Callable[[int, int], object] | None = None
    ) -> int:
        """Copy the store as it is at one instant, while others work on it, and return the size of the copy in bytes.

        It is written beside `path`, synced and checked before it gets its name. Runs that are held count in it as left
        behind by a dead process.

        Args:
            force: whether a file that is there already is replaced.
            told: called with how much is done, and of how much.

        Raises:
            UsageError: the file exists, is the store itself, or cannot be written without harm.
            StoreError: it could not be written, or the store is damaged.
        """

    def size(self) -> int:
        """Return the bytes that the store takes, its log included."""

    def signs(self) -> Sequence[int]:
        """Return the descriptors of this process's signs of life.

        Open in another process too, they show that this one's claims still hold, until both have ended: for a process
        that works for this one, and whose work nobody must begin anew beside it.
        """

    def leave(self) -> None:
        """Close what this thread has open; for threads about to end."""

    def close(self) -> None:
        """Let go of the file."""
