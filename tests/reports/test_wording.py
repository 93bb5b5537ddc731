"""Numbers and foreign text as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from madaudit.reports.wording import count, percent, plural, visible

_THIN = "\u202f"


def number(text: str) -> float:
    assert text.endswith(f"{_THIN}%")
    return float(text.removesuffix(f"{_THIN}%"))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0"),
        (1, "100"),
        (0.5, "50"),
        (0.125, "12.5"),
        (1 / 3, "33.3"),
        (0.05, "5"),
        (0.01234, "1.23"),
        (0.000123456, "0.0123"),
        (1 / 48, "2.08"),
        (1e-7, "0.00001"),
    ],
)
def test_a_share_has_three_significant_digits(share, text):
    assert percent(share) == f"{text}{_THIN}%"


@given(st.floats(1e-9, 1))
def test_a_share_is_right_to_half_a_percent_of_itself(share):
    assert math.isclose(number(percent(share)), 100 * share, rel_tol=0.005, abs_tol=1e-9)


@given(st.integers(1, 10**6), st.integers(2, 10**6))
@example(1, 1_000_000)
@example(1, 2001)
def test_less_than_all_never_reads_100_percent_and_more_than_none_never_0(part, whole):
    assume(part < whole)
    assert 0 < number(percent(part / whole)) < 100


@given(st.integers(0, 10**6), st.integers(1, 10**6))
@example(1, 3)
@example(1, 10**6)
def test_a_share_and_its_complement_add_up_as_printed(part, whole):
    assume(part <= whole)
    share = part / whole
    total = number(percent(share, share)) + number(percent(1 - share, share))
    assert total == pytest.approx(100, abs=1e-9)


@pytest.mark.parametrize(
    ("share", "texts"),
    [
        (0.5, ("50", "50")),
        (0.125, ("12.5", "87.5")),
        (1 / 3, ("33.3", "66.7")),
        (0.001, ("0.1", "99.9")),
        (0.00001234, ("0.00123", "99.99877")),
        (0.0, ("0", "100")),
        (1.0, ("100", "0")),
    ],
)
def test_a_share_and_its_complement_have_as_many_decimals(share, texts):
    shown = (percent(share), percent(1 - share, share))
    assert shown == tuple(f"{text}{_THIN}%" for text in texts)


@given(st.floats(1e-6, 0.5, exclude_max=True))
def test_a_complement_of_little_never_reads_100_percent(share):
    assert number(percent(1 - share, share)) < 100


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (999, "999"), (1000, f"1{_THIN}000"), (12345678.4, f"12{_THIN}345{_THIN}678")],
)
def test_counts_are_in_groups_of_three(n, text):
    assert count(n) == text


def test_a_rounding_error_below_zero_reads_as_zero():
    assert count(-1e-13) == "0"


def test_one_thing_is_singular_and_others_are_plural():
    assert [plural(n, "shard") for n in (0, 1, 2)] == ["0 shards", "1 shard", "2 shards"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode 写真 😀", "plain, ünïcode 写真 😀"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x00\x1b[31m", "a\\u0000\\u001b[31m"),
        ("a\nb", "a\\u000ab"),
        ("a\u200b\ufeff", "a\\u200b\\ufeff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_characters_that_hide_or_reverse_are_shown_by_number(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u202f", "\u2009"])
def test_spaces_of_other_scripts_stay_spaces(space):
    assert visible(f"写真{space}一枚") == f"写真{space}一枚"


@given(st.text())
def test_visible_text_has_no_control_or_format_characters_left(text):
    assert all(c.isprintable() or c.isspace() for c in visible(text))
