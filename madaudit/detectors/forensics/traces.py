"""Numbers that describe how an image's pixels hang together, not what it shows.

Upsampling leaves periodic and directional traces in a generator's output; its noise is not a
sensor's, and its colours were not interpolated from a colour filter array. Each group of features
measures one such trace on four native tiles of 128 × 128 pixels:

* `spectrum`: shape of the luma power spectrum over radius and direction, and its peaks at the
  fractions of the sampling rate at which upsampling by 2, 4 and 8 leaves them (Frank et al. 2020,
  arXiv 2003.08685; Durall et al. 2020, arXiv 2003.01826).
* `noise`: how the residual's strength is spread over blocks and hangs on their brightness.
* `colour`: residuals of the colour differences against luma's at two scales (Gallagher and Chen
  2008 on traces of demosaicing).
* `structure`: the residual's strength in blocks given their coarser contrast, in luma and colour.

Invariants: deterministic, finite for every image; independent of anything but the tiles. The last
JPEG's grid and tables do move the numbers: which compression an image went through must be the
same for both classes wherever a model is fitted or judged (`scripts/train_forensic`).
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft

from madaudit.detectors.forensics.tiles import TILE_PX, Pixels, Plane, tiles_of

Features = npt.NDArray[np.float32]

_N_RADII = 14
_N_ANGLES = 3
_COLOUR_SHIFTS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Grey levels: what one step of rounding leaves; keeps logarithms finite on flat tiles.
_FLOOR = 0.02
# Standard deviation of the residual below which there is nothing but rounding to look at.
_LEAST_RESIDUAL = 0.05
_BLOCK_PX = 8
_N_QUARTERS = 4


def features(rgb: Pixels) -> Features | None:
    """Features of one image.

    Args:
        rgb: uint8 (h, w, 3), as decoded: never resized by whoever calls.

    Returns:
        float32 (d,), all finite; None where a side is under 128 pixels, or the tiles are flat or
        the same along all rows or columns, so that there is nothing to see.
    """
    tiles = tiles_of(rgb)
    if tiles is None:
        return None
    planes = np.ascontiguousarray(tiles.transpose(3, 0, 1, 2)).astype(np.float32)
    luma = planes[0] + planes[2]
    luma += 2 * planes[1]
    luma *= np.float32(0.25)
    residual = _high_pass(luma)
    if float(np.sqrt(_mean_product(residual, residual))) < _LEAST_RESIDUAL:
        return None
    halves = list(_high_pass(_halved(planes)).reshape(3, -1, TILE_PX // 2, TILE_PX // 2))
    groups = (
        _spectrum(luma),
        _noise(luma, residual),
        _colour(planes, halves),
        _structure(luma, residual, halves),
    )
    return np.concatenate(groups).astype(np.float32)


@cache
def feature_names() -> tuple[str, ...]:
    """One name per feature, "<group>.<what>"; the weights file holds them."""
    names = [f"spectrum.r{r}a{a}" for r, a in product(range(_N_RADII), range(_N_ANGLES))]
    names += [f"spectrum.peak{n}{way}" for n, way in product((2, 4, 8), ("x", "y", "xy"))]
    names += [f"noise.q{int(100 * q)}" for q in _QUANTILES]
    names += ["noise.level", "noise.tails", "noise.kurtosis", "noise.zeros"]
    names += ["noise.brightness", "noise.middle", "noise.spread"]
    for scale in ("full", "half"):
        names += [f"colour.{scale}.{what}" for what in ("red", "blue", "rg", "gb", "rb")]
    names += [f"colour.{way}.{dy}.{dx}" for way in ("red", "blue") for dy, dx in _COLOUR_SHIFTS]
    profiles = ("fine", "coarse", "fine_coarse", "red", "blue")
    names += [f"structure.{what}{n}" for what, n in product(profiles, range(_N_QUARTERS))]
    names += [f"structure.related{n}" for n in range(5)]
    return tuple(names)


# --- residuals ----------------------------------------------------------------------------------


def _high_pass(plane: Plane) -> Plane:
    """Second derivative along both directions (Ker and Böhme's filter), zero at the borders."""
    along_x = plane[:, :, 1:-1] * np.float32(-2)
    along_x += plane[:, :, :-2]
    along_x += plane[:, :, 2:]
    along_x *= np.float32(0.25)
    both = np.zeros_like(plane)
    inside = both[:, 1:-1, 1:-1]
    np.multiply(along_x[:, 1:-1], np.float32(-2), out=inside)
    inside += along_x[:, :-2]
    inside += along_x[:, 2:]
    return both


def _mean_product(one: Plane, other: Plane) -> float:
    return float(np.dot(one.ravel(), other.ravel())) / one.size


def _correlations(plane: Plane, shifts: tuple[tuple[int, int], ...]) -> list[float]:
    """Autocorrelation at (rows, columns) of shift; borders must be zero, since shifts wrap."""
    flat = plane.ravel()
    energy = float(np.dot(flat, flat)) + _FLOOR**2 * flat.size
    steps = [dy * plane.shape[-1] + dx for dy, dx in shifts]
    return [float(np.dot(flat[:-step], flat[step:])) / energy for step in steps]


# --- spectrum -----------------------------------------------------------------------------------


class _Spectral(NamedTuple):
    """Where on the half plane of frequencies each feature looks.

    Attributes:
        window: Hann, (128, 128).
        bins: int (128 · 65,), number of (radius, angle); the last one is not used.
        sizes: frequencies per bin.
        peaks: flat places of all harmonics, (n,).
        around: flat places of each harmonic's surroundings, (n, k).
        families: float (9, n), averages harmonics of one period and direction.
    """

    window: Plane
    bins: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.float64]
    peaks: npt.NDArray[np.int64]
    around: npt.NDArray[np.int64]
    families: npt.NDArray[np.float64]


