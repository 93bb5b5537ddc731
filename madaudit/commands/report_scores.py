"""The report's score distributions and its trend, from sketches and counts; no row is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.commands.store_estimate import Estimate
from madaudit.commands.watermark_checks import Sketch
from madaudit.estimation import MarkTally
from madaudit.estimation.sketch import bin_edges
from madaudit.reports.pictures import GroupScores, Multiples, ScorePicture, TrendPoint
from madaudit.scanning.sketches import GRADED_EDGES, P_VALUE_EDGES
from madaudit.types import Interval

Floats = npt.NDArray[np.float64]

# Bins that are drawn, shards beside one another, and points along the data set.
_BINS = 64
_GROUPS = 24
_STRATA_LOOKED_AT = 1000
_TREND_POINTS = 60


class Histograms(NamedTuple):
    """One detector's scores over a data set.

    Attributes:
        edges: (bins + 1,) of what is drawn; the outer bins hold what lies beyond.
        unit: of a score.
        total: (bins,).
        shards: names to (bins,).
        missing: rows without a score.
    """

    edges: Floats
    unit: str
    total: Floats
    shards: dict[str, Floats]
    missing: float


def histograms(sketches: Mapping[str, Sketch], detectors: Sequence[str]) -> dict[str, Histograms]:
    """Scores by detector, for those that score.

    Args:
        sketches: by shard.
        detectors: that may have scores.
    """
    found: dict[str, dict[str, Floats]] = {}
    missing: dict[str, float] = {}
    for shard, arrays in sketches.items():
        for name in detectors:
            counts = arrays.get(f"{name}_scores")
            if counts is not None and _edges(counts) is not None:
                missing[name] = missing.get(name, 0.0) + float(counts[-1])
                if counts[:-1].any():
                    found.setdefault(name, {})[shard] = counts[:-1].astype(float)
    return {name: _coarse(shards, missing[name]) for name, shards in found.items()}


def score_pictures(known: Mapping[str, Histograms]) -> tuple[ScorePicture, ...]:
    """Every detector's scores, graded ones first."""
    ordered = sorted(known.items(), key=lambda item: (item[1].unit != "logit", item[0]))
    return tuple(
        ScorePicture(
            name,
            _axis(shown.unit),
            tuple(shown.edges.tolist()),
            tuple(shown.total.tolist()),
            missing=shown.missing,
        )
        for name, shown in ordered
    )


