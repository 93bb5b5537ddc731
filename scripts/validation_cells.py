"""The cells that `scripts/validate_risk` trains, their order, and which half each belongs to.

All of it was fixed before a cell was trained: what is fitted on one half of the cells is judged
on the other, so neither may follow from results.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from madaudit.simulation import LoopSpec

SEEDS = (0, 1, 2)
#: Small enough for 2 cores. Two levels of 16 and 32 channels at 500 noise steps train faster, and
#: draw 1 to 2 % of failures that a loop multiplies: see docs/validation.md.
DDPM = {
    "width": 24,
    "multipliers": (1, 1),
    "steps": 400,
    "batch": 64,
    "learning_rate": 6e-3,
    "decay": 0.99,
    "n_times": 100,
    "n_draw_steps": 12,
    "device": "cpu",
    "bf16": False,
}
N_REAL = 500
#: What stands behind a name where models are trained three times as long.
LONGER = "-steps-1200"


@dataclass(frozen=True)
class Cell:
    """One loop of one family.

    Attributes:
        name: also of its files.
        family: of generators.
        spec: the loop; `spec.generations` counts the models after the first.
        settings: the family's options.
        side: of images, in pixels; None for points.
        n_evaluation: real samples that measure a generation.
    """

    name: str
    family: str
    spec: LoopSpec
    settings: Mapping[str, Any] = field(default_factory=dict)
    side: int | None = 8
    n_evaluation: int = 500


def core_cells() -> list[Cell]:
    """DDPM on 8 × 8: the cells that theory is judged on, of six models each."""
    synthetic = [(500, 1.0), (500, 0.8), (500, 0.5)]
    augmentation = [(500, 1.0), (500, 0.5), (1500, 0.8)]
    fresh = [(500, 1.0), (500, 0.5), (125, 1.0), (1500, 1.0), (500, 0.8), (1500, 0.5)]
    fresh += [(125, 0.5), (1500, 0.8)]
    return [
        *(_ddpm("synthetic", n, bias, n_initial=N_REAL) for n, bias in synthetic),
        *(_ddpm("augmentation", n, bias, n_fixed=N_REAL) for n, bias in augmentation),
        *(_ddpm("fresh", n, bias, n_fresh=N_REAL, n_initial=N_REAL) for n, bias in fresh),
        _ddpm("fresh", 500, 1.0, n_fresh=125, n_initial=N_REAL),
        _ddpm("fresh", 500, 1.0, n_fresh=N_REAL, n_initial=2000),
    ]


def other_cells() -> list[Cell]:
    """A few cells of the other families, and one of 28 × 28; shown, not judged."""
    flow = {"device": "cpu"}
    wgan = {"steps": 1000, "width": 16, "device": "cpu"}
    stylegan = {"steps": 800, "dim": 32, "width": 16, "device": "cpu"}
    rosenbrock = {"n_initial": 5000, "n_synthetic": 5000, "generations": 5}
    small = {"n_synthetic": 500, "n_initial": 500, "generations": 3}
    return [
        Cell("flow-synthetic-1", "flow", _loop("synthetic", 1.0, rosenbrock), flow, None, 1000),
        Cell("flow-synthetic-.75", "flow", _loop("synthetic", 0.75, rosenbrock), flow, None, 1000),
        Cell(
            "flow-fresh-.75",
            "flow",
            _loop("fresh", 0.75, {**rosenbrock, "n_fresh": 5000}),
            flow,
            None,
            1000,
        ),
        Cell("wgan-synthetic-1", "wgan", _loop("synthetic", 1.0, small), wgan),
        Cell("stylegan-synthetic-1", "stylegan", _loop("synthetic", 1.0, small), stylegan),
        Cell("stylegan-synthetic-.5", "stylegan", _loop("synthetic", 0.5, small), stylegan),
        Cell(
            "ddpm28-synthetic-1",
            "ddpm",
            _loop("synthetic", 1.0, small),
            {**DDPM, "multipliers": (1, 2, 2), "batch": 32, "learning_rate": 2e-3},
            28,
        ),
    ]


def longer_cells() -> list[Cell]:
    """The core's loops with three times the training, named and halved as those."""
    settings = {**DDPM, "steps": 1200, "learning_rate": 2e-3}
    return [replace(cell, name=cell.name + LONGER, settings=settings) for cell in core_cells()]


def queue() -> Iterator[tuple[Cell, int]]:
    """Cells with seeds, so that a run that ends early leaves whole rounds of seeds behind."""
    others = other_cells()
    cheap = [cell for cell in others if cell.family == "flow"]
    dear = [cell for cell in others if cell.family != "flow"]
    for seed in SEEDS:
        yield from ((cell, seed) for cell in (*_interleaved(core_cells()), *cheap))
    for seed in SEEDS:
        yield from ((cell, seed) for cell in _interleaved(longer_cells()))
    for seed in SEEDS:
        yield from ((cell, seed) for cell in dear)


def halves(cells: list[Cell]) -> dict[str, str]:
    """Which half a cell belongs to, "fit" or "judge", by name.

    Within each loop, cells in the order of their names' SHA-256 go to "fit" and "judge" in turn.
    """
    result = {}
    for loop in ("synthetic", "augmentation", "fresh"):
        names = [cell.name for cell in cells if cell.spec.loop == loop]
        names.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        result.update({name: ("fit", "judge")[place % 2] for place, name in enumerate(names)})
    return result


def _ddpm(loop: str, n_synthetic: int, bias: float, **counts: int) -> Cell:
    numbers = {"n_synthetic": n_synthetic, "generations": 5, **counts}
    real = counts.get("n_fresh") or counts.get("n_fixed") or counts["n_initial"]
    name = f"{loop}-{real}-{n_synthetic}-{_short(bias)}"
    if counts.get("n_initial", N_REAL) != N_REAL:
        name += f"-from-{counts['n_initial']}"
    return Cell(name, "ddpm", _loop(loop, bias, numbers), DDPM)


def _loop(loop: str, bias: float, numbers: Mapping[str, int]) -> LoopSpec:
    return LoopSpec(loop, bias=bias, **numbers)  # type: ignore[arg-type]


def _short(bias: float) -> str:
    return f"{bias:g}".removeprefix("0")


def _interleaved(cells: list[Cell]) -> list[Cell]:
    """Loops in turn, by their number of cells, so that every stretch holds all of them."""
    by_loop: dict[str, list[Cell]] = {}
    for cell in cells:
        by_loop.setdefault(cell.spec.loop, []).append(cell)
    places = [
        ((place + 0.5) / len(group), loop, cell)
        for loop, group in by_loop.items()
        for place, cell in enumerate(group)
    ]
    return [cell for _, _, cell in sorted(places, key=lambda one: one[:2])]
