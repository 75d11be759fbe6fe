from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.diagnostics import Severity, Span
from fsm.source.scalars import resolve
from fsm.source.tree import DEPTH_MAX, FINDINGS_MAX, NODES_MAX, SIZE_BYTES_MAX, Path, Tree, parse_tree


def found_in(text: str | bytes) -> list[str]:
    return [str(finding) for finding in parse_tree(text, "f.yaml")[1]]


def codes_in(text: str | bytes) -> list[str]:
    return [finding.code for finding in parse_tree(text, "f.yaml")[1]]


def sound(text: str | bytes) -> Tree:
    tree, findings = parse_tree(text, "f.yaml")
    assert findings == []
    assert tree is not None
    return tree


def usable(text: str | bytes) -> Any:
    """Return the value of a text in which something was refused."""
    tree, findings = parse_tree(text, "f.yaml")
    assert findings
    assert tree is not None
    return tree.value


# scalars


@pytest.mark.parametrize("text", ["on", "off", "yes", "no", "y", "N", "12:30", "1_000", "2026-01-01", "0b1", "nUll"])
def test_scalars_of_yaml_1_1_are_text(text: str) -> None:
    assert sound(f"a: {text}").value == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("false", False),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("007", 7),
        ("0o17", 15),
        ("0xfF", 255),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("0x7FFFFFFFFFFFFFFF", 2**63 - 1),
        ("1.10", 1.1),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("-0.0", -0.0),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    read = sound(f"a: {text}").value["a"]
    assert (type(read), repr(read)) == (type(value), repr(value))


@pytest.mark.parametrize("text", ["null", "true", "1", "1.5", "0x1", ".inf", "99999999999999999999", "~", ""])
def test_quoted_and_block_scalars_are_always_text(text: str) -> None:
    assert sound(f"- '{text}'\n- \"{text}\"\n- |-\n  {text}\n").value == [text] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".inf", ".inf is not a number that can be stored"),
        ("-.Inf", "-.Inf is not a number that can be stored"),
        (".NaN", ".NaN is not a number that can be stored"),
        ("1e999", "1e999 is too large for a number"),
        ("9223372036854775808", "9223372036854775808 does not fit in 64 bits"),
        ("-9223372036854775809", "-9223372036854775809 does not fit in 64 bits"),
        ("0x8000000000000000", "0x8000000000000000 does not fit in 64 bits"),
        ("9" * 9_000, f"{'9' * 39}… does not fit in 64 bits"),
        ("-0o" + "7" * 30, None),
    ],
)
def test_numbers_that_cannot_be_stored_are_refused(text: str, message: str | None) -> None:
    if message is None:
        assert sound(f"a: {text}").value == {"a": text}
        return
    assert found_in(f"b: 1\na: {text}") == [f"f.yaml:2:4: error[FSM111]: {message} (quote it if text is meant)"]
    assert usable(f"b: 1\na: {text}") == {"b": 1}


def test_leading_zeros_do_not_make_a_number_too_long() -> None:
    assert resolve("0" * 9_000 + "1") == 1


# positions

SAMPLE = dedent("""\
    start: fetch
    list:
    - 1
    - two words
    flow: {a: [x, 'y'], "b c": }
    block: |
      one
        two

    after:
      deep: >-
        folded
    """)


@pytest.mark.parametrize(
    ("path", "span"),
    [
        ((), Span(1, 1, 12, 11)),
        (("start",), Span(1, 8, 1, 13)),
        (("list",), Span(3, 1, 4, 12)),
        (("list", 0), Span(3, 3, 3, 4)),
        (("list", 1), Span(4, 3, 4, 12)),
        (("flow",), Span(5, 7, 5, 29)),
        (("flow", "a"), Span(5, 11, 5, 19)),
        (("flow", "a", 1), Span(5, 15, 5, 18)),
        (("flow", "b c"), Span(5, 27, 5, 28)),
        (("block",), Span(6, 8, 8, 8)),
        (("after",), Span(11, 3, 12, 11)),
        (("after", "deep"), Span(11, 9, 12, 11)),
    ],
)
def test_every_value_has_its_place(path: Path, span: Span) -> None:
    assert sound(SAMPLE).spans[path] == span


