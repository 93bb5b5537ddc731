"""Two-dimensional densities to draw real samples from without end."""

from __future__ import annotations

import numpy as np

from madaudit.simulation.generators.base import Samples
from madaudit.simulation.mixture import mixture25
from madaudit.simulation.real_data import Endless


def _mixture25(generator: np.random.Generator, n: int) -> Samples:
    mixture = mixture25()
    labels = generator.choice(len(mixture.weights), size=n, p=mixture.weights)
    noise = generator.normal(size=(n, mixture.means.shape[1])) * np.sqrt(mixture.variance)
    return Samples((mixture.means[labels] + noise).astype(np.float32), labels.astype(np.int64))


def _rosenbrock(generator: np.random.Generator, n: int) -> Samples:
    """Density ∝ exp(−x₁²/2 − (x₂ − x₁²)²): x₁ ~ N(0, 1) and x₂ ~ N(x₁², ½).

    Source: the paper on MAD, appendix B.4.
    """
    first = generator.normal(size=n)
    second = first**2 + generator.normal(0, np.sqrt(0.5), size=n)
    return Samples(np.stack([first, second], axis=1).astype(np.float32), np.zeros(n, np.int64))


MIXTURE25 = Endless("mixture25", _mixture25)
ROSENBROCK = Endless("rosenbrock", _rosenbrock)
