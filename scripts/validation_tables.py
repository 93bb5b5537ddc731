"""Finished cells of `scripts/validate_risk`, judged: the tables and the figure of its page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from page_sections import table
from scipy.stats import t as student
from validation_cells import LONGER, SEEDS, Cell, core_cells, halves, longer_cells, other_cells
from validation_prediction import (
    Correction,
    Evidence,
    agreement,
    fit_correction,
    over_seeds,
    predicted,
    share_of_synthetic,
)


@dataclass(frozen=True)
class Finished:
    """A cell and its seeds that are in.

    Attributes:
        cell: as it was to be run.
        half: "fit" or "judge"; "" for cells that are shown and not judged.
        runs: a file's content each.
    """

    cell: Cell
    half: str
    runs: tuple[Mapping[str, Any], ...]

    def of_generation(self, name: str, generation: int) -> list[float]:
        """A measure by seed; ∞ where training had diverged by then."""
        values = []
        for run in self.runs:
            rows = run["generations"]
            value = rows[generation][name] if abs(generation) <= len(rows) else None
            has_ended = rows[-1]["diverged"]
            values.append(math.inf if has_ended or value is None else float(value))
        return values

    def distances(self, generation: int = -1) -> list[float]:
        """Squared distance by seed, relative, less what real samples of that number have."""
        floors = [run["floor"]["fid"] / run["real"]["trace_all"] for run in self.runs]
        scale = [run["real"]["trace_all"] for run in self.runs]
        fids = self.of_generation("fid", generation)
        return [fid / one - floor for fid, one, floor in zip(fids, scale, floors, strict=True)]

    def evidence(self) -> Evidence:
        """What one generation tells, averaged over seeds."""
        names = self.runs[0]["measured_bias"]
        bias = {name: _mean([run["measured_bias"][name] for run in self.runs]) for name in names}
        errors = [run["model_error"] for run in self.runs]
        return Evidence(
            self.cell.spec,
            bias,
            _mean(errors),
            _mean(self.distances(0)),
            _mean([run["real"]["dimension_all"] for run in self.runs]),
        )


def finished(results: Path, cells: Sequence[Cell]) -> list[Finished]:
    """Cells of which at least one seed is in, in their own order."""
    sides = halves(core_cells())
    found = []
    for cell in cells:
        files = [results / f"{cell.name}-seed-{seed}.json" for seed in SEEDS]
        runs = tuple(json.loads(file.read_text("utf-8")) for file in files if file.exists())
        if runs:
            half = sides.get(cell.name.removesuffix(LONGER), "")
            found.append(Finished(cell, half, runs))
    return found


@dataclass(frozen=True)
class Judged:
    """The prediction beside the measurement.

    Attributes:
        cells: finished ones that are judged.
        exact: theory as it is, last generation, by cell.
        correction: fitted on the half "fit"; None while that half has under three cells.
        corrected: theory with it, by cell.
        crossed: theory with the correction that the other half gives, by cell: what no cell has
            had a part in; empty while either half has under three cells.
    """

    cells: list[Finished]
    exact: list[float]
    correction: Correction | None
    corrected: list[float]
    crossed: list[float]

    def measured(self, chosen: Sequence[int]) -> list[list[float]]:
        return [self.cells[place].distances() for place in chosen]


def judge(cells: list[Finished]) -> Judged:
    """Fit on one half, predict both."""
    fitted = {half: _fitted(cells, half) for half in ("fit", "judge")}
    other = {"fit": fitted["judge"], "judge": fitted["fit"]}
    exact = [float(predicted(cell.evidence())[-1]) for cell in cells]
    one = fitted["fit"]
    return Judged(
        cells,
        exact,
        one,
        [] if one is None else [_last(cell, one) for cell in cells],
        [_last(cell, o) for cell in cells if (o := other[cell.half]) is not None]
        if all(other.values())
        else [],
    )


def status(results: Path) -> str:
    """How much of the queue is in."""
    lines = []
    for what, cells in (
        ("DDPM at 8 × 8", core_cells()),
        ("the same trained longer", longer_cells()),
        ("other cells", other_cells()),
    ):
        done = sum(len(one.runs) for one in finished(results, cells))
        whole = sum(len(one.runs) == len(SEEDS) for one in finished(results, cells))
        lines.append(
            f"{what}: {done} of {len(cells) * len(SEEDS)} runs are in; {whole} of {len(cells)} "
            f"cells have all {len(SEEDS)} seeds."
        )
    return "\n".join(lines) + "\n"


def agreement_table(judged: Judged) -> str:
    """Spearman's correlation of each order with the measured one."""
    places = range(len(judged.cells))
    is_fresh = [cell.cell.spec.loop == "fresh" for cell in judged.cells]
    is_held = [cell.half == "judge" for cell in judged.cells]
    groups = {
        "held-out half": [p for p in places if is_held[p]],
        "held-out half, fresh loop": [p for p in places if is_held[p] and is_fresh[p]],
        "both halves": list(places),
        "both halves, fresh loop": [p for p in places if is_fresh[p]],
    }
    orders = {
        "theory, corrected on the other half": judged.crossed,
        "theory as it is": judged.exact,
        "baseline: n_s/n_r": [share_of_synthetic(cell.cell.spec) for cell in judged.cells],
        "baseline: 1 − λ": [1 - float(c.cell.spec.at("bias", 1)) for c in judged.cells],
    }
    rows = [
        [name, *(_agreement(judged, order, chosen) for chosen in groups.values())]
        for name, order in orders.items()
    ]
    heads = [f"{name} ({len(chosen)} cells)" for name, chosen in groups.items()]
    return table(["order by", *heads], rows)