@pytest.mark.parametrize(
    ("path", "span"),
    [
        (("start",), Span(1, 1, 1, 6)),
        (("flow", "a"), Span(5, 8, 5, 9)),
        (("flow", "b c"), Span(5, 21, 5, 26)),
        (("after", "deep"), Span(11, 3, 11, 7)),
    ],
)
def test_every_key_has_its_place(path: Path, span: Span) -> None:
    assert sound(SAMPLE).keys[path] == span


def test_the_values_of_the_sample_are_read() -> None:
    assert sound(SAMPLE).value == {
        "start": "fetch",
        "list": [1, "two words"],
        "flow": {"a": ["x", "y"], "b c": None},
        "block": "one\n  two\n",
        "after": {"deep": "folded"},
    }


def test_mappings_keep_the_order_of_the_file() -> None:
    assert list(sound("z: 1\na: 2\nm: 3").value) == ["z", "a", "m"]


def test_a_missing_value_is_placed_at_its_nearest_ancestor() -> None:
    tree = sound(SAMPLE)
    assert tree.span(("flow", "a", 9, "x")) == Span(5, 11, 5, 19)
    assert tree.span(("nowhere",)) == Span(1, 1, 12, 11)


def test_a_missing_key_falls_back_to_the_value() -> None:
    tree = sound(SAMPLE)
    assert tree.key_span(("after", "deep")) == Span(11, 3, 11, 7)
    assert tree.key_span(("list", 1)) == Span(4, 3, 4, 12)
    assert tree.key_span(("after", "else")) == Span(11, 3, 12, 11)


def test_plain_scalars_keep_their_text() -> None:
    assert sound("a: 1.10\nb: '1.10'\nc: [0x0F, yes]\nd:").raw == {
        ("a",): "1.10",
        ("c", 0): "0x0F",
        ("c", 1): "yes",
        ("d",): "",
    }


@pytest.mark.parametrize(
    ("written", "offset"),
    [
        ("total > 1", (2, 7)),
        ("'total > 1'", (2, 8)),
        ('"total > 1"', (2, 8)),
        ("7", (2, 7)),
        ("''", (2, 8)),
        ('"a\\tb"', None),
        ("'it''s'", None),
        ("total\n    > 1", None),
        ("'total\n    > 1'", None),
        ("|\n    total", None),
        ("|\n", None),
        ("[total]", None),
        ("", None),
    ],
)
def test_a_caret_can_point_into_text_that_is_written_as_it_reads(written: str, offset: tuple[int, int] | None) -> None:
    assert sound(f"x: 1\nwhen: {written}").text_offset(("when",)) == offset


def test_columns_count_characters_not_bytes() -> None:
    assert sound("'é😀': b").spans["é😀",] == Span(1, 7, 1, 8)


@pytest.mark.parametrize("text", ["\ufeffa: 1\nb: 2", b"\xef\xbb\xbfa: 1\nb: 2"])
def test_a_byte_order_mark_is_skipped_and_takes_no_column(text: str | bytes) -> None:
    tree = sound(text)
    assert tree.value == {"a": 1, "b": 2}
    assert tree.keys["a",] == Span(1, 1, 1, 2)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read_the_same(end: str) -> None:
    tree = sound(f"a: |{end}  x{end}b:{end}  c: 1{end}")
    assert tree.value == {"a": "x\n", "b": {"c": 1}}
    assert tree.spans["a",] == Span(1, 4, 2, 4)
    assert tree.keys["b", "c"] == Span(4, 3, 4, 4)


