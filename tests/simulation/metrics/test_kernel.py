import numpy as np
import pytest

from madaudit.simulation.metrics import kernel_distance


def _by_loops(real, synthetic):
    d = real.shape[1]

    def kernel(x, y):
        return (x @ y / d + 1) ** 3

    def within(one):
        n = len(one)
        return sum(kernel(one[i], one[j]) for i in range(n) for j in range(n) if i != j) / (
            n * (n - 1)
        )

    across = np.mean([kernel(x, y) for x in real for y in synthetic])
    return within(real) + within(synthetic) - 2 * across


def test_equals_a_loop_over_all_pairs():
    generator = np.random.default_rng(0)
    real, synthetic = generator.normal(size=(23, 4)), generator.normal(0.5, 2, size=(31, 4))

    assert kernel_distance(real, synthetic) == pytest.approx(_by_loops(real, synthetic), rel=1e-12)


def test_is_unbiased_at_any_sample_number():
    generator = np.random.default_rng(1)
    runs = [
        kernel_distance(generator.normal(size=(40, 3)), generator.normal(size=(40, 3)))
        for _ in range(400)
    ]

    assert abs(np.mean(runs)) < 3.3 * np.std(runs) / np.sqrt(len(runs))


def test_blocks_change_nothing(monkeypatch):
    generator = np.random.default_rng(2)
    real, synthetic = generator.normal(size=(100, 4)), generator.normal(1, 1, size=(77, 4))
    whole = kernel_distance(real, synthetic)
    monkeypatch.setattr("madaudit.simulation.metrics.kernel._BLOCK", 7)

    assert kernel_distance(real, synthetic) == pytest.approx(whole, rel=1e-12)
