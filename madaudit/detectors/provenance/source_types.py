"""The vocabulary of digital source types, every value classed.

Source: IPTC NewsCodes, "Digital Source Type", http://cv.iptc.org/newscodes/digitalsourcetype/,
release of 2024-09-17 with its retired values; C2PA 2.2, "Digital Source Type", for the two of
its own. "composite" is classed composite although IPTC says its elements "may or may not" be
generated: it is outside π either way, and the sentence shown says so.
"""

from __future__ import annotations

from madaudit.types import Label

CLASSES: dict[str, Label] = {
    "trainedAlgorithmicMedia": "synthetic",
    "trainedAlgorithmicData": "synthetic",
    "compositeWithTrainedAlgorithmicMedia": "composite",
    "compositeSynthetic": "composite",
    "composite": "composite",
    "virtualRecording": "composite",
    "algorithmicMedia": "real",
    "algorithmicallyEnhanced": "real",
    "compositeCapture": "real",
    "computationalCapture": "real",
    "dataDrivenMedia": "real",
    "digitalArt": "real",
    "digitalCapture": "real",
    "digitalCreation": "real",
    "empty": "real",
    "humanEdits": "real",
    "minorHumanEdits": "real",
    "negativeFilm": "real",
    "positiveFilm": "real",
    "print": "real",
    "screenCapture": "real",
    "softwareImage": "real",
}
_PREFIXES = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/",
    "https://cv.iptc.org/newscodes/digitalsourcetype/",
    "http://c2pa.org/digitalsourcetype/",
    "https://c2pa.org/digitalsourcetype/",
    "digsrctype:",
)


def name_of(value: str) -> str | None:
    """The vocabulary's name for a URI, a QCode or a bare name; None where it is none of it."""
    value = value.strip()
    for prefix in _PREFIXES:
        if value.startswith(prefix):
            value = value.removeprefix(prefix)
            break
    return value if value in CLASSES else None


def sentence(name: str) -> str:
    """What a value claims, in words."""
    label = CLASSES[name]
    if name == "composite":
        return "declares a composite of elements, which may or may not be generated"
    if label == "synthetic":
        return "declares that a trained generative model made it"
    if label == "composite":
        return "declares that parts of it are generated"
    return "declares that it was not made by a trained model"
