"""The README can fail: its definitions are checked, its code runs, its recordings replay, its tables agree."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

import fsm
from fsm import config, operations
from fsm.actions.values import VALUE_BYTES_MAX
from fsm.checks import check_text
from fsm.cli.exits import Exit
from fsm.cli.face import COMMANDS, face
from fsm.diagnostics import CATALOGUE, Severity
from fsm.expressions import FUNCTIONS
from fsm.expressions.operators import ARITHMETIC, COMPARISON
from fsm.model import names, types
from fsm.model.definition import VERBS, VERBS_LATER, Defaults, Definition, RetryPolicy
from fsm.model.durations import UNITS_MS
from fsm.model.fields import one_or_many
from fsm.model.run import FINAL, LIVE
from fsm.source.grammar import keys_of
from tests.readme import BLOCKS, PROSE, ROOT, TEXT, Block, Shell, codes, marked, named, recorded, rows, section, settled
from tests.test_public_api import drawn, exceptions, real

QUICK = "import time\ntime.sleep = lambda _: None\n"  # the shop is slow for its recording only


# -- the language


def completed(block: Block) -> str:
    """Return a piece of a definition as a whole one."""
    if block.mark == "top":
        ends = "  rejected: {end: failure}\n  parked: {end: dead_letter}\n"
        states = f"states:\n  first: {{wait: 1s, success: rejected, error: parked}}\n{ends}"
        return f"workflow: piece\nversion: 1\nstart: first\n{block.text}{states}"
    start = block.text.partition(":")[0]
    head = f"workflow: piece\nversion: 1\nstart: {start}\ndefaults: {{timeout: 1m, retry: never, error: parked}}\n"
    states = "".join(f"  {line}\n" for line in block.text.splitlines())
    return f"{head}states:\n{states}  parked: {{end: dead_letter}}\n"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml" and "workflow:" in b.text], ids=named)
def test_every_whole_definition_is_sound(block: Block) -> None:
    _, found = check_text(block.text, f"README.md:{block.line}")
    assert [str(one) for one in found if one.severity is not Severity.NOTE] == []


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml" and "workflow:" not in b.text], ids=named)
def test_every_piece_of_a_definition_fits_into_one(block: Block) -> None:
    assert block.mark in {"top", "states"}
    _, found = check_text(completed(block), f"README.md:{block.line}")
    unsound = [one for one in found if one.severity is Severity.ERROR]
    foreign = re.compile(r"reads \"\w+\", which nothing writes")  # what a piece reads may be written outside it
    assert [str(one) for one in unsound if not foreign.match(one.message)] == []


def test_the_keys_at_the_top_are_those_of_a_definition() -> None:
    assert {codes(row[0])[0] for row in rows("key", "value", "unwritten")} == {
        *keys_of(Definition),
        *keys_of(RetryPolicy),
    }
    (defaults,) = [row for row in rows("key", "value", "unwritten") if row[0] == "`defaults`"]
    assert set(codes(defaults[1])) == set(keys_of(Defaults))


def test_the_defaults_of_a_policy_are_those_of_the_model() -> None:
    told = {codes(row[0])[0]: codes(row[2]) for row in rows("key", "value", "unwritten")}
    written = {key: value[0] for key in keys_of(RetryPolicy) if (value := told[key])}
    assert written == {"delay": "1s", "factor": "2", "max_delay": "1m", "jitter": "full", "errors": "[Transient]"}
    given = {**written, "attempts": 2, "factor": int(written["factor"]), "errors": one_or_many(written["errors"][1:-1])}
    assert RetryPolicy.model_validate(given) == RetryPolicy(attempts=2)


def test_the_keys_of_a_state_are_those_of_its_verb() -> None:
    told = {(codes(row[0])[0], verb) for row in rows("key", "of") for verb in row[1].split(", ")}
    assert told == {(key, verb) for verb, kind in VERBS.items() for key in keys_of(kind) if key != verb}


def test_every_verb_is_told_and_every_later_word_too() -> None:
    assert [codes(row[0])[0].partition(":")[0] for row in rows("verb", "what it does", "its events")] == list(VERBS)
    later = VERBS_LATER.union(Definition.LATER, *(kind.LATER for kind in VERBS.values()))
    assert set(codes(section("Not supported yet"))) == later


def test_the_reserved_words_are_those_of_the_language() -> None:
    assert set(codes(section("Reserved words"))) == {*names.SPECIAL, "ctx", "null", "true", "false"}


def test_the_built_in_errors_are_those_of_the_language() -> None:
    told = {codes(row[0])[0]: row[2] for row in rows("built-in name")}
    unused = set(codes(section("Errors").partition("`Timeout`")[2].partition("are built in too")[0])[-4:])
    assert told.keys() | unused | {"Transient"} == names.BUILT_IN_ERRORS
    assert {name for name, group in told.items() if group == "`Transient`"} == set(names.TRANSIENT)
    assert {name for name, group in told.items() if group == "verdict, final"} == names.FINAL_VERDICTS - unused
    assert {name for name, group in told.items() if "verdict" in group} == names.VERDICTS - unused - {"KeyConflict"}


def test_the_functions_operators_types_and_units_are_those_of_the_language() -> None:
    told = {row[0]: set(codes(row[1])) for row in rows("what", "which")}
    assert told["functions"] == FUNCTIONS
    assert told["arithmetic"] == {symbol for symbol, _ in ARITHMETIC.values()}
    assert {word.removesuffix(" null") for word in told["comparison"]} == {symbol for symbol, _ in COMPARISON.values()}
    kinds = {word for row in rows("type of an input or payload field") for word in codes(row[0])}
    assert {kind for kind in kinds if kind.isalpha() and kind != "T"} == types.NAMED.keys()
    for kind in kinds:
        types.TypeName.parse(re.sub(r"\bT\b", "str", kind))
    units = section("Keys of a state").partition("**Durations** are text with a unit:")[2].partition(", as in")[0]
    assert set(codes(units)) == UNITS_MS.keys()


def test_the_limits_are_those_of_the_program() -> None:
    assert f"{VALUE_BYTES_MAX:,} characters" in TEXT


# -- the checks


def implemented() -> set[str]:
    """Return the codes that some line of the package reports."""
    found = set()
    for file in (ROOT / "fsm").rglob("*.py"):
        if file.name != "diagnostics.py":
            constants = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant))
            found |= {str(node.value) for node in constants if re.fullmatch(r"FSM\d{3}", str(node.value))}
    return found


def test_the_table_of_codes_is_that_of_the_catalogue() -> None:
    told = {row[0]: (row[1], row[2]) for row in rows("code", "severity")}
    assert list(told) == sorted(told)
    assert told == {code: (str(CATALOGUE[code][0]), CATALOGUE[code][1]) for code in implemented() & CATALOGUE.keys()}


def test_every_code_has_a_cure() -> None:
    assert [row[0] for row in rows("code", "severity") if not row[3]] == []


# -- the code


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README shows."""
    folder = tmp_path_factory.mktemp("readme")
    for block in BLOCKS:
        if block.mark.startswith("file="):
            (folder / block.mark.removeprefix("file=")).write_text(block.text)
    return folder


