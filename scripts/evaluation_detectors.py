"""Detectors as the evaluation fits them: some rows in, scores of any rows out.

A row is one variant of one picture with everything that a detector may look at. What ships is
fitted by other scripts (train_clip_probe, train_forensic); here the same functions are fitted
without the generator and the photo source on which they are judged.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from evaluation_features import features
from evaluation_images import Picture, cached, quality_of
from PIL import Image
from scipy.optimize import minimize
from scipy.special import expit

from madaudit.detectors.forensics import tiles, traces
from madaudit.detectors.forensics.model import fit_forensic
from madaudit.detectors.probes.fitting import fit_probe
from madaudit.estimation.combination import fit_combiner

Floats = npt.NDArray[np.float64]
K_NEIGHBOURS = 5
N_FOLDS = 3


class Row(NamedTuple):
    """One variant of one picture.

    Attributes:
        picture: whose.
        variant: name.
        file: where it lies.
        clip: features of the middle 224 px (512,).
        resized: features of the whole square at 224 px, None where they were not made.
        traces: forensic features.
        shape: what the file's header says: size, format, quality.
    """

    picture: Picture
    variant: str
    file: Path
    clip: Floats
    resized: Floats | None
    traces: Floats
    shape: Floats


Scorer = Callable[[Sequence[Row]], Floats]
Fit = Callable[[Sequence[Row]], Scorer]


def read_row(data: Path, cache: Path, picture: Picture, variant: str) -> Row | None:
    """A row, None where the picture has no such variant or no room for a crop."""
    clip = features(cache, picture, variant)
    if clip is None:
        return None
    file = data / picture.path if variant == "raw" else cached(cache, picture, variant)
    found = _traces(file, cache / _traces_folder() / variant / f"{picture.number:016x}.npy")
    resized = features(cache, picture, variant, "resized")
    with Image.open(file) as image:
        shape = _shape(image)
    if found is None:
        return None
    return Row(picture, variant, file, clip, resized, found, shape)


@lru_cache(maxsize=1)
def _traces_folder() -> str:
    """By what computes them, so that none of another state of the code is ever read."""
    sources = [Path(module.__file__).read_bytes() for module in (traces, tiles)]
    return f"traces-{hashlib.sha256(b''.join(sources)).hexdigest()[:12]}"


def _traces(file: Path, kept: Path) -> Floats | None:
    if kept.exists():
        return np.load(kept, allow_pickle=False)
    with Image.open(file) as image:
        found = traces.features(np.asarray(image.convert("RGB")))
    if found is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, found, allow_pickle=False)
        kept.write_bytes(buffer.getvalue())
    return found


def _shape(image: Image.Image) -> Floats:
    quality = quality_of(image) or 0
    formats = [float(image.format == name) for name in ("JPEG", "PNG", "WEBP")]
    width, height = image.size
    return np.array([np.log(width), np.log(height), np.log(width / height), quality, *formats])


# ---- fits ---------------------------------------------------------------------------------------


def labels(rows: Sequence[Row]) -> npt.NDArray[np.bool_]:
    return np.array([row.picture.is_synthetic for row in rows])


def _groups(rows: Sequence[Row]) -> list[str]:
    return [row.picture.source for row in rows]


def with_one_history(rows: Sequence[Row]) -> list[Row]:
    """Rows in which resampling tells nothing of the class: fewer shrunk photos.

    Photos are larger files than most generated pictures, so that more of them can be shrunk; with
    all variants of all files "shrunk" is a sign of a photo. Of each photo source as many rows of
    a variant are kept as give the variant the share that it has in a generator on average.
    """
    shares = mean_shares([row for row in rows if row.picture.is_synthetic])
    kept = [row for row in rows if row.picture.is_synthetic]
    base = max(shares, key=lambda name: shares[name])
    for source in _by_source([row for row in rows if not row.picture.is_synthetic]).values():
        n_base = sum(row.variant == base for row in source)
        for name, share in shares.items():
            own = [row for row in source if row.variant == name]
            own.sort(key=lambda row: row.picture.number)
            kept += own[: round(n_base * share / shares[base])]
    return kept


def mean_shares(rows: Sequence[Row]) -> dict[str, float]:
    """Share of each variant in a source, mean over sources."""
    sources = _by_source(rows)
    names = dict.fromkeys(row.variant for row in rows)
    return {
        name: float(
            np.mean([np.mean([row.variant == name for row in own]) for own in sources.values()])
        )
        for name in names
    }


def _by_source(rows: Sequence[Row]) -> dict[str, list[Row]]:
    sources: dict[str, list[Row]] = {}
    for row in rows:
        sources.setdefault(row.picture.source, []).append(row)
    return sources


def fit_clip(rows: Sequence[Row]) -> Scorer:
    probe = fit_probe(np.stack([row.clip for row in rows]), labels(rows), _groups(rows))
    return lambda asked: probe.scores(np.stack([row.clip for row in asked]))


def fit_traces(rows: Sequence[Row]) -> Scorer:
    model = fit_forensic(
        np.stack([row.traces for row in rows]),
        labels(rows),
        _groups(rows),
        items=[row.picture.path for row in rows],
    )
    return lambda asked: model.score(np.stack([row.traces for row in asked]))


def fit_neighbours(rows: Sequence[Row]) -> Scorer:
    """The log ratio of densities by distances to the nearest of each class, dimension left out."""
    known = np.stack([row.clip for row in rows])
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    truth = labels(rows)

    def score(asked: Sequence[Row]) -> Floats:
        queries = np.stack([row.clip for row in asked])
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        logs = [
            np.log(_chords(queries @ known[truth == flag].T)).mean(axis=1)
            for flag in (False, True)
        ]
        return logs[0] - logs[1]

    return score


def _chords(similarity: Floats) -> Floats:
    nearest = -np.sort(-similarity, axis=1)[:, :K_NEIGHBOURS]
    return np.maximum(np.sqrt(np.maximum(2 - 2 * nearest, 0)), 0.01)


def fit_shape(rows: Sequence[Row]) -> Scorer:
    """The control that must be at chance: logistic regression on size, format and quality."""
    score = fit_logistic(np.stack([row.shape for row in rows]), labels(rows))
    return lambda asked: np.round(score(np.stack([row.shape for row in asked])), 9)


def fit_logistic(values: Floats, truth: npt.NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    """Logistic regression on standardised values (n, d), classes at equal weight."""
    centre, scale = values.mean(axis=0), values.std(axis=0) + 1e-9
    x = np.hstack([(values - centre) / scale, np.ones((len(values), 1))])
    weight = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())
    sign = np.where(truth, 1.0, -1.0)

    def loss(w: Floats) -> tuple[float, Floats]:
        margin = sign * (x @ w)
        slope = x.T @ (-weight * sign * expit(-margin)) + 0.01 * np.append(w[:-1], 0)
        return float(weight @ np.logaddexp(0, -margin) + 0.005 * w[:-1] @ w[:-1]), slope

    found = minimize(loss, np.zeros(x.shape[1]), jac=True).x
    return lambda asked: ((asked - centre) / scale) @ found[:-1] + found[-1]


SINGLE: dict[str, Fit] = {
    "clip_probe": fit_clip,
    "forensic": fit_traces,
    "neighbours": fit_neighbours,
}


def fit_combination(rows: Sequence[Row], whole: dict[str, Scorer]) -> Scorer:
    """The combiner on scores that each detector gave to pictures it was not fitted on."""
    folds = np.array([row.picture.number // 7 % N_FOLDS for row in rows])
    crossed = np.full((len(rows), len(SINGLE)), np.nan)
    for fold in range(N_FOLDS):
        others = [row for row, own in zip(rows, folds == fold, strict=True) if not own]
        own = [row for row, mine in zip(rows, folds == fold, strict=True) if mine]
        for column, fit in enumerate(SINGLE.values()):
            crossed[folds == fold, column] = fit(others)(own)
    truth = labels(rows)
    combiner = fit_combiner(crossed[~truth], crossed[truth], tuple(SINGLE))
    return lambda asked: combiner.log_ratio(
        np.stack([score(asked) for score in whole.values()], axis=1)
    )
