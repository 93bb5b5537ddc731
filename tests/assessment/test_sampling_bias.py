"""λ from embeddings: known ratios, coverage, and what it must not be fooled by."""

from __future__ import annotations

import numpy as np
import pytest

from madaudit.assessment.sampling_bias import Clustered, measure_bias
from madaudit.errors import OptionError


def drawn(seed, n, scale, *, dim=6, shift=0.0, sizes=(1, 1, 1, 1)):
    generator = np.random.default_rng(seed)
    clusters = generator.choice(len(sizes), n, p=np.array(sizes) / sum(sizes))
    centers = 10 * np.random.default_rng(99).standard_normal((len(sizes), dim)) + shift
    return Clustered(
        centers[clusters] + np.sqrt(scale) * generator.standard_normal((n, dim)), clusters
    )


def test_a_known_ratio_is_found():
    bias = measure_bias(drawn(1, 4000, 1.0), drawn(2, 4000, 0.7))
    assert bias.trace_ratio.point == pytest.approx(0.7, rel=0.03)
    assert bias.det_ratio.point == pytest.approx(0.7, rel=0.05)
    assert bias.effective_rank == pytest.approx(6, abs=0.3)


def test_other_shares_of_subjects_are_no_bias():
    bias = measure_bias(drawn(3, 4000, 1.0), drawn(4, 4000, 1.0, shift=5.0, sizes=(9, 1, 1, 1)))
    assert bias.trace_ratio.low < 1.0 < bias.trace_ratio.high


def test_the_interval_covers():
    """200 replicates: 177 or more covered for a nominal .95 has a false alarm below 1e-4."""
    covered = 0
    for seed in range(200):
        bias = measure_bias(drawn(2 * seed, 300, 1.0, dim=3), drawn(2 * seed + 1, 200, 0.8, dim=3))
        covered += bias.trace_ratio.low <= 0.8 <= bias.trace_ratio.high
    assert covered >= 177


def test_a_shrunken_rare_direction_shows_in_the_determinant_alone():
    real, synthetic = drawn(5, 4000, 1.0), drawn(6, 4000, 1.0)
    centers = np.stack([synthetic.embeddings[synthetic.clusters == c].mean(0) for c in range(4)])
    squeezed = synthetic.embeddings - centers[synthetic.clusters]
    squeezed[:, 0] *= 0.1
    bias = measure_bias(real, Clustered(squeezed, synthetic.clusters))
    assert bias.det_ratio.high < bias.trace_ratio.low


def test_points_that_do_not_vary_are_no_diversity_at_all():
    still = Clustered(np.zeros((10, 6)), np.zeros(10, dtype=int))
    assert measure_bias(drawn(7, 100, 1.0), still).trace_ratio.high == 0.0


def test_a_detectors_choice_is_marked():
    bias = measure_bias(drawn(8, 100, 1.0), drawn(9, 100, 1.0), is_selected=True)
    assert bias.to_dict()["selection_biased"] is True


@pytest.mark.parametrize(
    ("synthetic", "message"),
    [
        (drawn(1, 50, 1.0, dim=5), "6 and 5 dimensions; use one encoder"),
        (Clustered(np.zeros((5, 6)), np.full(5, -1)), "no cluster has two real and two synthetic"),
        (Clustered(np.zeros((5, 6)), np.zeros(4)), r"they must be \(n, d\) and \(n,\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(synthetic, message):
    with pytest.raises(OptionError, match=message):
        measure_bias(drawn(1, 50, 1.0), synthetic)
