"""From what a person types to the list of shards.

An input is a file of samples, a folder of such files or of images, a glob or brace pattern of
them, an fsspec URL of any of these, or a Hugging Face data set (`hf:NAME`). A shard's name is its
path relative to the inputs' common root, folders kept, so `a/00000.tar` and `b/00000.tar` stay
apart.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from braceexpand import braceexpand

from madaudit import registry
from madaudit.errors import InputError, OptionError
from madaudit.limits import FILES_PER_VIRTUAL_SHARD
from madaudit.shards import files
from madaudit.shards.entries import ENCODER_FILE, Entries, drop_sidecars, numbered_folders
from madaudit.shards.files import FileInfo
from madaudit.shards.remote import persist
from madaudit.types import Shard

#: What --format takes; "auto" tells files apart by their names and tables by their columns.
FORMATS = ("auto", "tar", "folder", "parquet", "metadata", "documents", "embeddings")
_READ = (
    ".tar shards, .parquet and .arrow tables, .jsonl documents, .tsv metadata, "
    "clip-retrieval embeddings, folders of images, globs and braces of these, hf:NAME"
)


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


def locate(inputs: Sequence[str], format: str = "auto") -> Located:  # noqa: A002 — as the flag
    """The shards behind the inputs.

    Args:
        inputs: paths, patterns or URLs as typed.
        format: one of FORMATS; files that are not of it are ignored.

    Raises:
        InputError: an input matches nothing or cannot be read, a table's content cannot be told,
            or two inputs give one shard name.
        OptionError: no such format.
    """
    if format not in FORMATS:
        raise OptionError(
            f"--format {format!r} does not exist{registry.suggest(format, list(FORMATS))}"
        )
    paths = [given for given in inputs if not _is_hugging_face(given)]
    found = [_find(pattern, given) for given in paths for pattern in _braces(given)]
    for part in found:
        _narrow(part, format)
    drop_sidecars(found)
    root = _common_root(found)
    pairs = [(part.given, shard) for part in found for shard in _shards(part, root, format)]
    streamed = [given for given in inputs if _is_hugging_face(given)]
    pairs += [(given, shard) for given in streamed for shard in _streamed(given, format)]
    if not found and len(streamed) == 1:
        (root,) = streamed
    named: dict[str, tuple[str, Shard]] = {}
    for given, shard in pairs:
        if not _is_utf8(shard.name):
            raise InputError(
                f"cannot name the shard {shard.name!r}: its path is not UTF-8, and rows hold "
                f"UTF-8 only; rename the file or folder"
            )
        if shard.name in named:
            raise InputError(
                f"two inputs give the shard name {shard.name!r}: {named[shard.name][0]!r} "
                f"and {given!r}; give each shard once, below one common folder"
            )
        named[shard.name] = (given, shard)
    shards = tuple(named[name][1] for name in sorted(named))
    return Located(root, shards, sum(len(part.ignored) for part in found))


def _is_hugging_face(given: str) -> bool:
    """Whether an input names a Hugging Face data set; `hf://…` is a file, by fsspec."""
    return given.startswith("hf:") and not given.startswith("hf://")


def _streamed(given: str, format: str) -> list[Shard]:  # noqa: A002 — as the flag
    """The virtual shards of a Hugging Face data set."""
    if format != "auto":
        raise InputError(
            f"cannot read {given!r} as --format {format}: its columns tell what it holds; "
            f"leave --format out, or give its files"
        )
    from madaudit.shards.huggingface import locate_splits  # noqa: PLC0415 — loads pyarrow

    return locate_splits(given)


def _is_utf8(name: str) -> bool:
    """Whether a local name came without bytes that Python keeps as surrogates."""
    return name.encode("utf-8", "replace").decode() == name


def _braces(given: str) -> list[str]:
    try:
        return list(braceexpand(given, escape=False))
    except ValueError as error:
        raise InputError(f"cannot expand {given!r}: {error}") from error


def _find(pattern: str, given: str) -> Entries:
    """Files behind one pattern without braces."""
    fs, path = files.filesystem(pattern)
    fs.invalidate_cache()  # what was added since the last listing counts
    try:
        return persist(lambda: _list(fs, path, pattern, given))
    except OSError as error:
        raise InputError(f"cannot list {pattern!r}: {error}") from error


def _list(fs: Any, path: str, pattern: str, given: str) -> Entries:
    if files.is_folder(fs, path):
        return _sort_files(fs, given, path, list(fs.find(path, detail=True).values()))
    if files.exists(fs, path):
        entries = [fs.info(path)]
    elif any(letter in path for letter in "*?["):
        entries = list(fs.glob(path, detail=True).values())
    else:
        entries = []
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


def _sort_files(fs: Any, given: str, folder: str | None, entries: list[dict[str, Any]]) -> Entries:
    """The files of one input by what they are."""
    found = Entries(given, "" if folder is None else files.to_uri(fs, folder))
    for info in files.in_full(fs, entries):
        if info["type"] == "file":
            found.add(files.describe(fs, info))
    return found


def _narrow(part: Entries, format: str) -> None:  # noqa: A002 — as the flag
    """Leave what the user asks for; something must be left."""
    if format != "auto":
        part.keep_only(format)
    if part.files:
        return
    seen = f"; it holds {len(part.ignored)} other files" if part.ignored else ""
    if format == "auto":
        what = f"no file in it is of a format that is known{seen}; allowed: {_READ}"
    else:
        what = f"no file in it fits --format {format}{seen}"
    raise InputError(f"cannot read {part.given!r}: {what}")


def _common_folder(images: list[FileInfo]) -> str:
    return _common_path([files.parent(info.uri) for info in images]) if images else ""


def _base(part: Entries) -> str:
    """The folder that an input's images are named by."""
    return part.folder or _common_folder(part.images)


