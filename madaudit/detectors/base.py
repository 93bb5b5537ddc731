"""What a detector promises, and what it is given.

Invariants: one Evidence per sample, in order; the answer for a sample depends neither on its
neighbours nor on their number; what a detector raises on an image makes that sample's evidence
missing; it imports no other detector and loads heavy packages at the top of its own file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.detectors.provenance.containers import Block, Container
from madaudit.detectors.provenance.json_text import read_object
from madaudit.encoders.base import Features
from madaudit.encoders.space import FeatureSpace
from madaudit.types import ABSENT, MISSING, UNOBSERVABLE, Detail, Evidence, Sample

Kind = Literal["one-sided", "graded"]
Reads = Literal["whole", "structure"]
Tier = Literal["headers", "pixels", "model"]
LooksAt = Literal["metadata", "pixels", "text"]
Pixels = npt.NDArray[np.uint8]
# UserComment is the usual one; SwarmUI once used Model.
_SETTINGS_TAGS = ("UserComment", "Model")


class Raster(NamedTuple):
    """A decoded image.

    Attributes:
        rgb: uint8 (h, w, 3), alpha dropped and not blended.
        alpha: uint8 (h, w), None where the image has no alpha plane.
    """

    rgb: Pixels
    alpha: Pixels | None = None

    @property
    def size_bytes(self) -> int:
        """Memory that it takes; a small file can hold a thousand times its size."""
        return self.rgb.nbytes + (0 if self.alpha is None else self.alpha.nbytes)


class Settings(NamedTuple):
    """A JSON object in one of the places that several generators use for their settings.

    Attributes:
        field: where it stands, for example "PNG tEXt parameters".
        values: the object.
    """

    field: str
    values: dict[str, Any]


class Look:
    """One sample as detectors see it.

    Attributes:
        sample: as the reader handed it over.
        container: the image file's structure, None where the bytes are no image.
        has_metadata: whether there is any to look at, in the file or in the exif column.
        otherwise: what to say where nothing is found: absent, unobservable (a re-encoded image
            has lost its marks, and img2dataset's exif column keeps only some of them; a format
            whose metadata is not read; a data set without images) or missing (the file is
            damaged).
    """

    __slots__ = (
        "_kept_exif",
        "_kinds",
        "_settings",
        "_texts",
        "container",
        "has_metadata",
        "otherwise",
        "sample",
    )

    def __init__(self, sample: Sample, container: Container | None) -> None:
        self.sample = sample
        self.container = container
        self._kept_exif: dict[str, str] | None = None
        self._kinds: frozenset[str] | None = None
        self._settings: tuple[Settings, ...] | None = None
        self._texts: dict[str, Block] | None = None
        exif = sample.sidecar.exif
        self.has_metadata = exif is not None and len(exif) > 2
        if container is None and sample.image is None and sample.status == "ok":
            self.otherwise = UNOBSERVABLE
            return
        self.otherwise = _otherwise(sample, container)
        if container is not None and container.blocks != ():
            self.has_metadata = True

    @property
    def kept_exif(self) -> dict[str, str]:
        """EXIF of the downloaded file as img2dataset kept it, by our tag names."""
        if self._kept_exif is None:
            self._kept_exif = _by_tag_name(self.sample.sidecar.exif)
        return self._kept_exif

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of the file's metadata blocks, by which a detector knows what to skip."""
        if self._kinds is None:
            blocks = () if self.container is None else self.container.blocks
            self._kinds = frozenset([block.kind for block in blocks])
        return self._kinds

    @property
    def texts(self) -> dict[str, Block]:
        """PNG text chunks by keyword, gathered once; empty without any."""
        if self._texts is None:
            container = self.container
            self._texts = container.texts() if container and "text" in self.kinds else {}
        return self._texts

    @property
    def settings(self) -> tuple[Settings, ...]:
        """JSON in the PNG chunk "parameters" and in EXIF's UserComment and Model, read once."""
        if self._settings is None:
            self._settings = tuple(self._read_settings())
        return self._settings

    def _read_settings(self) -> Iterator[Settings]:
        block = self.texts.get("parameters")
        places = [] if block is None else [(block.where, block.text)]
        tags, source = self.exif()
        places += [(f"{source} {tag}", tags[tag]) for tag in _SETTINGS_TAGS if tag in tags]
        for field, text in places:
            values = read_object(text)
            if values is not None:
                yield Settings(field, values)

    def exif(self) -> tuple[dict[str, str], str]:
        """EXIF texts by tag name, and where they stand: in the file, else in the exif column."""
        tags = {} if self.container is None else self.container.exif()
        return (tags, "EXIF") if tags else (self.kept_exif, "exif column")