@cache
def _spectral() -> _Spectral:
    hann = np.hanning(TILE_PX + 1)[:-1].astype(np.float32)
    fy = np.minimum(np.arange(TILE_PX), TILE_PX - np.arange(TILE_PX))[:, None]
    fx = np.arange(TILE_PX // 2 + 1)[None, :]
    radius = np.hypot(fy, fx)
    # From 4 to the corner; below stands the content.
    ring = ((radius - 4) / (64 * np.sqrt(2) - 4) * _N_RADII).astype(int)
    angle = np.minimum(np.degrees(np.arctan2(fy, fx)) // 30, _N_ANGLES - 1)
    n_bins = _N_RADII * _N_ANGLES
    bins = np.where((radius >= 4) & (ring < _N_RADII), ring * _N_ANGLES + angle, n_bins)
    flat = bins.astype(np.int64).ravel()
    sizes = np.maximum(np.bincount(flat, minlength=n_bins + 1), 1).astype(np.float64)
    return _Spectral(np.outer(hann, hann), flat, sizes, *_harmonic_places())


def _harmonic_places() -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]
]:
    """Peaks, what lies around them, and the means over each family of peaks."""
    families = [_family(n, way) for n, way in product((2, 4, 8), ("x", "y", "xy"))]
    places = [place for family in families for place in family]
    near = [(dy, dx) for dy, dx in product(range(-6, 7), repeat=2) if max(abs(dy), abs(dx)) > 3]
    around = [[_folded(y + dy, x + dx) for dy, dx in near] for y, x in places]
    means = np.zeros((len(families), len(places)))
    at = 0
    for row, family in zip(means, families, strict=True):
        row[at : at + len(family)] = 1 / len(family)
        at += len(family)
    return np.array([_folded(y, x) for y, x in places]), np.array(around), means


