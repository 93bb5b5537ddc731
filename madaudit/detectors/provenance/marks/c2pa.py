"""C2PA content credentials: what the manifest claims, and apart from it whether it validates.

The claim is read by our own parser; validation is c2pa-python's, where it is installed. A genuine
manifest can be invalid (an expired certificate) and a forged one valid (anybody may sign), so
neither fact replaces the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeGuard

from madaudit.detectors.base import Look, MarkDetector
from madaudit.detectors.provenance import c2pa_validation
from madaudit.detectors.provenance.manifest_store import Manifest, read_store
from madaudit.detectors.provenance.source_types import CLASSES, name_of
from madaudit.limits import MAX_MANIFESTS
from madaudit.types import Detail, Label


@dataclass(frozen=True)
class C2PA(MarkDetector):
    """Content credentials.

    Attributes:
        validate: check signatures with c2pa-python where it is installed.
    """

    validate: bool = True

    name: ClassVar[str] = "c2pa"
    version: ClassVar[int] = 1
    verified: ClassVar[str] = (
        "verified on genuine files of OpenAI, Google and Adobe, and on C2PA's test files"
    )

    def examine(self, look: Look) -> Detail | None:
        if look.container is None:
            return None
        blocks = look.container.of_kind("c2pa")
        if not blocks:
            return None
        manifests = read_store(blocks[0].data)
        active = manifests[-1]
        claim = judge(manifests)
        validation = "not checked"
        if self.validate and look.sample.image is not None:
            validation = c2pa_validation.validate(look.sample.image, look.container.format)
        return Detail(
            says=f"C2PA manifest by {active.generator} {claim.says} ({_words(validation)})",
            label=claim.label,
            tool=active.tool,
            model=claim.model,
            field=blocks[0].where,
            message=claim.source_type,
            validation=validation,
        )

    def fingerprint(self) -> Mapping[str, Any]:
        return {"validator": c2pa_validation.validator_version() if self.validate else None}


@dataclass(frozen=True)
class Claim:
    """What a store says about its image."""

    label: Label | None
    says: str
    model: str | None = None
    source_type: str | None = None


_SILENT = Claim(None, "says nothing about how the image was made")


def judge(manifests: tuple[Manifest, ...]) -> Claim:
    """The active manifest's claim, that of its parent taken over where it was opened.

    An action "created" that is synthetic makes the whole image so; the same source type on a
    later action is an edit, so parts. A synthetic parent makes its child synthetic; a synthetic
    component makes it composite, unless it is all there is: no action and one ingredient, as
    ChatGPT writes it.
    """
    by_label = {manifest.label: manifest for manifest in manifests}
    return _judge(manifests[-1], by_label, {})


def _judge(manifest: Manifest, by_label: dict[str, Manifest], judged: dict[str, Claim]) -> Claim:
    """One manifest's claim; each is judged once, and one still under way says nothing."""
    if manifest.label in judged or len(judged) >= MAX_MANIFESTS:
        return judged.get(manifest.label, _SILENT)
    judged[manifest.label] = _SILENT
    judged[manifest.label] = claim = _weigh(manifest, by_label, judged)
    return claim


def _weigh(manifest: Manifest, by_label: dict[str, Manifest], judged: dict[str, Claim]) -> Claim:
    own = _own_claim(manifest)
    if own is not None and own.label == "synthetic":
        return own
    found = own
    for ingredient in manifest.ingredients:
        source = by_label.get(ingredient.manifest or "")
        if source is None:
            continue
        inherited = _judge(source, by_label, judged)
        is_whole = ingredient.relationship == "parentOf" or (
            not manifest.actions and len(manifest.ingredients) == 1
        )
        if inherited.label == "synthetic" and is_whole:
            return Claim("synthetic", inherited.says, inherited.model, inherited.source_type)
        if inherited.label in ("synthetic", "composite") and not _is_composite(found):
            found = Claim(
                "composite",
                "was made from an image with generated content",
                inherited.model,
                inherited.source_type,
            )
    return found or _SILENT


def _own_claim(manifest: Manifest) -> Claim | None:
    """What the actions of one manifest say: the strongest of them."""
    claim: Claim | None = None
    for action in manifest.actions:
        name = name_of(action.source_type) if action.source_type else None
        if name is None:
            continue
        label = CLASSES[name]
        if label == "synthetic" and action.name == "c2pa.created":
            return Claim("synthetic", "says a trained model created it", action.agent, name)
        if label == "real" and claim is None:
            claim = Claim("real", f"says it is {name}", None, name)
        elif label != "real" and (not _is_composite(claim) or claim.model is None):
            verb = action.name.removeprefix("c2pa.")
            says = f"says parts of it are generated ({verb})"
            claim = Claim("composite", says, action.agent, name)
    return claim


def _is_composite(claim: Claim | None) -> TypeGuard[Claim]:
    return claim is not None and claim.label == "composite"


def _words(validation: str) -> str:
    return {
        "trusted": "signature valid, signer on a trust list",
        "valid": "signature valid, signer not on a trust list",
        "invalid": "signature or binding invalid",
        "not checked": "signature not checked",
    }.get(validation, validation)
