"""p-values against slow exact sums and against chance itself."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from scipy import stats

from madaudit.detectors.watermarks.text.tails import (
    SMALLEST_P,
    binomial_bound,
    green_tail,
    n_windows,
    weighted_coins_tail,
    window_lengths,
    winmax_tail,
)


def _hypergeometric(size: int, vocabulary: int, n_listed: int) -> list[Fraction]:
    return [
        Fraction(comb(n_listed, k) * comb(vocabulary - n_listed, size - k), comb(vocabulary, size))
        for k in range(size + 1)
    ]


def _exact_tail(n_green: int, sizes: list[int], vocabulary: int, n_listed: int) -> float:
    total = Fraction(0)
    each = [_hypergeometric(size, vocabulary, n_listed) for size in sizes]
    for outcome in product(*(range(size + 1) for size in sizes)):
        if sum(outcome) >= n_green:
            chance = Fraction(1)
            for one, k in zip(each, outcome, strict=True):
                chance *= one[k]
            total += chance
    return float(total)


@pytest.mark.parametrize("sizes", [[1, 1, 1], [4, 2, 1, 1], [5], [3, 3, 3]])
def test_the_green_tail_is_the_sum_over_all_outcomes(sizes):
    for n_green in range(sum(sizes) + 1):
        found = green_tail(n_green, np.array(sizes), vocabulary=20, n_listed=7)
        assert found == pytest.approx(_exact_tail(n_green, sizes, 20, 7), rel=1e-10)


def test_lists_of_one_token_each_give_the_binomial_far_into_the_tail():
    found = green_tail(380, np.ones(400, dtype=int), vocabulary=50000, n_listed=12500)
    assert found == pytest.approx(stats.binom.sf(379, 400, 0.25), rel=1e-9)
    assert found < 1e-150


@pytest.mark.parametrize("sizes", [[6, 6, 6], [10, 1, 1], [3] * 8])
def test_the_binomial_bound_is_never_below_the_exact_tail(sizes):
    n, share = sum(sizes), 8 / 20
    for n_green in range(n + 1):
        exact = green_tail(n_green, np.array(sizes), vocabulary=20, n_listed=8)
        assert binomial_bound(n_green, n, share) >= exact * (1 - 1e-12)


def test_weighted_coins_give_the_exact_sum_of_all_outcomes():
    weights, counts, share = np.array([1, 3, 10]), np.array([5, 4, 3]), 0.3
    chances = np.ones(1)
    for weight, count in zip(weights, counts, strict=True):
        for _ in range(count):
            coin = np.zeros(weight + 1)
            coin[[0, weight]] = 1 - share, share
            chances = np.convolve(chances, coin)
    for total in range(len(chances)):
        found = weighted_coins_tail(total, weights, counts, share=share)
        assert found == pytest.approx(chances[total:].sum(), rel=1e-9)


@pytest.mark.parametrize(("n", "k"), [(20, 18), (400, 250), (3000, 1900), (12000, 6600), (60, 59)])
def test_equal_coins_give_the_binomial_however_small(n, k):
    found = weighted_coins_tail(k, np.array([1]), np.array([n]), share=0.4996)
    assert found == pytest.approx(stats.binom.sf(k - 1, n, 0.4996), rel=1e-9)


def test_a_tail_too_small_for_floating_point_is_told_as_a_larger_one():
    assert weighted_coins_tail(9000, np.array([1]), np.array([9000]), share=0.5) == SMALLEST_P
    assert green_tail(900, np.ones(900, dtype=int), vocabulary=50, n_listed=12) == SMALLEST_P


def test_windows_double_up_to_the_whole_and_cover_both_ends():
    assert window_lengths(130, 25) == [25, 50, 100, 130]
    assert window_lengths(10, 25) == [10]
    assert window_lengths(0, 25) == []
    assert n_windows(25, 25) == 1


def test_the_best_window_finds_a_marked_passage_that_the_whole_hides():
    green = np.zeros(2000, dtype=bool)
    green[::4] = True
    green[800:860] = True
    best = winmax_tail(green, 0.25, shortest=25)
    whole = stats.binom.sf(green.sum() - 1, 2000, 0.25)
    assert best.p_value < 1e-15 < whole
    assert 750 <= best.start <= 860


def test_the_best_window_is_charged_for_all_of_them():
    green = np.ones(40, dtype=bool)
    best = winmax_tail(green, 0.25, shortest=25)
    assert best.n_windows == n_windows(40, 25) > 1
    assert best.p_value == pytest.approx(best.n_windows * 0.25**40, rel=1e-9)


@pytest.mark.slow
def test_the_best_window_errs_no_more_often_than_it_says():
    # 20,000 texts of fair chance: at a nominal 0.01, 200 expected; more than 260 has a
    # probability below 2e-5 (binomial).
    generator = np.random.default_rng(14)
    texts = generator.random((20_000, 300)) < 0.25
    low = sum(winmax_tail(text, 0.25, shortest=25).p_value <= 0.01 for text in texts)
    assert 0 < low <= 260
