"""A chain is followed row by row, and each break is explained by the one row that was altered."""

from collections.abc import Callable
from typing import Any

import pytest

from fsm.store.ledger import TOMBSTONE, digest_of, link, origin
from fsm.store.proof import Proof
from fsm.store.stored import StoredArtifact, StoredRow

NAMES = ["a", "b", "error", "text"]
FLOW = "digest"


def artifact(name: str, seq: int, value: str | None, *, pruned: bool = False) -> StoredArtifact:
    digest = digest_of(value)
    return StoredArtifact(name, seq, digest, None if pruned or value is None else digest)


INPUTS = [artifact("a", 0, "1"), artifact("b", 0, "2")]
WRITTEN = {2: [artifact("text", 2, '"x"')], 3: [artifact("error", 3, "{}"), artifact("text", 3, None)]}


def ledger() -> tuple[list[StoredArtifact], list[StoredRow]]:
    """Return a ledger of four rows that holds: two inputs, and artifacts of the second and third."""
    head, rows = origin("01RUN", FLOW, [(one.name, one.digest) for one in INPUTS]), []
    for seq in range(1, 5):
        written = WRITTEN.get(seq, [])
        columns = (seq, 1, "work", "success", "work")
        head = link(head, columns, [(one.name, one.digest) for one in written])
        rows.append(StoredRow(seq, columns, head, FLOW, None, tuple(written)))
    return list(INPUTS), rows


Told = list[tuple[str, int | None, str | None]]


def proved(
    inputs: list[StoredArtifact], rows: list[StoredRow], head: bytes | None = None,
    loose: tuple[StoredArtifact, ...] = (),
) -> tuple[Told, bool]:  # fmt: skip
    proof = Proof("01RUN", [FLOW], inputs, NAMES)
    last = 0
    for row in rows:
        if row.seq == last + 1:
            proof.check(row)
        else:
            proof.skip(row)
        last = row.seq
    for one in loose:
        proof.stray(one)
    is_head = proof.finish(rows[-1].hash if head is None else head)
    return [fault[:3] for fault in proof.faults], is_head


def test_a_chain_that_holds_has_no_faults() -> None:
    assert proved(*ledger()) == ([], True)
    assert proved(*ledger(), head=b"?") == ([], False)


def test_a_value_that_was_pruned_is_passed_over() -> None:
    inputs, rows = ledger()
    rows[1] = rows[1]._replace(artifacts=(artifact("text", 2, '"x"', pruned=True),))
    inputs[0] = artifact("a", 0, "1", pruned=True)
    assert proved(inputs, rows) == ([], True)


def rewritten(seq: int, **changed: Any) -> Callable[[list[StoredArtifact], list[StoredRow]], None]:
    def alter(_inputs: list[StoredArtifact], rows: list[StoredRow]) -> None:
        rows[seq - 1] = rows[seq - 1]._replace(**changed)

    return alter


def column(seq: int, place: int, value: Any) -> Callable[[list[StoredArtifact], list[StoredRow]], None]:
    def alter(_inputs: list[StoredArtifact], rows: list[StoredRow]) -> None:
        columns = list(rows[seq - 1].columns)
        columns[place] = value
        rows[seq - 1] = rows[seq - 1]._replace(columns=tuple(columns))

    return alter


def written(seq: int, place: int, **changed: Any) -> Callable[[list[StoredArtifact], list[StoredRow]], None]:
    def alter(inputs: list[StoredArtifact], rows: list[StoredRow]) -> None:
        here = list(rows[seq - 1].artifacts) if seq else inputs
        here[place] = here[place]._replace(**changed)
        if seq:
            rows[seq - 1] = rows[seq - 1]._replace(artifacts=tuple(here))

    return alter


OTHER = digest_of("other")
ALTERED = {
    "a column of the first": (column(1, 3, "start"), ("transitions", 1, None)),
    "a column of one between": (column(2, 3, "error:else"), ("transitions", 2, None)),
    "a column of the last": (column(4, 4, "done"), ("transitions", 4, None)),
    "the hash of the first": (rewritten(1, hash=b"?"), ("transitions", 1, None)),
    "the hash of one between": (rewritten(3, hash=b"?"), ("transitions", 3, None)),
    "a value": (written(2, 0, actual=OTHER), ("artifacts", 2, "text")),
    "a value where there was none": (written(3, 1, actual=OTHER), ("artifacts", 3, "text")),
    "the digest of a value": (written(2, 0, digest=OTHER), ("artifacts", 2, "text")),
    "the digest of what was taken back": (written(3, 1, digest=OTHER), ("artifacts", 3, "text")),
    "a digest made that of no value": (written(2, 0, digest=TOMBSTONE), ("artifacts", 2, "text")),
    "the name of a value": (written(3, 0, name="b"), ("artifacts", 3, "b")),
    "the value of an input": (written(0, 1, actual=OTHER), ("artifacts", 0, "b")),
    "the digest of an input": (written(0, 0, digest=OTHER), ("artifacts", 0, "a")),
    "the name of an input": (written(0, 0, name="text"), ("artifacts", 0, "text")),
}


