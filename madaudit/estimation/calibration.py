"""What known-real and known-synthetic samples scored: the ruler that turns scores into p.

A calibration holds the combiner, fitted on one half of the known samples, and sketches of the
combined log-likelihood ratio, counted on the other half. Invariants: it is bound to the
identities of its detectors, so scores of another version, other options or other weights are
refused; its sketches carry its combiner's fingerprint; samples with a mark that says synthetic
are in no sketch, since a mark outranks every score; it changes only by being made again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from madaudit.errors import InputError
from madaudit.estimation.combination import Combiner
from madaudit.estimation.sketch import N_CELLS, SKETCH_VERSION, ScoreSketch

CALIBRATION_VERSION = 1
# Real sources and generators, of each; a study has dozens.
_MOST_SOURCES = 1000
# Of a name that stands in reports and file names.
_MOST_NAME_CHARS = 200

SourceLabel = Literal["real", "synthetic"]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """Where known samples came from.

    Attributes:
        name: of the real source, or of the generator.
        label: "real" or "synthetic".
        n: samples that were scored, in both halves.
        licence: of the samples, "not stated" where nobody said.
        note: what else a reader must know: what was left out, and why.
    """

    name: str
    label: SourceLabel
    n: int
    licence: str = "not stated"
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Known samples' scores after one pipeline.

    Attributes:
        detectors: graded detectors' names to identities (`scanning.plan.detector_identities`), in
            the order of the combiner's columns.
        tier: at which they were scanned.
        pipeline: what the known samples went through before.
        combiner: from scores to ln f1/f0, fitted on one half.
        real: real source to its sketch of ln f1/f0, counted on the other half.
        synthetic: generator to its sketch, likewise.
        least_detected: least share ρ detected of a generator that was left out
            (docs/calibration.md); None where it was not measured.
        n_generators: generators behind it.
        performance: per detector and for "combination": auc, tpr by fpr, leave_one_out.
        sources: provenance of the samples.
    """

    detectors: Mapping[str, str]
    tier: str
    pipeline: str
    combiner: Combiner
    real: Mapping[str, ScoreSketch]
    synthetic: Mapping[str, ScoreSketch]
    least_detected: float | None = None
    n_generators: int = 0
    performance: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        if tuple(self.detectors) != self.combiner.detectors:
            raise _refusal(
                f"its detectors are {list(self.detectors)}, its combiner's "
                f"{list(self.combiner.detectors)}"
            )
        if self.least_detected is not None and not 0 <= self.least_detected <= 1:
            raise _refusal(f"least_detected is {self.least_detected}; allowed is [0, 1] or null")
        for name in [*self.detectors, *self.real, *self.synthetic, *_names(self.sources)]:
            if not 0 < len(name) <= _MOST_NAME_CHARS or not name.isprintable():
                raise _refusal(f"a name is {name[:60]!r}")
        for name, sketch in [*self.real.items(), *self.synthetic.items()]:
            if sketch.combiner != self.combiner.fingerprint:
                raise _refusal(f"the sketch of {name!r} is of another combiner")

    @property
    def real_counts(self) -> ScoreSketch:
        """All real sources together."""
        return self._total(self.real.values())

    @property
    def synthetic_counts(self) -> ScoreSketch:
        """All generators together, each by its number of samples."""
        return self._total(self.synthetic.values())

    def _total(self, sketches: Iterable[ScoreSketch]) -> ScoreSketch:
        return sum(sketches, start=ScoreSketch(self.combiner.fingerprint))

    def require_fits(self, identities: Mapping[str, str]) -> None:
        """Refuse scores that this calibration does not speak of.

        Args:
            identities: a store's detectors to identities (its manifest's `identities`).

        Raises:
            InputError: a detector is missing there, or is another version, has other options or
                other weights.
        """
        for name, identity in self.detectors.items():
            if name not in identities:
                raise InputError(
                    f"cannot use the calibration: it is of detector {name!r}, of which the store "
                    f"has no scores (it has {', '.join(identities) or 'none'}); scan with "
                    f"--tier {self.tier} --detectors …,{name}, or calibrate with --like STORE"
                )
            if identities[name] != identity:
                raise InputError(
                    f"cannot use the calibration: its scores of detector {name!r} are of identity "
                    f"{identity[:12]}, the store's of {identities[name][:12]} (another version, "
                    f"other options or other weights); calibrate again with --like STORE, or "
                    f"scan again"
                )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all it holds: posteriors and cuts name it."""
        digest = hashlib.sha256(_canonical(self._content()))
        for name, array in sorted(self.arrays().items()):
            digest.update(name.encode() + array.astype("<i8").tobytes())
        return digest.hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """All but the counts, which `arrays` gives."""
        return {**self._content(), "fingerprint": self.fingerprint}

    def _content(self) -> dict[str, Any]:
        return {
            "version": CALIBRATION_VERSION,
            "sketch_version": SKETCH_VERSION,
            "detectors": dict(self.detectors),
            "tier": self.tier,
            "pipeline": self.pipeline,
            "combiner": self.combiner.to_dict(),
            "real": list(self.real),
            "synthetic": list(self.synthetic),
            "least_detected": self.least_detected,
            "n_generators": self.n_generators,
            "performance": dict(self.performance),
            "sources": [source.to_dict() for source in self.sources],
        }

    def arrays(self) -> dict[str, Counts]:
        """Counts by side: sources in the order of `real` and `synthetic`, the last cell missing.

        Returns:
            "real" and "synthetic" to int64 (sources, 1027).
        """
        return {"real": _stack(self.real), "synthetic": _stack(self.synthetic)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], arrays: Mapping[str, Counts]) -> Calibration:
        """The calibration that `to_dict` and `arrays` described; both may be a stranger's.

        Raises:
            InputError: another version, or no sound calibration.
        """
        version = (content.get("version"), content.get("sketch_version"))
        if version != (CALIBRATION_VERSION, SKETCH_VERSION):
            raise InputError(
                f"cannot use the calibration: version {version[0]!r} with sketches of "
                f"{version[1]!r}; this madaudit reads {CALIBRATION_VERSION} with "
                f"{SKETCH_VERSION}; calibrate again"
            )
        try:
            made = cls._from(content, arrays)
            fingerprint = made.fingerprint
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise _refusal(f"{type(error).__name__}: {str(error)[:200]}") from error
        if content.get("fingerprint") != fingerprint:
            raise _refusal("its content is not what its fingerprint was taken of")
        return made

    @classmethod
    def _from(cls, content: Mapping[str, Any], arrays: Mapping[str, Counts]) -> Calibration:
        combiner = Combiner.from_dict(content["combiner"])
        least = content["least_detected"]
        return cls(
            detectors={_text(k): _text(v) for k, v in content["detectors"].items()},
            tier=_text(content["tier"]),
            pipeline=_text(content["pipeline"]),
            combiner=combiner,
            real=_sketches(content["real"], arrays["real"], combiner),
            synthetic=_sketches(content["synthetic"], arrays["synthetic"], combiner),
            least_detected=None if least is None else _number(least),
            n_generators=_count(content["n_generators"]),
            performance=dict(content["performance"]),
            sources=tuple(_source(one) for one in content["sources"]),
        )


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _names(sources: Iterable[Source]) -> list[str]:
    return [source.name for source in sources]


def _stack(sketches: Mapping[str, ScoreSketch]) -> Counts:
    cells = np.zeros((len(sketches), N_CELLS + 1), dtype=np.int64)
    for row, sketch in zip(cells, sketches.values(), strict=True):
        if (sketch.weights != sketch.counts).any():
            raise _refusal("its samples are weighted; known samples count one each")
        row[:-1], row[-1] = sketch.counts, sketch.missing
    return cells


def _sketches(names: Any, cells: Counts, combiner: Combiner) -> dict[str, ScoreSketch]:
    if not isinstance(names, list) or len(names) > _MOST_SOURCES or len(set(names)) < len(names):
        raise ValueError(f"{len(names)} names of sources, or one twice")
    if cells.shape != (len(names), N_CELLS + 1) or cells.dtype != np.int64:
        raise ValueError(f"counts of shape {cells.shape} for {len(names)} sources")
    # Sums of all must stay below what a 64-bit count holds.
    if (cells < 0).any() or float(cells.sum(dtype=np.float64)) > 2**53:
        raise ValueError("a count is negative, or too large to be one")
    fingerprint = combiner.fingerprint
    return {
        _text(name): ScoreSketch(
            fingerprint,
            row[:-1].copy(),
            row[:-1].astype(np.float64),
            row[:-1].astype(np.float64),
            int(row[-1]),
            float(row[-1]),
        )
        for name, row in zip(names, cells, strict=True)
    }


def _source(content: Mapping[str, Any]) -> Source:
    label = content["label"]
    if label not in get_args(SourceLabel):
        raise ValueError(f"a source is labelled {str(label)[:60]!r}")
    return Source(
        _text(content["name"]),
        label,
        _count(content["n"]),
        _text(content["licence"]),
        _text(content["note"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:60]!r} is no text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{str(value)[:60]!r} is no number")
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"{str(value)[:60]!r} is no count")
    return value


def _refusal(what: str) -> InputError:
    return InputError(f"cannot use the calibration: {what}; calibrate again")
