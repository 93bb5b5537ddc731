"""Clusters of embeddings: planted ones are found, whatever their sizes."""

from __future__ import annotations

import numpy as np

from madaudit.estimation.concepts import fit_concepts, n_concepts, nearest, unit


def planted(sizes, spread=0.1, dim=16):
    generator = np.random.default_rng(0)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    return unit(np.eye(dim)[truth] + spread * generator.normal(size=(len(truth), dim))), truth


def test_planted_clusters_are_not_joined_whatever_their_sizes():
    """Given twice as many centres, as `--by cluster` does: one may be split, none mixed."""
    vectors, truth = planted((1000, 100, 20))
    for seed in range(5):
        centers = fit_concepts(vectors, 6, np.random.default_rng(seed))
        places, cosines = nearest(vectors, centers)
        pairs = set(zip(places.tolist(), truth.tolist(), strict=True))
        assert len(pairs) == len(centers)
        assert cosines.min() > 0.5


def test_the_same_seed_gives_the_same_centres():
    vectors, _ = planted((50, 50))
    one, two = (fit_concepts(vectors, 5, np.random.default_rng(2)) for _ in range(2))
    assert np.array_equal(one, two)


def test_as_many_distinct_vectors_as_there_are_is_the_most():
    vectors = unit(np.ones((7, 3)))
    assert len(fit_concepts(vectors, 4, np.random.default_rng(0))) == 1


def test_centres_and_vectors_have_length_one_unless_they_have_none():
    vectors = unit(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert np.linalg.norm(vectors, axis=1).tolist() == [1.0, 0.0]


def test_there_is_a_concept_for_every_two_hundred_samples_up_to_a_thousand():
    assert [n_concepts(n) for n in (1, 399, 400, 10**9)] == [1, 1, 2, 1000]
