"""Which samples people should label: drawn by score bin, with blind checks among them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.commands.combined import Wanted, count_store, planes_of, scored_rows
from madaudit.commands.counted import Counted
from madaudit.commands.label_files import LABELS_VERSION, Bin, Design
from madaudit.commands.sample_images import (
    picture,
    require_in_place,
    sample_pictures,
    shard_of,
)
from madaudit.commands.store_clusters import read_store_clusters
from madaudit.commands.store_tiers import Request, estimate_population, population_of
from madaudit.errors import InputError
from madaudit.estimation import allocate
from madaudit.estimation.calibration import Calibration
from madaudit.estimation.cells import MISSING_PLACE, N_PLACES, UNMARKED
from madaudit.estimation.counts import coarse_groups
from madaudit.estimation.sketch import places_of
from madaudit.limits import MAX_IMAGE_BYTES
from madaudit.reports.label_page import PageItem
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.shards import files
from madaudit.types import Interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# π below which labels follow the target rather than the scores (docs/estimation.md).
_RARE = 0.005
_SHARES = {True: 0.7, False: 0.3}
# Further candidates of each bin, for those whose image cannot be decoded.
_SPARE = 5


class Candidate(NamedTuple):
    """A row that may be drawn; the smallest `order` of a bin come first."""

    order: float
    shard: str
    ordinal: int
    cluster: int


@dataclass(frozen=True)
class Drawn:
    """A draw.

    Attributes:
        items: of the page, in its order.
        key: what stays in the store.
        n_drawn, n_checks: samples and blind checks among the items.
        n_unreadable: samples that were drawn and replaced, since they could not be decoded.
    """

    items: list[PageItem]
    key: dict[str, Any]
    n_drawn: int
    n_checks: int
    n_unreadable: int


@dataclass(frozen=True)
class DrawRequest:
    """What is drawn.

    Attributes:
        n: labels wanted.
        side_px: of the pictures.
        seed: of the draw.
        checks: truth to folder of images whose truth is known.
        check_share: checks for each sample drawn.
        shows_captions: whether captions stand beside the pictures.
    """

    n: int
    side_px: int
    seed: int
    checks: dict[str, str]
    check_share: float
    shows_captions: bool


def draw_labels(
    store: Store,
    survey: Survey,
    calibration: Calibration | None,
    fit: Request,
    wanted: DrawRequest,
) -> Drawn:
    """Draw samples and read their pictures.

    Raises:
        InputError: the inputs have moved or changed, hold no images, or a folder of checks has
            none.
    """
    scores = Wanted(calibration, clusters=read_store_clusters(store, survey))
    for marker in survey.markers:
        require_in_place(shard_of(marker))
    generator = np.random.default_rng(wanted.seed)
    counted = count_store(store, survey, scores)
    groups = design_groups(calibration)
    sizes = counted.cells.together().grouped(groups, 1, [UNMARKED], column=0)[0]
    sizes = np.pad(sizes, (0, int(groups.max()) + 1 - len(sizes)))
    per_bin, share = _per_bin(counted, calibration, fit, groups, sizes, wanted.n)
    if per_bin.sum() == 0:
        raise InputError(
            "cannot draw samples to label: the store has no image without a mark that says "
            "synthetic or composite; there is nothing to ask people"
        )
    chosen, pool = _candidates(store, survey, scores, groups, per_bin, generator)
    pictures, captions, n_unreadable = _pictures(store, survey, chosen, per_bin, wanted)
    bins = _bins(groups, pool)
    weights = population_of(counted).weights
    design = Design(scores.combiner, bins, float(weights.sum()))
    checks = list(_checks(wanted, len(pictures), generator))
    if not pictures:
        raise InputError(
            "cannot draw samples to label: none of those drawn could be decoded as an image"
        )
    return _assembled(
        survey,
        calibration,
        design,
        pictures,
        captions,
        checks,
        wanted,
        generator,
        share,
        n_unreadable,
    )


def design_groups(calibration: Calibration | None) -> Ints:
    """Bin of each place (N_PLACES,): the fit's own bins, and one for samples without a score."""
    groups = np.zeros(N_PLACES, dtype=np.int64)
    if calibration is None:
        return groups
    real = calibration.real_counts.counts.astype(np.float64)
    synthetic = calibration.synthetic_counts.counts.astype(np.float64)
    if real.sum() > 0 and synthetic.sum() > 0:
        groups[:MISSING_PLACE] = coarse_groups(real, synthetic)
    groups[MISSING_PLACE] = groups[:MISSING_PLACE].max() + 1
    return groups


