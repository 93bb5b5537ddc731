"""torch's random numbers without torch."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.detectors.watermarks.text.torch_random import Stream, coin_flips, draws, randperm
from tests.detectors.watermarks.text.golden_values import golden

_ROWS = golden()["permutations"]


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: f"{row['n']}-{row['seed']}")
def test_a_permutation_is_torchs_own(row):
    order = randperm(row["n"], row["seed"])
    assert order[:8].tolist() == row["head"]
    assert int((order * np.arange(1, row["n"] + 1)).sum()) == row["sum"]


def test_a_reseeded_stream_gives_what_a_new_generator_gives():
    stream = Stream()
    for seed in (0, 7, 2**33 + 5):
        np.testing.assert_array_equal(stream.draws(seed, 100), draws(seed, 100))


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_and_one_are_permuted_to_themselves(n):
    assert randperm(n, 3).tolist() == list(range(n))


@pytest.mark.torch
def test_coin_flips_and_permutations_are_those_of_the_torch_that_is_here():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for seed in (0, 1, 99):
        flips = torch.randint(0, 2, (65536,), generator=torch.Generator().manual_seed(seed))
        np.testing.assert_array_equal(coin_flips(65536, seed), flips.numpy())
        order = torch.randperm(32000, generator=torch.Generator().manual_seed(seed))
        np.testing.assert_array_equal(randperm(32000, seed), order.numpy())
