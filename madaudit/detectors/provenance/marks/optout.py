"""Opt-outs from training: what an image and its caption say about being used for it.

They say nothing about how the image was made, so they are a column to filter by and never a hit.
Read are: the Data Mining property of PLUS in XMP; the training-and-mining assertions of C2PA and
CAWG in the active manifest; and the words noai and noimageai as a keyword (XMP dc:subject,
IPTC-IIM 2:25), as a PNG text named for robots, or in the caption.

Sources: IPTC Photo Metadata Standard 2023.1, "Data Mining", with PLUS's vocabulary; CAWG Training
and Data Mining Assertion 1.0, 3; DeviantArt's directives noai and noimageai, which img2dataset
honours by default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.base import Batch, FromSource, Look, MarkDetector, one_line
from madaudit.detectors.provenance.iim import KEYWORDS, read_datasets
from madaudit.detectors.provenance.manifest_store import read_store
from madaudit.detectors.provenance.xmp import DUBLIN_CORE, PLUS, read_list, read_properties
from madaudit.types import Detail, Evidence

_PROHIBITED = "DMI-PROHIBITED"
_WORD = re.compile(r"(?<![\w-])#?(noai|noimageai)(?![\w-])", re.IGNORECASE)
_ROBOTS = frozenset({"robots", "x-robots-tag"})


@dataclass(frozen=True)
class OptOut(MarkDetector):
    """Prohibitions of training, in the file and in the caption; reads on without an image."""

    name: ClassVar[str] = "optout_training"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = "verified on a test file of C2PA; the others from source"
    from_source: ClassVar[tuple[FromSource, ...]] = (
        FromSource("Any, by PLUS", "XMP plus:DataMining", "IPTC Photo Metadata Standard 2023.1"),
        FromSource(
            "Any, by C2PA",
            "assertion c2pa.training-mining",
            "contentauth/c2pa-rs, cli/tests/fixtures/do_not_train.json",
        ),
        FromSource(
            "Any, by C2PA",
            "assertion cawg.training-mining",
            "decentralized-identity/cawg-training-and-data-mining-assertion, 1.0",
        ),
        FromSource(
            "Any, by noai and noimageai",
            "keyword, PNG text of robots, caption",
            "rom1504/img2dataset, README.md (opt-out directives)",
        ),
    )

    def detect(self, batch: Batch) -> list[Evidence]:
        return [
            self._evidence(look) if look.has_metadata or _in_caption(look) else look.otherwise
            for look in batch.looks
        ]

    def examine(self, look: Look) -> Detail | None:
        found = [*_words(look), *_properties(look), *_assertions(look)]
        if not found:
            return None
        field = found[0][0]
        message = one_line("; ".join(dict.fromkeys(said for _, said in found)))
        return Detail(
            says=f"asks not to be used for training: {message} ({field})",
            field=field,
            message=message,
        )


def _in_caption(look: Look) -> bool:
    caption = (look.sample.sidecar.caption or "").lower()
    # Two plain searches cost a tenth of the expression, and nearly all captions end here.
    return ("noai" in caption or "noimageai" in caption) and bool(_WORD.search(caption))


def _words(look: Look) -> Iterator[tuple[str, str]]:
    """The words noai and noimageai, each with its place."""
    texts = [("caption", look.sample.sidecar.caption or "")]
    blocks = look.container.blocks if look.container is not None else ()
    for block in blocks:
        if block.kind == "text" and block.keyword.lower() in _ROBOTS:
            texts.append((block.where, block.text))
        elif block.kind == "iptc":
            keywords = read_datasets(block.data).get(KEYWORDS, [])
            texts.append((f"{block.where} keywords", ", ".join(keywords)))
        elif block.kind == "xmp" and b"subject" in block.data:
            data = block.data.lower()
            if b"noai" in data or b"noimageai" in data:
                subjects = read_list(block.data, DUBLIN_CORE, "subject")
                texts.append((f"{block.where} dc:subject", ", ".join(subjects)))
    for field, text in texts:
        for word in _WORD.findall(text):
            yield field, word.lower()


def _properties(look: Look) -> Iterator[tuple[str, str]]:
    """PLUS's Data Mining where it prohibits something."""
    for block in look.container.of_kind("xmp") if look.container is not None else ():
        if b"DataMining" in block.data:
            value = read_properties(block.data).get((PLUS, "DataMining"), "").rpartition("/")[2]
            if value.startswith(_PROHIBITED):
                yield f"{block.where} plus:DataMining", one_line(value, 60)


def _assertions(look: Look) -> Iterator[tuple[str, str]]:
    """What the active manifest does not allow, or only under conditions."""
    for block in look.container.of_kind("c2pa")[:1] if look.container is not None else ():
        if b"training-mining" in block.data:
            for use, permission in read_store(block.data)[-1].mining:
                if permission in ("notAllowed", "constrained"):
                    yield f"{block.where} training-mining", f"{use} {permission}"