def _per_bin(
    counted: Counted,
    calibration: Calibration | None,
    fit: Request,
    groups: Ints,
    sizes: Floats,
    n: int,
) -> tuple[Ints, float]:
    """Labels to draw in each bin, and the share that follows the target."""
    p_synthetic, rare = np.full(len(sizes), 0.5), False
    if calibration is not None:
        floor = Interval(0.0, None, 1.0, fit.settings.level)
        model = estimate_population(
            population_of(counted), fit, floor=floor, calibration=calibration, by_source=False
        ).model_based
        if model is not None:
            last = np.flatnonzero(np.diff(groups[:MISSING_PLACE], append=-1))
            known = np.array(model.p_synthetic)[last]
            p_synthetic[: len(known)] = known
            rare = model.closed.point is not None and model.closed.point < _RARE
    share = _SHARES[rare]
    return allocate(sizes, p_synthetic, n, share=share), share


def _candidates(
    store: Store,
    survey: Survey,
    scores: Wanted,
    groups: Ints,
    per_bin: Ints,
    generator: np.random.Generator,
) -> tuple[list[list[Candidate]], Floats]:
    """Rows of each bin in random order, some more than needed, and the pool they are from.

    A row of weight w comes before others with probability ∝ w (Efraimidis and Spirakis 2006), so
    labels stand for the data set and not for a sampled scan of it.

    Returns:
        Candidates by bin, and rows and Σw of the pool by bin (2, bins).
    """
    kept: list[list[Candidate]] = [[] for _ in per_bin]
    pool = np.zeros((2, len(per_bin)))
    room = np.where(per_bin > 0, per_bin + np.maximum(per_bin // 10, _SPARE), 0)
    for marker in survey.markers:
        shard, start = marker["shard"], 0
        clusters = scores.clusters.numbers_of(shard) if scores.clusters else None
        for rows, ratios in scored_rows(store, shard, survey.looks_at, scores, ["format"]):
            bins, weights = groups[places_of(ratios)], rows.weights()
            is_image = ~np.asarray(rows.rows.column("format").is_null())
            can_draw = (planes_of(rows) == UNMARKED) & is_image
            order = generator.exponential(size=len(bins)) / weights
            ordinals = rows.rows.column("ordinal").to_numpy()
            pool[0] += np.bincount(bins[can_draw], minlength=len(per_bin))
            pool[1] += np.bincount(bins[can_draw], weights[can_draw], len(per_bin))
            for number in np.flatnonzero(room).tolist():
                inside = np.flatnonzero(can_draw & (bins == number))
                first = inside[np.argsort(order[inside], kind="stable")[: room[number]]]
                found = [
                    Candidate(
                        float(order[k]),
                        shard,
                        int(ordinals[k]),
                        -1 if clusters is None else int(clusters[start + k]),
                    )
                    for k in first.tolist()
                ]
                kept[number] = heapq.nsmallest(int(room[number]), [*kept[number], *found])
            start += len(bins)
    return [_one_per_cluster(candidates) for candidates in kept], pool


def _one_per_cluster(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates in order, near-duplicates of an earlier one left out."""
    seen: set[int] = set()
    chosen = []
    for one in candidates:
        if one.cluster >= 0 and one.cluster in seen:
            continue
        seen.add(one.cluster)
        chosen.append(one)
    return chosen


def _pictures(
    store: Store,
    survey: Survey,
    chosen: Sequence[Sequence[Candidate]],
    per_bin: Ints,
    wanted: DrawRequest,
) -> tuple[dict[tuple[int, str, int], bytes], dict[tuple[str, int], str], int]:
    """Pictures of as many as wanted of each bin, in the order of the draw."""
    of_shard: dict[str, list[int]] = {}
    for candidates in chosen:
        for one in candidates:
            of_shard.setdefault(one.shard, []).append(one.ordinal)
    markers = {marker["shard"]: marker for marker in survey.markers}
    made: dict[tuple[str, int], bytes | None] = {}
    captions: dict[tuple[str, int], str] = {}
    for shard, ordinals in of_shard.items():
        for ordinal, data in sample_pictures(shard_of(markers[shard]), ordinals, wanted.side_px):
            made[shard, ordinal] = data
        if wanted.shows_captions:
            captions |= _captions(store, shard, set(ordinals))
    pictures: dict[tuple[int, str, int], bytes] = {}
    n_unreadable = 0
    for number, candidates in enumerate(chosen):
        n = 0
        for one in candidates:
            if n >= per_bin[number]:
                break
            data = made.get((one.shard, one.ordinal))
            if data is None:
                n_unreadable += 1
                continue
            pictures[number, one.shard, one.ordinal] = data
            n += 1
    return pictures, captions, n_unreadable


def _captions(store: Store, shard: str, ordinals: set[int]) -> dict[tuple[str, int], str]:
    found = {}
    for rows in store.row_batches(shard, ["ordinal", "caption"]):
        columns = rows.to_pydict()
        for ordinal, caption in zip(columns["ordinal"], columns["caption"], strict=True):
            if ordinal in ordinals:
                found[shard, ordinal] = (caption or "")[:500]
    return found


def _bins(groups: Ints, pool: Floats) -> tuple[Bin, ...]:
    bins = []
    for number, (samples, weight) in enumerate(pool.T.tolist()):
        places = np.flatnonzero(groups == number)
        bins.append(Bin(int(places[0]), int(places[-1]), round(samples), weight))
    return tuple(bins)


def _checks(
    wanted: DrawRequest, n_drawn: int, generator: np.random.Generator
) -> Iterator[tuple[str, bytes]]:
    """Blind checks: truth and picture, half of them of each class where both are given.

    Raises:
        InputError: a folder holds no image that can be decoded.
    """
    n = round(wanted.check_share * n_drawn)
    for number, (truth, folder) in enumerate(sorted(wanted.checks.items())):
        share = n if len(wanted.checks) == 1 else n // 2 + (n % 2 if number == 0 else 0)
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        found = 0
        for place in generator.permutation(len(paths)).tolist():
            if found >= max(share, 1):
                break
            data = files.read_bytes(str(paths[place]), most_bytes=MAX_IMAGE_BYTES)
            made = picture(memoryview(data), wanted.side_px) if data else None
            if made is not None:
                found += 1
                yield truth, made
        if not found:
            raise InputError(f"cannot add blind checks: no image in {folder!r} can be decoded")


def _assembled(
    survey: Survey,
    calibration: Calibration | None,
    design: Design,
    pictures: dict[tuple[int, str, int], bytes],
    captions: dict[tuple[str, int], str],
    checks: Sequence[tuple[str, bytes]],
    wanted: DrawRequest,
    generator: np.random.Generator,
    share: float,
    n_unreadable: int,
) -> Drawn:
    """Page and key, items in an order that tells nothing."""
    contents: list[tuple[dict[str, Any], bytes, str]] = [
        (
            {"kind": "sample", "shard": shard, "ordinal": ordinal, "bin": number},
            data,
            captions.get((shard, ordinal), ""),
        )
        for (number, shard, ordinal), data in pictures.items()
    ]
    contents += [({"kind": "check", "truth": truth}, data, "") for truth, data in checks]
    items, named = [], []
    for place in generator.permutation(len(contents)).tolist():
        about, data, caption = contents[place]
        name = generator.bytes(8).hex()
        items.append(PageItem(name, data, caption))
        named.append({"name": name, **about})
    key = {
        "version": LABELS_VERSION,
        "draw": generator.bytes(6).hex(),
        "seed": wanted.seed,
        "store": survey.manifest["fingerprint"],
        "calibration": calibration.fingerprint if calibration else None,
        "share_by_target": share,
        "design": {**vars(design), "bins": [vars(one) for one in design.bins]},
        "items": named,
    }
    return Drawn(items, key, len(pictures), len(checks), n_unreadable)
