"""Strip and add: hits prove, misses say nothing."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from madaudit.errors import InputError
from madaudit.estimation.one_sided import Hits, floor_of_hits, with_hits
from madaudit.types import Interval


def test_the_floor_takes_away_what_controls_say_of_false_hits():
    hits = Hits(100, 10_000, 0, 1000)
    low = binomtest(100, 10_000).proportion_ci(method="exact").low
    false = 1 - 0.025 ** (1 / 1000)
    assert floor_of_hits(hits).low == pytest.approx((low - false) / (1 - false), rel=1e-6)


def test_controls_with_as_many_hits_leave_no_floor():
    assert floor_of_hits(Hits(100, 10_000, 10, 1000)).low == 0.0


def test_without_controls_nothing_is_proved():
    assert floor_of_hits(Hits(100, 1000, 0, 0)).low == 0.0


def test_hits_are_added_to_what_the_others_hold():
    found = with_hits(Hits(200_000, 10**6, 0, 10**6), Interval(0.08, 0.1, 0.12))
    assert found.point == pytest.approx(0.2 + 0.8 * 0.1)
    assert found.low == pytest.approx(0.2 + 0.8 * 0.08, abs=1e-3)
    assert found.high == pytest.approx(0.2 + 0.8 * 0.12, abs=1e-3)


def test_without_hits_the_others_stand():
    found = with_hits(Hits(0, 10**6, 0, 10**6), Interval(0.08, 0.1, 0.12))
    assert (found.low, found.point, found.high) == pytest.approx((0.08, 0.1, 0.12), abs=1e-4)


def test_an_unknown_point_stays_unknown():
    assert with_hits(Hits(10, 100, 0, 100), Interval(0.0, None, 1.0)).point is None


def test_more_hits_than_samples_are_refused():
    with pytest.raises(InputError, match="hits: 5 of 4"):
        Hits(5, 4, 0, 10)
