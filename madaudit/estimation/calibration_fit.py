"""Known samples to a calibration, and to how well it tells what it has never seen.

Generators are left out in turn: combiner, sketches and, where a probe is trained, the probe are
made without one, and what is then detected of it tells what to expect of a generator that nobody
calibrated with. Nothing is counted on samples that it was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from madaudit.errors import InputError
from madaudit.estimation.calibration import Calibration, Source
from madaudit.estimation.combination import Combiner, fit_combiner
from madaudit.estimation.counts import Histograms
from madaudit.estimation.discrimination import (
    USUAL_FPR,
    auc,
    operating_point,
    reliability,
    require_fpr,
)
from madaudit.estimation.known_samples import (
    N_FOLDS,
    Floats,
    Halves,
    KnownSamples,
    Mask,
    SourceName,
)
from madaudit.estimation.sketch import ScoreSketch
from madaudit.estimation.tiers import Settings, model_based

COMBINATION = "combination"
# Scored samples of each class in each half; fewer fit no curve and fill no histogram.
LEAST_SAMPLES = 10


class Trainer(Protocol):
    """Fits a detector on some of the known samples."""

    def __call__(self, rows: Mask) -> Floats:
        """Scores of all samples (n,) by what was fitted on `rows`, NaN where there is none."""
        ...


@dataclass(frozen=True)
class Request:
    """What a calibration is asked for.

    Attributes:
        identities: graded detectors to identities.
        tier, pipeline: as the samples were scanned, and what they went through before.
        fpr: false-alarm rates to tell the detected share at.
        level: of intervals.
        trainers: detectors that are fitted on the samples, by name.
        sources: provenance.
    """

    identities: Mapping[str, str]
    tier: str
    pipeline: str
    fpr: Sequence[float] = USUAL_FPR
    level: float = 0.95
    trainers: Mapping[str, Trainer] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()


class _Scored(NamedTuple):
    """Scores of all samples, and the ratio that was fitted without the counted ones.

    Attributes:
        scores: of detectors, trained ones by what was fitted on all rows of the fit (n, K).
        combiner: fitted on the rows of the fit.
        ratio: its ln f1/f0 of all samples (n,).
    """

    scores: Floats
    combiner: Combiner
    ratio: Floats


def fit_calibration(known: KnownSamples, halves: Halves, request: Request) -> Calibration:
    """The calibration of known samples.

    Raises:
        InputError: too few samples of a class have a score in either half.
        OptionError: a false-alarm rate that they cannot show.
    """
    _require_enough(known, halves)
    n_real = int((_unmarked(halves) & ~known.is_synthetic).sum())
    for fpr in request.fpr:
        require_fpr(fpr, n_real)
    scored = _fit(known, halves, halves.fitting, request.trainers)
    left_out = _leave_out(known, halves, scored, request)
    shares = [one["detected"]["point"] for one in left_out.values() if one.get("detected")]
    fingerprint = scored.combiner.fingerprint

    def sketches(label: str) -> dict[str, ScoreSketch]:
        return {
            source.name: ScoreSketch.count(
                scored.ratio[known.of(source) & halves.counting], combiner=fingerprint
            )
            for source in known.sources
            if source.label == label
        }

    return Calibration(
        detectors=dict(request.identities),
        tier=request.tier,
        pipeline=request.pipeline,
        combiner=scored.combiner,
        real=sketches("real"),
        synthetic=sketches("synthetic"),
        least_detected=min(shares) if len(shares) > 1 else None,
        n_generators=len(shares) if len(shares) > 1 else 0,
        performance=_performance(known, halves, scored, request, left_out),
        sources=request.sources,
    )


def _unmarked(halves: Halves) -> Mask:
    return np.asarray(halves.fitting | halves.counting)


def _require_enough(known: KnownSamples, halves: Halves) -> None:
    has_score = ~np.isnan(known.scores).all(axis=1)
    for label, rows in (("real", ~known.is_synthetic), ("synthetic", known.is_synthetic)):
        for half in (halves.fitting, halves.counting):
            n = int((rows & half & has_score).sum())
            if n < LEAST_SAMPLES:
                marked = int((rows & known.marked).sum())
                twice = int((rows & (halves.repeated | halves.conflicting)).sum())
                raise InputError(
                    f"cannot calibrate: {n} {label} samples in one half have a score, needed are "
                    f"{LEAST_SAMPLES} (given {int(rows.sum())}, of which {marked} carry a mark "
                    f"that says synthetic, {twice} are repeated or of both labels); give more"
                )


def _fit(
    known: KnownSamples, halves: Halves, rows: Mask, trainers: Mapping[str, Trainer]
) -> _Scored:
    """Fit trained detectors and the combiner on some rows, and score everything.

    The combiner must see a trained detector as it scores strangers, so on the rows of the fit it
    is given scores of detectors that were fitted on the other folds.
    """
    scores = known.scores.copy()
    crossed = known.scores.copy()
    for name, train in trainers.items():
        column = known.detectors.index(name)
        scores[:, column] = train(rows)
        for fold in range(N_FOLDS):
            within = rows & (halves.fold == fold)
            if within.any():
                crossed[within, column] = train(rows & (halves.fold != fold))[within]
    truth = known.is_synthetic
    combiner = fit_combiner(crossed[rows & ~truth], crossed[rows & truth], known.detectors)
    return _Scored(scores, combiner, combiner.log_ratio(scores))


def _leave_out(
    known: KnownSamples, halves: Halves, whole: _Scored, request: Request
) -> dict[str, dict[str, Any]]:
    """Per generator: what is told of it by everything made without it.

    Its own samples are all strangers then, so both halves of them are judged; the real samples are
    the counting half's.
    """
    generators = known.named("synthetic")
    usable = _unmarked(halves)
    found: dict[str, dict[str, Any]] = {}
    for generator in generators:
        own = known.of(generator) & usable
        others = known.is_synthetic & ~known.of(generator)
        has_score = ~np.isnan(whole.ratio)
        if (
            min(
                (own & has_score).sum(),
                (others & halves.counting & has_score).sum(),
                (others & halves.fitting & has_score).sum(),
            )
            < LEAST_SAMPLES
        ):
            continue
        scored = _fit(known, halves, halves.fitting & ~own, request.trainers)
        real = halves.counting & ~known.is_synthetic
        found[generator.name] = {
            "detectors": {
                name: _told(scored.scores[:, column], real, own, request)
                for column, name in enumerate(known.detectors)
            },
            COMBINATION: _told(scored.ratio, real, own, request),
            "detected": _detected(scored.ratio, real, others & halves.counting, own, request),
        }
    return found


def _detected(
    ratio: Floats, real: Mask, others: Mask, own: Mask, request: Request
) -> dict[str, Any] | None:
    """ρ: the closed fit's share of a target that is this generator alone.

    With its scores distributed as ρ f1 + (1 − ρ) f0, f1 the other generators', a closed fit to
    templates without it finds ρ π (docs/estimation.md), here at π = 1.
    """
    counts = [
        ScoreSketch.count(ratio[rows]).counts.astype(np.float64) for rows in (real, others, own)
    ]
    none = np.zeros(len(counts[0]))
    fitted = model_based(
        Histograms(counts[0], counts[1], counts[2], none, none),
        Settings(request.level, may_simulate=False),
        None,
    )
    if fitted is None or fitted.closed.point is None:
        return None
    return fitted.closed.to_dict()


def _told(scores: Floats, real: Mask, synthetic: Mask, request: Request) -> dict[str, Any]:
    """AUC and detected shares of one score, missing ones left out and counted."""
    seen = ~np.isnan(scores)
    pair = scores[real & seen], scores[synthetic & seen]
    area = auc(*pair, request.level)
    points = {f"{fpr:g}": _point(*pair, fpr, request.level) for fpr in request.fpr}
    return {
        "auc": area.to_dict() if area else None,
        "tpr": points,
        "n_real": len(pair[0]),
        "n_synthetic": len(pair[1]),
        "missing_real": int((real & ~seen).sum()),
        "missing_synthetic": int((synthetic & ~seen).sum()),
    }


def _point(real: Floats, synthetic: Floats, fpr: float, level: float) -> dict[str, Any] | None:
    if fpr < min(USUAL_FPR) and len(real) < 30 / fpr:
        return None
    found = operating_point(real, synthetic, fpr, level)
    return found.to_dict() if found else None


def _performance(
    known: KnownSamples,
    halves: Halves,
    scored: _Scored,
    request: Request,
    left_out: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Per detector and for the combination.

    Detectors that were fitted elsewhere are judged on all unmarked samples, those fitted here and
    the combination on the counting half.
    """
    truth, counting = known.is_synthetic, halves.counting
    told: dict[str, Any] = {}
    for column, name in enumerate(known.detectors):
        rows = counting if name in request.trainers else _unmarked(halves)
        told[name] = _told(scored.scores[:, column], rows & ~truth, rows & truth, request)
        told[name]["leave_one_out"] = {
            generator: one["detectors"][name] for generator, one in left_out.items()
        }
    seen = counting & ~np.isnan(scored.ratio)
    trust = reliability(scored.ratio[seen & ~truth], scored.ratio[seen & truth])
    told[COMBINATION] = {
        **_told(scored.ratio, counting & ~truth, counting & truth, request),
        "leave_one_out": {
            generator: {**one[COMBINATION], "detected": one["detected"]}
            for generator, one in left_out.items()
        },
        "reliability": trust.to_dict() if trust else None,
        "false_alarms": _false_alarms(known, counting, scored.ratio, told_fpr=request.fpr),
    }
    return told


