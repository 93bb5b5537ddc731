"""Which tokens are green: equal to the public implementations, token by token."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.detectors.watermarks.text.green_lists import GreenLists
from madaudit.detectors.watermarks.text.scoring import (
    count_as_published,
    ngrams_of,
    score,
)
from madaudit.detectors.watermarks.text.seeding import PUBLIC_KEY, Scheme, scheme_named
from madaudit.detectors.watermarks.text.torch_random import randperm
from madaudit.errors import OptionError
from tests.detectors.watermarks.text import torch_reference
from tests.detectors.watermarks.text.golden_values import bits, golden
from tests.detectors.watermarks.text.torch_reference import VOCABULARY, tokens


def _greens(name: str, gamma: float) -> np.ndarray:
    scheme = scheme_named(name)
    ngrams = ngrams_of(tokens(), scheme.ngram_width)
    lists = GreenLists(VOCABULARY, gamma)
    return lists.are_green(scheme.seeds(ngrams, PUBLIC_KEY), ngrams[:, -1])


@pytest.mark.parametrize("name", sorted(golden()["green"]))
def test_every_public_scheme_gives_torchs_lists(name):
    scheme, gamma = name.split()
    np.testing.assert_array_equal(_greens(scheme, float(gamma)), bits(golden()["green"][name]))


@pytest.mark.parametrize("row", golden()["transformers"], ids=lambda row: str(row["scheme"]))
def test_counts_and_z_are_those_of_transformers_own_detector(row):
    counted = count_as_published(
        tokens(),
        scheme_named(row["scheme"]),
        PUBLIC_KEY,
        GreenLists(VOCABULARY, 0.25),
        ignore_repeated=row["ignore_repeated"],
    )
    assert (counted.n_scored, counted.n_green) == (row["n_scored"], row["n_green"])
    assert counted.z == pytest.approx(row["z"], abs=1e-9)


@pytest.mark.torch
@pytest.mark.slow
def test_the_golden_values_are_those_of_the_torch_that_is_here():
    pytest.importorskip("transformers", reason="transformers is not installed")
    schemes = torch_reference.GREENLISTS[:2]
    now = torch_reference.golden(schemes)
    kept = {f"{name} {gamma}": golden()["green"][f"{name} {gamma}"] for name, gamma in schemes}
    assert now == {**golden(), "green": kept}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(("size", "gamma"), [(2, 0.5), (7, 0.2), (7, 0.9), (50, 0.5), (999, 0.25)])
def test_following_one_token_finds_its_place_in_the_whole_permutation(size, gamma, legacy):
    lists = GreenLists(size, gamma, legacy)
    for seed in range(20):
        order = randperm(size, seed)
        green = order[size - lists.n_green :] if legacy else order[: lists.n_green]
        answers = lists.are_green(np.full(size, seed, dtype=np.uint32), np.arange(size))
        assert set(np.flatnonzero(answers).tolist()) == set(green.tolist())


def test_a_token_beyond_the_vocabulary_is_in_no_list():
    lists = GreenLists(10, 0.5)
    assert not lists.are_green(np.zeros(2, dtype=np.uint32), np.array([10, -1])).any()


def test_lists_that_no_key_changes_are_not_scored():
    after_zero = np.array([0, 5, 0, 6, 0, 7], dtype=np.int64)
    scheme = scheme_named("lefthash")
    seeds = [scheme.seeds(ngrams_of(after_zero, 2), key)[0] for key in (11, 12)]
    assert seeds[0] == seeds[1] == 0
    assert len(score(after_zero, scheme, 11, GreenLists(10, 0.5)).green) == 2


@pytest.mark.parametrize("name", ["lefthash", "selfhash", "minhash", "transformers-selfhash-4"])
def test_a_repeated_text_scores_as_the_text_once(name):
    scheme, lists = scheme_named(name), GreenLists(VOCABULARY, 0.25)
    once = np.arange(5, 65)
    twice = np.concatenate([once, once])
    n_new = scheme.ngram_width - 1  # n-grams across the seam
    n_once = len(score(once, scheme, PUBLIC_KEY, lists).green)
    assert n_once <= len(score(twice, scheme, PUBLIC_KEY, lists).green) <= n_once + n_new


def test_one_list_and_one_token_count_once_whatever_the_rest_of_the_context():
    numbers = np.array([3, 9, 5, 9, 3, 5], dtype=np.int64)  # 3+9 and 9+3 seed one list
    scored = score(numbers, scheme_named("ff-additive_prf-2-False"), 7, GreenLists(10, 0.5))
    assert len(scored.green) == len(ngrams_of(numbers, 3)) - 1


def test_a_key_of_63_bits_multiplies_exactly():
    key = 2**63 - 1
    seeds = scheme_named("lefthash").seeds(np.array([[50000, 1]]), key)
    assert int(seeds[0]) == key * 50000 % (2**64 - 1) & 0xFFFFFFFF


@pytest.mark.parametrize(
    "name", ["lefthsh", "ff-additive_prf", "ff-additive_prf-0-True", "ff-nothing-2-True", "", "ff"]
)
def test_a_scheme_that_does_not_exist_is_refused_with_those_that_do(name):
    with pytest.raises(OptionError, match="lefthash"):
        scheme_named(name)


@pytest.mark.parametrize(
    ("size", "gamma"), [(1, 0.5), (2**30, 0.5), (50, 0.0), (50, 1.0), (3, 0.1)]
)
def test_a_vocabulary_without_green_and_red_is_refused(size, gamma):
    with pytest.raises(OptionError):
        GreenLists(size, gamma)


def test_a_free_form_scheme_is_read_part_by_part():
    assert scheme_named("ff-minhash_prf-4-True") == Scheme(
        "ff-minhash_prf-4-True", "minhash_prf", 4, self_salt=True
    )