def test_every_runnable_block_runs_in_the_order_of_the_page(shop: Path) -> None:
    for block in marked("python", "run"):
        command = [sys.executable, "-W", "error", "-c", QUICK + block.text]
        ended = subprocess.run(command, cwd=shop, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{named(block)}: {ended.stderr}"
        for said in re.findall(r"^print\(.*  # (.+)$", block.text, re.MULTILINE):
            assert said in ended.stdout.splitlines()


def test_every_python_block_is_run_or_is_a_file() -> None:
    assert [named(block) for block in BLOCKS if block.language == "python" and not block.mark] == []


# -- the recordings


@pytest.mark.parametrize("block", marked("console", "recording"), ids=named)
def test_every_recording_is_what_happens(block: Block, shop: Path) -> None:
    (shop / "runs.db").unlink(missing_ok=True)
    shell, run_id = Shell(shop), ""
    for command, printed in recorded(block):
        said = shell.answer(re.sub(r"\b[0-9A-Z]{26}\b", run_id, command), len(printed))
        assert settled(said) == settled(printed), command
        run_id = next(iter(re.findall(r"\b[0-9A-Z]{26}\b", "\n".join(said))), run_id)


# -- the interfaces


def found(*words: str) -> click.Command | None:
    """Return the command that words begin with, the inner one of a group."""
    with click.Context(face) as ctx:
        command = face.get_command(ctx, words[0])
    return command.commands.get(words[1], command) if isinstance(command, click.Group) and len(words) > 1 else command


def every_command() -> list[str]:
    """Return every command, those of a group each with the group's name before it."""
    lines = []
    for name in COMMANDS:
        command = found(name)
        lines += [f"{name} {verb}" for verb in command.commands] if isinstance(command, click.Group) else [name]
    return lines


def options(*words: str) -> set[str]:
    command = found(*words) if words else face
    assert command is not None
    return {word for parameter in command.params if isinstance(parameter, click.Option) for word in parameter.opts}


def command_lines() -> Iterator[list[str]]:
    """Yield the words of every `fsm …` on the page, in code and in blocks."""
    lines = [code.replace("\\|", "|") for code in re.findall(r"`([^`\n]+)`", PROSE)]
    lines += [
        line for block in BLOCKS if block.language in {"console", "ini", "text"} for line in block.text.splitlines()
    ]
    for line in lines:
        found = re.search(r"(?:^|[\s/=])fsm ((?:-{0,2}\w).*)", line.split(" # ")[0])
        if found and not line.startswith(("import", "from")):
            yield [word.strip("[]").partition("=")[0] for word in found[1].replace("…", "").split()]


def test_every_command_line_names_a_command_and_options_that_it_has() -> None:
    lines = list(command_lines())
    assert {words[0] for words in lines} >= set(COMMANDS)
    for words in lines:
        command = words[:2] if not words[0].startswith("-") else []
        assert not command or words[0] in COMMANDS, words
        given = {word for word in words if re.match(r"-{1,2}[a-z]", word)}
        assert given <= options(*command) | options() | {"--help", "-h"}, words


def test_the_table_of_commands_lists_each_with_its_own_options() -> None:
    told = {
        re.sub(r"^fsm ([a-z]+(?: [a-z]+)?).*", r"\1", codes(row[0])[0]): set(codes(row[2]))
        for row in rows("command", "what it does", "options of its own")
    }
    assert list(told) == every_command()
    shared = {"--store", "--definitions", "--import", "--json", "--quiet", "-q"}
    assert options() - {"--version", "--help", "-h"} == shared
    assert told == {command: options(*command.split()) - shared for command in told}


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    told = {int(code) for row in rows("exit code") for code in row[0].split(", ")}
    assert told == set(map(int, Exit))


def test_the_settings_are_those_that_are_read(tmp_path: Path) -> None:
    (block,) = marked("toml", "settings")
    (tmp_path / "pyproject.toml").write_text(block.text)
    (tmp_path / "fsm.toml").write_text(block.text.partition("\n")[2])
    own = config.load(tmp_path, {})
    (tmp_path / "fsm.toml").unlink()
    assert own == config.load(tmp_path, {})
    assert tomllib.loads(block.text)["tool"]["fsm"].keys() == settings()
    assert {codes(row[0])[0] for row in rows("setting")} == settings()
    assert {codes(row[2])[0] for row in rows("setting")} == {f"FSM_{name.upper()}" for name in settings()}


def settings() -> set[str]:
    return {one.name for one in fields(config.Config)} - {"origin"}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_every_verb_of_the_engine_is_told() -> None:
    told = {codes(row[0])[0].partition("(")[0] for row in rows("verb", "what it does") if "(" in row[0]}
    asynchronous = {word for word in codes(section("Engine")) if word.endswith("_async")}
    assert told | asynchronous == public(fsm.Engine)


def test_every_argument_of_a_verb_is_told() -> None:
    for row in rows("verb", "what it does"):
        name, _, given = codes(row[0])[0].partition("(")
        if given:
            taken = list(inspect.signature(getattr(fsm.Engine, name)).parameters)[1:]
            assert re.findall(r"\w+", given) == taken, name


def test_every_operation_is_told_with_its_arguments() -> None:
    told = {codes(row[0])[0].partition("(")[0]: row[0] for row in rows("operation", "what it does")}
    assert set(told) == set(operations.__all__)
    for name, row in told.items():
        words = set(re.findall(r"[a-z_]+", codes(row)[0].partition("(")[2]))
        assert words == set(inspect.signature(getattr(operations, name)).parameters), name


def test_everything_of_the_context_is_told() -> None:
    told = {word.partition("(")[0] for row in rows("`ctx.`") for word in codes(row[0])}
    room = Path(inspect.getfile(fsm.Context)).read_text()
    given = set(re.findall(r"^ +self\.([a-z]\w*) = ", room, re.MULTILINE))
    assert told == (public(fsm.Context) | given) - {"revoke", "beat_s", "answer", "as_json"}


def test_every_status_is_told() -> None:
    assert {codes(row[0])[0] for row in rows("status")} == LIVE | FINAL


def test_the_tree_of_errors_is_the_real_one() -> None:
    (block,) = marked("text", "errors")
    assert drawn(block.text) == real(exceptions(fsm.__all__, fsm))


# -- the house


def test_the_rooms_are_those_of_the_package() -> None:
    told = {codes(row[0])[0] for row in rows("room")}
    rooms = {
        f"fsm/{one.name}" for one in (ROOT / "fsm").iterdir() if one.suffix == ".py" or (one / "__init__.py").exists()
    }
    assert told == rooms - {"fsm/__init__.py", "fsm/__main__.py"}


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {code.split()[1] for code in re.findall(r"`(make [^`]+)`", TEXT)} <= targets


def test_every_link_leads_somewhere() -> None:
    titles = re.findall(r"^#+ (.+)$", PROSE, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", PROSE):
        assert target in anchors if target.startswith("#") else (ROOT / target).exists(), target


def test_every_path_named_exists() -> None:
    paths = re.findall(r"`((?:fsm|tests|definitions)/[\w/.]+)`", TEXT)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_changelog_tells_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(rf"^## \[?{re.escape(version)}\]? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
