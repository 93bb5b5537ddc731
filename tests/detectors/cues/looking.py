"""Samples that are nothing but a caption or an address."""

from __future__ import annotations

from collections.abc import Sequence

from madaudit.detectors.base import Batch, Detector, Look
from madaudit.types import Evidence, Sample, Sidecar

Texts = str | Sequence[str | None] | None


def evidence_on(detector: Detector, *, caption: Texts = None, url: Texts = None) -> list[Evidence]:
    """What a cue detector says of samples without images; one for each caption or address."""
    captions = _listed(caption)
    urls = _listed(url)
    n = max(len(captions), len(urls))
    captions += [None] * (n - len(captions))
    urls += [None] * (n - len(urls))
    sidecars = [Sidecar(caption=c, url=u) for c, u in zip(captions, urls, strict=True)]
    looks = [Look(Sample(i, str(i), sidecar=side), None) for i, side in enumerate(sidecars)]
    return detector.detect(Batch(looks))


def _listed(texts: Texts) -> list[str | None]:
    return [texts] if texts is None or isinstance(texts, str) else list(texts)