def cell_table(judged: Judged) -> str:
    """Every judged cell: what was known of it, what was predicted and what came."""
    rows = []
    for place, one in enumerate(judged.cells):
        evidence = one.evidence()
        rows.append(
            [
                one.cell.name,
                one.half,
                str(len(one.runs)),
                f"{one.cell.spec.at('bias', 1):g}",
                f"{evidence.bias['all']:.2f}",
                f"{evidence.bias['within']:.2f}",
                f"{evidence.model_error:.3f}",
                _spread(one.of_generation("fid", 0), 1),
                _spread(one.of_generation("fid", -1), 1),
                _spread(one.distances(), 3),
                f"{judged.exact[place]:.3f}",
                f"{judged.crossed[place]:.3f}" if judged.crossed else "–",
            ]
        )
    head = ["cell: loop, n_r, n_s, λ", "half", "seeds", "λ", "measured, all", "within classes",
            "ε²", "FID, first", "FID, last", "distance, last", "theory", "corrected"]  # fmt: skip
    return table(head, rows)


def quality_table(cells: Sequence[Finished]) -> str:
    """Quality and diversity of the first and the last generation."""
    names = ("precision", "recall", "variance_ratio", "within_ratio")
    rows = [
        [
            one.cell.name,
            str(len(one.runs)),
            *(
                f"{_spread(one.of_generation(name, 0), 2)} → "
                f"{_spread(one.of_generation(name, -1), 2)}"
                for name in names
            ),
            f"{_growth(one):.2g}",
        ]
        for one in cells
    ]
    head = ["cell", "seeds", "precision", "recall", "variance", "within classes", "growth"]
    return table(head, rows)


def _growth(one: Finished) -> float:
    """What the last model adds to the first one's error, over what it was trained on had of it.

    A training set with the share a of draws at W2² from the real distribution is itself at most
    a times as far (W2² is convex).
    """
    synthetic = share_of_synthetic(one.cell.spec)
    a = 1.0 if math.isinf(synthetic) else synthetic / (1 + synthetic)
    first, before, last = (_mean(one.distances(generation)) for generation in (0, -2, -1))
    return (last - first) / (a * before)


def other_table(cells: Sequence[Finished]) -> str:
    """Cells one by one, generation by generation."""
    rows = []
    for one in cells:
        evidence = one.evidence()
        floors = [run["floor"]["fid"] for run in one.runs]
        rows.append(
            [
                one.cell.name,
                str(len(one.runs)),
                str(one.cell.n_evaluation),
                f"{one.cell.spec.at('bias', 1):g}",
                f"{evidence.bias['all']:.2f}",
                f"{_mean(floors):.3g}",
                " → ".join(
                    f"{_mean(one.of_generation('fid', g)):.3g}"
                    for g in range(one.cell.spec.generations + 1)
                ),
                *(
                    f"{_mean(one.of_generation(name, 0)):.2f} → "
                    f"{_mean(one.of_generation(name, -1)):.2f}"
                    for name in ("precision", "recall")
                ),
                f"{_growth(one):.2g}",
                _spread(one.distances(), 3),
                f"{float(predicted(evidence)[-1]):.3f}",
            ]
        )
    head = ["cell", "seeds", "n", "λ", "measured", "floor", "FID by generation", "precision",
            "recall", "growth", "distance, last", "theory"]  # fmt: skip
    return table(head, rows)


def correction_text(judged: Judged) -> str:
    """What was fitted, in words."""
    if judged.correction is None:
        return "No correction is fitted before three cells of the half `fit` are in.\n"
    one = judged.correction
    dimension = "that of real features" if one.dimension is None else str(one.dimension)
    return (
        f"Fitted on the half `fit`: λ read as `{one.reading}`, correlation of the model errors of "
        f"two generations ρ = {one.alike:g}, growth of errors κ = {one.growth:g}, effective "
        f"dimension {dimension}.\n"
    )


