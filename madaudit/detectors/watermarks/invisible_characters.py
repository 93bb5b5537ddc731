"""Messages hidden in invisible characters, look-alike letters and unusual spaces of a text.

No p-value: there is no chance model of who types what. A hidden message proves that somebody
marked the text, not that a model wrote it, so it carries a label only where the message itself
says so (a C2PA manifest).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import Batch, Detector, Kind, Look, LooksAt, Tier
from madaudit.detectors.watermarks.text import passages
from madaudit.detectors.watermarks.text.hidden import find_hidden
from madaudit.errors import OptionError
from madaudit.types import ABSENT, Detail, Evidence


@dataclass(frozen=True)
class InvisibleCharacters(Detector):
    """Finds hidden messages in documents and captions.

    Attributes:
        max_characters: of a longer text only its two ends of this length are looked at.
    """

    max_characters: int = 1_000_000

    name: ClassVar[str] = "invisible_characters"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "headers"
    looks_at: ClassVar[LooksAt] = "text"
    verified: ClassVar[str] = (
        "on messages made for tests by the published rules, and silent on the ordinary documents "
        "counted in docs/text-watermarks.md; unverified: text of a public service"
    )

    def __post_init__(self) -> None:
        if self.max_characters < 1:
            raise OptionError(
                f"{self.name}.max_characters is {self.max_characters}; it must be at least 1"
            )

    def detect(self, batch: Batch) -> list[Evidence]:
        return [self._evidence(look) for look in batch.looks]

    def _evidence(self, look: Look) -> Evidence:
        passage = passages.passage_of(look)
        if passage is None:
            return passages.no_text(look)
        text = passage.text
        if len(text) > 2 * self.max_characters:
            text = text[: self.max_characters] + text[-self.max_characters :]
        found = find_hidden(text)
        if not found:
            return ABSENT
        first = found[0]
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        detail = Detail(
            says=f"hidden in the {passage.field}: {first.says}{more}",
            label=first.label if passage.label else None,
            tool=first.tool or "unnamed",
            field=passage.field,
            message=first.scheme,
            validation="not checked" if first.label else None,
        )
        return Evidence("present", detail=detail)
