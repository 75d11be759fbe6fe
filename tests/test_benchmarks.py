"""Each row of the benchmarks runs in its smallest size and yields what the report shows. No time is asserted."""

import json
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.__main__ import main
from benchmarks.beside import one_run
from benchmarks.figures import LEAST, Comparison, Figure, Slice, Target, spread
from benchmarks.raw import RawLoop, update
from benchmarks.report import header, table
from benchmarks.ring import Interruption, Kind, Ring, interrupted
from benchmarks.rows import ROWS, crowd, inline

FIGURES = {
    "inline": [("edges/s", "at least 0.65x"), ("edges/s", "at least 0.95x"), ("", "exactly 1"), ("", "at most 6")],
    "own": [("µs", "at most 60"), ("µs", ""), ("µs", ""), ("µs", "")],
    "worker": [
        ("edges/s", "at least 15000"),
        ("edges/s", "at least 2.5x"),
        ("edges/s", "at least 40x"),
        ("edges/s", "at least 10000"),
        ("edges/s", "at least 5000"),
        ("%", "at most 1"),
        ("ms", "at most 100"),
    ],
    "resume": [("ms", "at most 1.2x"), ("ms", "at most 1.2x")],
    "size": [("B", "at most 400"), ("B", "at most 1.05x"), ("B", "at most 1600")],
    "crowd": [("µs", "at most 1.3x")],
    "process": [("ms", ""), ("calls/s", "")],
    "startup": [("ms", "at most 100"), ("ms", "at most 200"), ("ms", ""), ("", "at most 0")],
    "writers": [
        *[("", "at most 2x"), ("ms", "at most 50"), ("edges/s", "")] * 2,
        ("", "at most 2x"),
        ("ms", "at most 50"),
    ],
}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert not list(tmp_path.glob("fsm-bench-*")), "a folder was left behind"


@pytest.mark.parametrize("row", ROWS)
def test_a_row_in_its_smallest_size_yields_its_figures(row: str) -> None:
    found = list(ROWS[row](LEAST))

    assert [(one.unit, str(one.target or "")) for one in found] == FIGURES[row]
    assert {one.row for one in found} == {row}
    for one in found:
        assert one.what
        assert one.skipped or (one.value is not None and one.value >= 0)
        assert one.skipped or one.target is None or one.met is not None
        json.dumps(one.as_json())


def test_a_target_says_itself_whether_it_is_met() -> None:
    assert Target("at least", 0.65).met(0.65)
    assert not Target("at least", 0.65).met(0.64)
    assert Target("at most", 60).met(60)
    assert not Target("at most", 60).met(60.1)
    assert Target("exactly", 1).met(1)
    assert not Target("exactly", 1).met(1.01)


def test_a_target_on_the_ratio_looks_at_the_ratio_alone() -> None:
    target = Target("at most", 1.2, on="ratio")
    assert Figure("r", "w", "ms", 900, 800, 1.1, target).met is True
    assert Figure("r", "w", "ms", 1, 1, 1.3, target).met is False
    assert Figure("r", "w", "ms", target=target, skipped="no disk").met is None


def test_each_slice_is_compared_with_the_raw_ones_before_and_after_it() -> None:
    compared = Comparison((Slice(3, 0), Slice(8, 0)), (Slice(1, 0), Slice(2, 0), Slice(6, 0)))
    assert compared.slowdowns == [2, 2]
    assert compared.speeds == [0.5, 0.5]


def test_a_stray_slice_of_either_side_leaves_the_ratio_alone() -> None:
    ours, raw = [Slice(2, 0)] * 4, [Slice(1, 0)] * 5
    assert Comparison((Slice(900, 0), *ours), (*raw, Slice(700, 0))).slowdown == 2
    assert Comparison((*ours,), (*raw,)).speed == 0.5


def test_a_spread_leaves_out_a_quarter_at_each_end() -> None:
    assert spread([9, 1, 3, 2, 4, 5, 6, 7], ".0f") == "3 to 6 (middle half of 8)"
    assert spread([2.5]) == "2.50 to 2.50 (middle half of 1)"


