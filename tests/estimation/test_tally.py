"""Tallies: sums over rows that merge in any order."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madaudit.estimation import MarkTally
from madaudit.estimation.tally import COMPOSITE, NO_MARK, REAL, SYNTHETIC, RowMasks

# Quarters add without rounding, so sums can be compared for equality.
_weight = st.integers(4, 4000).map(lambda n: n / 4)
_verdict = st.sampled_from([NO_MARK, SYNTHETIC, COMPOSITE, REAL])
_row = st.tuples(_verdict, _weight, *[st.booleans()] * len(RowMasks._fields))
_rows = st.lists(_row, max_size=30)


def tally_of(rows):
    verdicts = np.array([row[0] for row in rows], dtype=np.int8)
    weights = np.array([row[1] for row in rows], dtype=np.float64)
    masks = [np.array([row[2 + i] for row in rows], dtype=bool) for i in range(5)]
    return MarkTally.count(verdicts, weights, RowMasks(*masks))


def slow_tally(rows):
    """The same counts, a row and an `if` at a time."""
    sums = dict.fromkeys((field.name for field in fields(MarkTally)), 0.0)
    names = {SYNTHETIC: "synthetic", COMPOSITE: "composite", REAL: "real", NO_MARK: "unmarked"}
    for verdict, weight, validated, observable, partly, bare, broken in rows:
        sums["n"] += 1
        sums["weight"] += weight
        sums["weight_squared"] += weight * weight
        sums[names[verdict]] += weight
        sums["composite_squared"] += weight * weight if verdict == COMPOSITE else 0
        sums["validated"] += weight if validated and verdict == SYNTHETIC else 0
        sums["observable"] += weight if observable else 0
        sums["partly"] += weight if partly else 0
        sums["hidden"] += weight if not observable and not partly else 0
        sums["bare"] += weight if bare else 0
        sums["broken"] += weight if broken else 0
    return MarkTally(**sums)


@given(_rows)
def test_a_tally_equals_a_slow_loop_over_the_rows(rows):
    assert tally_of(rows) == slow_tally(rows)


@pytest.mark.slow
@given(_rows, _rows)
def test_adding_tallies_is_commutative(one, other):
    assert tally_of(one) + tally_of(other) == tally_of(other) + tally_of(one)


@pytest.mark.slow
@given(_rows, _rows, _rows)
def test_adding_tallies_is_associative(a, b, c):
    left = (tally_of(a) + tally_of(b)) + tally_of(c)
    assert left == tally_of(a) + (tally_of(b) + tally_of(c))


@given(_rows, _rows)
def test_the_tally_of_all_rows_is_the_sum_of_its_parts(one, other):
    assert tally_of(one + other) == tally_of(one) + tally_of(other)


@given(_rows)
def test_an_empty_tally_changes_nothing(rows):
    assert tally_of(rows) + MarkTally() == tally_of(rows) == MarkTally() + tally_of(rows)


@given(_rows)
def test_every_sample_counts_once_among_the_verdicts(rows):
    tally = tally_of(rows)
    assert tally.synthetic + tally.composite + tally.real + tally.unmarked == tally.weight


def test_a_composite_with_a_valid_signature_is_no_validated_synthetic_sample():
    tally = tally_of([(COMPOSITE, 1.0, True, True, False, False, False)])
    assert (tally.composite, tally.validated) == (1.0, 0.0)


def test_shares_are_of_the_weight_and_zero_for_an_empty_stratum():
    tally = tally_of([(SYNTHETIC, 3.0, *[False] * 5), (NO_MARK, 1.0, *[False] * 5)])
    assert tally.share(tally.synthetic) == 0.75
    assert MarkTally().share(0.0) == 0.0


def test_chosen_masks_belong_to_the_chosen_rows():
    masks = RowMasks(*(np.arange(5) == index for index in range(5)))
    assert [mask.tolist() for mask in masks.chosen(np.array([4, 0]))] == [
        [False, True],
        [False, False],
        [False, False],
        [False, False],
        [True, False],
    ]


def test_a_tally_cannot_be_changed():
    with pytest.raises(AttributeError):
        MarkTally().n = 1
