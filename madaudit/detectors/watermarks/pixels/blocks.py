"""How one bit stands in one block of 8 × 8 pixels, by DWT-DCT and by DWT-DCT-SVD.

Both average the blue-difference plane 2 × 2 (Haar), take a magnitude from each 4 × 4 block of
the averages and move it to a quarter (bit 0) or three quarters (bit 1) of a step of 36. A block's
phase is where in its step the magnitude lies, in [0, 1).

Invariants: `exact_phases` and `embed` give the floats of invisible-watermark 0.2.0 in its order of
sums; `phases` agrees with them to within 1e-9, so only a phase that near to 0 or ½ must be taken
again exactly.

Source: ShieldMnt/invisible-watermark 0.2.0, imwatermark/maxDct.py and dwtDctSvd.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from madaudit.detectors.watermarks.pixels.transforms import Floats, dct, haar_average, inverse_dct
from madaudit.detectors.watermarks.pixels.yuv import Plane

STEP = 36
BLOCK_PX = 8
# Sums of 2 × 2 pixels are twice the average, so a step is 72 of them.
_PHASE_OF_SUM: Floats = (np.arange(4 * 255 + 1) % (2 * STEP)) / (2 * STEP)
_NEAR = 1e-6
_ROUNDS = 3
# Matrices whose values are found at a time, so that they stay in the processor's cache.
_AT_A_TIME = 2048


class BlockMethod(ABC):
    """One of the library's methods; without state.

    Class attributes:
        name: as madaudit's options have it.
        library_name: as the library has it.
    """

    name: ClassVar[str]
    library_name: ClassVar[str]

    @abstractmethod
    def phases(self, plane: Plane) -> Floats:
        """Phase of each block, float64 (rows, columns).

        Args:
            plane: uint8, both sides multiples of 8.
        """

    @abstractmethod
    def exact_phases(self, pixels: Plane) -> Floats:
        """Phase of each block (n,) in the library's own order of sums.

        Args:
            pixels: uint8 (n, 8, 8).
        """

    @abstractmethod
    def embed(self, averages: Floats, bits: npt.NDArray[np.bool_]) -> Floats:
        """Blocks of averages (n, 4, 4) with a bit (n,) in each."""

    def hard_bits(self, plane: Plane) -> npt.NDArray[np.bool_]:
        """The bit of each block as the library reads it, bool (rows, columns)."""
        phases = self.phases(plane)
        doubled = 2 * phases
        near = np.abs(doubled - np.rint(doubled)) < 2 * _NEAR
        if near.any():
            rows, columns = phases.shape
            pixels = plane.reshape(rows, BLOCK_PX, columns, BLOCK_PX).swapaxes(1, 2)
            phases[near] = self.exact_phases(pixels[near])
        return phases > 0.5


class LargestAverage(BlockMethod):
    """DWT-DCT ("dwtDct"): the largest average but the first; despite its name it takes no DCT."""

    name: ClassVar[str] = "dwt_dct"
    library_name: ClassVar[str] = "dwtDct"

    def phases(self, plane: Plane) -> Floats:
        pairs = np.add(plane[0::2], plane[1::2], dtype=np.uint16)
        sums = pairs[:, 0::2] + pairs[:, 1::2]
        sums[0::4, 0::4] = 0
        tall = np.maximum(np.maximum(sums[0::4], sums[1::4]), np.maximum(sums[2::4], sums[3::4]))
        largest = np.maximum(
            np.maximum(tall[:, 0::4], tall[:, 1::4]), np.maximum(tall[:, 2::4], tall[:, 3::4])
        )
        return np.asarray(_PHASE_OF_SUM[largest])

    def exact_phases(self, pixels: Plane) -> Floats:
        averages = haar_average(pixels).reshape(-1, 16)
        return np.asarray(averages[:, 1:].max(axis=1) % STEP / STEP)

    def embed(self, averages: Floats, bits: npt.NDArray[np.bool_]) -> Floats:
        # Averages of bytes are never negative, so the library's other branch is never taken.
        flat = averages.reshape(-1, 16).copy()
        blocks = np.arange(len(flat))
        places = flat[:, 1:].argmax(axis=1) + 1
        largest = flat[blocks, places]
        flat[blocks, places] = (largest // STEP + 0.25 + 0.5 * bits) * STEP
        return flat.reshape(-1, 4, 4)


class LargestSingularValue(BlockMethod):
    """DWT-DCT-SVD ("dwtDctSvd"): the largest singular value of the block's DCT."""

    name: ClassVar[str] = "dwt_dct_svd"
    library_name: ClassVar[str] = "dwtDctSvd"

    def phases(self, plane: Plane) -> Floats:
        # The DCT is orthonormal, so the averages' own singular values are the DCT's.
        rows, columns = plane.shape[0] // BLOCK_PX, plane.shape[1] // BLOCK_PX
        pairs = np.add(plane[0::2], plane[1::2], dtype=np.uint16)
        halves = (pairs[:, 0::2] + pairs[:, 1::2]).astype(np.float64) / 2
        places = halves.reshape(rows, 4, columns, 4).transpose(1, 3, 0, 2).reshape(4, 4, -1)
        parts = np.array_split(places, max(1, places.shape[2] // _AT_A_TIME), axis=2)
        largest = np.concatenate([_largest_singular_values(part) for part in parts])
        return np.asarray((largest % STEP / STEP).reshape(rows, columns))

    def exact_phases(self, pixels: Plane) -> Floats:
        values = np.linalg.svd(dct(haar_average(pixels)))[1]
        # Compared as the library does, remainder with half a step, before the division.
        return np.asarray(values[:, 0] % STEP / STEP)

    def embed(self, averages: Floats, bits: npt.NDArray[np.bool_]) -> Floats:
        u, values, v = np.linalg.svd(dct(averages))
        values[:, 0] = (values[:, 0] // STEP + 0.25 + 0.5 * bits) * STEP
        diagonal = values[:, :, None] * np.eye(4)
        # One product after another, as np.dot(u, np.dot(diagonal, v)) takes them for one block.
        return inverse_dct(np.matmul(u, np.matmul(diagonal, v)))


def _largest_singular_values(m: Floats) -> Floats:
    """Largest singular value of each matrix, to 1e-9.

    By power iteration on MᵀM: the averages lie near 256, so the first value is far larger than
    the others and a few rounds do. The Rayleigh quotient's error is at most r² over the gap, r the
    residual and the gap taken from the trace; where that is not small, LAPACK is asked.

    Args:
        m: (4, 4, n).
    """
    m = np.ascontiguousarray(m)
    gram = np.einsum("kin,kjn->ijn", m, m)
    vector = gram.sum(axis=1)
    for _ in range(_ROUNDS):
        vector /= vector.max(axis=0) + 1e-300
        vector = np.einsum("ijn,jn->in", gram, vector)
    vector /= np.sqrt((vector**2).sum(axis=0)) + 1e-300
    image = np.einsum("ijn,jn->in", gram, vector)
    largest = (vector * image).sum(axis=0)
    residual_squared = ((image - largest * vector) ** 2).sum(axis=0)
    gap = 2 * largest - np.trace(gram)
    values = np.sqrt(np.maximum(largest, 0.0))
    is_far = (gap <= 0) | (residual_squared >= 1e-9 * gap * values)
    if is_far.any():
        slow = m[:, :, is_far].transpose(2, 0, 1)
        values[is_far] = np.linalg.svd(slow, compute_uv=False)[:, 0]
    return np.asarray(values)


METHODS: dict[str, BlockMethod] = {
    method.name: method for method in (LargestAverage(), LargestSingularValue())
}
