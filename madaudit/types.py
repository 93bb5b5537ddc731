"""The nouns that cross rooms.

Invariants: values are immutable; a missing number is NaN or None, never 0; a fraction lies in
[0, 1] and is never a percentage. `Sample` and `Evidence` are named tuples, since a metadata scan
makes several of each per image and a frozen dataclass costs three times as much to build.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

State = Literal["present", "absent", "unobservable", "missing"]
STATES: tuple[State, ...] = ("present", "absent", "unobservable", "missing")

#: Beginnings of the names of detectors whose evidence never counts as a hit: weak cues, opt-outs.
NO_HITS = ("cue_", "optout_")

Label = Literal["synthetic", "composite", "real"]
LABELS: tuple[Label, ...] = ("synthetic", "composite", "real")

Status = Literal[
    "ok",
    "decode_error",
    "truncated",
    "too_large",
    "timeout",
    "not_an_image",
    "missing_image",
    "unsafe_member",
]
STATUSES: tuple[Status, ...] = (
    "ok",
    "decode_error",
    "truncated",
    "too_large",
    "timeout",
    "not_an_image",
    "missing_image",
    "unsafe_member",
)


def can_hit(detector: str) -> bool:
    """Whether evidence of a detector of that name may count as a hit, whatever it claims."""
    return not detector.startswith(NO_HITS)


@dataclass(frozen=True, slots=True)
class Detail:
    """Why a detector said what it said; keys that do not apply are None and left out of JSON.

    Attributes:
        label: what the mark claims the sample is.
        tool: program or service that made the mark, "unnamed" where it does not say.
        model: generative model, where known.
        field: where in the file the mark stands, for example "PNG tEXt parameters".
        message: watermark message that matched.
        bit_agreement: share of matching bits, [0, 1].
        p_value: probability of such a hit without a mark, [0, 1].
        hypotheses: number of messages and positions that were tried.
        validation: "trusted", "valid", "invalid" or "not checked", for signed marks.
        says: one sentence for a person.
    """

    says: str
    label: Label | None = None
    tool: str | None = None
    model: str | None = None
    field: str | None = None
    message: str | None = None
    bit_agreement: float | None = None
    p_value: float | None = None
    hypotheses: int | None = None
    validation: str | None = None

    def to_dict(self) -> dict[str, Any]:
        values = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in values if value is not None}


class Evidence(NamedTuple):
    """What one detector found in one sample.

    Attributes:
        state: present, absent, unobservable or missing.
        score: logit for graded detectors, −log10 p for statistical checks, else NaN.
        detail: why; None where there is nothing to tell.
    """

    state: State
    score: float = math.nan
    detail: Detail | None = None

    @property
    def is_hit(self) -> bool:
        """True for a mark that says synthetic or composite.

        Counts of hits leave out detectors that cannot have any (`can_hit`).
        """
        return (
            self.state == "present"
            and self.detail is not None
            and self.detail.label in ("synthetic", "composite")
        )


ABSENT = Evidence("absent")
UNOBSERVABLE = Evidence("unobservable")
MISSING = Evidence("missing")


class Sidecar(NamedTuple):
    """What a data set's own pipeline says about a sample, from its .json or Parquet row.

    Attributes:
        uid: DataComp's 32 hexadecimal digits.
        url: where the image was downloaded from.
        caption: text that belongs to the image.
        sha256: digest of the *downloaded* bytes, which are not those in the shard.
        exif: EXIF tags of the downloaded file as JSON text, named as exifread names them, the
            way img2dataset keeps them; None where the pipeline did not look.
        reencoded: True where the pipeline writes new image bytes, False where it kept the
            downloaded ones, None where nothing is known.
        width: of the image in pixels, as a data set without images states it.
        height: likewise.
    """

    uid: str | None = None
    url: str | None = None
    caption: str | None = None
    sha256: str | None = None
    exif: str | None = None
    reencoded: bool | None = None
    width: int | None = None
    height: int | None = None


NO_SIDECAR = Sidecar()


class Sample(NamedTuple):
    """One image, document or record of a shard; (shard, ordinal) identifies it.

    Attributes:
        ordinal: position in the shard, from 0.
        key: joins with other files; may repeat.
        offset: byte at which the image begins in the shard, -1 where there is no image, or where
            the shard holds it compressed.
        size: length in bytes of the image or of the document.
        image: the image's bytes; None where `status` says why, or where the data set holds no
            images (documents, metadata, embeddings), then with status "ok".
        sidecar: what the pipeline recorded.
        status: "ok" unless the reader could not hand over the sample.
        error: why `status` is not "ok", or what is odd about a good sample.
        text: the document; None for images, whose caption stands in the sidecar.
        embedding: float (d,) that came with the data set in place of an image, else None.
        space: key of the feature space that the data set says its embeddings are of, None where
            it does not say.
    """

    ordinal: int
    key: str
    offset: int = -1
    size: int = 0
    image: memoryview | None = None
    sidecar: Sidecar = NO_SIDECAR
    status: Status = "ok"
    error: str | None = None
    text: str | None = None
    embedding: npt.NDArray[np.floating[Any]] | None = None
    space: str | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of samples: the unit of work and of resume.

    Attributes:
        name: path relative to the inputs' common root, with "/" between folders.
        uri: where to read it (any fsspec URL or local path).
        reader: name of the reader that understands it.
        size_bytes: length of the file, or of all files of a virtual shard.
        version: etag or modification time; changes when the content does.
        paths: the files of a virtual shard, relative to `uri`; empty otherwise.
    """

    name: str
    uri: str
    reader: str
    size_bytes: int
    version: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval for a fraction; `point` is None where the data fix no single value."""

    low: float
    point: float | None
    high: float
    level: float = 0.95

    def to_dict(self) -> dict[str, Any]:
        return {"low": self.low, "point": self.point, "high": self.high, "level": self.level}
