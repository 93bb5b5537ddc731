"""From what a person types to the list of shards.

An input is a tar file, a folder, a glob or brace pattern of them, or an fsspec URL of any of
these. A shard's name is its path relative to the inputs' common root, folders kept, so
`a/00000.tar` and `b/00000.tar` stay apart.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from braceexpand import braceexpand

from madaudit.errors import InputError
from madaudit.limits import FILES_PER_VIRTUAL_SHARD
from madaudit.shards import files
from madaudit.shards.files import FileInfo
from madaudit.shards.grouping import is_image, split_name
from madaudit.types import Shard

_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class Located:
    """The shards of a request.

    Attributes:
        root: folder or URL that all shard names are relative to.
        shards: sorted by name.
        n_ignored_files: files in given folders that are neither shards nor images.
    """

    root: str
    shards: tuple[Shard, ...]
    n_ignored_files: int


@dataclass
class _Found:
    """What one input led to: archives, and image files below one folder."""

    given: str
    tars: list[FileInfo]
    folder: str
    images: list[FileInfo]
    n_ignored: int = 0
    is_folder: bool = False


def locate(inputs: Sequence[str]) -> Located:
    """The shards behind the inputs.

    Args:
        inputs: paths, patterns or URLs as typed.

    Raises:
        InputError: an input matches nothing or cannot be read, or two give one shard name.
    """
    found = [_find(pattern, given) for given in inputs for pattern in _braces(given)]
    root = _common_root(found)
    named: dict[str, tuple[str, Shard]] = {}
    for part in found:
        for shard in [*_tar_shards(part, root), *_virtual_shards(part, root)]:
            if not _is_utf8(shard.name):
                raise InputError(
                    f"cannot name the shard {shard.name!r}: its path is not UTF-8, and rows hold "
                    f"UTF-8 only; rename the file or folder"
                )
            if shard.name in named:
                raise InputError(
                    f"two inputs give the shard name {shard.name!r}: {named[shard.name][0]!r} "
                    f"and {part.given!r}; give each shard once, below one common folder"
                )
            named[shard.name] = (part.given, shard)
    shards = tuple(named[name][1] for name in sorted(named))
    return Located(root, shards, sum(part.n_ignored for part in found))


def _is_utf8(name: str) -> bool:
    """Whether a local name came without bytes that Python keeps as surrogates."""
    return name.encode("utf-8", "replace").decode() == name


def _braces(given: str) -> list[str]:
    try:
        return list(braceexpand(given, escape=False))
    except ValueError as error:
        raise InputError(f"cannot expand {given!r}: {error}") from error


def _find(pattern: str, given: str) -> _Found:
    """Files behind one pattern without braces."""
    fs, path = files.filesystem(pattern)
    try:
        if fs.isdir(path):
            return _sort_files(fs, given, path, list(fs.find(path, detail=True).values()))
        if fs.exists(path):
            entries = [fs.info(path)]
        elif any(letter in path for letter in "*?["):
            entries = list(fs.glob(path, detail=True).values())
        else:
            entries = []
    except OSError as error:
        raise InputError(f"cannot list {pattern!r}: {error}") from error
    if not entries:
        raise InputError(f"no file or folder matches {pattern!r}; check the path")
    return _sort_files(fs, given, None, _walk_folders(fs, entries))


def _walk_folders(fs: Any, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries with the folders among them replaced by all files below."""
    result: list[dict[str, Any]] = []
    for entry in entries:
        if entry["type"] == "directory":
            result += fs.find(entry["name"], detail=True).values()
        else:
            result.append(entry)
    return result


def _sort_files(fs: Any, given: str, folder: str | None, entries: list[dict[str, Any]]) -> _Found:
    """Archives and images apart; a file named outright must be one of the two."""
    tars, images, others = [], [], []
    for info in entries:
        if info["type"] != "file":
            continue
        _, field = split_name(info["name"])
        if info["name"].endswith(_TAR_ENDINGS):
            tars.append(files.describe(fs, info))
        elif is_image(field):
            images.append(files.describe(fs, info))
        else:
            others.append(info["name"])
    if not tars and not images:
        seen = f"; it holds {len(others)} other files" if others else ""
        raise InputError(
            f"cannot read {given!r}: no .tar shards and no image files in it{seen}; "
            f"allowed: .tar, folders of images, globs and braces of these"
        )
    base = files.to_uri(fs, folder) if folder is not None else _common_folder(images)
    return _Found(given, tars, base, images, len(others), is_folder=folder is not None)


def _common_folder(images: list[FileInfo]) -> str:
    return _common_path([files.parent(info.uri) for info in images]) if images else ""


def _common_root(found: list[_Found]) -> str:
    """The deepest folder above all inputs; a folder that was given stays whole.

    So the names of a folder's shards do not change when others are added to it.
    """
    folders: list[str] = []
    for part in found:
        if part.is_folder or part.images:
            folders.append(part.folder)
        if not part.is_folder:
            folders += [files.parent(info.uri) for info in part.tars]
    return _common_path(folders)


def _common_path(folders: list[str]) -> str:
    """The deepest folder above all; "" where they have none (two different stores)."""
    protocols = {folder.partition("://")[0] if "://" in folder else "" for folder in folders}
    if len(protocols) != 1:
        return ""
    protocol = protocols.pop()
    if not protocol:
        return os.path.commonpath(folders)
    tails = [folder.partition("://")[2] for folder in folders]
    return f"{protocol}://{os.path.commonpath(tails)}"


def _relative(uri: str, root: str) -> str:
    return uri.removeprefix(root).lstrip("/").replace("://", "/")


def _tar_shards(part: _Found, root: str) -> list[Shard]:
    return [
        Shard(_relative(info.uri, root), info.uri, "tar", info.size_bytes, info.version)
        for info in part.tars
    ]


def _version(chunk: list[tuple[str, FileInfo]]) -> str:
    """A digest of names, lengths and versions of a virtual shard's files."""
    identity = hashlib.sha256()
    for path, info in chunk:
        identity.update(os.fsencode(f"{path}\0{info.size_bytes}\0{info.version}\0"))
    return identity.hexdigest()


def revisit(shard: Shard) -> Shard | None:
    """A shard as its files are now; None where one of them is gone."""
    if not shard.paths:
        now = files.current_version(shard.uri)
        return now and replace(shard, size_bytes=now.size_bytes, version=now.version)
    chunk = []
    for path in shard.paths:
        info = files.current_version(files.join(shard.uri, path))
        if info is None:
            return None
        chunk.append((path, info))
    size_bytes = sum(info.size_bytes for _, info in chunk)
    return replace(shard, size_bytes=size_bytes, version=_version(chunk))


def _virtual_shards(part: _Found, root: str) -> list[Shard]:
    """Image files of one input, sorted, cut into shards of 10,000."""
    paths = sorted((_relative(info.uri, part.folder), info) for info in part.images)
    prefix = _relative(part.folder, root)
    shards = []
    for number, start in enumerate(range(0, len(paths), FILES_PER_VIRTUAL_SHARD)):
        chunk = paths[start : start + FILES_PER_VIRTUAL_SHARD]
        shards.append(
            Shard(
                name=f"{prefix}/images-{number:05d}" if prefix else f"images-{number:05d}",
                uri=part.folder,
                reader="folder",
                size_bytes=sum(info.size_bytes for _, info in chunk),
                version=_version(chunk),
                paths=tuple(path for path, _ in chunk),
            )
        )
    return shards