@pytest.mark.parametrize("what", ALTERED)
def test_the_one_row_that_was_altered_is_named(what: str) -> None:
    alter, expected = ALTERED[what]
    inputs, rows = ledger()
    alter(inputs, rows)
    assert proved(inputs, rows) == ([expected], True)


def test_the_last_row_s_hash_is_told_from_its_content_by_the_head() -> None:
    inputs, rows = ledger()
    head = rows[-1].hash
    rewritten(4, hash=b"?")(inputs, rows)
    assert proved(inputs, rows, head) == ([("transitions", 4, None)], True)
    proof = Proof("01RUN", [FLOW], inputs, NAMES)
    for row in rows:
        proof.check(row)
    proof.finish(head)
    assert proof.faults[0].said == "its hash is not what was committed"


def test_an_artifact_that_was_moved_is_named_where_it_lies_now() -> None:
    inputs, rows = ledger()
    lost = rows[1].artifacts[0]
    rows[1] = rows[1]._replace(artifacts=())
    rows[3] = rows[3]._replace(artifacts=(lost._replace(seq=4),))
    assert proved(inputs, rows) == ([("artifacts", 4, "text")], True)
    rows[3] = rows[3]._replace(artifacts=())
    assert proved(inputs, rows, loose=(lost._replace(seq=9),)) == ([("artifacts", 9, "text")], True)


@pytest.mark.parametrize("to", [1, 3])
def test_an_input_that_was_moved_is_named_where_it_lies_now(to: int) -> None:
    inputs, rows = ledger()
    lost = inputs.pop()
    rows[to - 1] = rows[to - 1]._replace(artifacts=(*rows[to - 1].artifacts, lost._replace(seq=to)))
    assert proved(inputs, rows) == ([("artifacts", to, "b")], True)


def test_what_was_written_and_lies_with_the_inputs_is_named() -> None:
    inputs, rows = ledger()
    inputs.append(rows[1].artifacts[0]._replace(seq=0))
    rows[1] = rows[1]._replace(artifacts=())
    assert proved(inputs, rows) == ([("artifacts", 0, "text")], True)


def test_an_artifact_that_is_gone_is_a_fault_of_the_transition_that_wrote_it() -> None:
    inputs, rows = ledger()
    rows[1] = rows[1]._replace(artifacts=())
    assert proved(inputs, rows) == ([("transitions", 2, None)], True)
    inputs, rows = ledger()
    assert proved(inputs[:1], rows) == ([("transitions", 1, None)], True)


def test_an_artifact_that_was_added_is_named() -> None:
    inputs, rows = ledger()
    rows[3] = rows[3]._replace(artifacts=(artifact("b", 4, "7"),))
    assert proved(inputs, rows) == ([("artifacts", 4, "b")], True)
    inputs, rows = ledger()
    assert proved([*inputs, artifact("text", 0, "7")], rows) == ([("artifacts", 0, "text")], True)


def test_rows_behind_a_gap_are_followed_from_there() -> None:
    inputs, rows = ledger()
    assert proved(inputs, [rows[0], *rows[2:]]) == ([], True)
    column(4, 3, "?")(inputs, rows)
    assert proved(inputs, [rows[0], *rows[2:]]) == ([("transitions", 4, None)], True)


def test_several_alterations_are_each_named() -> None:
    inputs, rows = ledger()
    column(1, 3, "?")(inputs, rows)
    written(2, 0, actual=OTHER)(inputs, rows)
    column(4, 3, "?")(inputs, rows)
    told, _ = proved(inputs, rows)
    assert sorted(told, key=str) == [("artifacts", 2, "text"), ("transitions", 1, None), ("transitions", 4, None)]


def test_a_run_that_began_under_another_version_than_its_first_row_names() -> None:
    inputs, rows = ledger()
    proof = Proof("01RUN", ["forged", FLOW], inputs, NAMES)
    for row in rows:
        proof.check(row)
    assert proof.finish(rows[-1].hash)
    assert (proof.workflow, [fault[:3] for fault in proof.faults]) == (FLOW, [("transitions", 1, None)])
