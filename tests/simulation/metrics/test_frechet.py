import numpy as np
import pytest
from scipy.linalg import sqrtm

from madaudit.errors import InputError
from madaudit.simulation.metrics import frechet_distance


def _by_the_formula(real, synthetic):
    """The published implementations' own way: a matrix root of the product."""
    first, second = np.cov(real, rowvar=False), np.cov(synthetic, rowvar=False)
    gap = real.mean(axis=0) - synthetic.mean(axis=0)
    root = sqrtm(first @ second)
    return gap @ gap + np.trace(first) + np.trace(second) - 2 * np.trace(root).real


@pytest.mark.parametrize(("n", "d"), [(300, 5), (2000, 64), (500, 200)])
def test_equals_the_root_of_the_product(n, d):
    generator = np.random.default_rng(d)
    real = generator.normal(size=(n, d)) @ generator.normal(size=(d, d))
    synthetic = generator.normal(0.3, 1.5, size=(n, d))

    assert frechet_distance(real, synthetic) == pytest.approx(
        _by_the_formula(real, synthetic), rel=1e-6
    )


def test_is_exact_where_covariances_are_singular():
    # Along one axis the distance is the squared difference of deviations and of means.
    real = np.zeros((50, 80))
    synthetic = np.zeros((50, 80))
    real[:, 3] = np.linspace(-1, 1, 50)
    synthetic[:, 3] = 2 + 3 * np.linspace(-1, 1, 50)

    expected = 4 + (2 * np.linspace(-1, 1, 50).std(ddof=1)) ** 2

    assert frechet_distance(real, synthetic) == pytest.approx(expected, rel=1e-12)


def test_a_set_and_itself_are_at_no_distance():
    features = np.random.default_rng(0).normal(size=(100, 300))

    assert frechet_distance(features, features) == pytest.approx(0.0, abs=1e-9)


def test_is_symmetric():
    generator = np.random.default_rng(1)
    real, synthetic = generator.normal(size=(90, 7)), generator.gamma(2.0, size=(110, 7))

    assert frechet_distance(real, synthetic) == pytest.approx(frechet_distance(synthetic, real))


def test_falls_on_the_wasserstein_distance_of_the_paper():
    # gomad.md §3.4: 100 samples in 100 dimensions are 31.9 from the truth, on average.
    # These 200 points have mean 0 and covariance I, as the truth has.
    truth = np.sqrt(199 / 2) * np.concatenate([np.eye(100), -np.eye(100)])
    generator = np.random.default_rng(2)
    found = np.mean([frechet_distance(truth, generator.normal(size=(100, 100))) for _ in range(8)])

    assert found == pytest.approx(31.9, rel=0.03)


@pytest.mark.parametrize(
    ("real", "synthetic", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), "2 and 3 dimensions"),
        (np.zeros((1, 2)), np.zeros((5, 2)), "1 real samples; at least 2"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), "synthetic features are not all finite"),
        (np.zeros(5), np.zeros((5, 2)), r"real features have shape \(5,\)"),
    ],
)
def test_refuses_what_has_no_moments(real, synthetic, message):
    with pytest.raises(InputError, match=message):
        frechet_distance(real, synthetic)
