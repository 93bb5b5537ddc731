"""Validation of C2PA manifests by c2pa-python, where it is installed; never over the network."""

from __future__ import annotations

import io
import json
from functools import cache
from importlib import metadata
from typing import Any, NamedTuple

_MIME = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "heif": "image/heif",
    "tiff": "image/tiff",
    "gif": "image/gif",
    "jxl": "image/jxl",
}
# A manifest may point to a remote one, and a certificate to a revocation server. An audit asks
# neither: it would tell strangers what is being audited, and give other answers offline.
_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}


def validator_version() -> str | None:
    """Version of c2pa-python, or None where it is not installed."""
    try:
        return metadata.version("c2pa-python")
    except metadata.PackageNotFoundError:
        return None


def validate(image: memoryview, kind: str) -> str:
    """State of the active manifest: "trusted", "valid", "invalid" or "not checked".

    Args:
        image: the whole file.
        kind: the format, as Container has it.
    """
    validator = _validator()
    if validator is None or kind not in _MIME:
        return "not checked"
    stream = io.BytesIO(image)
    try:
        with validator.reader(_MIME[kind], stream, context=validator.context) as reader:
            state = json.loads(reader.json()).get("validation_state")
    except validator.error:
        return "invalid"
    return {"Trusted": "trusted", "Valid": "valid"}.get(state, "invalid")


class _Validator(NamedTuple):
    reader: Any
    context: Any
    error: type[Exception]


@cache
def _validator() -> _Validator | None:
    if validator_version() is None:
        return None
    import c2pa  # noqa: PLC0415 — 55 MB, optional, loaded on use

    return _Validator(c2pa.Reader, c2pa.Context.from_dict(_SETTINGS), c2pa.C2paError)
