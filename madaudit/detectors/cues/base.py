"""What cue detectors share: the states, and a detail that claims nothing."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from madaudit.detectors.base import Batch, Detector, Kind, Look, Reads, Tier, one_line
from madaudit.detectors.cues.patterns import Cue, contents, plain
from madaudit.types import ABSENT, MISSING, UNOBSERVABLE, Detail, Evidence


class CueDetector(Detector):
    """A detector of cues in one text beside the image.

    Its evidence has no label and no score: what a cue is worth depends on the data set
    (docs/decisions/0014). A sample without the text is unobservable.

    Attributes:
        patterns: a TOML file of the form of madaudit's own, used in its place.
    """

    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "headers"
    reads: ClassVar[Reads] = "structure"
    field: ClassVar[str]

    patterns: str

    @abstractmethod
    def text_of(self, look: Look) -> str | None:
        """The text that is read, as it stands in the data set."""

    @abstractmethod
    def find(self, texts: Sequence[str]) -> Mapping[int, list[Cue]]:
        """Cues by place of their text; texts are as `plain` makes them."""

    def detect(self, batch: Batch) -> list[Evidence]:
        raw = [self.text_of(look) for look in batch.looks]
        found = self.find([plain(text) if text else "" for text in raw])
        return [
            self._present(found[index], text or "")
            if index in found
            else ABSENT
            if text
            else _without(look)
            for index, (look, text) in enumerate(zip(batch.looks, raw, strict=True))
        ]

    def fingerprint(self) -> Mapping[str, Any]:
        """Digest of the patterns, so that a changed file scans anew.

        Raises:
            OptionError: the file of patterns cannot be read or breaks its form; a plan asks for
                its fingerprint before any work.
        """
        self.find([])
        return {"patterns": hashlib.sha256(contents(self.patterns)).hexdigest()}

    def _present(self, cues: Sequence[Cue], text: str) -> Evidence:
        names = ", ".join(dict.fromkeys(cue.name for cue in cues))
        return Evidence(
            "present",
            detail=Detail(
                says=f"the {self.field} hints at a generator and proves nothing ({names}): "
                f"{one_line(text[:400], 80)!r}",
                tool=next((cue.tool for cue in cues if cue.tool), None),
                field=self.field,
                message=names,
            ),
        )


def _without(look: Look) -> Evidence:
    """A sample without the text: nothing to see, or a sample that is broken as a whole."""
    return MISSING if look.otherwise is MISSING else UNOBSERVABLE
