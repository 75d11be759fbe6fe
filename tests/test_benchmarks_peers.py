"""The report of the peers: its table, its ratios, engines that are missing or fail. No peer is needed for it."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.peers import subjects
from benchmarks.peers.__main__ import main
from benchmarks.peers.engines import ENGINES, OURS, PEERS, Engine
from benchmarks.peers.measure import LEAST
from benchmarks.peers.processes import Failed, asked, halted, in_turn, python
from benchmarks.peers.report import Fact, Measure, Row, table
from benchmarks.peers.settings import Listener

ABSENT = Engine("absent", "Absent", (), ("no-such-distribution",), "import no_such_module", "not at all")
BROKEN = Engine("broken", "Broken", (), ("fsm",), "import no_such_module", "not at all")
SPEED = Row("speed", "steps/s", "more", {"ours": Measure((90, 100, 900)), "A": Measure((50,)), "B": Measure((25, 25))})
TIME = Row("time", "ms", "less", {"ours": Measure((3.0,)), "A": Measure((6.0,)), "B": Measure((1.5,))})


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert not list(tmp_path.glob("fsm-bench-*")), "a folder was left behind"


def test_a_ratio_above_one_says_that_ours_is_better_whatever_better_is() -> None:
    assert SPEED.ratios == {"A": 2, "B": 4}
    assert TIME.ratios == {"A": 2, "B": 0.5}


def test_a_figure_is_the_median_of_its_slices() -> None:
    assert Measure((900, 90, 100)).value == 100
    assert Measure().value is None
    assert Measure((1.0,), failed="later").value is None


def test_ours_is_ahead_where_it_is_ahead_of_every_peer() -> None:
    assert SPEED.ahead is True
    assert SPEED.verdict == "ahead, 2.00x at least"
    assert TIME.ahead is False
    assert TIME.verdict == "BEHIND B 0.50x"


def test_a_tie_is_not_ahead() -> None:
    row = Row("size", "B", "less", {"ours": Measure((7.0,)), "A": Measure((7.0,))})
    assert row.ahead is False
    assert row.verdict == "BEHIND A 1.00x"


def test_a_verdict_names_who_is_missing() -> None:
    row = Row("speed", "steps/s", "more", {"ours": Measure((2.0,)), "A": Measure((1.0,)), "B": Measure(failed="broke")})
    assert row.ratios == {"A": 2}
    assert row.verdict == "ahead, 2.00x at least; without B"


def test_where_ours_failed_there_is_nothing_to_compare() -> None:
    row = Row("speed", "steps/s", "more", {"ours": Measure(failed="broke"), "A": Measure((1.0,))})
    assert row.ahead is None
    assert row.verdict == "nothing to compare"


def test_what_is_only_told_has_no_verdict() -> None:
    row = Row("CPU", "µs", None, {"ours": Measure((9.0,)), "A": Measure((1.0,))})
    assert (row.ahead, row.verdict) == (None, "")
    assert "1.0x" not in table(["ours", "A"], [], [row])


def test_the_table_has_a_column_for_each_engine_and_ratios_beside_the_peers() -> None:
    shown = table(["ours", "A", "B"], [Fact("journal mode", {"ours": "wal", "A": "delete", "B": "wal"})], [SPEED, TIME])
    lines = shown.splitlines()
    assert lines[0].split() == ["ours", "A", "B", "ours", "is"]
    assert lines[2].split() == ["journal", "mode", "wal", "delete", "wal"]
    assert lines[4].split() == [
        "speed,",
        "steps/s",
        "100",
        "50.0",
        "(2.00x)",
        "25.0",
        "(4.00x)",
        *SPEED.verdict.split(),
    ]
    assert lines[5].split() == ["time,", "ms", "3.0", "6.0", "(2.00x)", "1.5", "(0.50x)", *TIME.verdict.split()]
    assert "· speed, the middle half of its slices: ours 90.0 to 900.0, B 25.0 to 25.0" in lines


def test_the_table_tells_each_reason_of_a_failure_once() -> None:
    gone = Measure(failed="it is not installed here")
    rows = [Row(what, "", "more", {"ours": Measure((1.0,)), "A": gone}) for what in ("first", "second")]
    lines = table(["ours", "A"], [], rows).splitlines()
    assert [line.split() for line in lines[2:4]] == [
        ["first", "1.0", "failed", "nothing", "to", "compare"],
        ["second", "1.0", "failed", "nothing", "to", "compare"],
    ]
    assert lines[-1] == "· A failed at first; second: it is not installed here"


def test_engines_take_turns_and_the_order_turns_each_time() -> None:
    asked_for: list[str] = []

    def one(name: str) -> int:
        asked_for.append(name)
        return len(asked_for)

    found = in_turn(["a", "b", "c"], 3, one)
    assert asked_for == ["a", "b", "c", "c", "b", "a", "a", "b", "c"]
    assert found == {"a": [1, 6, 7], "b": [2, 5, 8], "c": [3, 4, 9]}


def test_one_that_fails_is_not_asked_again_and_keeps_no_other_back() -> None:
    calls: list[str] = []

    def one(name: str) -> int:
        calls.append(name)
        if name == "b":
            raise Failed("it broke")
        return 7

    found = in_turn(["a", "b"], 2, one)
    assert calls == ["a", "b", "a"]
    assert found["a"] == [7, 7]
    assert str(found["b"]) == "it broke"


def test_a_process_that_fails_is_told_with_its_error(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"^ModuleNotFoundError: No module named 'benchmarks\.peers\.subjects\.absent'$"):
        asked("absent", "alone", tmp_path, 1)
    with pytest.raises(Failed, match=r"exit code 0 where it was to be killed; .*No module named"):
        halted("absent", tmp_path / "here", 1)
    with pytest.raises(Failed, match="No module named 'no_such_module'"):
        python(ABSENT.imports)


def test_a_process_that_dies_is_told_with_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="exit code -9 and no answer"):
        asked("ours", "halt", tmp_path, 3)


def test_a_run_that_was_killed_goes_on_at_the_step_it_was_killed_in(tmp_path: Path) -> None:
    left = halted("ours", tmp_path / "left", 4)
    with pytest.raises(Failed, match="went on at step 4 instead of 5"):
        asked("ours", "restart", left, 5)


def test_the_settings_are_those_of_the_connections_that_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "connect", sqlite3.connect)  # both are put back at the end
    monkeypatch.setattr(sqlite3.dbapi2, "connect", sqlite3.connect)
    listener = Listener()
    for name, mode, synchronous in (("a", "wal", 1), ("b", "delete", 2)):
        sql = sqlite3.connect(tmp_path / name)
        sql.execute(f"PRAGMA journal_mode={mode}")
        sql.execute(f"PRAGMA synchronous={synchronous}")
        sql.execute("CREATE TABLE t(x)")
        sql.execute("INSERT INTO t VALUES (1)")
        sql.commit()
        sql.close()
    looking = sqlite3.dbapi2.connect(tmp_path / "a")
    looking.execute("PRAGMA synchronous=0")
    assert listener.found() == [("delete", "FULL"), ("wal", "NORMAL")]
    looking.close()


def test_everything_is_measured_on_ours_and_the_missing_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json"], engines=[OURS, ABSENT, BROKEN], full=LEAST)
    report = json.loads(capsys.readouterr().out)

    facts = {fact["what"]: fact["told"] for fact in report["facts"]}
    assert facts["version"]["ours"] == OURS.version
    assert facts["version"]["Absent"] == "not installed"
    assert facts["journal mode"] == {"ours": "wal", "Absent": "", "Broken": "failed"}
    assert facts["synchronous"]["ours"] == "FULL"
    assert len(report["rows"]) == 8
    for row in report["rows"]:
        ours, absent, broken = (row["measures"][name] for name in ("ours", "Absent", "Broken"))
        assert len(ours["values"]) == LEAST.repetitions
        assert ours["value"] >= 0
        assert absent["failed"] == "it is not installed here"
        assert "No module named" in broken["failed"]
        assert row["ahead"] is None


def test_each_engine_has_a_module_and_says_what_it_imports() -> None:
    modules = Path(subjects.__file__).parent.glob("[a-z]*.py")
    assert {engine.key for engine in ENGINES} == {file.stem for file in modules}
    assert ENGINES[0] is OURS
    assert all(engine.requirements for engine in PEERS)
    for engine in ENGINES:
        compile(engine.imports, engine.key, "exec")
