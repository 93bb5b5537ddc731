from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from madaudit.detectors.watermarks.pixels.p_values import bits_needed, charged, score, tail


@pytest.mark.parametrize("n_bits", [1, 32, 46, 136])
def test_the_tail_of_a_random_message_is_the_binomials(n_bits):
    k = np.arange(n_bits + 1)
    np.testing.assert_allclose(tail(n_bits), stats.binom.sf(k - 1, n_bits, 0.5), rtol=1e-9)


def test_the_tail_with_correlated_bits_is_the_beta_binomials():
    mean, correlation, k = 0.52, 0.01, np.arange(49)
    scale = 1 / correlation - 1
    modelled = stats.betabinom.sf(k - 1, 48, mean * scale, (1 - mean) * scale)
    expected = np.maximum(modelled, stats.binom.sf(k - 1, 48, 0.5))
    np.testing.assert_allclose(tail(48, mean, correlation), expected, rtol=1e-6, atol=1e-13)


def test_a_correction_never_makes_a_p_value_smaller():
    fair = np.array(tail(46))
    for mean, correlation in ((0.45, 0.0), (0.45, 0.02), (0.5, 0.01), (0.55, 0.0)):
        assert (np.array(tail(46, mean, correlation)) >= fair).all()


def test_the_published_numbers_of_bits_are_needed_at_one_in_a_million():
    assert [bits_needed(n, 1e-6) for n in (136, 48, 46, 32)] == [96, 41, 39, 30]
    assert bits_needed(8, 1e-6) == 9


def test_what_was_tried_is_charged():
    assert charged(1e-8, 100) == pytest.approx(1e-6)
    assert charged(0.5, 100) == 1.0


def test_the_score_is_never_below_zero_and_always_finite():
    assert score(1.0) == 0.0
    assert score(1e-41) == pytest.approx(41)
    assert score(0.0) == pytest.approx(300)
