"""What a scan will do, and a fingerprint of everything its rows depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from madaudit import registry
from madaudit.detectors import Detector, build_detector
from madaudit.detectors.base import Tier
from madaudit.errors import MissingExtraError, OptionError, RequestError
from madaudit.limits import DEFAULT_IMAGE_TIMEOUT_S, DEFAULT_MAX_PIXELS
from madaudit.shards import READERS

# Raised when the meaning of a stored column changes.
SCHEMA_VERSION = 3
TIERS: tuple[Tier, ...] = ("headers", "pixels", "model")
Thumbnails = Literal["none", "blurred", "clear"]
THUMBNAILS: tuple[Thumbnails, ...] = get_args(Thumbnails)


@dataclass(frozen=True)
class Plan:
    """The options that decide what a scan's rows hold.

    Attributes:
        detectors: names in order; their columns come in this order.
        options: detector name to its options.
        tier: "headers" reads no pixel; "pixels" decodes every image once.
        max_pixels: images with more are "too_large" and never decoded.
        image_timeout_s: seconds that one image may take before it is "timeout".
        n_sample: number of samples to draw, None for a census.
        seed: of the draw.
        thumbnails: whether hits' thumbnails are kept, and whether blurred.
        digest: "headers" identifies a shard by the headers walked, "full" by all its bytes.
        keep_embeddings: whether features of the detectors' encoder are kept in the store.
    """

    detectors: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tier: Tier = "headers"
    max_pixels: int = DEFAULT_MAX_PIXELS
    image_timeout_s: float = DEFAULT_IMAGE_TIMEOUT_S
    n_sample: int | None = None
    seed: int = 0
    thumbnails: Thumbnails = "blurred"
    digest: Literal["headers", "full"] = "headers"
    keep_embeddings: bool = False

    def __post_init__(self) -> None:
        _require("tier", self.tier, TIERS)
        _require("thumbnails", self.thumbnails, THUMBNAILS)
        _require("digest", self.digest, ("headers", "full"))
        _require_positive("max-pixels", self.max_pixels)
        _require_positive("image-timeout", self.image_timeout_s)
        if self.n_sample is not None:
            _require_positive("sample", self.n_sample)
        if not self.detectors:
            raise OptionError("cannot scan without a detector; name at least one")

    def build_detectors(self) -> tuple[Detector, ...]:
        """The detectors, checked to be able to run here and to fit the tier.

        Raises:
            OptionError: unknown detector or option, or one that needs a higher tier.
            RequestError: a detector cannot run here.
        """
        built = []
        for name in self.detectors:
            try:
                detector = build_detector(name, self.options.get(name))
            except MissingExtraError as error:
                raise RequestError(str(error)) from error
            reason = detector.why_unavailable()
            if reason is not None:
                raise RequestError(f"detector {name!r} cannot run here: {reason}")
            if TIERS.index(detector.tier) > TIERS.index(self.tier):
                raise OptionError(
                    f"detector {name!r} needs tier {detector.tier!r}, the scan is at tier "
                    f"{self.tier!r}; run with --tier {detector.tier}"
                )
            built.append(detector)
        return tuple(built)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "options": {k: dict(v) for k, v in self.options.items()}}

    def fingerprint(self) -> str:
        """SHA-256 of the options and of the versions of all plug-ins, 64 hexadecimal digits."""
        content = {
            "schema": SCHEMA_VERSION,
            "plan": self.to_dict(),
            "detectors": [_described(detector) for detector in self.build_detectors()],
            "readers": {
                name: registry.load("readers", READERS, name).version for name in sorted(READERS)
            },
        }
        return _digest(content)


def detector_identities(detectors: Iterable[Detector]) -> dict[str, str]:
    """What each detector's scores depend on, as a digest: scores of one identity compare.

    A calibration is bound to the identities of its detectors, not to a plan: the same detector in
    another plan, at another tier or beside others, gives the same scores. An option that
    `fingerprint()` gives too, under the same name, is the place of a file: what counts is the
    content that the fingerprint tells, and not where it lies.

    Returns:
        name to SHA-256, 64 hexadecimal digits, of name, version, options and `fingerprint()`.
    """
    identities = {}
    for detector in detectors:
        content = _described(detector)
        replaced = {*detector.fingerprint(), *detector.idle_options}
        content["options"] = {
            name: value for name, value in content["options"].items() if name not in replaced
        }
        identities[detector.name] = _digest(content)
    return identities


def _described(detector: Detector) -> dict[str, Any]:
    return {
        "name": detector.name,
        "version": detector.version,
        "options": asdict(detector),  # type: ignore[call-overload]
        **detector.fingerprint(),
    }


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _require(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise OptionError(
            f"--{name} {value!r} does not exist{registry.suggest(value, list(allowed))}"
        )


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise OptionError(f"--{name} is {value}; it must be greater than 0")
