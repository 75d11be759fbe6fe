import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.model.durations import DURATION_MAX_MS, UNITS_MS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0s", 0),
        ("0ms", 0),
        ("500ms", 500),
        ("1s", 1_000),
        ("2m", 120_000),
        ("1h", 3_600_000),
        ("5d", 432_000_000),
        ("1w", 604_800_000),
        ("1.5h", 5_400_000),
        ("0.001s", 1),
        ("1h30m", 5_400_000),
        ("90m", 5_400_000),
        ("1m0.5s", 60_500),
        ("1w1d1h1m1s1ms", 694_861_001),
        ("3650d", DURATION_MAX_MS),
    ],
)
def test_numbers_with_units_are_milliseconds(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5 mins", '"5 mins" is not a duration; 5m?'),
        ("5min", '"5min" is not a duration; 5m?'),
        ("5 m", '"5 m" is not a duration; 5m?'),
        (" 5m", '" 5m" is not a duration; 5m?'),
        ("5m\n", '"5m\n" is not a duration; 5m?'),
        ("5M", '"5M" is not a duration; 5m?'),
        ("1 hour", '"1 hour" is not a duration; 1h?'),
        ("30 seconds", '"30 seconds" is not a duration; 30s?'),
        ("1 hour and 30 minutes", '"1 hour and 30 minutes" is not a duration; 1h30m?'),
        ("2 days, 1 hr", '"2 days, 1 hr" is not a duration; 2d1h?'),
        (".5h", '".5h" is not a duration; 0.5h?'),
        ("5.s", '"5.s" is not a duration; 5s?'),
        ("30m1h", '"30m1h" is not a duration; 1h30m?'),
        ("1.5h30m", '"1.5h30m" is not a duration; 2h?'),
        ("1m1m", '"1m1m" is not a duration; 2m?'),
        ("PT1H30M", '"PT1H30M" is not a duration; 1h30m?'),
        ("P2D", '"P2D" is not a duration; 2d?'),
        ("-5m", '"-5m" is negative; 5m?'),
        ("+5m", '"+5m" is not a duration; 5m?'),
        ("90", '"90" has no unit; 90s?'),
        ("1.5", '"1.5" has no unit; 1.5s?'),
        ("", '"" is not a duration; write 500ms, 30s, 5m, 1h, 2d or 1w'),
        ("soon", '"soon" is not a duration; write 500ms, 30s, 5m, 1h, 2d or 1w'),
        ("12:30", '"12:30" is not a duration; write 500ms, 30s, 5m, 1h, 2d or 1w'),
        ("1 month", '"1 month" is not a duration; write 500ms, 30s, 5m, 1h, 2d or 1w'),
        ("٣s", '"٣s" is not a duration; write 500ms, 30s, 5m, 1h, 2d or 1w'),
        ("1.5 ms", '"1.5 ms" is not a duration; write 500ms, 30s, 5m, 1h, 2d or 1w'),
        ("0.5ms", '"0.5ms" is finer than a millisecond'),
        ("0.0001s", '"0.0001s" is finer than a millisecond'),
        ("11y", '"11y" is not a duration; write 500ms, 30s, 5m, 1h, 2d or 1w'),
        ("3650d1ms", '"3650d1ms" is longer than ten years'),
        ("999999999999999w", '"999999999999999w" is longer than ten years'),
    ],
)
def test_a_misspelt_duration_names_the_nearest_right_spelling(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}\Z"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (90, "90 has no unit; 90s?"),
        (0, "0 has no unit; 0s?"),
        (1.5, "1.5 has no unit; 1.5s?"),
        (-1, "-1 is negative and has no unit"),
        (10**30, f"{10**30} is not a duration"),
        (float("nan"), "nan is not a duration"),
        (float("inf"), "inf is not a duration"),
        (True, "true is not a duration"),
    ],
)
def test_a_bare_number_is_refused_for_its_missing_unit(number: float, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{re.escape(message)}\Z"):
        parse_duration(number)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (999, "999ms"),
        (1_000, "1s"),
        (1_500, "1.5s"),
        (1_050, "1.05s"),
        (60_000, "1m"),
        (60_500, "1m0.5s"),
        (90_000, "1m30s"),
        (3_600_000, "1h"),
        (86_400_000, "1d"),
        (604_800_000, "7d"),
        (90_061_001, "1d1h1m1.001s"),
    ],
)
def test_milliseconds_are_spelt_as_people_write_them(ms: int, text: str) -> None:
    assert format_duration(ms) == text


def test_a_negative_number_of_milliseconds_is_no_duration() -> None:
    with pytest.raises(ValueError, match="-1 ms is negative"):
        format_duration(-1)


@settings(deadline=None)
@given(st.integers(0, DURATION_MAX_MS))
def test_what_is_formatted_parses_back_to_the_same(ms: int) -> None:
    assert parse_duration(format_duration(ms)) == ms


@settings(deadline=None)
@given(st.lists(st.integers(0, 999), min_size=6, max_size=6))
def test_a_compound_is_the_sum_of_its_parts(counts: list[int]) -> None:
    text = "".join(f"{count}{unit}" for count, unit in zip(counts, UNITS_MS, strict=True))
    total = sum(count * ms for count, ms in zip(counts, UNITS_MS.values(), strict=True))
    if total <= DURATION_MAX_MS:
        assert parse_duration(text) == total
    else:
        with pytest.raises(ValueError, match="longer than ten years"):
            parse_duration(text)


fragments = st.sampled_from([*"0159. -+pt,", *UNITS_MS, "mins", "hour", "and", "é", "\n", "9" * 400])


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(fragments).map("".join)))
def test_any_text_is_a_duration_or_a_value_error_whose_cure_is_a_duration(text: str) -> None:
    try:
        ms = parse_duration(text)
    except ValueError as error:
        _, separator, cure = str(error).rpartition("; ")
        if separator and cure.endswith("?"):
            parse_duration(cure.removesuffix("?"))
    else:
        assert 0 <= ms <= DURATION_MAX_MS


@settings(deadline=None)
@given(st.one_of(st.integers(), st.floats(), st.booleans()))
def test_no_number_is_a_duration(number: float) -> None:
    with pytest.raises(ValueError, match=r"has no unit|is not a duration"):
        parse_duration(number)
