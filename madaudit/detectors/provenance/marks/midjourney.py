"""Midjourney's PNG chunk "Description": the prompt with its parameters and the job's identifier.

What the service wrote is known from genuine files alone; it has published no format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import Look, MarkDetector
from madaudit.detectors.provenance.generation import UNSTATED, generated
from madaudit.limits import MAX_MIDJOURNEY_CHARS
from madaudit.types import Detail

_JOB = re.compile(r"\bJob ID: [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_MODEL = re.compile(r"--(v|version|niji) (\d[\d.]{0,8})")


@dataclass(frozen=True)
class Midjourney(MarkDetector):
    """Descriptions of Midjourney's PNG files."""

    name: ClassVar[str] = "midjourney"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "verified on 20 genuine files (docs/provenance.md)"

    def examine(self, look: Look) -> Detail | None:
        block = look.texts.get("Description")
        if block is None:
            return None
        tail = block.text[-MAX_MIDJOURNEY_CHARS:].strip("\0 \n")
        if not _JOB.search(tail):
            return None
        return generated("Midjourney", UNSTATED, block.where, _model(tail))


def _model(tail: str) -> str | None:
    """The version that the last parameter of that kind asks for."""
    asked = _MODEL.findall(tail)
    if not asked:
        return None
    name, number = asked[-1]
    return f"{'Niji' if name == 'niji' else 'Midjourney'} {number}"
