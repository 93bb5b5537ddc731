"""Pixels to features: one file per encoder; a new one is one file and one line in ENCODERS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from madaudit import registry
from madaudit.encoders.base import Encoder

__all__ = ["ENCODERS", "Encoder", "build_encoder"]

ENCODERS: dict[str, str] = {
    "clip": "madaudit.encoders.clip:Clip",
    "clip-onnx": "madaudit.encoders.clip_onnx:ClipOnnx",
    "lenet": "madaudit.encoders.lenet:DigitLeNet",
}


def build_encoder(name: str, options: Mapping[str, Any] | None = None) -> Encoder:
    """An encoder with its options.

    Raises:
        OptionError: unknown name or option; the message lists the known ones.
        RequestError: its weights are not there; the message names the command that gets them.
        MissingExtraError: a package that it needs is not installed.
    """
    return cast(Encoder, registry.build("encoders", ENCODERS, name, options or {}))
