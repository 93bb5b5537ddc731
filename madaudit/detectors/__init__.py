"""Samples to evidence: one file per detector; a new one is one file and one line in DETECTORS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from madaudit import registry
from madaudit.detectors.base import Detector, Tier

__all__ = [
    "DEFAULTS",
    "DETECTORS",
    "PIXEL_DEFAULTS",
    "Detector",
    "build_detector",
    "default_detectors",
    "known_detectors",
]

_MARKS = "madaudit.detectors.provenance.marks"
DETECTORS: dict[str, str] = {
    "a1111": f"{_MARKS}.a1111:A1111",
    "aigc": f"{_MARKS}.aigc:AIGC",
    "c2pa": f"{_MARKS}.c2pa:C2PA",
    "clip_probe": "madaudit.detectors.clip_probe:ClipProbe",
    "comfyui": f"{_MARKS}.comfyui:ComfyUI",
    "constant": "madaudit.detectors.constant:Constant",
    "cue_caption": "madaudit.detectors.cues.caption:CueCaption",
    "cue_url": "madaudit.detectors.cues.url:CueUrl",
    "dwt_dct": "madaudit.detectors.watermarks.dwt_dct:DwtDct",
    "dwt_dct_svd": "madaudit.detectors.watermarks.dwt_dct_svd:DwtDctSvd",
    "exif_software": f"{_MARKS}.exif_software:ExifSoftware",
    "fooocus": f"{_MARKS}.fooocus:Fooocus",
    "forensic": "madaudit.detectors.forensic:Forensic",
    "generator_settings": f"{_MARKS}.generator_settings:GeneratorSettings",
    "greenlist": "madaudit.detectors.watermarks.greenlist:Greenlist",
    "invisible_characters": (
        "madaudit.detectors.watermarks.invisible_characters:InvisibleCharacters"
    ),
    "invokeai": f"{_MARKS}.invokeai:InvokeAI",
    "iptc": f"{_MARKS}.iptc:IPTC",
    "midjourney": f"{_MARKS}.midjourney:Midjourney",
    "neighbours": "madaudit.detectors.neighbours:Neighbours",
    "novelai": f"{_MARKS}.novelai:NovelAI",
    "optout_training": f"{_MARKS}.optout:OptOut",
    "rivagan": "madaudit.detectors.watermarks.rivagan:RivaGan",
    "stable_signature": "madaudit.detectors.watermarks.stable_signature:StableSignature",
    "stealth": f"{_MARKS}.stealth:Stealth",
    "swarmui": f"{_MARKS}.swarmui:SwarmUI",
    "synthid_text": "madaudit.detectors.watermarks.synthid_text:SynthIDText",
    "trustmark": "madaudit.detectors.watermarks.trustmark:TrustMark",
    "universal_fake_detect": ("madaudit.detectors.universal_fake_detect:UniversalFakeDetect"),
}
# What a scan runs unless told otherwise: all marks that need no pixels, and opt-outs. Cues are
# left out: they need an extra, and say little.
DEFAULTS = (
    "a1111",
    "aigc",
    "c2pa",
    "comfyui",
    "exif_software",
    "fooocus",
    "generator_settings",
    "invokeai",
    "iptc",
    "midjourney",
    "novelai",
    "optout_training",
    "swarmui",
)
# What a scan that decodes pixels runs besides.
PIXEL_DEFAULTS = ("dwt_dct", "dwt_dct_svd", "stealth")


def default_detectors(tier: Tier) -> tuple[str, ...]:
    """What a scan at this tier runs unless told otherwise."""
    return DEFAULTS if tier == "headers" else DEFAULTS + PIXEL_DEFAULTS


def known_detectors() -> dict[str, str]:
    """Names to "module:object", those of third parties included."""
    return registry.known_names("detectors", DETECTORS)


def build_detector(name: str, options: Mapping[str, Any] | None = None) -> Detector:
    """A detector with its options.

    Raises:
        OptionError: unknown name or option; the message lists the known ones.
    """
    return cast(Detector, registry.build("detectors", DETECTORS, name, options or {}))
