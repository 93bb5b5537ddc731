"""What marks settle is added to what scores say of the rest."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from madaudit.estimation import Histograms, Settings, estimate_tiers
from madaudit.estimation.marked import MarkedShares, with_marks
from madaudit.types import Interval
from tests.estimation.score_worlds import draw


def exact(share):
    return Interval(share, share, share)


def test_prevalence_is_marked_plus_rest_times_theirs():
    found = MarkedShares(exact(0.2), exact(0.3)).added(Interval(0.1, 0.2, 0.4))
    assert (found.low, found.point, found.high) == pytest.approx((0.25, 0.3, 0.4))


def test_the_worse_bound_of_a_sampled_share_counts_on_each_side():
    sampled = MarkedShares(Interval(0.1, 0.2, 0.3), Interval(0.0, 0.1, 0.2))
    found = sampled.added(Interval(0.0, 0.1, 0.5))
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.3 + 0.7 * 0.5)


def test_no_tier_says_less_than_the_marks_do():
    drawn = (part[0] for part in draw(0.05, n=500, n_target=20_000))
    histograms = Histograms(*drawn, np.zeros(128), np.zeros(128))
    floor = Interval(0.3, 0.3, 1.0)
    others = estimate_tiers(histograms, Settings(n_generators=19))
    found = with_marks(others, MarkedShares(exact(0.3), exact(0.0)), floor=floor, n=30_000)
    tiers = (found.prevalence, found.detectable, found.model_based.closed, found.floor)
    assert all(interval.low >= 0.3 for interval in tiers)
    assert found.model_based.p_synthetic == others.model_based.p_synthetic
    assert found.model_based.closed.low < 0.3 + 0.7 * 0.05 < found.model_based.closed.high


def test_without_scores_the_floor_stays_what_it_was():
    none = np.zeros(8)
    others = estimate_tiers(Histograms(none, none, none, none, none), Settings())
    floor = Interval(0.3, 0.3, 1.0)
    found = with_marks(others, MarkedShares(exact(0.3), exact(0.0)), floor=floor, n=10)
    assert (found.tier, found.floor, found.n) == ("floor", floor, 10)
    assert found.prevalence == Interval(0.3, None, 1.0)
    assert dataclasses.asdict(found)["model_based"] is None
