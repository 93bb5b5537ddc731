"""What torch and transformers gave, kept for machines that have neither."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np

from tests.detectors.watermarks.text.torch_reference import GOLDEN


@functools.cache
def golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def bits(text: str) -> np.ndarray:
    """ "0110" to booleans."""
    return np.array([sign == "1" for sign in text])
