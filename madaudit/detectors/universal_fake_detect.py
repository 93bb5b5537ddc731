"""UniversalFakeDetect: the published linear head on CLIP ViT-L/14's image features.

Ojha, Li and Lee 2023, arXiv:2302.10174. Of its repository (WisconsinAIVision/UniversalFakeDetect,
validate.py and models/clip_models.py): torchvision's CenterCrop(224) of the image as it is, CLIP's
mean and standard deviation, and w·x + b of `encode_image`'s output, which is not scaled to length
1. Images below 224 px, which CenterCrop would pad with black, are not scored: the head was fitted
on none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import Kind, Tier
from madaudit.detectors.probes.files import read_linear_head
from madaudit.detectors.probes.probe import Probe
from madaudit.detectors.probes.scoring import ProbeDetector
from madaudit.encoders import build_encoder
from madaudit.encoders.space import FeatureSpace
from madaudit.errors import RequestError


@dataclass(frozen=True)
class UniversalFakeDetect(ProbeDetector):
    """Scores images by the published head.

    Attributes:
        head: path of fc_weights.pth.
        weights: of CLIP ViT-L/14 by OpenAI: a path, a name that `madaudit weights` lists, or a
            tag of open_clip.
        model: open_clip's name of the model; OpenAI's weights need the one with QuickGELU.
        precision: of the encoder "clip".
        threads: of the encoder.
    """

    head: str = ""
    weights: str = "openai"
    model: str = "ViT-L-14-quickgelu"
    precision: str = "auto"
    threads: int = 1

    name: ClassVar[str] = "universal_fake_detect"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "graded"
    tier: ClassVar[Tier] = "model"
    idle_options: ClassVar[tuple[str, ...]] = ("head", "weights", "model", "precision", "threads")
    verified: ClassVar[str] = (
        "unverified: the published head's arithmetic was checked on given features, but no CLIP "
        "ViT-L/14 was at hand to score an image end to end"
    )
    weights_source: ClassVar[str] = (
        "CLIP ViT-L/14, which `madaudit weights fetch ViT-L-14-quickgelu:openai` gets, and "
        "pretrained_weights/fc_weights.pth of github.com/WisconsinAIVision/UniversalFakeDetect"
    )

    def read_probe(self) -> Probe:
        if not self.head:
            raise RequestError(
                f"it needs the published head: give {self.name}.head=PATH of "
                f"pretrained_weights/fc_weights.pth from "
                f"github.com/WisconsinAIVision/UniversalFakeDetect"
            )
        return read_linear_head(self.head)

    def open_space(self) -> FeatureSpace:
        options = {
            "model": self.model,
            "weights": self.weights,
            "precision": self.precision,
            "threads": self.threads,
        }
        return FeatureSpace(build_encoder("clip", options), self.read_probe().crops)
