"""Weights in place of a cut."""

from __future__ import annotations

import pytest

from madaudit.assessment import weigh_real
from madaudit.errors import OptionError
from madaudit.simulation import LoopSpec, n_effective


def test_equal_numbers_get_the_golden_ratio():
    weighting = weigh_real(2000, 0.5, LoopSpec("fresh"))
    assert weighting.real_share == pytest.approx(0.618, abs=1e-3)
    assert weighting.real_weight == pytest.approx(1.618, abs=1e-3)


def test_weights_make_biased_synthetic_data_less_harmful():
    weighting = weigh_real(1e9, 0.5, LoopSpec("fresh", bias=0.9))
    assert 0 < weighting.harm < weighting.harm_unweighted


def test_without_bias_the_weight_is_worth_more_samples_than_no_weight():
    """For the mean n_e is n_r / w*: 1.618 against 1.5."""
    given = {"n_fresh": 10**6, "n_synthetic": 10**6, "real_weight": [1.0, 1.618]}
    plain, weighted = n_effective(LoopSpec("fresh"), given) / 1e6
    assert plain == pytest.approx(1.5, rel=1e-3)
    assert weighted == pytest.approx(1.618, rel=1e-3)


@pytest.mark.parametrize(("share", "loop"), [(0.0, "fresh"), (1.0, "fresh"), (0.5, "synthetic")])
def test_nothing_to_weigh_is_refused(share, loop):
    with pytest.raises(OptionError, match="cannot weigh real against synthetic"):
        weigh_real(100, share, LoopSpec(loop))
