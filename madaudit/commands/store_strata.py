"""A store's strata: their tiers, the worst of them, and their course over the years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from madaudit.commands.counted import Counted
from madaudit.commands.store_tiers import (
    OPEN_PLANES,
    Composite,
    Gold,
    Request,
    estimate_population,
    population_of,
)
from madaudit.commands.stratum import (
    Course,
    StrataTold,
    Stratum,
    WorstStrata,
    WorstStratum,
)
from madaudit.errors import InputError
from madaudit.estimation.calibration import Calibration
from madaudit.estimation.cells import (
    BROKEN,
    COMPOSITE_MARK,
    MISSING_PLACE,
    SYNTHETIC_MARK,
    UNMARKED,
)
from madaudit.estimation.many import ManyTiers, Shares, detectable_bounds, estimate_many
from madaudit.estimation.strata import Shrunk, Strata, find_trend, find_worst, shrink
from madaudit.estimation.tiers import LEAST_LABELS, may_lead
from madaudit.types import Interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Strata of the list of the worst.
_WORST = 50
# Points in time that a trend is fitted to.
_TIMES = 200


def tell_strata(
    counted: Counted,
    strata: list[Stratum],
    request: Request,
    calibration: Calibration | None,
    gold: dict[int, Gold],
    limit: float | None,
) -> StrataTold:
    """Tiers of all strata.

    Args:
        counted: a store's counts.
        strata: with their floors, in the order of the counts.
        request: what is asked.
        calibration: whose combiner made the scores.
        gold: labels by number of stratum.
        limit: π that the worst strata are compared with.
    """
    shares, ratio = _shares(counted, request)
    many = _many(counted, request, calibration, shares, ratio) if calibration else None
    if many is None or calibration is None:
        told = [_only_labelled(counted, one, request, gold.get(one.number)) for one in strata]
        return StrataTold(told)
    level = request.settings.level
    leaning = shrink(many.strata, level=level) if len(strata) > 1 else None
    told = [
        _told(one, many, shares, request, leaning)
        if one.number not in gold
        else _with_labels(
            _told(one, many, shares, request, leaning), counted, request, gold[one.number]
        )
        for one in strata
    ]
    worst = None
    if limit is not None and len(strata) > 1:
        worst = _worst(many, (shares, ratio), calibration, counted, level=level, limit=limit)
    return StrataTold(told, worst, _course(many, strata, level))


# ---- all strata at once


def _shares(counted: Counted, request: Request) -> tuple[Shares, Floats]:
    """What marks settle in every stratum, and n_eff / N."""
    n = len(counted.labels)
    cells = counted.cells
    values = np.zeros((4, n))
    for plane in (UNMARKED, COMPOSITE_MARK, SYNTHETIC_MARK, BROKEN):
        chosen = cells.planes == plane
        values[plane] = np.bincount(cells.strata[chosen], cells.sums[chosen, 1], n)
    is_missing = np.isin(cells.planes, OPEN_PLANES) & (cells.places == MISSING_PLACE)
    missing: Floats = np.zeros(n)
    missing += np.bincount(cells.strata[is_missing], cells.sums[is_missing, 1], n)
    total = values.sum(axis=0)
    over = counted.squares
    if over is None:
        over = np.asarray(np.bincount(cells.strata, cells.sums[:, 2], n), np.float64)
    n_effective = np.divide(total**2, over, out=np.zeros(n), where=over > 0)
    ratio = np.divide(n_effective, total, out=np.ones(n), where=total > 0)
    counts: dict[Composite, tuple[Floats, Floats, Floats]] = {
        "real": (values[SYNTHETIC_MARK], values[COMPOSITE_MARK], total),
        "synthetic": (values[SYNTHETIC_MARK] + values[COMPOSITE_MARK], np.zeros(n), total),
        "apart": (values[SYNTHETIC_MARK], np.zeros(n), total - values[COMPOSITE_MARK]),
    }
    hits, known, of = counts[request.composite]
    share = _ratio(hits, of)
    low, high = share, share
    if request.is_sampled:
        low, high = _binomial_ends(share, n_effective, request.settings.level)
    missing_share = _ratio(missing, values[UNMARKED] + values[BROKEN])
    return Shares(low, share, high, _ratio(known, of), missing_share), np.clip(ratio, 1e-12, 1.0)


def _ratio(part: Floats, total: Floats) -> Floats:
    found = np.divide(part, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(np.minimum(found, 1.0), dtype=np.float64)


def _binomial_ends(share: Floats, n_effective: Floats, level: float) -> tuple[Floats, Floats]:
    """Clopper and Pearson's interval of every stratum's share of marks."""
    found, tail = share * n_effective, (1.0 - level) / 2.0
    rest = n_effective - found
    low = np.where(found > 0, beta.ppf(tail, np.maximum(found, 1e-9), rest + 1.0), 0.0)
    high = np.where(rest > 0, beta.ppf(1.0 - tail, found + 1.0, np.maximum(rest, 1e-9)), 1.0)
    return low, high


def _many(
    counted: Counted, request: Request, calibration: Calibration, shares: Shares, ratio: Floats
) -> ManyTiers | None:
    return estimate_many(
        calibration.real_counts.counts.astype(np.float64),
        calibration.synthetic_counts.counts.astype(np.float64),
        lambda groups: _grouped(counted, groups),
        shares,
        ratio,
        request.settings,
    )


def _grouped(counted: Counted, groups: npt.NDArray[np.intp]) -> Floats:
    """Σw of the scored samples of every stratum over groups of cells."""
    places = np.append(groups, -1)
    return counted.cells.grouped(places, len(counted.labels), OPEN_PLANES)


# ---- one stratum


def _told(
    stratum: Stratum, many: ManyTiers, shares: Shares, request: Request, leaning: Shrunk | None
) -> Stratum:
    """A stratum with the tiers that its scores carry."""
    k, level = stratum.number, request.settings.level
    floor = stratum.floor.all_marks
    if not many.is_known[k]:
        return replace(stratum, prevalence=floor)
    point = None if np.isnan(many.point[k]) else float(many.point[k])
    lower = Interval(float(many.detectable[k]), None, 1.0, level)
    closed = _interval(many.low[k], point, many.high[k], level)
    sensitivity = _interval(many.set_low[k], point, many.set_high[k], level)
    shrunk = None
    if leaning is not None:
        one = Shares(*(part[k : k + 1] for part in shares))
        low, high = one.added(leaning.low[k : k + 1], leaning.high[k : k + 1])
        middle = float(one.added_point(leaning.point[k : k + 1])[0])
        shrunk = _interval(low[0], None if np.isnan(middle) else middle, high[0], level)
    leads = may_lead(request.settings)
    return replace(
        stratum,
        tier="model_based" if leads else "detectable",
        prevalence=sensitivity if leads else lower,
        detectable=lower,
        closed=closed,
        sensitivity=sensitivity,
        shrunk=shrunk,
    )


def _with_labels(stratum: Stratum, counted: Counted, request: Request, gold: Gold) -> Stratum:
    """A stratum with what people saw of it."""
    found = estimate_population(
        population_of(counted, stratum.number),
        request,
        floor=stratum.floor.all_marks,
        gold=gold,
    )
    n_labels = round(found.n_labels)
    changes: dict[str, Any] = {"adjudicated": found.adjudicated, "n_labels": n_labels}
    if found.adjudicated and (n_labels >= LEAST_LABELS or stratum.closed is None):
        changes |= {"tier": "adjudicated", "prevalence": found.adjudicated}
    return replace(stratum, **changes)


def _only_labelled(
    counted: Counted, stratum: Stratum, request: Request, gold: Gold | None
) -> Stratum:
    """A stratum without scores."""
    return stratum if gold is None else _with_labels(stratum, counted, request, gold)


def _interval(low: float, point: float | None, high: float, level: float) -> Interval:
    low, high = float(low), float(high)
    return Interval(low, None if point is None else min(max(point, low), high), high, level)


# ---- the worst, and the course


def _worst(
    many: ManyTiers,
    known: tuple[Shares, Floats],
    calibration: Calibration,
    counted: Counted,
    *,
    level: float,
    limit: float,
) -> WorstStrata:
    shares, ratio = known
    n = len(many.detectable)
    rest = np.maximum(1.0 - shares.synthetic - shares.real, 1e-12)
    # The limit for the samples that no mark settles, in each stratum.
    limits = np.clip((limit - shares.synthetic) / rest, 0.0, 1.0)
    worst = find_worst(many.strata, limits, level=level, found=many.found)
    low_model, _ = shares.added(worst.low, np.ones(n))
    bound = detectable_bounds(
        calibration.real_counts.counts.astype(np.float64),
        lambda groups: _grouped(counted, groups),
        ratio,
        level=1.0 - 2.0 * (1.0 - level) / n,
    )
    low, _ = shares.added(bound, np.ones(n))
    low, low_model = (np.where(many.is_known, part, 0.0) for part in (low, low_model))
    p_value = np.where(many.is_known, worst.p_value, 1.0)
    order = np.lexsort((p_value, -low))[:_WORST]
    return WorstStrata(
        limit,
        int((worst.is_above & many.is_known).sum()),
        tuple(
            WorstStratum(int(k), float(low[k]), float(low_model[k]), float(p_value[k]))
            for k in order
        ),
    )


def _course(many: ManyTiers, strata: Sequence[Stratum], level: float) -> Course | None:
    """Trend over the strata of one column of numbers; None where it is none."""
    columns = list(strata[0].by) if strata else []
    if len(columns) != 1:
        return None
    times = np.array([_time(one.by[columns[0]]) for one in strata])
    numbers = np.array([one.number for one in strata])
    used = np.isfinite(times) & many.is_known[numbers]
    if not 3 <= used.sum() <= _TIMES or used.sum() < 0.5 * len(strata):
        return None
    order = np.argsort(times[used], kind="stable")
    times, numbers = times[used][order], numbers[used][order]
    part = Strata(many.strata.real, many.strata.synthetic, many.strata.targets[numbers])
    try:
        trend = find_trend(part, times, level=level)
    except (InputError, np.linalg.LinAlgError):
        return None
    return Course(columns[0], tuple(times.tolist()), trend)


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan
