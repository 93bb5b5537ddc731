"""The tiers of an estimate, from what is certain to what people saw.

No estimator without labels of the target survives a generator that the calibration lacks, so a
closed interval is never a headline, and its set only with a measured share of detected samples.
docs/estimation.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.stats import chi2

from madaudit.estimation.counts import Floats, Histograms, coarse_groups, label_groups
from madaudit.estimation.detectable import least_prevalence
from madaudit.estimation.intervals import bootstrap_intervals, find_intervals
from madaudit.estimation.labels import LabelChecks, corrected_interval
from madaudit.estimation.likelihood import Evidence, solve
from madaudit.estimation.sources import (
    GeneratorSplit,
    SourceCounts,
    mixed_bound,
    shifted_interval,
    split_generators,
)
from madaudit.types import Interval

Tier = Literal["floor", "detectable", "model_based", "adjudicated"]

# Labels from which the adjudicated tier is the headline.
LEAST_LABELS = 300
# Below these the statistic's distribution is simulated, instead of taken for χ²₁.
_FEW_CALIBRATION = 100
_FEW_POSITIVES = 3
# p-value of the closed model's fit below which the calibration is not of this target's kind.
LEAST_FIT = 1e-3


@dataclass(frozen=True)
class Settings:
    """What an estimate is asked for and what it may assume.

    Attributes:
        level: of all intervals, (0, 1).
        least_detected: ρ, the share of unseen generators' samples that the detector tells as it
            does known ones, (0, 1]; the rest is taken to look real. The least share over
            generators left out of calibration in turn, where that was measured.
        n_generators: from which `least_detected` was measured; 0 for an assumed one.
        may_simulate: simulate the statistic where counts are too small for χ².
        seed: of the simulation.
        checks: blind checks of the labellers; without them labels are taken to be right.
    """

    level: float = 0.95
    least_detected: float = 0.5
    n_generators: int = 0
    may_simulate: bool = True
    seed: int = 0
    checks: LabelChecks | None = None


@dataclass(frozen=True)
class ModelBased:
    """The closed interval and its set for unseen generators.

    Attributes:
        closed: holds if the target's scores follow the calibration's templates.
        sensitivity: holds if a share `least_detected` of any generator's samples does.
        least_detected: as assumed or measured.
        goodness_of_fit: p-value of the closed model; tells strong violations only.
        p_synthetic: probability of being synthetic by bin, not falling (bins,).
        generators: π with the mix of generators left free, which widens the set; None where
            generators were not counted apart.
        shifted: π with a shift of real scores left free, which widens it too; likewise.
    """

    closed: Interval
    sensitivity: Interval
    least_detected: float
    goodness_of_fit: float | None
    p_synthetic: tuple[float, ...]
    generators: GeneratorSplit | None = None
    shifted: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.closed.to_dict(),
            "sensitivity": {
                **self.sensitivity.to_dict(),
                "least_detected": self.least_detected,
            },
            "goodness_of_fit": self.goodness_of_fit,
            "generators": self.generators.to_dict() if self.generators else None,
            "shifted": self.shifted.to_dict() if self.shifted else None,
        }


def detectable(
    histograms: Histograms, level: float, sources: SourceCounts | None = None
) -> Interval | None:
    """A lower bound without an assumption on synthetic samples; None without real calibration.

    Args:
        histograms: of the stratum.
        level: of the two-sided interval whose lower end it is.
        sources: the calibration counted by source; the target may mix real ones as it likes.
    """
    if histograms.real.sum() <= 0 or np.count_nonzero(histograms.target) < 2:
        return None
    target = histograms.effective_target()
    low = least_prevalence(histograms.real, target, level=level)
    mixed = None if sources is None else mixed_bound(sources, target, level=level)
    low = low if mixed is None else min(low, mixed)
    return widened(Interval(low, None, 1.0, level), histograms.missing_share)


def model_based(
    histograms: Histograms,
    settings: Settings,
    lower: Interval | None,
    sources: SourceCounts | None = None,
) -> ModelBased | None:
    """The closed interval and its set; None where calibration or target cannot carry them.

    Args:
        histograms: of the stratum.
        settings: of the estimate.
        lower: the detectable tier, which bounds the set from below.
        sources: the calibration counted by source.
    """
    if histograms.n_calibration <= 0 or np.count_nonzero(histograms.target) < 2:
        return None
    groups = coarse_groups(histograms.real, histograms.synthetic)
    if groups[-1] < 1:
        return None
    coarse = histograms.grouped(groups)
    evidence = Evidence.closed(
        coarse.real[None], coarse.synthetic[None], (coarse.target * coarse.effective_ratio)[None]
    )
    is_few = histograms.n_calibration < _FEW_CALIBRATION
    closed, loglik = _interval(evidence, settings, is_few=is_few)
    share = histograms.missing_share
    freedom = int(groups[-1]) - 1
    split, shifted = None, None
    if sources is not None:
        target = coarse.target * coarse.effective_ratio
        split = split_generators(sources.grouped(groups), target, level=settings.level)
        target = histograms.target * histograms.effective_ratio
        shifted = shifted_interval(sources, histograms.synthetic, target, level=settings.level)
    free = [part for part in (split.prevalence if split else None, shifted) if part]
    if lower is not None:
        # The bound is of all samples already; the set is widened below.
        lower = Interval(lower.low / (1.0 - share), None, 1.0, lower.level)
    return ModelBased(
        widened(closed, share),
        widened(_sensitivity(closed, settings, lower, free), share),
        settings.least_detected,
        float(chi2.sf(-2.0 * loglik, freedom)) if freedom > 0 else None,
        tuple(_posterior(evidence, closed, coarse.target)[groups].tolist()),
        split,
        shifted,
    )


def adjudicated(histograms: Histograms, settings: Settings) -> Interval | None:
    """From labels alone, which no shift of scores can mislead; None without labels.

    Labels of all samples leave nothing to estimate: the interval lies within what the unlabelled
    samples can still change.
    """
    if histograms.n_labels <= 0:
        return None
    coarse = histograms.grouped(label_groups(histograms))
    evidence = label_evidence(coarse)
    if settings.checks:
        corrected = corrected_interval(evidence, settings.checks, level=settings.level)
        return widened(corrected, histograms.missing_share)
    positives = min(float(coarse.gold_real.sum()), float(coarse.gold_synthetic.sum()))
    found, _ = _interval(evidence, settings, is_few=positives < _FEW_POSITIVES)
    # A bin without labels is flat in the likelihood; for the point it goes with its neighbour.
    joined = coarse.grouped(_with_labelled_neighbours(coarse))
    point = float(find_intervals(label_evidence(joined), level=settings.level).point[0])
    total = float(histograms.target.sum())
    least = float(histograms.gold_synthetic.sum()) / total
    most = 1.0 - float(histograms.gold_real.sum()) / total
    low, high = max(found.low, least), min(found.high, most)
    interval = Interval(low, min(max(point, low), high), max(low, high), settings.level)
    return widened(interval, histograms.missing_share)


def label_evidence(coarse: Histograms) -> Evidence:
    return Evidence.adjudicated(
        coarse.gold_real[None], coarse.gold_synthetic[None], coarse.effective_target()[None]
    )


def widened(interval: Interval, missing_share: float) -> Interval:
    """What an interval of the scored samples says of all: the others may be anything.

    The point stays while the share is below 0.1 %, where it assumes that they are like the rest.
    """
    if missing_share <= 0:
        return interval
    keep = 1.0 - missing_share
    return Interval(
        keep * interval.low,
        interval.point if missing_share < 1e-3 else None,
        keep * interval.high + missing_share,
        interval.level,
    )


def may_lead(settings: Settings) -> bool:
    """Whether the model's set may be the headline: ρ was measured over enough generators.

    A new one is told at least as well as the worst of K known ones with probability K / (K + 1),
    if it is exchangeable with them; the set claims its level, and 19 are needed for 95 %. With
    nine, .67 of targets of π = .05 were covered whose generator was held out of real images that
    a good detector scored (docs/estimation.md): one was unlike all others.
    """
    return settings.n_generators * (1.0 - settings.level) >= settings.level - 1e-9


def fits(model: ModelBased | None) -> bool:
    """Whether the target's scores contradict the calibration; without a test they do not.

    Where they do, real samples may be unlike the calibration's, and then even the lower bound that
    assumes nothing of synthetic ones is wrong: with photos of other sources it said π ≥ .63 of a
    set with .39 (docs/chain.md, decision 0053). A generator that the calibration lacks is as
    likely a cause, under which that bound holds; the scores do not tell which.
    """
    return model is None or model.goodness_of_fit is None or model.goodness_of_fit >= LEAST_FIT


def _interval(evidence: Evidence, settings: Settings, *, is_few: bool) -> tuple[Interval, float]:
    found = find_intervals(evidence, level=settings.level)
    low, high = float(found.low[0]), float(found.high[0])
    if is_few and settings.may_simulate:
        generator = np.random.default_rng(settings.seed)
        low, high = bootstrap_intervals(evidence, found, generator, level=settings.level)
    return Interval(low, float(found.point[0]), high, settings.level), float(found.loglik[0])


def _sensitivity(
    closed: Interval, settings: Settings, lower: Interval | None, free: Sequence[Interval]
) -> Interval:
    """[min(L, low), high / ρ]: with detected share ρ the closed fit estimates about ρ π.

    Over the closed interval and those that assume less of the calibration's sources.
    """
    lows = [closed.low, *(part.low for part in free), *([lower.low] if lower else [])]
    high = max(closed.high, *(part.high for part in free)) if free else closed.high
    high = min(high / settings.least_detected, 1.0)
    return Interval(min(lows), closed.point, high, settings.level)


def _posterior(evidence: Evidence, closed: Interval, target: Floats) -> Floats:
    """w_b at the point, made not falling by pooling neighbours, weighted by the target."""
    share = closed.point or 0.0
    if share in (0.0, 1.0):
        return np.full(len(target), share, dtype=np.float64)
    pi = np.array([[share]])
    raw = solve(evidence, pi, 1.0 - pi).synthetic[0]
    return np.array(isotonic_regression(raw, weights=np.maximum(target, 1e-9)).x, dtype=np.float64)


def _with_labelled_neighbours(coarse: Histograms) -> npt.NDArray[np.intp]:
    """Groups in which every bin without labels joins the labelled one below, or else above."""
    labelled = (coarse.gold_real + coarse.gold_synthetic) > 0
    return np.asarray(np.maximum(np.cumsum(labelled) - 1, 0), dtype=np.intp)
