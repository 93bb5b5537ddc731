"""The certain floor: exact for a census, Clopper and Pearson's bound for a sample."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binomtest

from madaudit.errors import OptionError
from madaudit.estimation import MarkTally, estimate_floor
from madaudit.estimation.floor import clopper_pearson_low

_COUNTS = [(0, 1), (1, 1), (0, 50), (1, 50), (7, 50), (50, 50), (3, 1000), (999, 1000)]


def counted(n, *, synthetic=0, composite=0, validated=0, weight=1.0):
    """A tally of n rows of one weight."""
    return MarkTally(
        n=n,
        weight=n * weight,
        weight_squared=n * weight**2,
        synthetic=synthetic * weight,
        composite=composite * weight,
        composite_squared=composite * weight**2,
        validated=validated * weight,
    )


def exact_low(hits, n, level=0.95):
    """scipy's own interval, by root finding and not by the beta distribution."""
    return binomtest(hits, n).proportion_ci(confidence_level=level, method="exact").low


def test_a_census_has_the_exact_share_and_no_upper_bound():
    floor = estimate_floor(counted(8, synthetic=3, validated=1), is_sampled=False)
    assert (floor.all_marks.low, floor.all_marks.point, floor.all_marks.high) == (0.375, 0.375, 1)
    assert (floor.validated.low, floor.validated.point, floor.validated.high) == (0.125, 0.125, 1)


@pytest.mark.parametrize(("hits", "n"), _COUNTS)
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_a_sample_has_scipys_exact_lower_bound_at_whole_numbers(hits, n, level):
    floor = estimate_floor(counted(n, synthetic=hits), is_sampled=True, level=level).all_marks
    assert floor.low == pytest.approx(exact_low(hits, n, level), rel=1e-6, abs=1e-12)
    assert (floor.point, floor.high, floor.level) == (hits / n, 1.0, level)


@pytest.mark.parametrize(("hits", "n"), _COUNTS)
def test_the_beta_quantile_is_the_binomials_bound(hits, n):
    assert clopper_pearson_low(hits, n, 0.9) == pytest.approx(exact_low(hits, n, 0.9), rel=1e-6)


def test_a_common_weight_changes_nothing():
    plain = estimate_floor(counted(40, synthetic=10), is_sampled=True)
    heavy = estimate_floor(counted(40, synthetic=10, weight=250.0), is_sampled=True)
    assert heavy.all_marks.low == pytest.approx(plain.all_marks.low)


def test_unequal_weights_lower_the_bound_but_not_the_point():
    even = estimate_floor(counted(40, synthetic=10), is_sampled=True).all_marks
    uneven = MarkTally(n=40, weight=40.0, weight_squared=120.0, synthetic=10.0)
    floor = estimate_floor(uneven, is_sampled=True).all_marks
    assert floor.point == even.point
    assert floor.low < even.low


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_a_level_outside_0_and_1_is_refused(level):
    with pytest.raises(OptionError, match="must lie between 0 and 1"):
        estimate_floor(counted(4), is_sampled=True, level=level)


@pytest.mark.parametrize(
    ("options", "share"),
    [({}, 2 / 10), ({"counts_composite": True}, 6 / 10), ({"drops_composite": True}, 2 / 6)],
    ids=["real", "synthetic", "apart"],
)
def test_composites_count_as_asked(options, share):
    tally = counted(10, synthetic=2, composite=4)
    assert estimate_floor(tally, is_sampled=False, **options).all_marks.point == share


def test_composites_left_apart_are_no_evidence_for_the_others():
    tally = counted(100, synthetic=10, composite=50)
    floor = estimate_floor(tally, is_sampled=True, drops_composite=True).all_marks
    assert floor.low == pytest.approx(exact_low(10, 50), rel=1e-6)


@pytest.mark.parametrize("is_sampled", [False, True])
@pytest.mark.parametrize("tally", [MarkTally(), counted(3, composite=3)], ids=["empty", "apart"])
def test_a_stratum_without_samples_has_no_point(tally, is_sampled):
    floor = estimate_floor(tally, is_sampled=is_sampled, drops_composite=True)
    assert (floor.all_marks.low, floor.all_marks.point, floor.all_marks.high) == (0.0, None, 1.0)


def test_the_effective_real_fraction_has_an_upper_end_and_no_point():
    p = estimate_floor(counted(8, synthetic=2), is_sampled=False, level=0.9).effective_real()
    assert p.to_dict() == {"low": 0.0, "point": None, "high": 0.75, "level": 0.9}


def test_rounding_never_takes_a_share_above_one():
    third = 1 / 3
    tally = MarkTally(n=3, weight=1.0, weight_squared=third, synthetic=0.7, composite=0.3 + 1e-15)
    floor = estimate_floor(tally, is_sampled=False, counts_composite=True)
    assert floor.all_marks.low == 1.0
    assert floor.effective_real().high == 0.0


def test_a_floor_in_json_is_an_interval_with_the_validated_one_beside_it():
    content = estimate_floor(counted(4, synthetic=2, validated=1), is_sampled=False).to_dict()
    assert content["validated"] == {"low": 0.25, "point": 0.25, "high": 1.0, "level": 0.95}
    assert {key: content[key] for key in ("low", "point", "high", "level")} == {
        "low": 0.5,
        "point": 0.5,
        "high": 1.0,
        "level": 0.95,
    }
