"""`estimate_prevalence`: score histograms in, the effective real fraction with its tiers out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.errors import OptionError
from madaudit.estimation.counts import (
    Histograms,
    are_told_apart,
    as_counts,
    is_drawn_unevenly,
    label_groups,
)
from madaudit.estimation.sources import SourceCounts
from madaudit.estimation.tiers import (
    LEAST_LABELS,
    ModelBased,
    Settings,
    Tier,
    adjudicated,
    detectable,
    fits,
    may_lead,
    model_based,
)
from madaudit.types import Interval


@dataclass(frozen=True)
class Estimate:
    """What is known of the effective real fraction p = 1 − π of one stratum.

    Attributes:
        n: target samples, with and without a score.
        tier: the headline's.
        prevalence: the headline's interval of π.
        floor, detectable, model_based, adjudicated: the tiers; None where nothing carries them.
        n_labels: gold labels behind the adjudicated tier.
        assumptions: what the headline rests on.
        flags: what a reader must know before using it.
    """

    n: float
    tier: Tier
    prevalence: Interval
    floor: Interval | None
    detectable: Interval | None
    model_based: ModelBased | None
    adjudicated: Interval | None
    n_labels: float
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]

    @property
    def p(self) -> Interval:
        """The effective real fraction."""
        pi = self.prevalence
        point = None if pi.point is None else 1.0 - pi.point
        return Interval(1.0 - pi.high, point, 1.0 - pi.low, pi.level)

    def to_dict(self) -> dict[str, Any]:
        tiers: dict[str, Any] = {
            "floor": self.floor.to_dict() if self.floor else None,
            "detectable": self.detectable.to_dict() if self.detectable else None,
            "model_based": self.model_based.to_dict() if self.model_based else None,
            "adjudicated": (
                {**self.adjudicated.to_dict(), "labels": round(self.n_labels)}
                if self.adjudicated
                else None
            ),
        }
        return {
            "n": round(self.n),
            "p": self.p.to_dict(),
            "p_distinct": None,
            "tier": self.tier,
            "tiers": tiers,
            "assumptions": list(self.assumptions),
            "flags": list(self.flags),
            "strata": [],
        }


def estimate_prevalence(
    real_counts: npt.ArrayLike,
    synthetic_counts: npt.ArrayLike,
    target_counts: npt.ArrayLike,
    *,
    gold_real: npt.ArrayLike | None = None,
    gold_synthetic: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """The effective real fraction of a data set, from histograms of a score.

    Args:
        real_counts: known-real calibration samples by ascending score bin (bins,); higher scores
            are more synthetic. Zeros where there are none.
        synthetic_counts: known-synthetic ones, in the same bins.
        target_counts: the data set's samples, in the same bins.
        gold_real: adjudicated samples of the data set found real, by bin; counted in the target
            too. Drawn at random from it, or at random within each bin given.
        gold_synthetic: those found synthetic.
        level: of all intervals, (0, 1).

    Returns:
        Tiers, and the headline among them: from 300 labels on what people saw, else the lower
        bound that assumes nothing of generators. The model's interval stands beside it.

    Raises:
        InputError: bins differ, a count is negative, or more labels than samples in a bin.
        OptionError: the level is not in (0, 1).
    """
    target = as_counts("target_counts", target_counts)
    none = np.zeros(len(target))
    histograms = Histograms(
        as_counts("real_counts", real_counts),
        as_counts("synthetic_counts", synthetic_counts),
        target,
        none if gold_real is None else as_counts("gold_real", gold_real),
        none if gold_synthetic is None else as_counts("gold_synthetic", gold_synthetic),
    )
    return estimate_tiers(histograms, Settings(level))


def estimate_tiers(
    histograms: Histograms,
    settings: Settings,
    *,
    floor: Interval | None = None,
    labelled: Histograms | None = None,
    sources: SourceCounts | None = None,
) -> Estimate:
    """All tiers of one stratum, and the headline among them.

    Args:
        histograms: of the stratum.
        settings: what is asked for and what may be assumed.
        floor: the certain floor of marks, where one was taken; no tier reports less.
        labelled: labels and target by the bins in which they were drawn, where these are other
            bins than those of the scores; all samples that could be labelled, with a score or
            without.
        sources: the calibration counted by source.

    Raises:
        OptionError: the level or the detected share is out of range.
    """
    _require(settings)
    lower = detectable(histograms, settings.level, sources)
    model = model_based(histograms, settings, lower, sources)
    drawn = histograms if labelled is None else labelled
    labels = adjudicated(drawn, settings)
    has_labels = drawn.n_labels >= LEAST_LABELS or model is None
    can_lead = fits(model)
    tier, prevalence = _headline(
        Interval(0.0, None, 1.0, settings.level) if floor is None else floor,
        lower if can_lead else None,
        model if can_lead and may_lead(settings) else None,
        labels if has_labels else None,
    )
    scored = float(histograms.target.sum())
    share = histograms.missing_share
    return Estimate(
        scored / (1.0 - share) if share < 1.0 else scored,
        tier,
        _at_least(prevalence, floor),
        floor,
        lower,
        model,
        labels,
        drawn.n_labels,
        _assumptions(tier, drawn if tier == "adjudicated" else histograms, settings),
        _score_flags(histograms, settings, model) + _label_flags(drawn),
    )


def _require(settings: Settings) -> None:
    if not 0.0 < settings.level < 1.0:
        raise OptionError(f"level is {settings.level}; it must lie between 0 and 1")
    if not 0.0 < settings.least_detected <= 1.0:
        raise OptionError(
            f"least_detected is {settings.least_detected}; it must lie in (0, 1]: "
            f"at 0 any synthetic share would go unseen"
        )


def _headline(
    floor: Interval, lower: Interval | None, model: ModelBased | None, labels: Interval | None
) -> tuple[Tier, Interval]:
    """The first of the tiers that may lead, from what people saw to what is certain."""
    if labels:
        return "adjudicated", labels
    if model:
        return "model_based", model.sensitivity
    if lower and lower.low >= floor.low:
        return "detectable", lower
    # Marks give a lower end and say nothing of the rest: no point, though their share is exact.
    return "floor", Interval(floor.low, None, floor.high, floor.level)


def _at_least(interval: Interval, floor: Interval | None) -> Interval:
    """Marks are certain: no interval may begin below their share."""
    if floor is None or interval.low >= floor.low:
        return interval
    point = None if interval.point is None else max(interval.point, floor.low)
    return Interval(floor.low, point, max(interval.high, floor.low), interval.level)


def _assumptions(tier: Tier, histograms: Histograms, settings: Settings) -> tuple[str, ...]:
    words: dict[Tier, tuple[str, ...]] = {
        "floor": ("a sample without a mark may be anything",),
        "detectable": (
            "calibration's real samples are of the same kind as the target's",
            "synthetic samples that look real go unseen, so there is no upper end",
        ),
        "model_based": (
            "calibration's real samples are of the same kind as the target's",
            f"of any generator's samples at least a share of {settings.least_detected:g} scores "
            f"like calibration's synthetic ones"
            + (
                f" (the least of {settings.n_generators} generators left out in turn)"
                if settings.n_generators
                else " (assumed, not measured)"
            ),
        ),
        "adjudicated": (
            "labellers err as often as in their blind checks"
            if settings.checks
            else "labels are right",
            "labelled samples were drawn at random from the target, or within its score bins",
        ),
    }
    missing = ("samples without a score may be anything",) if histograms.missing_share > 0 else ()
    return words[tier] + missing


def _score_flags(
    histograms: Histograms, settings: Settings, model: ModelBased | None
) -> tuple[str, ...]:
    fit = model.goodness_of_fit if model else None
    scored = histograms.target > 0
    total = float(histograms.target.sum())
    found = (
        (total <= 0, "the target has no scored samples: nothing is known"),
        (scored.sum() == 1, "all scores of the target lie in one bin: they tell nothing"),
        (histograms.real.sum() <= 0, "no real calibration"),
        (histograms.synthetic.sum() <= 0, "no synthetic calibration"),
        (
            histograms.n_calibration > 0
            and not are_told_apart(histograms.real, histograms.synthetic),
            "scores hardly tell known real from known synthetic samples: the model has few bins",
        ),
        (
            0 < histograms.n_calibration < 300,
            f"small calibration: {histograms.n_calibration:g} samples of a class",
        ),
        (
            not fits(model),
            (
                f"scores of the target do not fit the calibration (p = {fit or 0.0:.1g}): real or "
                f"synthetic samples of kinds that it lacks, so no tier of scores is the headline"
            ),
        ),
        (
            model is not None and not may_lead(settings),
            "unseen generators: too few known ones to say how well a new one would be told",
        ),
        (
            histograms.missing_share > 0,
            f"a share of {histograms.missing_share:.2g} has no score",
        ),
        (
            histograms.effective_ratio < 0.1,
            f"duplicates or weights leave {histograms.effective_ratio:.2g} of the counts",
        ),
    )
    return tuple(text for holds, text in found if holds)


def _label_flags(histograms: Histograms) -> tuple[str, ...]:
    has_labels = histograms.n_labels > 0
    groups = label_groups(histograms)
    coarse = histograms.grouped(groups)
    unlabelled = coarse.target[(coarse.gold_real + coarse.gold_synthetic) == 0].sum()
    total = float(histograms.target.sum())
    found = (
        (
            has_labels and total > 0 and unlabelled / total > 0,
            f"bins with a share of {unlabelled / max(total, 1.0):.2g} of the target have no label",
        ),
        (
            0 < histograms.n_labels < LEAST_LABELS,
            f"{histograms.n_labels:g} labels; from {LEAST_LABELS} on they are the headline",
        ),
        (
            has_labels and is_drawn_unevenly(histograms, groups),
            "labels prefer some scores within merged bins: give the bins they were drawn by",
        ),
    )
    return tuple(text for holds, text in found if holds)