# what is refused


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("a: b: c", '1:5: error[FSM100]: ":" cannot stand here (quote the text, or mend the indentation)'),
        ("a: - b", "1:4: error[FSM100]: a list entry cannot start here (put it on a line of its own)"),
        ("a: ? b", '1:4: error[FSM100]: a key cannot start here (quote the text if "?" belongs to it)'),
        ("a: 1\nfoo\nb: 2", '2:1: error[FSM100]: this key lacks its ":" (write "key: value")'),
        ("a: @x", '1:4: error[FSM100]: plain text cannot start with "@" (quote the text)'),
        ("a:\tb", "1:3: error[FSM100]: a tab cannot stand here (use spaces, or quote the text)"),
        ("a: > 5", '1:4: error[FSM100]: ">" starts a block of lines (quote the text if it belongs to it)'),
        ('a: "\\d"', '1:6: error[FSM100]: "\\d" is no escape (use single quotes, or double the backslash)'),
        ('a: "\\xZ"', "1:7: error[FSM100]: this escape lacks hexadecimal digits (double the backslash if it is meant)"),
        ('a: "\\U00110000"', r"1:5: error[FSM100]: this escape is no character (the last is \U0010FFFF)"),
        ('a: "\\UFFFFFFFF"', r"1:5: error[FSM100]: this escape is no character (the last is \U0010FFFF)"),
        ('b: 1\na: "foo', '2:4: error[FSM100]: this quote is never closed (close it with ")'),
        ("a: 'foo\n---\n", "1:4: error[FSM100]: this quote is never closed (close it with ')"),
        ("a: {b: [1,\n", '1:8: error[FSM100]: this "[" is never closed (close it with "]")'),
        ("a: {b: 1\n", '1:4: error[FSM100]: this "{" is never closed (close it with "}")'),
        ("a: {b: c]", '1:9: error[FSM100]: "]" where "," or a bracket is expected (the "{" at 1:4 is open)'),
        ("a: [1, 2\nb: 3", '2:2: error[FSM100]: ":" where "," or a bracket is expected (the "[" at 1:4 is open)'),
        ("a: [,]", '1:5: error[FSM100]: "," where a value is expected (write a value, or quote the text)'),
        ("a: 'it's'", "1:8: error[FSM100]: text cannot stand here (mend the indentation or the quotes)"),
        ("[a] b", "1:5: error[FSM100]: text after the end of the document (mend the indentation or brackets)"),
        ("  a: 1\n b: 2", "2:2: error[FSM100]: a map after the end of the document (mend the indentation or brackets)"),
    ],
)
def test_a_syntax_error_is_told_in_plain_words_where_it_is(text: str, finding: str) -> None:
    assert found_in(text) == [f"f.yaml:{finding}"]
    assert parse_tree(text, "f.yaml")[0] is None


def test_every_line_indented_with_a_tab_is_reported() -> None:
    assert found_in("a:\n\tb: 1\n\tc: 2\nd:\n  e: 1\n  \tf: 2\n") == [
        "f.yaml:2:1: error[FSM101]: tab in the indentation (indent with spaces)",
        "f.yaml:3:1: error[FSM101]: tab in the indentation (indent with spaces)",
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a:\n  \tb: 1", "2:3"),
        ("a: [x,\n\ty]", "2:1"),
        ("\t", "1:1"),
        ("a: 1\nfoo\n\tb: 1", "3:1"),
        ("a: x\n \ty", "2:2"),
    ],
)
def test_a_tab_anywhere_in_the_indentation_is_told_as_such(text: str, place: str) -> None:
    assert found_in(text) == [f"f.yaml:{place}: error[FSM101]: tab in the indentation (indent with spaces)"]


def test_an_error_behind_quoted_text_that_begins_with_a_tab_is_not_blamed_on_the_tab() -> None:
    assert codes_in('a: "x\n\ty" z') == ["FSM100"]


