"""What every encoder promises; an encoder comes with its weights, so the caller gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from madaudit.contracts.base import (
    Checked,
    require,
    require_frozen,
    require_named,
    require_same,
    run_checks,
    sent_to_a_worker,
)
from madaudit.encoders import Encoder
from madaudit.encoders.crops import Crop

_N = 5
# A length of 1 in float32, and a direction, as far as rounding lets them be.
_LENGTH_TOLERANCE, _DIRECTION_TOLERANCE = 1e-5, 1e-4


class EncoderCase(NamedTuple):
    """An encoder with its weights.

    Attributes:
        name: that it is registered by.
        encoder: itself.
    """

    name: str
    encoder: Encoder


def check_encoder(name: str, encoder: Encoder) -> list[Checked]:
    """Every promise of the family, checked on one encoder."""
    return run_checks(CHECKS, EncoderCase(name, encoder))


def each_square_gives_a_row_of_finite_features(case: EncoderCase) -> None:
    features = case.encoder.project(_crops(case.encoder, _N))
    expected = (_N, case.encoder.dimension)
    require(features.shape == expected, f"shape {features.shape}; expected {expected}")
    require(features.dtype == np.float32, f"dtype {features.dtype}; expected float32")
    require(bool(np.isfinite(features).all()), "features that are not finite")
    n_rows = len({row.tobytes() for row in features})
    require(n_rows == _N, f"{_N} squares of noise have {n_rows} different rows")


def features_are_the_same_bit_for_bit_in_any_company(case: EncoderCase) -> None:
    crops = _crops(case.encoder, _N)
    alone = np.concatenate([case.encoder.project([crop]) for crop in crops[::-1]])[::-1]
    require_same(case.encoder.project(crops), alone, "together and alone")


def encoded_features_have_length_one_and_the_same_direction(case: EncoderCase) -> None:
    crops = _crops(case.encoder, 3)
    features, raw = case.encoder.encode(crops), case.encoder.project(crops)
    off = float(np.abs(np.linalg.norm(features, axis=1) - 1).max())
    require(off < _LENGTH_TOLERANCE, f"lengths are off 1 by up to {off:.2g}")
    turned = np.abs(features * np.linalg.norm(raw, axis=1, keepdims=True) - raw).max()
    allowed = _DIRECTION_TOLERANCE * max(1.0, float(np.abs(raw).max()))
    require(turned < allowed, f"encode() turns features by up to {turned:.2g}")


def no_square_gives_no_row(case: EncoderCase) -> None:
    shape = case.encoder.project([]).shape
    require(shape == (0, case.encoder.dimension), f"shape {shape} of no square")


def a_pickled_copy_gives_the_same(case: EncoderCase) -> None:
    copy = sent_to_a_worker(case.encoder)
    require(copy == case.encoder, "the copy is not equal to it")
    crops = _crops(case.encoder, 2)
    require_same(copy.project(crops), case.encoder.project(crops), "a copy and itself")


def it_says_what_its_numbers_depend_on(case: EncoderCase) -> None:
    digest = case.encoder.digest
    is_digest = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    require(is_digest, f"digest {digest!r} is no SHA-256 in hexadecimal digits")
    require(bool(case.encoder.arithmetic), "arithmetic is empty")


def it_is_a_frozen_dataclass(case: EncoderCase) -> None:
    require_frozen(case.encoder)


def it_names_itself_as_the_registry_does(case: EncoderCase) -> None:
    require_named(case.encoder, case.name)


CHECKS: tuple[Callable[[EncoderCase], None], ...] = (
    each_square_gives_a_row_of_finite_features,
    features_are_the_same_bit_for_bit_in_any_company,
    encoded_features_have_length_one_and_the_same_direction,
    no_square_gives_no_row,
    a_pickled_copy_gives_the_same,
    it_says_what_its_numbers_depend_on,
    it_is_a_frozen_dataclass,
    it_names_itself_as_the_registry_does,
)


def _crops(encoder: Encoder, n: int) -> list[Crop]:
    side = encoder.side_px
    return list(np.random.default_rng(1).integers(0, 256, (n, side, side, 3), dtype=np.uint8))
