"""Labels joined with a store's counts: what the adjudicated tier is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from madaudit.commands.combined import Wanted, planes_of, scored_rows, stratum_labels
from madaudit.commands.counted import Counted, Labels
from madaudit.commands.label_files import UNDECIDED, Label, LabelSet, counted_by_bin
from madaudit.commands.store_tiers import OPEN_PLANES, Composite, Gold
from madaudit.errors import InputError
from madaudit.estimation.cells import N_PLACES, UNMARKED
from madaudit.estimation.sketch import places_of
from madaudit.reports.wording import percent, plural
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Share of undecided labels from which a reader is told.
_MANY_UNDECIDED = 0.05


@dataclass(frozen=True)
class GoldLabels:
    """Labels as the fits take them.

    Attributes:
        whole: of all samples.
        distinct: the same where every near-duplicate cluster counts once; None without clusters.
        strata: by number of stratum; those without a label are left out.
        undecided: bounds of the whole's counts: all undecided ones real, and all synthetic.
        flags: what a reader must know.
    """

    whole: Gold
    distinct: Gold | None
    strata: dict[int, Gold]
    undecided: tuple[Gold, Gold] | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class _Placed:
    """Labels with where they stand: place, plane and stratum of each (n,)."""

    places: Ints
    planes: Ints
    strata: list[Labels]


def gold_labels(
    store: Store,
    survey: Survey,
    labels: LabelSet,
    counted: Counted,
    wanted: Wanted,
    composite: Composite,
) -> GoldLabels:
    """Labels joined with the counts of the store they were given for.

    Raises:
        InputError: they are of another store, or of rows that it does not have.
    """
    design, flags = labels.design, []
    is_comparable = design is None or design.combiner == wanted.combiner
    chosen = list(labels.labels)
    placed = None
    if design is None or wanted.by:
        placed = _place(store, survey, chosen, wanted)
    if design is None:
        chosen, placed = _open_ones(chosen, placed)
    else:
        _require_same_pool(design.pool, counted, labels.draw)
    cells = counted.cells.together()
    if design is None:
        bins, groups = placed.places if placed else np.zeros(0, np.int64), np.arange(N_PLACES)
        target = cells.grouped(groups, 1, [UNMARKED])[0]
    else:
        bins, groups = np.array([one.bin for one in chosen], dtype=np.int64), design.groups()
        target = np.array([one.weight for one in design.bins])
    distinct = None
    if wanted.clusters is not None and is_comparable:
        weights = cells.grouped(groups, 1, [UNMARKED], column=3)[0]
        distinct = _gold(chosen, bins, _padded(weights, len(target)), composite)
    strata: dict[int, Gold] = {}
    if wanted.by and placed is not None and is_comparable:
        strata = _by_stratum(chosen, bins, placed.strata, counted, groups, composite)
    elif wanted.by:
        flags.append(
            "labels were drawn by another calibration's scores: they tell of the whole alone, "
            "not of strata"
        )
    return GoldLabels(
        _gold(chosen, bins, target, composite),
        distinct,
        strata,
        _undecided(chosen, bins, target, composite),
        (*flags, *_flags(chosen, labels, composite)),
    )


def _open_ones(
    labels: Sequence[Label], placed: _Placed | None
) -> tuple[list[Label], _Placed | None]:
    """Labels of samples that no mark settles: of the others the mark is believed."""
    if placed is None:
        return list(labels), None
    kept = np.flatnonzero(placed.planes == UNMARKED).tolist()
    return [labels[k] for k in kept], _Placed(
        placed.places[kept], placed.planes[kept], [placed.strata[k] for k in kept]
    )


def _undecided(
    labels: Sequence[Label], bins: Ints, target: Floats, composite: Composite
) -> tuple[Gold, Gold] | None:
    """Counts with all undecided ones real, and with all synthetic; None where there are none."""
    if all(one.label != UNDECIDED for one in labels):
        return None
    real, synthetic = (
        _gold([_decided(one, said) for one in labels], bins, target, composite)
        for said in ("real", "synthetic")
    )
    return real, synthetic


def _flags(labels: Sequence[Label], given: LabelSet, composite: Composite) -> list[str]:
    flags = []
    n_undecided = sum(1 for one in labels if one.label == UNDECIDED)
    if n_undecided > _MANY_UNDECIDED * max(len(labels), 1):
        flags.append(
            f"{percent(n_undecided / len(labels))} of labels are undecided; the adjudicated "
            f"interval takes them to be like the others of their score, and 'undecided' beside "
            f"it does not"
        )
    if given.label_checks(composite) is None:
        flags.append(
            "no blind checks of both classes among the labels: they are taken to be right"
        )
    return flags


def _decided(one: Label, said: str) -> Label:
    return Label(one.shard, one.ordinal, said, one.bin) if one.label == UNDECIDED else one


def _gold(labels: Sequence[Label], bins: Ints, target: Floats, composite: Composite) -> Gold:
    real, synthetic, apart = counted_by_bin(labels, bins, len(target), composite)
    of = real + synthetic + apart
    # Composites that stand apart leave the bin in the share in which they were found.
    keep = np.divide(real + synthetic, of, out=np.ones_like(of), where=of > 0)
    return Gold(real, synthetic, np.maximum(target * keep, real + synthetic))


def _by_stratum(
    labels: Sequence[Label],
    bins: Ints,
    strata: Sequence[Labels],
    counted: Counted,
    groups: Ints,
    composite: Composite,
) -> dict[int, Gold]:
    numbers = {label: number for number, label in enumerate(counted.labels)}
    found: dict[int, list[int]] = {}
    for place, label in enumerate(strata):
        if label in numbers:
            found.setdefault(numbers[label], []).append(place)
    result = {}
    for number, places in found.items():
        target = counted.cells.of(number).grouped(groups, 1, [UNMARKED])[0]
        chosen = [labels[place] for place in places]
        n_bins = int(groups.max()) + 1
        result[number] = _gold(chosen, bins[places], _padded(target, n_bins), composite)
    return result


def _padded(counts: Floats, n: int) -> Floats:
    return np.pad(counts, (0, max(n - len(counts), 0)))


def _require_same_pool(pool: float, counted: Counted, draw: str) -> None:
    """Refuse labels of a store that has changed since they were drawn."""
    now = float(counted.cells.sums[np.isin(counted.cells.planes, OPEN_PLANES), 1].sum())
    if abs(now - pool) > 1e-6 * max(pool, 1.0):
        raise InputError(
            f"cannot use the labels of draw {draw[:20]!r}: they were drawn from {pool:g} samples "
            f"without a mark, the store has {now:g}; draw again"
        )


def _place(store: Store, survey: Survey, labels: Sequence[Label], wanted: Wanted) -> _Placed:
    """Where labelled rows stand, from the rows of their shards.

    Raises:
        InputError: a label is of a row that the store does not have.
    """
    known = {marker["shard"] for marker in survey.markers}
    of_shard: dict[str, dict[int, int]] = {}
    for number, one in enumerate(labels):
        of_shard.setdefault(one.shard, {})[one.ordinal] = number
    n = len(labels)
    places, planes = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    strata: list[Labels] = [()] * n
    for shard, ordinals in of_shard.items():
        if shard not in known:
            raise InputError(
                f"cannot use the labels: the store has no finished shard {shard[:200]!r}"
            )
        wanted_ordinals = np.array(list(ordinals))
        for rows, ratios in scored_rows(store, shard, survey.looks_at, wanted):
            in_rows = rows.rows.column("ordinal").to_numpy()
            chosen = np.flatnonzero(np.isin(in_rows, wanted_ordinals))
            if not len(chosen):
                continue
            names = stratum_labels(rows, shard, wanted)
            row_planes, row_places = planes_of(rows), places_of(ratios)
            for row in chosen.tolist():
                number = ordinals[int(in_rows[row])]
                places[number], planes[number] = row_places[row], row_planes[row]
                strata[number] = names[row]
    if (planes < 0).any():
        lost = labels[int(np.flatnonzero(planes < 0)[0])]
        raise InputError(
            f"cannot use the labels: {lost.shard[:200]} has no row {lost.ordinal}; "
            f"{plural(int((planes < 0).sum()), 'label')} of rows that are not there"
        )
    return _Placed(places, planes, strata)