def test_a_tab_inside_text_is_content() -> None:
    assert sound('a: |\n  x\n  \ty\nb: "x\n\ty"\nc: "x\ty"').value == {"a": "x\n\ty\n", "b": "x y", "c": "x\ty"}


def test_of_a_repeated_key_the_first_wins() -> None:
    text = "a: {failed: 1}\nb:\n  failed: 2\n  'failed': {x: 1, x: 2}\n"
    assert found_in(text) == [
        'f.yaml:4:3: error[FSM102]: key "failed" repeated, first at 3:3 (remove or rename one)',
        'f.yaml:4:20: error[FSM102]: key "x" repeated, first at 4:14 (remove or rename one)',
    ]
    tree, _ = parse_tree(text, "f.yaml")
    assert tree is not None
    assert tree.value == {"a": {"failed": 1}, "b": {"failed": 2}}
    assert tree.spans["b", "failed"] == Span(3, 11, 3, 12)
    assert ("b", "failed", "x") not in tree.spans


NO_CHARACTER = "is half of a surrogate pair, not a character (write the character itself)"


def escaped(code: str) -> str:
    return rf'character U+{code} is not allowed (remove it, or write "\u{code}" in double quotes)'


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a\0\0b", "1:2", "character U+0000 is not allowed (remove it)"),
        ("a\n\x07", "2:1", escaped("0007")),
        ("a\r\nb: \u2028", "2:4", escaped("2028")),
        ("a\x85", "1:2", escaped("0085")),
        ("a\ufeff", "1:2", escaped("FEFF")),
        ("a: \ud800", "1:4", f"U+D800 {NO_CHARACTER}"),
        ("a: \udcff", "1:4", f"U+DCFF {NO_CHARACTER}"),
        (b"a: 1\nb: \xff\xc3\x28", "2:4", "byte 0xFF is not UTF-8 (save the file as UTF-8)"),
        (b"\xed\xa0\x80", "1:1", "byte 0xED is not UTF-8 (save the file as UTF-8)"),
        ("a: 1".encode("utf-16"), "1:1", "file is UTF-16, not UTF-8 (save it as UTF-8)"),
        (r'a: "x\ud83d"', "1:4", f"U+D83D {NO_CHARACTER}"),
        (r'"\0": x', "1:1", "character U+0000 is not allowed (remove it)"),
    ],
)
def test_what_is_no_storable_character_is_refused(text: str | bytes, place: str, message: str) -> None:
    assert found_in(text) == [f"f.yaml:{place}: error[FSM103]: {message}"]


def test_every_run_of_forbidden_characters_is_reported_whole() -> None:
    findings = parse_tree("a\0\0\0b\0\n\x01", "f.yaml")[1]
    assert [finding.span for finding in findings] == [Span(1, 2, 1, 5), Span(1, 6, 1, 7), Span(2, 1, 2, 2)]


def test_a_control_character_may_be_written_as_an_escape() -> None:
    assert sound(r'a: "\e[0m\u2028\t"').value == {"a": "\x1b[0m\u2028\t"}


def test_anchors_aliases_and_merge_keys_are_refused_and_the_rest_is_read() -> None:
    text = "a: &x 1\nb: *x\n<<: {c: 1}\nd: [&y {e: 2}, *y, 3]\n'<<': 4\n"
    assert found_in(text) == [
        'f.yaml:1:4: error[FSM105]: anchor "&x" refused (write the value out where it is used)',
        'f.yaml:2:4: error[FSM105]: alias "*x" refused (write the value out; quote it if text is meant)',
        'f.yaml:3:1: error[FSM105]: merge key "<<" refused (write the entries out)',
        'f.yaml:4:5: error[FSM105]: anchor "&y" refused (write the value out where it is used)',
        'f.yaml:4:16: error[FSM105]: alias "*y" refused (write the value out; quote it if text is meant)',
    ]
    assert usable(text) == {"a": 1, "d": [{"e": 2}, 3], "<<": 4}