def figure(judged: Judged) -> str:
    """Prediction against measurement as an SVG: as it is, and corrected on the other half."""
    panels = [("theory as it is", judged.exact)]
    if judged.crossed:
        panels.append(("corrected on the other half", judged.crossed))
    means = [_mean(seeds) for seeds in judged.measured(range(len(judged.cells)))]
    values = [v for _, xs in panels for v in xs] + means
    positive = [v for v in values if 0 < v < math.inf]
    low, high = min(positive) / 1.3, max(positive) * 1.3
    parts = [_panel(place, name, xs, means, judged.cells, (low, high))
             for place, (name, xs) in enumerate(panels)]  # fmt: skip
    width = 380 * len(panels) + 20
    says = f"{len(means)} cells; both axes are logarithmic, W2 squared over the real variance"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 430" role="img" '
        f'font-family="sans-serif" font-size="12"><title>Prediction against measurement</title>'
        f"<desc>{escape(says)}</desc>"
        f'<rect width="{width}" height="430" fill="#fff"/>{"".join(parts)}{_legend()}</svg>\n'
    )


_COLOURS = {"synthetic": "#b5402a", "augmentation": "#8a6d00", "fresh": "#1f5f99"}


def _panel(
    place: int,
    name: str,
    predictions: Sequence[float],
    means: Sequence[float],
    cells: Sequence[Finished],
    bounds: tuple[float, float],
) -> str:
    left, right, top, bottom = 60 + 380 * place, 370 + 380 * place, 30, 340

    def at(value: float, start: float, end: float) -> float:
        low, high = (math.log(bound) for bound in bounds)
        inside = min(max(value, bounds[0]), bounds[1])
        return start + (math.log(inside) - low) / (high - low) * (end - start)

    parts = [
        f'<text x="{(left + right) / 2}" y="20" text-anchor="middle">{escape(name)}</text>',
        (
            f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" '
            f'fill="none" stroke="#888"/>'
        ),
        f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{top}" stroke="#bbb"/>',
        f'<text x="{(left + right) / 2}" y="375" text-anchor="middle">predicted</text>',
    ]
    if place == 0:
        parts.append('<text x="14" y="190" transform="rotate(-90 14 190)">measured</text>')
    for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5):
        if bounds[0] <= tick <= bounds[1]:
            x, y = at(tick, left, right), at(tick, bottom, top)
            parts.append(f'<text x="{x:.1f}" y="356" text-anchor="middle">{tick:g}</text>')
            parts.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for x_value, y_value, one in zip(predictions, means, cells, strict=True):
        colour = _COLOURS[one.cell.spec.loop]
        x, y = at(x_value, left, right), at(y_value, bottom, top)
        fill = colour if one.half == "judge" else "none"
        label = f"{one.cell.name}: {x_value:.3f} predicted, {y_value:.3f} measured"
        seeds = [at(max(v, 1e-9), bottom, top) for v in one.distances()]
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{min(seeds):.1f}" y2="{max(seeds):.1f}" '
            f'stroke="{colour}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" stroke="{colour}" '
            f'fill="{fill}"><title>{escape(label)}</title></circle>'
        )
    return "".join(parts)


def _legend() -> str:
    parts = []
    for place, (loop, colour) in enumerate(_COLOURS.items()):
        x = 66 + 115 * place
        parts.append(f'<circle cx="{x}" cy="396" r="4.5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 10}" y="400">{loop}</text>')
    parts.append('<text x="60" y="420">hollow: the half that the correction is fitted on; '
                 "bars: seeds</text>")  # fmt: skip
    return "".join(parts)


def _fitted(cells: Sequence[Finished], half: str) -> Correction | None:
    pairs = [
        (cell.evidence(), distance)
        for cell in cells
        if cell.half == half and 0 < (distance := _mean(cell.distances())) < math.inf
    ]
    return fit_correction(pairs) if len(pairs) >= 3 else None


def _last(cell: Finished, correction: Correction) -> float:
    return float(predicted(cell.evidence(), correction)[-1])


def _agreement(judged: Judged, order: Sequence[float], chosen: Sequence[int]) -> str:
    if not order or len(chosen) < 3:
        return "–"
    measured = judged.measured(chosen)
    picked = [order[place] for place in chosen]
    found = agreement(picked, [_mean(seeds) for seeds in measured])
    if math.isnan(found.rho):
        return "constant"
    interval = over_seeds(picked, measured)
    shown = "" if interval is None else f" [{_rho(interval[0])}, {_rho(interval[1])}]"
    return f"{_rho(found.rho)}{shown}, p = {found.p:.2g}"


def _rho(value: float) -> str:
    return f"{value:.2f}".replace("-", "−").replace("0.", ".")


def _spread(values: Sequence[float], digits: int) -> str:
    """Mean and half the 95 % interval over seeds; the mean alone of one seed."""
    mean = _mean(values)
    if not math.isfinite(mean):
        return "diverged"
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