def _family(period: int, way: str) -> list[tuple[int, int]]:
    """Harmonics (y, x) of a period that no shorter period has."""
    lines = [k * TILE_PX // period for k in range(1, period, 2)]
    columns = [k for k in lines if k <= TILE_PX // 2]
    return {
        "x": [(0, x) for x in columns],
        "y": [(y, 0) for y in columns],
        "xy": [(y, x) for y in lines for x in columns],
    }[way]


def _folded(y: int, x: int) -> int:
    """Flat place of a frequency on the half plane that a real transform keeps."""
    x %= TILE_PX
    if x > TILE_PX // 2:
        x, y = TILE_PX - x, -y
    return (y % TILE_PX) * (TILE_PX // 2 + 1) + x


def _spectrum(luma: Plane) -> npt.NDArray[np.float64]:
    spectral = _spectral()
    centred = luma - luma.mean(axis=(1, 2), keepdims=True)
    centred *= spectral.window
    transformed = fft.rfft2(centred, overwrite_x=True)
    power = np.square(transformed.real)
    power += np.square(transformed.imag)
    # White noise of one grey level has 128² · 9/64 here.
    power += np.float32((_FLOOR * TILE_PX) ** 2)
    log_power = np.log(power, out=power).mean(axis=0).ravel()
    sums = np.bincount(spectral.bins, weights=log_power, minlength=len(spectral.sizes))
    means = (sums / spectral.sizes)[:-1]
    peaks = log_power[spectral.peaks] - log_power[spectral.around].mean(axis=1)
    return np.concatenate([means - means.mean(), spectral.families @ peaks])


# --- noise --------------------------------------------------------------------------------------


def _noise(luma: Plane, residual: Plane) -> npt.NDArray[np.float64]:
    magnitude = np.abs(residual)
    strength = np.log(_blocks(magnitude) + _FLOOR)
    brightness = _blocks(luma) / 255 - 0.5
    quantiles = np.sort(strength)[[int(q * strength.size) for q in _QUANTILES]]
    middle = quantiles[2]
    mean = float(magnitude.mean()) + _FLOOR
    square = _mean_product(residual, residual) + _FLOOR**2
    squares = residual * residual
    fourth = _mean_product(squares, squares) + _FLOOR**4
    shape = [
        middle,
        np.log(mean**2 / square),
        np.log(fourth / square**2),
        np.count_nonzero(magnitude < 0.25) / magnitude.size,
        _correlated(strength, brightness),
        _correlated(strength, brightness**2),
        float(strength.std()),
    ]
    return np.concatenate([quantiles - strength.mean(), shape])


def _blocks(plane: Plane, side: int = _BLOCK_PX) -> npt.NDArray[np.float64]:
    """Means over square blocks, (1024,) for those of 8 × 8 at full size and 4 × 4 at half."""
    rows = plane.reshape(-1, side, plane.shape[-1]).sum(axis=1)
    means = rows @ _averaging(plane.shape[-1], side)
    return np.asarray(means, np.float64).ravel()


@cache
def _averaging(width: int, side: int) -> Plane:
    """Sums over `side` columns, divided by a block's pixels; as a product, for speed."""
    blocks = np.eye(width // side).repeat(side, axis=0) / side**2
    return np.ascontiguousarray(blocks, np.float32)


def _correlated(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Correlation drawn to 0 where one of the two hardly varies."""
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / np.sqrt((one @ one + 1e-2) * (other @ other + 1e-2)))


# --- structure ----------------------------------------------------------------------------------


def _structure(luma: Plane, residual: Plane, halves: list[Plane]) -> npt.NDArray[np.float64]:
    """How strong each block's residuals are, given what a coarser look at it shows.

    A sensor leaves noise in the smoothest blocks too; a generator's texture comes and goes with
    the structure that it belongs to.

    Args:
        luma: (4, 128, 128).
        residual: of luma.
        halves: residuals of red, green and blue at half the size.
    """
    fine = _log_blocks(residual, _BLOCK_PX)
    coarse = _log_blocks(halves[1], _BLOCK_PX // 2)
    red, blue = (_log_blocks(halves[at] - halves[1], _BLOCK_PX // 2) for at in (0, 2))
    contrast = np.log(np.sqrt(np.maximum(_blocks(luma * luma) - _blocks(luma) ** 2, 0)) + _FLOOR)
    by_contrast, by_coarse = np.argsort(contrast), np.argsort(coarse)
    found = _profile(fine - contrast, by_contrast) + _profile(coarse - contrast, by_contrast)
    found += _profile(fine - coarse, by_coarse)
    found += _profile(red - coarse, by_coarse) + _profile(blue - coarse, by_coarse)
    pairs = ((fine, contrast), (fine, coarse), (coarse, contrast), (red, coarse), (red, blue))
    return np.array(found + [_correlated(one, other) for one, other in pairs])


def _log_blocks(plane: Plane, side: int) -> npt.NDArray[np.float64]:
    return np.log(_blocks(np.abs(plane), side) + _FLOOR)


def _profile(values: npt.NDArray[np.float64], order: npt.NDArray[np.int64]) -> list[float]:
    """Means over the quarters of an order."""
    means: list[float] = values[order].reshape(_N_QUARTERS, -1).mean(axis=1).tolist()
    return means


# --- colour -------------------------------------------------------------------------------------


def _colour(planes: Plane, halves: list[Plane]) -> npt.NDArray[np.float64]:
    # Two of the tiles, for speed: this one group would cost a third of all time.
    full = list(planes[:, ::3, :, 1:] - planes[:, ::3, :, :-1])
    found = _related(full) + _related(halves)
    for plane in (halves[0], halves[2]):
        found += _correlations(plane - halves[1], _COLOUR_SHIFTS)
    return np.array(found)


def _halved(planes: Plane) -> Plane:
    """Means of 2 × 2 pixels, all tiles of all colours in one row: (12, 64, 64)."""
    pairs = planes[:, :, ::2] + planes[:, :, 1::2]
    means = pairs[..., ::2] + pairs[..., 1::2]
    means *= np.float32(0.25)
    return means.reshape(-1, *means.shape[2:])


def _related(residuals: list[Plane]) -> list[float]:
    """How the residuals of the colours hang together, from their six mean products.

    Returns:
        log energies of red − green and of blue − green against green's, and the three pairs'
        correlations through Fisher's z, which spreads the values near 1 where they differ.
    """
    red, green, blue = residuals
    floor = _FLOOR**2
    rr, gg, bb = (_mean_product(one, one) + floor for one in residuals)
    rg, gb, rb = _mean_product(red, green), _mean_product(green, blue), _mean_product(red, blue)
    energies = [
        np.log(max(rr + gg - 2 * rg, floor) / gg),
        np.log(max(bb + gg - 2 * gb, floor) / gg),
    ]
    pairs = (rg / np.sqrt(rr * gg), gb / np.sqrt(gg * bb), rb / np.sqrt(rr * bb))
    return [*energies, *(float(np.arctanh(np.clip(pair, -0.9999, 0.9999))) for pair in pairs)]