@pytest.mark.parametrize("text", ["a: *", "a: &", "a: **b", "*a : 1", "*a", "&a"])
def test_a_stray_star_or_ampersand_is_one_finding(text: str) -> None:
    assert codes_in(text) == ["FSM105"]


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("! 1", "!"),
        ("!!int 1", "!!int"),
        ("!!python/object:os.system 1", "!!python/object:os.system"),
        ("!undeclared!x 1", "!undeclared!x"),
        ("!<tag:yaml.org,2002:int> 1", "!<tag:yaml.org,2002:int>"),
    ],
)
def test_every_tag_is_refused_and_means_nothing(written: str, tag: str) -> None:
    assert found_in(f"a: {written}") == [f'f.yaml:1:4: error[FSM107]: tag "{tag}" refused (quote it if text is meant)']
    assert usable(f"a: {written}") == {"a": 1}


def test_a_tag_that_does_not_parse_is_one_finding() -> None:
    assert codes_in("a: !<b") == ["FSM107"]


def test_a_second_document_is_refused() -> None:
    text = "a: 1\n---\nb: [\n"
    assert found_in(text) == ["f.yaml:2:1: error[FSM108]: more than one document (one file holds one workflow)"]
    assert usable(text) == {"a": 1}


def test_document_markers_around_the_one_document_are_fine() -> None:
    assert sound("---\na: 1\n...\n").value == {"a": 1}


@pytest.mark.parametrize("line", ["%YAML 1.2", "%YAML 9." + "9" * 9_000, "%TAG ! x", "%", "%FOO bar", "%FOO  "])
def test_a_directive_is_refused_and_skipped(line: str) -> None:
    text = f"{line}\n---\na: 1"
    assert codes_in(text) == ["FSM108"]
    assert parse_tree(text, "f.yaml")[1][0].span == Span.at(1, 1, len(line.rstrip()))
    assert usable(text) == {"a": 1}


def test_a_key_that_is_not_text_is_refused_but_stands_for_its_text() -> None:
    text = "404: a\ntrue: b\n~: c\n1.5: d\n.inf: e\non: f\n"
    assert found_in(text) == [
        'f.yaml:1:1: error[FSM109]: key 404 is a number, not text (quote it: "404")',
        'f.yaml:2:1: error[FSM109]: key true is a boolean, not text (quote it: "true")',
        'f.yaml:3:1: error[FSM109]: key ~ is null, not text (quote it: "~")',
        'f.yaml:4:1: error[FSM109]: key 1.5 is a number, not text (quote it: "1.5")',
        'f.yaml:5:1: error[FSM109]: key .inf is a number, not text (quote it: ".inf")',
    ]
    assert usable(text) == {"404": "a", "true": "b", "~": "c", "1.5": "d", ".inf": "e", "on": "f"}


def test_a_key_that_is_a_list_a_map_or_missing_is_refused_with_its_value() -> None:
    text = "? [a, 404]\n: b\n? x: 1\n: c\nd:\n  ?\n  : 1\n  e: 2\n"
    assert found_in(text) == [
        "f.yaml:1:3: error[FSM109]: key is a list, not text (quote it if text is meant)",
        "f.yaml:3:3: error[FSM109]: key is a map, not text (quote it if text is meant)",
        'f.yaml:6:4: error[FSM109]: key is missing (write it before the ":")',
    ]
    tree, findings = parse_tree(text, "f.yaml")
    assert tree is not None
    assert tree.value == {"d": {"e": 2}}
    assert set(tree.spans) == {(), ("d",), ("d", "e")}
    assert findings[0].span == Span(1, 3, 1, 11)


@pytest.mark.parametrize("text", ["", b"", "\n\n", "# only a comment", "---\n", "---\n...\n", "\ufeff"])
def test_a_file_without_content_is_empty(text: str | bytes) -> None:
    assert found_in(text) == ['f.yaml:1:1: error[FSM110]: file is empty (begin with "workflow: name")']
    assert parse_tree(text, "f.yaml")[0] is None