def combined_picture(
    known: Estimate, real: Floats, synthetic: Floats, cut: float | None
) -> ScorePicture | None:
    """The combined score with the closed mixture that fits it best.

    Args:
        known: an estimate with a calibration.
        real: what the calibration's real samples score, by cell of a sketch.
        synthetic: what its synthetic ones do.
        cut: recommended; None for none.
    """
    counts = known.sketch.weights.astype(float)
    model = known.tiers.model_based if known.tiers else None
    if not counts.any() or model is None or model.closed.point is None:
        return None
    # Marked samples lie in the last cell and are no part of the mixture.
    marked = min(known.tally.synthetic, float(counts[-1]))
    of_all = model.closed.point * float(counts.sum())
    counts[-1] -= marked
    total = float(counts.sum())
    if total <= 0:
        return None
    share = min(max((of_all - marked) / total, 0.0), 1.0)
    edges = cell_edges()
    fitted_real = (1.0 - share) * total * real / max(float(real.sum()), 1.0)
    fitted = share * total * synthetic / max(float(synthetic.sum()), 1.0)
    cells = np.array([counts, fitted_real, fitted])
    used = np.flatnonzero(cells.sum(axis=0) > total * 1e-6)
    first, last = int(used[0]), int(used[-1]) + 1
    width = max(1, -(-(last - first) // _BINS))
    starts = np.arange(first, last, width)
    joined = np.add.reduceat(cells[:, :last], starts, axis=1)
    is_by_score = cut is not None and cut < edges[-1]
    return ScorePicture(
        "combined score of samples without a mark",
        "ln f1/f0; higher is more synthetic",
        tuple(edges[np.append(starts, last)].tolist()),
        tuple(joined[0].tolist()),
        tuple(joined[1].tolist()),
        tuple(joined[2].tolist()),
        missing=float(known.sketch.missing_weight),
        cut=cut if is_by_score else None,
    )


def posterior_by_cell(known: Estimate) -> Floats | None:
    """Probability of being synthetic by cell of the combined score; None without a model."""
    model = known.tiers.model_based if known.tiers else None
    return np.array(model.p_synthetic) if model else None


def cell_edges() -> Floats:
    """Edges of a sketch's cells (1027,), the outer cells as wide as a bin."""
    inner = bin_edges()
    width = inner[1] - inner[0]
    return np.concatenate([[inner[0] - width], inner, [inner[-1] + width]])


def multiples_of_strata(known: Estimate, by: str) -> Multiples | None:
    """Combined scores of the largest strata, those that differ most from all first."""
    shown = [(name_of(one.by), one.sketch.weights) for one in known.strata[:_STRATA_LOOKED_AT]]
    shown = [(name, counts) for name, counts in shown if counts.any()]
    total = known.sketch.weights
    if len(shown) < 2:
        return None
    edges = cell_edges()
    used = np.flatnonzero(total)
    first, last = int(used[0]), int(used[-1]) + 1
    starts = np.arange(first, last, max(1, -(-(last - first) // _BINS)))
    drawn = {name: np.add.reduceat(counts[:last].astype(float), starts) for name, counts in shown}
    whole = np.add.reduceat(total[:last].astype(float), starts)
    found = Histograms(
        edges[np.append(starts, last)], "logit", whole, drawn, float(known.sketch.missing)
    )
    return multiples_of({"combined score": found}, by=by)


def name_of(by: Mapping[str, str]) -> str:
    """A stratum's name, from its values by column."""
    return ", ".join(value or f"(no {column})" for column, value in by.items())


def multiples_of(known: Mapping[str, Histograms], *, by: str = "shard") -> Multiples | None:
    """The shards of the detector that scores most, those that differ most from all first."""
    ordered = sorted(
        known.items(), key=lambda item: (item[1].unit != "logit", -item[1].total.sum(), item[0])
    )
    if not ordered or len(ordered[0][1].shards) < 2:
        return None
    name, shown = ordered[0]
    of_all = np.cumsum(shown.total) / shown.total.sum()

    def apart(item: tuple[str, Floats]) -> float:
        # Kolmogorov and Smirnov's distance, at the precision that the shard's size gives it.
        counts = item[1]
        distance = np.abs(np.cumsum(counts) / counts.sum() - of_all).max()
        return -float(distance * np.sqrt(counts.sum()))

    chosen = sorted(sorted(shown.shards.items()), key=apart)[:_GROUPS]
    return Multiples(
        name,
        _axis(shown.unit),
        tuple(shown.edges.tolist()),
        tuple(shown.total.tolist()),
        tuple(
            GroupScores(shard, float(counts.sum()), tuple(counts.tolist()))
            for shard, counts in chosen
        ),
        len(shown.shards),
        by,
    )


def trend_of(shards: Mapping[str, MarkTally]) -> tuple[TrendPoint, ...]:
    """Marked share along the data set, consecutive shards taken together.

    Args:
        shards: name to counts, in the data set's order.
    """
    names = [name for name, tally in shards.items() if tally.weight > 0]
    if len(names) < 2:
        return ()
    runs = np.array_split(np.arange(len(names)), min(len(names), _TREND_POINTS))
    return tuple(_point([names[place] for place in run.tolist()], shards) for run in runs)


def _point(names: Sequence[str], shards: Mapping[str, MarkTally]) -> TrendPoint:
    from scipy.stats import norm

    tally = sum((shards[name] for name in names), MarkTally())
    share, z = min(tally.share(tally.synthetic), 1.0), float(norm.ppf(0.975))
    n = tally.weight**2 / tally.weight_squared
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    interval = Interval(max(0.0, centre - half), share, min(1.0, centre + half))
    return TrendPoint(
        names[0], names[-1], tally.weight, interval, min(tally.share(tally.hidden), 1.0)
    )


def _edges(counts: npt.NDArray[np.int64]) -> Floats | None:
    for edges in (GRADED_EDGES, P_VALUE_EDGES):
        if len(counts) == len(edges) + 2:
            return edges
    return None


def _coarse(shards: dict[str, Floats], missing: float) -> Histograms:
    """Bins joined to those that are drawn, empty ends left out."""
    names = list(shards)
    cells = np.array([shards[name] for name in names])
    is_graded = cells.shape[1] == len(GRADED_EDGES) + 1
    edges = GRADED_EDGES if is_graded else P_VALUE_EDGES
    inner = cells[:, 1:-1].copy()
    inner[:, 0] += cells[:, 0]
    inner[:, -1] += cells[:, -1]
    used = np.flatnonzero(inner.sum(axis=0))
    first, last = int(used[0]), int(used[-1]) + 1
    width = max(1, -(-(last - first) // _BINS))
    # Whole multiples of the width, so that edges are round numbers.
    first -= first % width
    last = min(first + -(-(last - first) // width) * width, len(edges) - 1)
    starts = np.arange(first, last, width)
    joined = np.add.reduceat(inner, starts, axis=1)
    # reduceat takes the last bin to the end of the array, which holds nothing beyond `last`.
    return Histograms(
        edges[np.append(starts, last)],
        "logit" if is_graded else "−log10 p",
        joined.sum(axis=0),
        dict(zip(names, joined, strict=True)),
        missing,
    )


def _axis(unit: str) -> str:
    return "score (logit); higher is more synthetic" if unit == "logit" else "−log10 p"
