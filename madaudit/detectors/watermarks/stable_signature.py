"""Stable Signature (Fernandez et al. 2023, arXiv 2303.15435): 48 bits by a TorchScript network.

TorchScript is code. It runs only with allow_code and only if the file has the digest that the
user pinned.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from madaudit.detectors.base import Pixels
from madaudit.detectors.watermarks.neural import Bits, NeuralWatermark, digest_of

# ImageNet's, as facebookresearch/stable_signature, decode.ipynb.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True)
class StableSignature(NeuralWatermark):
    """Messages of 48 bits that a fine-tuned image decoder writes.

    Attributes:
        digest: SHA-256 that the weights must have.
        allow_code: run the TorchScript program that the weights are.
    """

    digest: str = ""
    allow_code: bool = False

    name: ClassVar[str] = "stable_signature"
    version: ClassVar[int] = 1
    n_bits: ClassVar[int] = 48
    # Nobody is known to mark smaller images, and a network says something of any.
    min_pixels: ClassVar[int] = 128 * 128
    verified: ClassVar[str] = (
        "unverified: facebookresearch/stable_signature, decode.ipynb (the weights could not be "
        "had; tested on a miniature in their format)"
    )
    weights_source: ClassVar[str] = (
        "dec_48b_whit.torchscript.pt, by facebookresearch/stable_signature, CC-BY-NC"
    )

    def why_unloadable(self) -> str | None:
        if not self.allow_code:
            return (
                f"{self.weights} is a TorchScript program; to run it give "
                f"{self.name}.allow_code=true and its SHA-256 as {self.name}.digest"
            )
        if digest_of(self.weights) != self.digest.lower():
            return (
                f"{self.weights} has the SHA-256 {digest_of(self.weights)}, pinned is "
                f"{self.digest or 'none'}; give {self.name}.digest of a file that you trust"
            )
        if importlib.util.find_spec("torch") is None:
            return "it needs torch: run: pip install 'madaudit[loops]'"
        return None

    def read_bits(self, pixels: Pixels) -> Bits:
        import torch  # noqa: PLC0415 — optional, loaded on use

        scaled = (pixels.astype(np.float32) / np.float32(255) - _MEAN) / _STD
        planes = torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)[None]))
        with torch.no_grad():
            output = _program(self.weights, self.digest.lower())(planes)
        return np.asarray(output[0].numpy() > 0)


@cache
def _program(path: str, digest: str) -> Any:
    """The program, read from the very bytes whose digest was checked."""
    import torch  # noqa: PLC0415 — optional, loaded on use

    content = Path(path).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path} changed since its digest was checked")
    with warnings.catch_warnings():
        # torch means to drop TorchScript one day; the published weights are in it.
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.load(io.BytesIO(content), map_location="cpu").train(mode=False)