def test_the_raw_loop_writes_the_very_rows_of_the_run_it_copies(tmp_path: Path) -> None:
    ring = Ring()
    with ring.engine(tmp_path) as engine:
        one_run(engine, ring, 20)
    raw = RawLoop(tmp_path / "raw.db", tmp_path / "runs.db")
    raw()
    raw.close()

    ours, copy = (sqlite3.connect(tmp_path / name) for name in ("runs.db", "raw.db"))
    for query in (
        "SELECT * FROM transitions",
        "SELECT name, seq, value, digest FROM artifacts WHERE seq > 0",
        "SELECT state, seq, head, visit, entered_at, attempt, tries, visits, updated_at FROM runs",
    ):
        rows = ours.execute(query).fetchall()
        assert rows == copy.execute(query).fetchall()
        assert rows
    assert copy.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone() == (0,)
    indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? ORDER BY name"
    for name in ("runs", "transitions", "artifacts"):
        assert copy.execute(indexes, (name,)).fetchall() == ours.execute(indexes, (name,)).fetchall()
    ours.close()
    copy.close()


def test_the_raw_update_binds_every_column_that_the_trigger_names() -> None:
    assert "NEW." not in update()
    assert sqlite3.complete_statement(update() + ";")


@pytest.mark.parametrize("kind", ["plain", "typed", "timed", "async"])
def test_a_ring_goes_whole_rounds_and_ends(tmp_path: Path, kind: Kind) -> None:
    ring = Ring(kind)
    with ring.until_done(30).engine(tmp_path) as engine:
        run = engine.run("ring")
    assert (run.status, run.seq) == ("succeeded", 31)


def test_a_ring_is_interrupted_where_it_is_told_and_goes_on_from_there(tmp_path: Path) -> None:
    ring = Ring()
    with ring.until_interrupted(4).engine(tmp_path) as engine:
        interrupted(engine)
        (run,) = engine.runs()
        assert (run.seq, run.status) == (5, "ready")
        ring.until_interrupted(1)
        interrupted(engine, run_id=run.id)
        assert engine.get(run.id).seq == 6
        with pytest.raises(Interruption):
            engine.resume(run.id)


def test_filling_a_store_leaves_its_law_in_place(tmp_path: Path) -> None:
    shop = crowd.Shop(tmp_path / "shop", 7)
    assert len(shop.engine.runs(status="succeeded")) == 8
    assert shop.engine.runs()[-1].output == 2
    shop()
    shop.engine.close()
    sql = sqlite3.connect(tmp_path / "shop" / "runs.db")
    with pytest.raises(sqlite3.IntegrityError, match="no transition leads here"):
        sql.execute("UPDATE runs SET state = 'act' WHERE id = 3")
    sql.close()


def test_without_a_compiler_a_slow_disk_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    _, *skipped = inline.measure(LEAST)
    assert [str(one.target) for one in skipped] == ["at least 0.95x", "exactly 1", "at most 6"]
    for one in skipped:
        assert one.skipped
        assert one.met is None


def test_the_header_names_neither_the_host_nor_a_place() -> None:
    said = header(machine.facts())
    assert socket.gethostname() not in said
    assert "/" not in said
    assert sqlite3.sqlite_version in said


def test_a_place_lies_on_the_file_system_that_is_mounted_deepest(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"a / ext4 rw 0 0\nb {tmp_path} tmpfs rw 0 0\nc {tmp_path}/other xfs rw 0 0\n")
    assert machine.file_system(tmp_path / "here", str(mounts)) == "tmpfs"
    assert machine.file_system(tmp_path / "here", str(tmp_path / "none")) == "unknown"


def test_the_table_tells_what_was_met_missed_skipped_and_only_told() -> None:
    most = Target("at most", 60)
    shown = table([
        Figure("a", "met", "µs", 59, 30, 2, most, "told why"),
        Figure("a", "not met", "µs", 61, target=most),
        Figure("a", "left out", "µs", target=most, skipped="no tmpfs"),
        Figure("a", "for knowledge", "µs", 5),
    ])  # fmt: skip
    lines = shown.splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("a ")] == ["met", "MISSED", "skipped", "told"]
    assert "· told why" in shown
    assert "· no tmpfs" in shown


def test_the_command_prints_json_of_the_rows_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["startup", "--json", "--quick"], quick=LEAST)
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert [one["row"] for one in report["figures"]] == ["startup"] * 4
    assert report["machine"]["cpus"]
    assert "startup" in printed.err


def test_a_row_that_there_is_not_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["inlin"])
    assert exit_.value.code == 2
    assert "inline" in capsys.readouterr().err
