"""The cells of `scripts/loop_experiments`: which loops are run, on what, how often.

Sizes are those that show an effect on one core, not the paper's: 250 points a generation where
the paper's flow has 10,000, digits of 8 × 8 pixels where its WGAN has MNIST. All flows take the
same number of steps, whatever they are trained on, so that more data is not more training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One loop.

    Attributes:
        family: as `madaudit simulate` has it.
        arguments: of `madaudit.simulate`, the seed aside.
        n_seeds: runs of it.
        every: generations between two rows that are kept.
    """

    family: str
    arguments: dict[str, Any]
    n_seeds: int
    every: int = 1


# One batch an epoch up to 512 points.
_FLOW = {
    "n_eval": 300,
    "settings": {
        "layers": 4,
        "hidden": 32,
        "epochs": 60,
        "batch": 512,
        "learning_rate": 0.01,
        "device": "cpu",
    },
}
_WGAN = {
    "n_eval": 300,
    "settings": {"steps": 200, "n_critic": 3, "width": 16, "batch": 32, "device": "cpu"},
}


def _flow(generations: int = 6, n_seeds: int = 20, **loop: Any) -> Cell:
    return Cell("flow", {**loop, "generations": generations, **_FLOW}, n_seeds)


def _fresh(n_synthetic: int, n_seeds: int = 20, **loop: Any) -> Cell:
    return _flow(loop="fresh", n_fresh=100, n_synthetic=n_synthetic, n_seeds=n_seeds, **loop)


def _mixture(generations: int, **loop: Any) -> Cell:
    arguments = {**loop, "generations": generations, "monte_carlo": 1}
    return Cell("mixture", arguments, 8, max(generations // 40, 1))


CELLS = {
    "mixture-synthetic": _mixture(1000, loop="synthetic", n_synthetic=2500),
    "mixture-synthetic-0.9": _mixture(400, loop="synthetic", n_synthetic=2500, bias=0.9),
    "mixture-augmentation": _mixture(400, loop="augmentation", n_fixed=250, n_synthetic=2250),
    "mixture-fresh": _mixture(400, loop="fresh", n_fresh=250, n_synthetic=2250),
    "flow-synthetic": _flow(12, loop="synthetic", n_synthetic=250),
    "flow-synthetic-0.75": _flow(12, loop="synthetic", n_synthetic=250, bias=0.75),
    "flow-augmentation": _flow(12, loop="augmentation", n_fixed=250, n_synthetic=250),
    # Whether some synthetic samples help is a small difference: 20 seeds left it open.
    "flow-fresh-100-0": _fresh(0, n_seeds=100),
    "flow-fresh-100-100": _fresh(100, n_seeds=100),
    "flow-fresh-100-400": _fresh(400, n_seeds=100),
    "flow-fresh-100-400-from-500": _fresh(400, n_initial=500),
    "flow-fresh-100-400-0.75": _fresh(400, bias=0.75),
    "wgan-synthetic": Cell(
        "wgan", {"loop": "synthetic", "n_synthetic": 1000, "generations": 4, **_WGAN}, 8
    ),
}


@dataclass(frozen=True)
class Intervened:
    """A loop in which draws are marked, or what enters is filtered.

    Attributes:
        family: as `madaudit simulate` has it.
        side: of the digits, in pixels.
        arguments: of `madaudit.simulate`; data, seeds, bits and detectors' files are added.
        n_seeds: runs of it.
    """

    family: str
    side: int
    arguments: dict[str, Any]
    n_seeds: int


_MIXED = {"loop": "fresh", "n_initial": 300, "n_fresh": 60, "n_synthetic": 240, "n_eval": 200}
DIFFUSION = {
    "settings": {
        "steps": 150,
        "batch": 64,
        "width": 16,
        "multipliers": [1, 2],
        "n_draw_steps": 20,
        "decay": 0.99,
        "bf16": False,
        "device": "cpu",
    }
}
# Filters by their name in the table.
_FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "rates-90-5": {"filter_tpr": 0.9, "filter_fpr": 0.05},
    "mark": {"mark": "dwt_dct", "filter_detector": "dwt_dct"},
    "neighbours": {"filter_detector": "neighbours", "filter_fpr": 0.05},
    "probe": {"filter_detector": "clip_probe", "filter_fpr": 0.05},
    "forensic": {"filter_detector": "forensic", "filter_fpr": 0.05},
}


# What a Gaussian loses at λ = 1 is too little for a filter to matter.
_BIAS = 0.7


def _normal(arguments: dict[str, Any], **loop: Any) -> Intervened:
    return Intervened("normal", 16, {**_MIXED, "generations": 5, **loop, **arguments}, 16)


def _ddpm(arguments: dict[str, Any]) -> Intervened:
    return Intervened("ddpm", 8, {**_MIXED, "generations": 3, **DIFFUSION, **arguments}, 3)


_SYNTHETIC = {"loop": "synthetic", "n_fresh": 0, "n_synthetic": 300}
INTERVENTIONS = {
    **{f"filter-normal-{name}": _normal(own, bias=_BIAS) for name, own in _FILTERS.items()},
    "mark-normal-fresh": _normal({"mark": "dwt_dct"}),
    "mark-normal-fresh-none": _normal({}),
    "mark-normal-synthetic": _normal({"mark": "dwt_dct"}, **_SYNTHETIC),
    "mark-normal-synthetic-none": _normal({}, **_SYNTHETIC),
    "mark-ddpm-fresh": _ddpm({"mark": "dwt_dct"}),
    "mark-ddpm-fresh-none": _ddpm({}),
}