def _false_alarms(
    known: KnownSamples, counting: Mask, ratio: Floats, *, told_fpr: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Per real source: its share above the threshold that the other real sources set, by rate.

    What a photo source that nobody calibrated with would suffer.
    """
    alarms: dict[str, dict[str, float]] = {}
    real = known.named("real")
    seen = counting & ~np.isnan(ratio)
    for source in real if len(real) > 1 else []:
        own = ratio[seen & known.of(source)]
        others = ratio[seen & ~known.is_synthetic & ~known.of(source)]
        if len(own) < LEAST_SAMPLES or len(others) < LEAST_SAMPLES:
            continue
        alarms[source.name] = {}
        for fpr in told_fpr:
            limit = np.sort(others)[len(others) - 1 - int(fpr * len(others) + 1e-9)]
            alarms[source.name][f"{fpr:g}"] = float((own > limit).mean())
    return alarms


def source_names(names: Sequence[tuple[str, str]]) -> tuple[SourceName, ...]:
    """Sources from (name, label) pairs, each once.

    Raises:
        InputError: a name under both labels, or none of a label.
    """
    both = {name for name, label in names if label == "real"} & {
        name for name, label in names if label == "synthetic"
    }
    if both:
        raise InputError(
            f"cannot calibrate: source {sorted(both)[0]!r} is given as real and as synthetic"
        )
    return tuple(
        SourceName(name, "synthetic" if label == "synthetic" else "real")
        for name, label in dict.fromkeys(names)
    )
