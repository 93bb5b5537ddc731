"""Known-real and known-synthetic samples, and the two halves that a calibration needs.

One half fits the combiner (and a probe), the other is counted. Invariants: copies of one picture
lie on one side; a sample with a mark that says synthetic is in neither half, since marks outrank
scores; a picture given twice counts once; one given as real and as synthetic counts as neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.errors import InputError
from madaudit.estimation.calibration import Source, SourceLabel

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]


class SourceName(NamedTuple):
    """A real source or a generator."""

    name: str
    label: SourceLabel


@dataclass(frozen=True, eq=False)
class KnownSamples:
    """Samples whose label is known.

    Attributes:
        detectors: names of the graded detectors, K of them.
        scores: logits (n, K), NaN where a detector has none.
        sources: real sources and generators.
        source: place in `sources` of each sample (n,).
        marked: samples with a mark that says synthetic (n,).
        contents: digest of each sample's pixels (n,), None where nothing is known.
        hashes: perceptual hash of each (n,), None likewise.
    """

    detectors: tuple[str, ...]
    scores: Floats
    sources: tuple[SourceName, ...]
    source: Places
    marked: Mask
    contents: Sequence[str | None] = field(repr=False)
    hashes: Sequence[int | None] = field(repr=False)

    def __post_init__(self) -> None:
        n = len(self.source)
        lengths = {len(self.marked), len(self.contents), len(self.hashes), n}
        if len(lengths) > 1 or self.scores.shape != (n, len(self.detectors)):
            raise InputError(
                f"cannot calibrate: scores {self.scores.shape} for {len(self.detectors)} "
                f"detectors and {sorted(lengths)} samples"
            )

    def __len__(self) -> int:
        return len(self.source)

    @property
    def is_synthetic(self) -> Mask:
        flags = np.array([source.label == "synthetic" for source in self.sources], dtype=bool)
        return np.asarray(flags[self.source])

    def of(self, name: SourceName) -> Mask:
        """Samples of one source (n,)."""
        return np.asarray(self.source == self.sources.index(name))

    def named(self, label: SourceLabel) -> list[SourceName]:
        return [source for source in self.sources if source.label == label]


@dataclass(frozen=True, eq=False)
class Halves:
    """Which samples fit and which are counted.

    Attributes:
        fitting, counting: disjoint masks (n,); what is in neither was left out.
        fold: of each sample, 0 to `N_FOLDS` − 1, copies in one fold (n,).
        repeated: samples whose very pixels were given before, under the same label (n,).
        conflicting: samples whose very pixels were given under both labels (n,).
    """

    fitting: Mask
    counting: Mask
    fold: Places
    repeated: Mask
    conflicting: Mask


#: Parts of the fitting half, by which a probe's scores are had for samples it was not fitted on.
N_FOLDS = 5


def split_halves(known: KnownSamples, seed: int = 0) -> Halves:
    """Halve every source at random, copies on one side.

    Args:
        known: the samples.
        seed: of the draw.
    """
    repeated, conflicting = _given_twice(known)
    usable = ~(known.marked | repeated | conflicting)
    cluster = _clusters(known)
    random = np.random.default_rng(seed)
    side = np.full(len(known), -1)
    # A cluster goes where its first sample's source has fewer yet.
    taken = np.zeros((len(known.sources), 2))
    n_clusters = int(cluster.max(initial=-1)) + 1
    members = _members(cluster, usable, n_clusters)
    for number in random.permutation(n_clusters).tolist():
        rows = members[number]
        if not len(rows):
            continue
        counts = taken[known.source[rows[0]]]
        chosen = int(random.integers(2)) if counts[0] == counts[1] else int(counts.argmin())
        side[rows] = chosen
        np.add.at(taken[:, chosen], known.source[rows], 1)
    fold_of = random.permutation(n_clusters) % N_FOLDS
    return Halves(side == 0, side == 1, fold_of[cluster], repeated, conflicting)


def _members(cluster: Places, usable: Mask, n_clusters: int) -> list[Places]:
    rows = np.flatnonzero(usable)
    order = rows[np.argsort(cluster[rows], kind="stable")]
    bounds = np.searchsorted(cluster[order], np.arange(n_clusters + 1))
    return [order[bounds[k] : bounds[k + 1]] for k in range(n_clusters)]


def _given_twice(known: KnownSamples) -> tuple[Mask, Mask]:
    """Repeated samples, and those of both labels; told by their very pixels."""
    labels: dict[str, set[bool]] = {}
    repeated = np.zeros(len(known), dtype=bool)
    is_synthetic = known.is_synthetic.tolist()
    for row, content in enumerate(known.contents):
        if content is not None:
            seen = labels.setdefault(content, set())
            repeated[row] = is_synthetic[row] in seen
            seen.add(is_synthetic[row])
    both = {content for content, seen in labels.items() if len(seen) > 1}
    conflicting = np.array([content in both for content in known.contents], dtype=bool)
    return repeated & ~conflicting, conflicting


def _clusters(known: KnownSamples) -> Places:
    """Number of the cluster of each sample (n,): those linked by equal pixels or equal hashes."""
    parent = list(range(len(known)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    first: dict[str | int, int] = {}
    for keys in (known.contents, known.hashes):
        for row, key in enumerate(keys):
            if key is not None:
                parent[root(row)] = root(first.setdefault(key, row))
    roots = np.array([root(row) for row in range(len(known))], dtype=np.intp)
    return np.asarray(np.unique(roots, return_inverse=True)[1], dtype=np.intp)


def describe_sources(
    known: KnownSamples, halves: Halves, licences: Sequence[str], notes: Sequence[str]
) -> tuple[Source, ...]:
    """Provenance by source: what was used, and what was left out and why.

    Args:
        known: the samples.
        halves: as drawn.
        licences: of each source.
        notes: what else is known of each source, "" for nothing.
    """
    described = []
    for place, source in enumerate(known.sources):
        rows = known.of(source)
        used = rows & (halves.fitting | halves.counting)
        left_out = {
            "marked": rows & known.marked,
            "repeated": rows & halves.repeated & ~known.marked,
            "of both labels": rows & halves.conflicting & ~known.marked,
            "without a score": used & np.isnan(known.scores).all(axis=1),
        }
        said = [f"{int(mask.sum())} {what}" for what, mask in left_out.items() if mask.any()]
        note = "; ".join([*said, *filter(None, [notes[place]])])
        described.append(Source(source.name, source.label, int(used.sum()), licences[place], note))
    return tuple(described)
