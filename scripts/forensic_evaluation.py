"""How far the forensic detector can be trusted: everything left out that could help it by chance.

A generator is judged by models that saw neither its family nor the photo source it stands against
(nor reconstructions of those photos). Intervals are bootstraps over images, not over views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from forensic_tables import RECONSTRUCTED, Table

from madaudit.detectors.forensics import ForensicModel, Smoothing, fit_forensic

LEVEL = 0.95
N_BOOTSTRAP = 400
SEED = 15
# Families that a "mixed" source may hold.
IN_MIXED = ("sd1", "sdxl", "flux", "openai", "mixed")


class Auc(NamedTuple):
    """Area under the ROC curve with its interval."""

    low: float
    point: float
    high: float

    def __str__(self) -> str:
        return f"{self.point:.3f} [{self.low:.3f}, {self.high:.3f}]"


Scorer = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[Table], Scorer]


def fitted(
    train: Table, smoothing: Smoothing, notes: dict[str, Any] | None = None
) -> ForensicModel:
    """The model of all rows; reconstructions are one group, whichever autoencoder made them."""
    groups = np.where(train.families == RECONSTRUCTED, RECONSTRUCTED, train.sources)
    return fit_forensic(
        train.features, train.labels, groups, items=train.items, smoothing=smoothing, notes=notes
    )


def left_out(train: Table, family: str, photos: str) -> Table:
    """Training rows without a family of generators and without a photo source.

    Args:
        train: all rows.
        family: "" leaves out none.
        photos: photo source whose content may not be seen in any form, "" for none.
    """
    is_family = (train.families == family) & (train.labels == 1) & (family != "")
    if family in IN_MIXED:
        is_family |= train.families == "mixed"
    return train.where(~is_family & ~((train.photos == photos) & (photos != "")))


# --- areas ------------------------------------------------------------------------------------


def wins(synthetic: Table, real: Table, score: Scorer) -> np.ndarray:
    """Share of view pairs in which the synthetic image scores higher, per pair of images."""
    s, r = score(synthetic.features), score(real.features)
    pairs = (s[:, None] > r[None]) + 0.5 * (s[:, None] == r[None])
    return _averaged(_averaged(pairs, synthetic.items).T, real.items).T


def _averaged(rows: np.ndarray, items: np.ndarray) -> np.ndarray:
    names, places = np.unique(items, return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, places, rows)
    return sums / np.bincount(places)[:, None]


def auc_of(blocks: Sequence[np.ndarray]) -> Auc:
    """Mean area over blocks of one set of synthetic images against several of photos.

    Args:
        blocks: wins (synthetic images, photos), the same synthetic images in each.
    """
    draws = bootstrapped(blocks, np.random.default_rng(SEED))
    return _interval(float(np.mean([block.mean() for block in blocks])), draws)


def _interval(point: float, draws: np.ndarray) -> Auc:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Auc(float(low), point, float(high))


def bootstrapped(blocks: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    n = blocks[0].shape[0]
    first = rng.multinomial(n, np.full(n, 1 / n), N_BOOTSTRAP) / n
    total = np.zeros(N_BOOTSTRAP)
    for block in blocks:
        m = block.shape[1]
        second = rng.multinomial(m, np.full(m, 1 / m), N_BOOTSTRAP) / m
        total += np.einsum("bi,ij,bj->b", first, block, second, optimize=True)
    return total / len(blocks)


# --- the protocol -----------------------------------------------------------------------------


class LeaveOneOut(NamedTuple):
    """Areas by left-out generator, and their mean with images and generators drawn anew.

    Attributes:
        by_generator: generator to its area over all photo sources.
        cells: (generator, photo source) to the area.
        mean: over generators, equal weight.
    """

    by_generator: dict[str, Auc]
    cells: dict[tuple[str, str], float]
    mean: Auc


Scorers = dict[tuple[str, str], Scorer]


def held_out(train: Table, fit: Fit, judged: Table, photos: Sequence[str]) -> Scorers:
    """(family, photo source) to a model that saw neither."""
    families = np.unique(judged.families[judged.labels == 1])
    return {
        (str(family), source): fit(left_out(train, str(family), source))
        for family in families
        for source in photos
    }


def leave_one_out(
    scorers: Scorers, judged: Table, generators: Sequence[str], photos: Sequence[str]
) -> LeaveOneOut:
    """Every generator against every photo source, by models that saw neither."""
    families = {name: str(judged.of(name).families[0]) for name in generators}
    by_generator, cells, draws = {}, {}, []
    for name in generators:
        blocks = []
        for source in photos:
            scorer = scorers[families[name], source]
            blocks.append(wins(judged.of(name), judged.of(source), scorer))
            cells[name, source] = float(blocks[-1].mean())
        by_generator[name] = auc_of(blocks)
        draws.append(bootstrapped(blocks, np.random.default_rng(SEED)))
    rng = np.random.default_rng(SEED)
    chosen = rng.integers(0, len(draws), (N_BOOTSTRAP, len(draws)))
    drawn = np.array(draws).T
    means = np.take_along_axis(drawn, chosen, axis=1).mean(axis=1)
    point = float(np.mean([area.point for area in by_generator.values()]))
    return LeaveOneOut(by_generator, cells, _interval(point, means))


def same_photos(train: Table, one: Table, other: Table, fit: Fit) -> dict[str, Auc]:
    """Photos of a left-out source in two states against each other, which should give .5."""
    found = {}
    for source in np.unique(one.sources):
        scorer = fit(left_out(train, "", str(source)))
        if len(other.of(source).items):
            found[str(source)] = auc_of([wins(one.of(source), other.of(source), scorer)])
    return found


def pooled(areas: dict[str, Auc]) -> float:
    return float(np.mean([area.point for area in areas.values()]))


def content_control(train: Table, judged: Table, photos: Table, fit: Fit) -> dict[str, Auc]:
    """Reconstructions by a left-out autoencoder against their own photos, sources left out."""
    found = {}
    for name in np.unique(judged.sources[judged.families == RECONSTRUCTED]):
        made = judged.of(name)
        scores, owns, sides = [], [], []
        for source in np.unique(made.photos):
            rest = train.where((train.sources != name) & (train.photos != source))
            scorer = fit(rest)
            for side, rows in (
                (1, made.where(made.photos == source)),
                (0, photos.where(photos.photos == source)),
            ):
                scores.append(scorer(rows.features))
                owns.append([item.partition("/")[2] for item in rows.items])
                sides.append(np.full(len(rows.items), side))
        found[str(name)] = _paired(
            np.concatenate(scores), np.concatenate(owns), np.concatenate(sides)
        )
    return found


def _paired(scores: np.ndarray, names: np.ndarray, sides: np.ndarray) -> Auc:
    """Area over photos and their own reconstructions, both of an image drawn together."""
    shared = np.intersect1d(names[sides == 1], names[sides == 0])
    means = [
        np.array([scores[(sides == side) & (names == name)].mean() for name in shared])
        for side in (1, 0)
    ]
    wins_ = (means[0][:, None] > means[1][None]) + 0.5 * (means[0][:, None] == means[1][None])
    n = len(shared)
    shares = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), N_BOOTSTRAP) / n
    return _interval(float(wins_.mean()), np.einsum("bi,ij,bj->b", shares, wins_, shares))


def as_dict(areas: dict[str, Auc]) -> dict[str, Any]:
    return {name: list(area) for name, area in areas.items()}
