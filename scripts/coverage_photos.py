"""Features of real and synthetic images, and the two detectors of coverage_semireal."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter
from scipy.optimize import minimize
from scipy.special import expit

from madaudit.detectors.probes.fitting import fit_probe

SIDE_PX = 128
REAL_FOLDERS = (
    "real/imagenet_sample",
    "real/jetson_inference",
    "real/azure_samples",
    "real/clothing_small",
    "real/exif_samples",
    "real/dreambooth_unsplash",
    "real/openimages_packt",
)


# ---- features -----------------------------------------------------------------------------------


def noise_features(path: Path) -> np.ndarray | None:
    """Noise statistics of the centre; None where the image is too small or broken."""
    try:
        with Image.open(path) as image:
            if min(image.size) < SIDE_PX:
                return None
            left, top = ((length - SIDE_PX) // 2 for length in image.size)
            crop = image.convert("L").crop((left, top, left + SIDE_PX, top + SIDE_PX))
    except (OSError, ValueError, SyntaxError):
        return None
    pixels = np.asarray(crop, dtype=np.float64)
    noise = pixels - uniform_filter(pixels, 3)
    scale = noise.std() + 1e-3
    power = np.abs(np.fft.rfft2(noise / scale)) ** 2
    rows, columns = np.fft.fftfreq(SIDE_PX)[:, None], np.fft.rfftfreq(SIDE_PX)[None]
    ring = np.minimum((np.hypot(rows, columns) * 16).astype(int), 8)
    spectrum = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    neighbours = [(noise[:-1] * noise[1:]).mean(), (noise[:, :-1] * noise[:, 1:]).mean()]
    kurtosis = (noise**4).mean() / scale**4
    return np.r_[
        np.log(scale), np.log1p(kurtosis), np.array(neighbours) / scale**2, np.log(spectrum + 1e-6)
    ]


def by_noise(data: Path) -> Iterator[tuple[str, np.ndarray | None]]:
    """Source and noise statistics of every file."""
    with open(data / "MANIFEST.csv", encoding="utf-8", newline="") as stream:
        paths = [row["path"] for row in csv.DictReader(stream)]
    for path in paths:
        if path.startswith(("synthetic/", *REAL_FOLDERS)):
            yield "/".join(path.split("/")[:2]), noise_features(data / path)


def by_tower(data: Path, cache: Path) -> Iterator[tuple[str, np.ndarray | None]]:
    """Source and CLIP features of every picture of the evaluation."""
    from evaluation_features import features
    from evaluation_images import pictures

    for picture in pictures(data):
        part = "synthetic" if picture.is_synthetic else "real"
        yield f"{part}/{picture.source}", features(cache, picture, "native")


def gather(data: Path, output: Path, cache: Path | None) -> None:
    found = by_noise(data) if cache is None else by_tower(data, cache)
    kept = [(source, values) for source, values in found if values is not None]
    sources = np.array([source for source, _ in kept])
    detector = "noise" if cache is None else "tower"
    values = np.stack([values for _, values in kept])
    np.savez(output, sources=sources, values=values, detector=np.array(detector))
    names, counts = np.unique(sources, return_counts=True)
    print(dict(zip(names.tolist(), counts.tolist(), strict=True)))


# ---- detectors ----------------------------------------------------------------------------------


def fit_noise(
    values: np.ndarray, sources: np.ndarray, chosen: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Ridge logistic regression, both classes worth the same."""
    centre, scale = values[chosen].mean(axis=0), values[chosen].std(axis=0)
    labels = np.char.startswith(sources[chosen], "synthetic/")
    design = np.c_[(values[chosen] - centre) / scale, np.ones(len(chosen))]
    weights = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = design @ beta
        value = (weights * (np.logaddexp(0, margin) - labels * margin)).sum()
        slope = design.T @ (weights * (expit(margin) - labels))
        return value + 5e-3 * (beta[:-1] ** 2).sum(), slope + 1e-2 * np.r_[beta[:-1], 0.0]

    beta = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    return lambda asked: np.c_[(asked - centre) / scale, np.ones(len(asked))] @ beta


def fit_tower(
    values: np.ndarray, sources: np.ndarray, chosen: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    labels = np.char.startswith(sources[chosen], "synthetic/")
    return fit_probe(values[chosen], labels, sources[chosen].tolist()).scores


DETECTORS = {"noise": fit_noise, "tower": fit_tower}
