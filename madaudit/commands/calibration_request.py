"""What is asked of `calibrate`, checked before any work: sources, and the plan that scans them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from madaudit.detectors import build_detector, default_detectors, known_detectors
from madaudit.detectors.base import Tier
from madaudit.errors import InputError, MadauditError, OptionError
from madaudit.estimation.calibration_fit import source_names
from madaudit.estimation.known_samples import SourceName
from madaudit.scanning.plan import TIERS, Plan, detector_identities
from madaudit.scanning.store import Store

# Graded detectors that say nothing of an image.
_FAKES = ("constant",)


@dataclass(frozen=True)
class GivenSource:
    """A real source or a generator as typed.

    Attributes:
        source: name and label.
        places: inputs, as for scan.
    """

    source: SourceName
    places: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Its name and places as one part of a path, whatever characters they have.

        Other places of the same name are another store.
        """
        places = hashlib.sha256(json.dumps(self.places).encode()).hexdigest()[:8]
        return f"{self.source.label}-{quote(self.source.name, safe=' ')}-{places}"


def read_sources(real: Iterable[str], synthetic: Iterable[str]) -> tuple[GivenSource, ...]:
    """Sources from `[NAME=]PLACE`; one name may have several places.

    Raises:
        InputError: no source of a label, or one name under both.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for label, given in (("real", real), ("synthetic", synthetic)):
        for text in given:
            name, place = _named(text)
            places.setdefault((name, label), []).append(place)
        if not any(pair[1] == label for pair in places):
            raise InputError(
                f"cannot calibrate without known-{label} samples; give --{label} [NAME=]PLACE"
            )
    names = source_names(list(places))
    return tuple(GivenSource(name, tuple(places[name.name, name.label])) for name in names)


def _named(text: str) -> tuple[str, str]:
    """Name and place; a place without a name is called by its last part."""
    name, separator, place = text.partition("=")
    if separator and name and place and not {"/", ":"} & set(name):
        return name, place
    last = PurePosixPath(text.partition("://")[2] or text).name
    return last.partition(".")[0] or last or text, text


def build_calibration_plan(
    detectors: Sequence[str] | None,
    options: Mapping[str, Mapping[str, Any]] | None,
    like: str | None,
    *,
    max_pixels: int,
    keep_embeddings: bool = False,
) -> tuple[Plan, tuple[str, ...]]:
    """The plan that known samples are scanned by, and its graded detectors.

    Args:
        detectors: graded ones; default: those of the store, else all that can run here.
        options: detector to its options.
        like: a store whose plan, options included, is taken over.
        max_pixels: larger images are not decoded.
        keep_embeddings: keep the features that a probe is to be trained on.

    Raises:
        OptionError: a detector that is not graded, or none.
        InputError: the store's scores are of other versions than this madaudit gives.
    """
    if like is not None:
        if options:
            raise OptionError("cannot take --option with --like: the store's options are taken")
        return _plan_of(Store(like.rstrip("/")), detectors)
    names = tuple(detectors or _graded_here())
    if not names:
        raise OptionError(
            "cannot calibrate: no graded detector can run here; see madaudit detectors for what "
            "each needs, then name it with --detectors"
        )
    built = [build_detector(name, (options or {}).get(name)) for name in names]
    for detector in built:
        if detector.kind != "graded":
            raise OptionError(
                f"cannot calibrate {detector.name!r}: it is one-sided, and a mark needs no "
                f"calibration; allowed are graded ones: {', '.join(_graded_here()) or 'none here'}"
            )
    tier = max(("pixels", *(one.tier for one in built)), key=TIERS.index)
    marks = [name for name in default_detectors(tier) if name not in names]
    plan = Plan(
        (*marks, *names),
        dict(options or {}),
        tier,
        max_pixels,
        thumbnails="none",
        keep_embeddings=keep_embeddings,
    )
    plan.build_detectors()
    return plan, names


def _graded_here() -> tuple[str, ...]:
    """Graded detectors that can run without an option."""
    found = []
    for name in known_detectors():
        try:
            detector = build_detector(name)
            is_ready = detector.kind == "graded" and detector.why_unavailable() is None
        except MadauditError:
            continue
        if is_ready and name not in _FAKES:
            found.append(name)
    return tuple(found)


def _plan_of(store: Store, detectors: Sequence[str] | None) -> tuple[Plan, tuple[str, ...]]:
    manifest = store.manifest()
    before = manifest["plan"]
    tier: Tier = before["tier"] if before["tier"] != "headers" else "pixels"
    plan = replace(
        Plan(tuple(before["detectors"]), before["options"], tier),
        max_pixels=before["max_pixels"],
        image_timeout_s=before["image_timeout_s"],
        thumbnails="none",
    )
    built = plan.build_detectors()
    graded = tuple(one.name for one in built if one.kind == "graded")
    unknown = [name for name in detectors or () if name not in graded]
    if unknown or not graded:
        raise OptionError(
            f"cannot calibrate {unknown[0] if unknown else 'any detector'!r} like {store.url}: "
            f"its graded detectors are {', '.join(graded) or 'none'}"
        )
    identities = detector_identities(built)
    for name in detectors or graded:
        if identities[name] != manifest["identities"].get(name):
            raise InputError(
                f"cannot calibrate like {store.url}: this madaudit gives other scores of "
                f"{name!r} than stand there (another version or other weights); scan it again"
            )
    return plan, tuple(detectors or graded)
