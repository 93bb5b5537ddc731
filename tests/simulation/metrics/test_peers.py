"""The published implementations on the same features."""

import warnings

import numpy as np
import pytest

from madaudit.simulation.metrics import frechet_distance, kernel_distance, precision_recall

pytestmark = pytest.mark.torch


def _module(name, package):
    pytest.importorskip("torch", reason="needs torch: pip install 'madaudit[loops]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"needs the peer: pip install {package}")


def _features(n=600, d=40, m=None):
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(d, d)) / np.sqrt(d)
    real = generator.normal(size=(n, d)) @ mixing
    synthetic = 0.2 + 0.8 * generator.normal(size=(m or n, d)) @ mixing
    return np.maximum(real, 0), np.maximum(synthetic, 0)


def test_frechet_distance_is_torch_fidelitys():
    fid = _module("torch_fidelity.metric_fid", "torch-fidelity")
    import torch

    real, synthetic = _features()
    theirs = fid.fid_statistics_to_metric(
        *(fid.fid_features_to_statistics(torch.from_numpy(x)) for x in (real, synthetic)), False
    )

    assert frechet_distance(real, synthetic) == pytest.approx(
        theirs["frechet_inception_distance"], rel=1e-6
    )


def test_frechet_distance_is_pytorch_fids():
    fid = _module("pytorch_fid.fid_score", "pytorch-fid")
    real, synthetic = _features()
    moments = [f(x) for x in (real, synthetic) for f in (_mean, _covariance)]
    with warnings.catch_warnings():
        # It asks scipy in a way that scipy is about to forget.
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = fid.calculate_frechet_distance(*moments)

    assert frechet_distance(real, synthetic) == pytest.approx(theirs, rel=1e-6)


def _mean(features):
    return features.mean(axis=0)


def _covariance(features):
    return np.cov(features, rowvar=False)


def test_kernel_distance_is_torch_fidelitys_on_one_subset_of_all():
    kid = _module("torch_fidelity.metric_kid", "torch-fidelity")
    import torch

    real, synthetic = _features()
    theirs = kid.kid_features_to_metric(
        torch.from_numpy(real),
        torch.from_numpy(synthetic),
        kid_subsets=1,
        kid_subset_size=len(real),
        verbose=False,
    )

    assert kernel_distance(real, synthetic) == pytest.approx(
        theirs["kernel_inception_distance_mean"], rel=1e-6
    )


@pytest.mark.parametrize("k", [3, 5])
def test_precision_and_recall_are_torch_fidelitys(k):
    prc = _module("torch_fidelity.metric_prc", "torch-fidelity")
    import torch

    real, synthetic = _features(500, 12, 700)
    # Theirs takes generated features first.
    theirs = prc.calculate_precision_recall_full(
        torch.from_numpy(synthetic), torch.from_numpy(real), neighborhood=k
    )

    # Theirs is a mean in single precision.
    assert precision_recall(real, synthetic, k) == pytest.approx(theirs, rel=1e-6)