class Batch:
    """Samples to score together.

    Attributes:
        looks: one per sample.
        otherwise: what to say of each where nothing is found.
        with_metadata: places of those that have any.
    """

    def __init__(
        self,
        looks: Sequence[Look],
        decode: Callable[[int], Raster | None] | None = None,
        encode: Callable[[int, FeatureSpace], Features | None] | None = None,
    ) -> None:
        """Samples, and how to come by their pixels and features.

        Args:
            looks: one per sample.
            decode: gives the pixels of the sample at a place.
            encode: gives its features; default: made from its pixels when they are asked for.
        """
        self.looks = looks
        self._decode = decode
        self._encode = encode
        self._features: dict[tuple[int, str], Features | None] = {}
        # What most samples of a metadata scan come to, found once for all detectors.
        self.otherwise = [look.otherwise for look in looks]
        self.with_metadata = [index for index, look in enumerate(looks) if look.has_metadata]

    def __len__(self) -> int:
        return len(self.looks)

    def pixels(self, index: int) -> Pixels | None:
        """The decoded image, RGB uint8 (h, w, 3), or None where it cannot be decoded."""
        raster = self.raster(index)
        return None if raster is None else raster.rgb

    def raster(self, index: int) -> Raster | None:
        """The decoded image with its alpha plane, or None where it cannot be decoded."""
        return None if self._decode is None else self._decode(index)

    def features(self, index: int, space: FeatureSpace) -> Features | None:
        """Features (d,) of one image, made once for all detectors that ask for this space.

        None where the image cannot be decoded or has no room for a crop.
        """
        place = (index, space.key)
        if place not in self._features:
            self._features[place] = self._make_features(index, space)
        return self._features[place]

    def _make_features(self, index: int, space: FeatureSpace) -> Features | None:
        if self._encode is not None:
            return self._encode(index, space)
        pixels = self.pixels(index)
        return None if pixels is None else space.features(pixels)

    def single(self, index: int) -> Batch:
        """One sample of this batch as a batch of its own."""
        return Batch(
            [self.looks[index]],
            lambda _: self.raster(index),
            lambda _, space: self.features(index, space),
        )


class Detector(ABC):
    """Maps samples to evidence.

    Class attributes:
        name: what users type; the prefix of its columns.
        version: raised whenever its numbers change.
        kind: "one-sided" (a hit proves, a miss proves nothing) or "graded" (a score each).
        tier: what it needs: headers, pixels or a model.
        verified: what it was checked on, "unverified: …" where it could not be.
        looks_at: where its evidence stands; whether a sample's marks could have been seen is
            judged by its file's metadata, or by the text of a document.
        idle_options: options that change no score (threads), or whose content `fingerprint` tells
            under another name; they are no part of its identity.
        reads: what of an image's bytes its answer depends on: "whole" (any of them), or
            "structure" (the container and, where there is a C2PA manifest, all bytes). Where all
            detectors read the structure alone, a remote shard's images may come with zeros in
            place of their pixel data.
    """

    reads: ClassVar[Reads] = "whole"
    looks_at: ClassVar[LooksAt] = "pixels"
    idle_options: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str]
    version: ClassVar[int]
    kind: ClassVar[Kind]
    tier: ClassVar[Tier]
    verified: ClassVar[str]

    @abstractmethod
    def detect(self, batch: Batch) -> list[Evidence]:
        """Evidence for each sample of the batch, in order."""

    def why_unavailable(self) -> str | None:
        """Why it cannot run here and what to do, or None where it can."""
        return None

    def space(self) -> FeatureSpace | None:
        """The feature space that it asks batches for, None where it needs no features.

        A scan encodes images in it ahead of `detect`, while others are decoded.
        """
        return None

    def fingerprint(self) -> Mapping[str, Any]:
        """What its numbers depend on besides name, version and options."""
        return {}


class FromSource(NamedTuple):
    """A tool whose mark was read from its source, for want of a genuine file.

    Attributes:
        tool: its name, as `Detail.tool` gives it.
        mark: where the mark stands, for example "PNG tEXt parameters".
        source: what was read: repository and file, or the published specification.
    """

    tool: str
    mark: str
    source: str


class MarkDetector(Detector):
    """A detector of marks in a file's metadata; a mark is one kind of one-sided evidence.

    One that looks at `look.sample.image` besides sets `reads` to "whole".

    Class attributes:
        from_source: the tools it names without a genuine file at hand; docs/provenance.md lists
            them apart from those that were verified on files.
    """

    kind: ClassVar[Kind] = "one-sided"
    tier: ClassVar[Tier] = "headers"
    reads: ClassVar[Reads] = "structure"
    looks_at: ClassVar[LooksAt] = "metadata"
    from_source: ClassVar[tuple[FromSource, ...]] = ()

    @abstractmethod
    def examine(self, look: Look) -> Detail | None:
        """The mark in one sample that has metadata, or None.

        Raises:
            MalformedError: there is a mark's frame, but what is in it breaks its rules.
        """

    def detect(self, batch: Batch) -> list[Evidence]:
        evidence = batch.otherwise.copy()
        for index in batch.with_metadata:
            evidence[index] = self._evidence(batch.looks[index])
        return evidence

    def _evidence(self, look: Look) -> Evidence:
        detail = self.examine(look)
        return look.otherwise if detail is None else Evidence("present", detail=detail)


def _by_tag_name(exif: str | None) -> dict[str, str]:
    """The exif column's tags: exifread writes "Image Software", "EXIF UserComment".

    Other groups ("Thumbnail Software") do not speak of the image itself.
    """
    return {
        key.partition(" ")[2]: value
        for key, value in ((read_object(exif) if exif else None) or {}).items()
        if isinstance(value, str) and key.startswith(("Image ", "EXIF "))
    }


def _otherwise(sample: Sample, container: Container | None) -> Evidence:
    if container is None or container.problem is not None:
        return MISSING
    if not container.is_readable:
        return UNOBSERVABLE
    if sample.sidecar.reencoded and not container.blocks:
        return UNOBSERVABLE
    return ABSENT


def one_line(text: str, limit: int = 120) -> str:
    """Text from a file made fit for a sentence: no control characters, cut at `limit`."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    clean = " ".join(text.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
