"""Opening and listing files, local or by any fsspec URL."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

from fsspec.core import url_to_fs

from madaudit.errors import InputError
from madaudit.limits import MAX_REQUESTS_AT_ONCE
from madaudit.shards.remote import RemoteFile, has_ranges, in_short, persist

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")

# Protocol to the extra that installs its package.
_EXTRAS = {"s3": "s3", "s3a": "s3", "hf": "hf"}


# What fsspec's file systems call that which changes with a file.
_VERSIONS = (
    *("ETag", "etag", "blob_id", "mtime", "LastModified", "Last-Modified", "last_modified"),
    "created",
)


class FileInfo(NamedTuple):
    """A file: where to read it, its length, and a text that changes with its content."""

    uri: str
    size_bytes: int
    version: str


def open_binary(uri: str) -> BinaryIO:
    """A file opened for reading bytes, unbuffered where it is local, by ranges where it is not.

    Raises:
        OSError: it cannot be opened.
    """
    if is_local(uri):
        return cast(BinaryIO, open(local_path(uri), "rb", buffering=0))
    fs, path = filesystem(uri)
    size = persist(lambda: fs.info(path).get("size")) if has_ranges(fs) else None
    # A server that does not tell the length is read from its beginning to its end.
    return cast(
        BinaryIO,
        persist(lambda: fs.open(path, "rb")) if size is None else RemoteFile(fs, path, int(size)),
    )


def read_bytes(uri: str, *, most_bytes: int) -> bytes | None:
    """All bytes of a small file, or None where it does not exist.

    Raises:
        OSError: it cannot be read, or is longer than `most_bytes`.
    """
    try:
        with open_binary(uri) as file:
            data = file.read(most_bytes + 1)
    except FileNotFoundError:
        return None
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"more than {most_bytes} bytes, the most that is read", uri)
    return data


def each(uri: str, ask: Callable[[_Given], _Result], given: Iterable[_Given]) -> list[_Result]:
    """What `ask` gives for each of many, in their order; at a URL many are asked at once.

    Raises:
        Exception: what `ask` raised for the first of those for which it did; what had not begun
            by then is left out.
    """
    if is_local(uri):
        return [ask(one) for one in given]
    with ThreadPoolExecutor(MAX_REQUESTS_AT_ONCE, thread_name_prefix="madaudit-files") as threads:
        answers = [threads.submit(ask, one) for one in given]
        try:
            return [answer.result() for answer in answers]
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def is_local(uri: str) -> bool:
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> str:
    return uri.removeprefix("file://")


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it.

    Raises:
        InputError: the URL's protocol needs a package that is not installed, or is unknown.
    """
    try:
        fs, path = url_to_fs(uri)
    except ImportError as error:
        extra = _EXTRAS.get(uri.partition("://")[0])
        advice = f"; run: pip install 'madaudit[{extra}]'" if extra else ""
        raise InputError(f"cannot open {uri!r}: {error}{advice}") from error
    except ValueError as error:
        raise InputError(f"cannot open {uri!r}: {error}") from error
    return fs, path


def is_folder(fs: Any, path: str) -> bool:
    """Whether a path is a folder; a web server's folder ends in a slash.

    To look for links in what is no folder would fetch a file whole.
    """
    return bool(fs.isdir(path)) if not _is_web(fs) or path.endswith("/") else False


def exists(fs: Any, path: str) -> bool:
    """Whether there is such a file or folder; a web server must say that there is none.

    Raises:
        InputError: it says something else, which fsspec takes for the same.
        OSError: it does not answer.
    """
    if not _is_web(fs):
        return bool(fs.exists(path))
    try:
        persist(lambda: fs.info(path))
    except FileNotFoundError as error:
        if getattr(error.__cause__, "status", 404) in (404, 410):
            return False
        raise InputError(f"cannot open {path!r}: {in_short(error.__cause__ or error)}") from error
    return True


def in_full(fs: Any, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of a listing with the lengths that a web server's page of links leaves out."""
    if not _is_web(fs):
        return entries

    def look(entry: dict[str, Any]) -> dict[str, Any]:
        if entry["type"] != "file" or entry.get("size") is not None:
            return entry
        return dict(persist(lambda: fs.info(entry["name"])))

    return each("https://", look, entries)


def _is_web(fs: Any) -> bool:
    return "http" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def to_uri(fs: Any, path: str) -> str:
    """The inverse of `filesystem`: plain absolute paths for local files, URLs for others."""
    if "://" in path:
        return path  # of a web server, whose files are named by the whole URL
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    return path if protocol in ("file", "local") else f"{protocol}://{path.lstrip('/')}"


def describe(fs: Any, info: dict[str, Any]) -> FileInfo:
    """A FileInfo from what fsspec's `info` or `find(detail=True)` returns."""
    version = ""
    for name in _VERSIONS:
        value = info.get(name)
        if value is not None:
            # Listings and single look-ups of one file give a time in two forms.
            version = str(value.timestamp() if isinstance(value, datetime) else value)
            break
    return FileInfo(to_uri(fs, info["name"]), int(info.get("size") or 0), version)


def current_version(uri: str) -> FileInfo | None:
    """Length and version of a file as they are now; None where it is gone."""
    fs, path = filesystem(uri)
    fs.invalidate_cache()  # a listing kept from before would hide the change
    try:
        return describe(fs, persist(lambda: fs.info(path)))
    except OSError:
        return None


def join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder else name


def parent(uri: str) -> str:
    return os.path.dirname(uri.rstrip("/"))
