"""A watermark of ours on the draws of a loop: put into images far smaller than it was made for.

invisible-watermark marks images of 256 × 256 pixels and more, one bit in each block of 8 × 8.
Draws are laid out on sheets of that size, marked by `encode` so that every draw carries the same
bits, one in each of its own blocks, and cut out again; blocks do not see each other, so a sheet
changes nothing. A small draw holds few bits: 1 at 8 × 8 pixels, 4 at 16 × 16, 16 at 32 × 32.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from madaudit import registry
from madaudit.commands.loop_pictures import (
    Pixels,
    Values,
    pictures_of,
    values_of,
)
from madaudit.detectors.watermarks.pixels.blocks import BLOCK_PX, METHODS
from madaudit.detectors.watermarks.pixels.codec import block_plane, encode
from madaudit.errors import OptionError

#: Side of a sheet: the library marks no smaller image.
SHEET_PX = 256
Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SheetMark:
    """A message in every block of a draw, by one of invisible-watermark's methods.

    Attributes:
        method: "dwt_dct" or "dwt_dct_svd".
        side: of draws in pixels.
        digits: a bit, 0 or 1, for each block, row after row.
    """

    method: str
    side: int
    digits: str

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            known = registry.suggest(self.method, list(METHODS))
            raise OptionError(f"mark {self.method!r} does not exist{known}")
        if self.side % BLOCK_PX:
            raise OptionError(
                f"cannot mark images of {self.side} px: the mark stands in blocks of {BLOCK_PX} "
                f"px, so give a --side that is a multiple of it"
            )
        n_bits = (self.side // BLOCK_PX) ** 2
        if len(self.digits) != n_bits or set(self.digits) - {"0", "1"}:
            raise OptionError(
                f"cannot mark images of {self.side} px with the bits {self.digits!r}: allowed are "
                f"{n_bits} of 0 and 1, one for each block of {BLOCK_PX} × {BLOCK_PX} px"
            )

    @property
    def bits(self) -> Bits:
        """One for each block, (rows, columns)."""
        across = self.side // BLOCK_PX
        return np.array([digit == "1" for digit in self.digits]).reshape(across, across)

    @property
    def message(self) -> Bits:
        """What a picture of one draw repeated to a sheet's side holds, as its shortest message."""
        return np.tile(self.bits, (1, _across(self.side))).ravel()

    def put(self, values: Values) -> Values:
        """Images (n, 3, side, side) in [−1, 1], rounded to bytes, with the mark in them."""
        pictures = pictures_of(require_colour(values))
        marked = [
            _cut(encode(sheet, self._sheet_bits(), method=self.method), self.side)
            for sheet in _sheets(pictures)
        ]
        return values_of(np.concatenate(marked)[: len(values)])

    def agreement(self, values: Values) -> float:
        """Share of bits that images answer, [0, 1]."""
        method, n_blocks = METHODS[self.method], self.side // BLOCK_PX
        found = []
        for sheet in _sheets(pictures_of(require_colour(values))):
            hard = method.hard_bits(block_plane(sheet))
            rows = hard.reshape(_across(self.side), n_blocks, _across(self.side), n_blocks)
            found.append(rows.swapaxes(1, 2).reshape(-1, n_blocks, n_blocks))
        return float((np.concatenate(found)[: len(values)] == self.bits).mean())

    def _sheet_bits(self) -> Bits:
        return np.tile(self.bits, (_across(self.side), _across(self.side))).ravel()


def require_colour(values: Values) -> Values:
    """Refuse what these marks cannot stand in.

    Raises:
        OptionError: no images, or grey ones.
    """
    if values.ndim != 4 or values.shape[1] != 3:
        raise OptionError(
            f"cannot mark samples of shape {values.shape[1:]}: these marks stand in colour, so "
            f"allowed are images of three channels; give such --data, grey ones stored as RGB too"
        )
    return values


def random_digits(side: int, seed: int = 0) -> str:
    """A message for draws of that side, each bit by a fair coin."""
    drawn = np.random.default_rng(seed).integers(0, 2, (side // BLOCK_PX) ** 2)
    return "".join(str(bit) for bit in drawn)


def write_messages(mark: SheetMark, path: Path) -> None:
    """The mark's message in the form that the checks read, for one repeated draw."""
    digits = "".join("1" if bit else "0" for bit in mark.message)
    lines = (
        "[[message]]",
        'name = "this loop"',
        f'bits = "{digits}"',
        'tool = "a model of this loop"',
        'source = "madaudit simulate --mark"',
        f'checks = ["{mark.method}"]',
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _across(side: int) -> int:
    """Draws along a sheet's side."""
    return -(-SHEET_PX // side)


def _sheets(pictures: Pixels) -> list[Pixels]:
    """Sheets of draws, row after row; what the last one has too few of is grey."""
    n, side, _, _ = pictures.shape
    across = _across(side)
    n_sheets = max(1, -(-n // across**2))
    filled = np.full((n_sheets * across**2, side, side, 3), 128, np.uint8)
    filled[:n] = pictures
    laid = filled.reshape(n_sheets, across, across, side, side, 3).swapaxes(2, 3)
    return list(laid.reshape(n_sheets, across * side, across * side, 3))


def _cut(sheet: Pixels, side: int) -> Pixels:
    across = len(sheet) // side
    pieces = sheet.reshape(across, side, across, side, 3).swapaxes(1, 2)
    return pieces.reshape(-1, side, side, 3)
