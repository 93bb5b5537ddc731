"""Cues in captions: prompt syntax, prompt vocabulary, and names of generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import Look
from madaudit.detectors.cues.base import CueDetector
from madaudit.detectors.cues.patterns import Cue, load_cues


@dataclass(frozen=True)
class CueCaption(CueDetector):
    """Captions that read like a prompt.

    Attributes:
        patterns: a TOML file of the form of madaudit's own, used in its place.
    """

    patterns: str = ""

    name: ClassVar[str] = "cue_caption"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "unverified: a weak cue; false cues were counted on LAION captions"
    field: ClassVar[str] = "caption"

    def text_of(self, look: Look) -> str | None:
        return look.sample.sidecar.caption

    def find(self, texts: Sequence[str]) -> Mapping[int, list[Cue]]:
        return load_cues("caption", self.patterns).find(texts)
