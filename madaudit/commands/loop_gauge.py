"""What measures the generations of a loop: real samples kept apart, and an encoder's features."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from madaudit.commands.loop_pictures import Values, at_side, pictures_of, require_images
from madaudit.errors import OptionError

if TYPE_CHECKING:
    from madaudit.encoders import Encoder
    from madaudit.simulation.measuring import Features, Gauge
    from madaudit.simulation.real_data import RealData

# Images that are encoded at once.
_TOGETHER = 64


def build_gauge(real: RealData, n: int, encoder: Encoder | None = None) -> Gauge:
    """Metrics between draws and `n` real samples that no generation is trained on.

    Args:
        real: samples of the loop.
        n: of them kept apart.
        encoder: of images; None for LeNet, and for points as they are.

    Raises:
        OptionError: an encoder for points.
    """
    from madaudit.encoders.lenet import DigitLeNet, load_lenet
    from madaudit.simulation.measuring import Gauge

    evaluation = real.evaluation(n)
    if encoder is not None:
        require_images(evaluation, f"measure by the encoder {encoder.name!r}")
    elif evaluation.ndim != 4:
        return Gauge(evaluation, lambda values: values.astype(np.float64), "identity")
    # Named or not, LeNet looks at samples as they are and not at 8-bit pictures of them: one
    # name, one number.
    if encoder is None or isinstance(encoder, DigitLeNet):
        return Gauge(evaluation, load_lenet().features, DigitLeNet.name)
    return Gauge(evaluation, _features_of(encoder), encoder.name)


def find_encoder(name: str | None, weights: str | None) -> Encoder | None:
    """The encoder that flags name; None for the default of the data.

    Raises:
        OptionError: unknown, or weights without an encoder.
        RequestError: its weights are not there.
        MissingExtraError: a package that it needs is not installed.
    """
    if name is None:
        if weights is not None:
            raise OptionError(
                f"--weights is {weights!r} without --encoder; give --encoder clip-onnx"
            )
        return None
    from madaudit.encoders import build_encoder

    return build_encoder(name, {} if weights is None else {"weights": weights})


def _features_of(encoder: Encoder) -> Callable[[Values], Features]:
    """Samples to what a tower says of them, brought to its side as FID does (bicubic)."""

    def features(values: Values) -> Features:
        parts = []
        for start in range(0, len(values), _TOGETHER):
            pictures = pictures_of(values[start : start + _TOGETHER])
            parts.append(encoder.project([at_side(one, encoder.side_px) for one in pictures]))
        return np.concatenate(parts).astype(np.float64)

    return features
