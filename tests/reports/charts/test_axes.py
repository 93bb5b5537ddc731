"""Axes: ticks are round, ascending and inside; every number has a place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madaudit.reports.charts.axes import Axis, number

_NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(_NUMBERS, st.floats(1e-3, 1e9))
def test_ticks_are_ascending_and_inside(low, span):
    axis = Axis(low, low + span, 0, 100, "")
    ticks = axis.ticks()
    assert ticks == sorted(set(ticks))
    assert all(axis.low - span / 1e6 <= tick <= axis.high + span / 1e6 for tick in ticks)
    assert len(ticks) <= 9


@given(st.floats(1e-9, 1e3), st.floats(1.01, 1e9))
def test_logarithmic_ticks_are_powers_of_ten_inside(low, factor):
    axis = Axis(low, low * factor, 0, 100, "", is_log=True)
    for tick in axis.ticks():
        assert math.log10(tick) == pytest.approx(round(math.log10(tick)))
        assert low * 0.999 <= tick <= low * factor * 1.001


@given(st.floats(allow_nan=True, allow_infinity=True), st.booleans())
def test_every_number_lies_on_the_axis(value, is_log):
    axis = Axis(0.5, 20, 60, 700, "", is_log=is_log)
    assert 60 <= axis.at(value) <= 700


def test_places_are_even_in_the_number_or_its_logarithm():
    assert Axis(0, 10, 0, 100, "").at(5) == 50
    assert Axis(0.01, 1, 0, 100, "", is_log=True).at(0.1) == pytest.approx(50)


def test_an_axis_without_width_puts_all_in_its_middle():
    axis = Axis(3, 3, 0, 100, "")
    assert (axis.at(3), axis.ticks()) == (50, [3])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (-1.5, "−1.5"), (1e-4, "10⁻⁴"), (2e6, "2·10⁶"), (123456, "10⁵")],
)
def test_labels_are_short(value, text):
    assert number(value) == text