def _common_root(found: list[Entries]) -> str:
    """The deepest folder above all inputs; a folder that was given stays whole.

    So the names of a folder's shards do not change when others are added to it.
    """
    folders: list[str] = []
    for part in found:
        if part.folder:
            folders.append(part.folder)
            continue
        if part.images:
            folders.append(_common_folder(part.images))
        single = [*part.tars, *part.tables, *part.lines, *part.separated]
        folders += [files.parent(info.uri) for info in single]
        # Beside img_emb/ lies metadata/, so both are named from the folder above.
        folders += [files.parent(files.parent(info.uri)) for info in part.embeddings]
    return _common_path(folders) if folders else ""


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


def _shards(part: Entries, root: str, format: str) -> Iterator[Shard]:  # noqa: A002
    """All shards of one input."""
    for info in part.tars:
        yield _single(info, root, "tar")
    for info in part.lines:
        yield _single(info, root, "documents")
    for info in part.separated:
        yield _single(info, root, "metadata")
    if part.tables:
        yield from _table_shards(part, root, format)
    for info in part.embeddings:
        yield _embedding_shard(info, root)
    yield from _folder_shards(part, root)


def _single(info: FileInfo, root: str, reader: str) -> Shard:
    return Shard(_relative(info.uri, root), info.uri, reader, info.size_bytes, info.version)


# Tables of one folder that are opened to learn what the folder holds; more only if they are cut.
_OPENED = 8


def _table_shards(part: Entries, root: str, format: str) -> Iterator[Shard]:  # noqa: A002
    """Tables, each folder's by what its first readable one holds."""
    by_folder: dict[str, list[Shard]] = {}
    for info in part.tables:
        shard = _single(info, root, "parquet" if format == "auto" else format)
        by_folder.setdefault(files.parent(info.uri), []).append(shard)
    for shards in by_folder.values():
        shards.sort(key=lambda shard: shard.name)
        reader = shards[0].reader
        if format == "auto":
            # Loaded here, so that `scan --help` does not wait for pyarrow.
            from madaudit.shards.tables import kind_of_first  # noqa: PLC0415

            reader = kind_of_first(shards[:_OPENED]) or reader
        yield from (replace(shard, reader=reader) for shard in shards)


def _embedding_shard(info: FileInfo, root: str) -> Shard:
    """An array of embeddings with what stands beside it, one virtual shard of up to three files.

    The table describes its rows; encoder.json, where there is one, says what all arrays are of.
    """
    top, _, name = info.uri.rpartition("/img_emb/")
    number = name.removeprefix("img_emb_").removesuffix(".npy")
    chunk = [(f"img_emb/{name}", info)]
    for path in (f"metadata/metadata_{number}.parquet", ENCODER_FILE):
        beside = files.current_version(f"{top}/{path}")
        if beside is not None:
            chunk.append((path, beside))
    return _virtual(_relative(info.uri, root), top, "embeddings", chunk)


def _virtual(name: str, uri: str, reader: str, chunk: list[tuple[str, FileInfo]]) -> Shard:
    """A shard of several files below `uri`."""
    return Shard(
        name,
        uri,
        reader,
        size_bytes=sum(info.size_bytes for _, info in chunk),
        version=_version(chunk),
        paths=tuple(path for path, _ in chunk),
    )


def _version(chunk: list[tuple[str, FileInfo]]) -> str:
    """A digest of names, lengths and versions of a virtual shard's files."""
    identity = hashlib.sha256()
    for path, info in chunk:
        identity.update(os.fsencode(f"{path}\0{info.size_bytes}\0{info.version}\0"))
    return identity.hexdigest()


def revisit(shard: Shard) -> Shard | None:
    """A shard as its files are now; None where one of them is gone."""
    if shard.reader == "huggingface":
        from madaudit.shards.huggingface import revisit_split  # noqa: PLC0415 — loads pyarrow

        return revisit_split(shard)
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


def _folder_shards(part: Entries, root: str) -> Iterator[Shard]:
    """Image files of one input: img2dataset's folders whole, the others in shards of 10,000."""
    numbered: dict[str, list[tuple[str, FileInfo]]] = {
        folder: [] for folder in numbered_folders(part)
    }
    base = _base(part)
    others = []
    for info in part.images:
        folder, _, name = info.uri.rpartition("/")
        if folder in numbered:
            numbered[folder].append((name, info))
        else:
            others.append((_relative(info.uri, base), info))
    for folder, chunk in numbered.items():
        yield _virtual(_relative(folder, root), folder, "folder", sorted(chunk))
    prefix = _relative(base, root)
    others.sort()
    for number, start in enumerate(range(0, len(others), FILES_PER_VIRTUAL_SHARD)):
        name = f"{prefix}/images-{number:05d}" if prefix else f"images-{number:05d}"
        yield _virtual(name, base, "folder", others[start : start + FILES_PER_VIRTUAL_SHARD])