def test_findings_are_errors_in_order_of_place() -> None:
    findings = parse_tree("b: {1: x}\na: &x !t y\na: .inf\n", "f.yaml")[1]
    assert [finding.code for finding in findings] == ["FSM109", "FSM105", "FSM107", "FSM102", "FSM111"]
    assert {finding.severity for finding in findings} == {Severity.ERROR}


def test_what_was_found_before_a_syntax_error_is_reported_too() -> None:
    assert codes_in("a: &x 1\na: 2\nb: [\n") == ["FSM105", "FSM102", "FSM100"]


# limits


def test_a_file_of_exactly_the_largest_size_is_read() -> None:
    assert codes_in("a: " + "é" * ((SIZE_BYTES_MAX - 4) // 2) + "b") == []


@pytest.mark.parametrize("text", ["é" * (SIZE_BYTES_MAX // 2) + "b", b"\xff" * (SIZE_BYTES_MAX + 1), "[" * 10**6])
def test_a_larger_file_is_not_looked_into(text: str | bytes) -> None:
    assert found_in(text) == ["f.yaml: error[FSM106]: file is larger than 256 KiB (split it into several workflows)"]


def test_nesting_as_deep_as_allowed_is_read() -> None:
    value = sound("[" * DEPTH_MAX + "]" * DEPTH_MAX).value
    for _ in range(DEPTH_MAX - 1):
        (value,) = value
    assert value == []


@pytest.mark.parametrize("opening", ["[", "{", "{a: ", "- ", "? ", "[a: "])
@pytest.mark.parametrize("count", [DEPTH_MAX + 1, 60_000])
def test_deeper_nesting_is_refused_where_it_goes_too_deep(opening: str, count: int) -> None:
    (finding,) = parse_tree(opening * count, "f.yaml")[1]
    assert (finding.code, finding.message) == ("FSM106", "nested deeper than 40")
    assert finding.span is not None
    assert finding.span.line == 1
    assert finding.span.column <= DEPTH_MAX * len(opening) + 1


def test_indentation_that_goes_too_deep_is_refused_there() -> None:
    text = "".join(f"{' ' * depth}a:\n" for depth in range(600))
    assert found_in(text) == ["f.yaml:41:41: error[FSM106]: nested deeper than 40 (flatten it)"]


def test_as_many_nodes_as_allowed_are_read() -> None:
    assert len(sound("- a\n" * (NODES_MAX - 1)).value) == NODES_MAX - 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("- a\n" * (NODES_MAX + 9), f"{NODES_MAX}:3"),
        ("-\n" * (NODES_MAX + 9), f"{NODES_MAX}:2"),
        ("{" + ",".join(f"k{number:05}: v" for number in range(NODES_MAX)) + "}", f"1:{NODES_MAX // 2 * 10}"),
    ],
)
def test_one_node_more_stops_the_reading_there(text: str, place: str) -> None:
    assert found_in(text) == [f"f.yaml:{place}: error[FSM106]: more than 20,000 nodes (split it)"]


@pytest.mark.parametrize("text", ["a: b\n" * 9_000, "\0\n" * 9_000, "\t\n" * 9_000, "%\n" * 9_000, "- &a\n" * 9_000])
def test_a_flood_of_findings_ends_the_reading(text: str) -> None:
    assert len(codes_in(text)) == FINDINGS_MAX


@pytest.mark.parametrize(
    "text",
    [
        "a" * SIZE_BYTES_MAX,
        '"' * SIZE_BYTES_MAX,
        "- " * (SIZE_BYTES_MAX // 2),
        "a: " + "9" * 200_000,
        "a: 1." + "9" * 200_000,
        "a: !" + "%C3%A9" * 40_000,
        "a: |\n" + " x\n" * 80_000,
        "- a\n" * 19_000 + "- '" + "a\n" * 90_000 + "'",
        "a" * 10_000 + ": b",
    ],
)
def test_a_bomb_of_any_shape_is_read_or_refused(text: str) -> None:
    tree, findings = parse_tree(text, "f.yaml")
    assert (tree is None) <= bool(findings)


# any input at all

PARTS = [
    *"ab:,[]{}\"'|>#~0\\@%!&*?- \t\n\r\0é", ": ", "- ", "? ", "\n  ", "&a ", "*a ", "!t ", "!<", "%YAML 1.2\n", "---\n",
    "...\n", "\\x", "\\UFFFFFFFF", "\\ud800", "<<: ", "1.5", "0x", ".inf", "true", "|2\n", ">-\n", "\r\n", "\ufeff",
    "\u2028", "\ud800", "[" * 50, "9" * 30,
]  # fmt: skip
texts = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PARTS), max_size=40).map("".join),
    st.lists(st.sampled_from([part for part in PARTS if part.isprintable() or part == "\n"]), max_size=40).map("".join),
)


def assert_whole(tree: Tree) -> None:
    """Every value has a place that is not empty, every entry a key's place, and nothing else has one."""
    paths = {path for path, _ in walk(tree.value)}
    assert set(tree.spans) == paths
    assert set(tree.keys) == {path for path in paths if path and isinstance(path[-1], str)}
    for span in [*tree.spans.values(), *tree.keys.values()]:
        assert (1, 1) <= (span.line, span.column) < (span.end_line, span.end_column)
    for path in tree.spans:
        assert tree.span(path[:-1]).line <= tree.span(path).line


def walk(value: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(found for key, child in inner for found in walk(child, (*path, key)))]


@settings(deadline=None, max_examples=1_000)
@given(st.one_of(texts, st.binary(), texts.map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_no_text_and_no_bytes_ever_raise(text: str | bytes) -> None:
    tree, findings = parse_tree(text, "f.yaml")
    assert tree is not None or findings
    assert all(finding.path == "f.yaml" and finding.hint for finding in findings)
    assert findings == sorted(findings, key=lambda finding: finding.sort_key)
    if tree is not None:
        assert_whole(tree)


@settings(deadline=None)
@given(texts)
def test_bytes_and_text_are_read_the_same(text: str) -> None:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return
    assert repr(parse_tree(encoded, "f.yaml")) == repr(parse_tree(text, "f.yaml"))


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("abz 019.:-~é'\"#{}[],&*!|>@%\\\n\t", max_size=12),
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abz01 é", max_size=6), inner, max_size=4),
    max_leaves=20,
)


def written(value: Any) -> str:
    """Write a value as flow YAML: text single-quoted where it is one line, else double-quoted with escapes."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str() if "\n" not in value:
            return "'" + value.replace("'", "''") + "'"
        case str():
            escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
            return '"' + "".join(escapes.get(character, character) for character in value) + '"'
        case list():
            return "[" + ", ".join(written(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"? {written(key)} : {written(item)}" for key, item in value.items()) + "}"
    return repr(value)


@settings(deadline=None)
@given(values)
def test_every_value_reads_back_as_it_was_written(value: Any) -> None:
    tree = sound(written(value))
    assert repr(tree.value) == repr(value)
    assert_whole(tree)


@settings(deadline=None)
@given(st.lists(st.text("abc =<>.09é'", min_size=1, max_size=12), min_size=1, max_size=5))
def test_a_caret_lands_on_the_character_it_means(expressions: list[str]) -> None:
    text = "".join(f"  - when: '{expression.replace(chr(39), chr(39) * 2)}'\n" for expression in expressions)
    tree, lines = sound(text), text.splitlines()
    for number, expression in enumerate(expressions):
        offset = tree.text_offset((number, "when"))
        assert (offset is None) == ("'" in expression)
        if offset is not None:
            assert lines[offset[0] - 1][offset[1] - 1 :] == f"{expression}'"
