"""Weights on the Hugging Face Hub: which file, whether it is here, and getting it.

A file is looked for in the Hub's own cache, by name and without the net; it is fetched only when
asked, and kept only if its SHA-256 is the one under which the Hub keeps it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any, NamedTuple

from madaudit.errors import InputError, MissingExtraError, RequestError
from madaudit.limits import MAX_JSON_BYTES

# open_clip's own names, the form without a pickle first.
_CONFIG = "open_clip_config.json"
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class Published(NamedTuple):
    """Weights by model and tag.

    Attributes:
        model: open_clip's name, for example "ViT-B-32".
        tag: of the weights, for example "laion2b_s34b_b79k".
        repository: on the Hub.
        files: names that the file may have there, the best first.
    """

    model: str
    tag: str
    repository: str
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        """What users type."""
        return f"{self.model}:{self.tag}"


def is_installed() -> bool:
    """Whether the package that knows the Hub's cache is here."""
    return importlib.util.find_spec("huggingface_hub") is not None


def cached(weights: Published) -> Path | None:
    """The file in the Hub's cache, None where it is not there."""
    package = _huggingface_hub()
    for file in weights.files:
        found = package.try_to_load_from_cache(weights.repository, file)
        if isinstance(found, str):
            return Path(found)
    return None


def fetch(weights: Published) -> Path:
    """Download the file into the Hub's cache, unless it is there.

    Raises:
        RequestError: the Hub cannot be reached, or gave other bytes than it keeps.
    """
    found = cached(weights)
    if found is not None:
        return found
    package = _huggingface_hub()
    reason: Exception | None = None
    for file in weights.files:
        try:
            path = Path(package.hf_hub_download(weights.repository, file))
        except Exception as error:  # noqa: BLE001 — of the net, of the Hub, of the package
            reason = reason or error
            continue
        _require_digest(path, weights)
        return path
    said = " ".join(str(reason).split())[:200]
    raise RequestError(
        f"cannot fetch {weights.name!r}: the Hub did not give {weights.repository} ({said}); put "
        f"the file where you like, and give its path"
    )


def _require_digest(path: Path, weights: Published) -> None:
    """Large files lie in the cache under their SHA-256, as the Hub keeps it."""
    expected = path.resolve().name
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if len(expected) == len(digest) and digest != expected:
        path.resolve().unlink()
        raise RequestError(
            f"cannot use what the Hub gave for {weights.name!r}: its SHA-256 is {digest}, the Hub "
            f"keeps it as {expected}; nothing was kept"
        )


def folder_config(folder: Path) -> dict[str, Any]:
    """The model's configuration in a folder of open_clip's.

    Raises:
        InputError: there is none.
    """
    config = _folder_json(folder).get("model_cfg")
    if not isinstance(config, dict) or not isinstance(config.get("vision_cfg"), dict):
        raise InputError(f"cannot read {folder / _CONFIG}: it has no model_cfg with a vision_cfg")
    return config


def folder_preprocessing(folder: Path) -> dict[str, Any]:
    """What a folder of open_clip's says of pixels: mean and std."""
    about = _folder_json(folder).get("preprocess_cfg")
    return about if isinstance(about, dict) else {}


def _folder_json(folder: Path) -> dict[str, Any]:
    path = folder / _CONFIG
    if not path.is_file() or path.stat().st_size > MAX_JSON_BYTES:
        raise InputError(f"cannot use {str(folder)!r} as a model: it has no {_CONFIG}")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: not JSON ({error})") from error
    return content if isinstance(content, dict) else {}


def _huggingface_hub() -> Any:
    try:
        import huggingface_hub  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "look into the Hub's cache", package="huggingface_hub", extra="clip"
        ) from error
    return huggingface_hub
