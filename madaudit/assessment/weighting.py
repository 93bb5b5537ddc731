"""Weights in place of a cut, where it is known which samples are synthetic.

Nothing is thrown away: real samples weigh more. The weight of He, Xu and Cheng is best for the
mean at λ = 1; with λ < 1 a larger one, or a cut, is, so its harm stands beside that of no weights.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from madaudit.assessment.harm import at_prevalence, harm_of, without_counts, worst
from madaudit.errors import OptionError
from madaudit.simulation import LoopSpec, best_real_share


@dataclass(frozen=True)
class Weighting:
    """A weight on real samples and what it does.

    Attributes:
        real_share: w*, share of the total weight that real samples get.
        real_weight: weight of one real sample beside a synthetic one of 1.
        harm: with it.
        harm_unweighted: without.
    """

    real_share: float
    real_weight: float
    harm: float
    harm_unweighted: float

    def to_dict(self) -> dict[str, Any]:
        return {name: value if np.isfinite(value) else None for name, value in vars(self).items()}


def weigh_real(n: float, prevalence: float, loop: LoopSpec) -> Weighting:
    """The weight w* for a data set, with the harm of using it and of not using it.

    Args:
        n: samples in the data set.
        prevalence: their synthetic share, (0, 1).
        loop: which loop, λ, dimension and generations; its counts and weight are not used.

    Raises:
        OptionError: there is nothing to weigh against, or no real samples in the loop.

    Source: He, Xu and Cheng, arXiv:2502.18049.
    """
    if not 0.0 < prevalence < 1.0 or loop.loop == "synthetic":
        raise OptionError(
            f"cannot weigh real against synthetic samples: the synthetic share is {prevalence:g} "
            f"in the {loop.loop} loop; it must lie between 0 and 1, in a loop with real samples"
        )
    n_real, n_synthetic = n * (1.0 - prevalence), n * prevalence
    share = best_real_share(n_real, n_synthetic)
    weight = share / (1.0 - share) * n_synthetic / n_real
    harms = []
    for each in (weight, 1.0):
        spec = dataclasses.replace(without_counts(loop), real_weight=each)
        numbers = at_prevalence(spec, n, prevalence)
        harms.append(float(worst(*harm_of(spec, numbers, n_real))[0]))
    return Weighting(share, weight, harms[0], harms[1])
