"""The writer of marked text does what the papers say it does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from madaudit.detectors.watermarks.text.g_values import Hashing
from madaudit.detectors.watermarks.text.green_lists import GreenLists
from madaudit.detectors.watermarks.text.scoring import score
from madaudit.detectors.watermarks.text.seeding import scheme_named
from madaudit.detectors.watermarks.text.writing import (
    BigramModel,
    GreenMark,
    TournamentMark,
    UniformModel,
)

_LISTS = GreenLists(50257, 0.25)


def _model() -> BigramModel:
    generator = np.random.default_rng(0)
    return BigramModel.fit([generator.integers(0, 400, 3000) for _ in range(3)])


def test_the_same_generator_writes_the_same_text():
    texts = [_model().write(50, np.random.default_rng(5)).tolist() for _ in range(2)]
    assert texts[0] == texts[1]


def test_candidates_come_once_and_their_chances_add_up_to_one():
    candidates, chances = _model().candidates_after(17)
    assert len(set(candidates.tolist())) == len(candidates)
    assert chances.sum() == pytest.approx(1)


def test_a_green_mark_multiplies_the_odds_of_green_by_the_exponential_of_delta():
    mark = GreenMark(scheme_named("lefthash"), 11, _LISTS, delta=1.5)
    candidates = np.arange(100)
    chances = np.full(100, 0.01)
    green = mark.are_green([7], candidates)
    marked = mark.tilt([7], candidates, chances)
    odds = marked[green].sum() / marked[~green].sum()
    before = chances[green].sum() / chances[~green].sum()
    assert odds == pytest.approx(before * math.exp(1.5))


@pytest.mark.slow
def test_uniform_text_is_as_green_as_theory_says():
    # Odds of green: gamma e^delta / (1 − gamma). 800 tokens; 4.5 standard deviations: 7e-6.
    lists = GreenLists(3000, 0.25)
    mark = GreenMark(scheme_named("lefthash"), 11, lists, delta=2.0)
    tokens = UniformModel(3000, 128).write(800, np.random.default_rng(2), mark)
    green = score(tokens, mark.scheme, mark.key, lists).green
    odds = lists.share * math.exp(2.0)
    expected = odds / (1 - lists.share + odds)
    assert abs(green.mean() - expected) < 4.5 * math.sqrt(expected * (1 - expected) / len(green))


def test_a_tournament_over_many_equal_candidates_lifts_the_first_layer_to_three_quarters():
    # E g = 1/2 + 1/4 (1 − 1/k) with k equal candidates. 3,000 tokens; 4.5 sd: 7e-6.
    hashing = Hashing(keys=(654,))
    tokens = UniformModel(50257, 256).write(
        3000, np.random.default_rng(3), TournamentMark(hashing)
    )
    bits = hashing.g_values(tokens)[hashing.unmasked(tokens)]
    expected = 0.5 + 0.25 * (1 - 1 / 256)
    assert abs(bits.mean() - expected) < 4.5 * math.sqrt(0.25 * 0.75 / len(bits))


def test_a_tournament_leaves_a_repeated_context_as_it_is():
    mark = TournamentMark(Hashing())
    candidates, chances = np.arange(40), np.full(40, 1 / 40)
    first = mark.tilt([1, 2, 3, 4], candidates, chances)
    assert not np.allclose(first, chances)
    assert first.sum() == pytest.approx(1)
    np.testing.assert_array_equal(mark.tilt([1, 2, 3, 4], candidates, chances), chances)


def test_the_first_tokens_have_no_context_to_be_marked_by():
    mark = GreenMark(scheme_named("skipgram"), 11, _LISTS)
    chances = np.full(4, 0.25)
    np.testing.assert_array_equal(mark.tilt([1, 2], np.arange(4), chances), chances)
