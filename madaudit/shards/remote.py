"""Files behind a URL, read by byte ranges, each asked for again until it comes whole.

A range is asked for anew after a reset, an error of the server, a timeout or a body cut short,
with growing pauses; what does not exist or is not allowed is not asked for twice. Reading on
fetches ever longer stretches ahead, a jump falls back to a short one, so a walk that leaves most
of a file out does not fetch it. How long answers take is measured, which tells from what length
on a stretch is better left out than read.
"""

from __future__ import annotations

import errno
import io
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fsspec.spec import AbstractFileSystem

from madaudit.errors import MadauditError
from madaudit.limits import (
    MAX_AHEAD_BYTES,
    MAX_HELD_FILE_BYTES,
    MAX_PAUSE_S,
    MAX_SKIP_BYTES,
    MAX_TRIES,
    MIN_AHEAD_BYTES,
    MIN_SKIP_BYTES,
)

_Result = TypeVar("_Result")
# What asking again does not change.
_FINAL = (
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    FileExistsError,
    NotImplementedError,
    TypeError,
    AttributeError,
)
_FINAL_NUMBERS = frozenset(
    {errno.EROFS, errno.ENOSPC, errno.EFBIG, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
)
# Of botocore, which is not imported for this.
_FINAL_NAMES = frozenset({"NoCredentialsError", "PartialCredentialsError", "ParamValidationError"})
# HTTP's timeout, too early, too many requests.
_PASSING_STATUSES = frozenset({408, 425, 429})
# Of aiohttp, which is not imported for this.
_BROKEN = frozenset({"ServerDisconnectedError", "ClientPayloadError", "ClientConnectorError"})
_FIRST_PAUSE_S = 0.1


class CutBodyError(OSError):
    """Fewer bytes came than were asked for."""


def persist(ask: Callable[[], _Result]) -> _Result:
    """The answer of a server that may fail for a while; `ask` must be safe to repeat.

    Pauses double from 0.1 s and are drawn between half and all of that, so that many workers do
    not come back at once.

    Raises:
        OSError: it failed every time, or in a way that asking again does not mend.
    """
    for attempt in range(MAX_TRIES):
        try:
            return ask()
        except MadauditError:
            raise
        except Exception as error:  # every file system has its own tree of errors
            if _is_final(error):
                if isinstance(error, OSError):
                    raise
                raise OSError(in_short(error)) from error
            if attempt + 1 == MAX_TRIES:
                raise OSError(f"{in_short(error)} (asked {MAX_TRIES} times)") from error
        pause_s = min(_FIRST_PAUSE_S * 2**attempt, MAX_PAUSE_S)
        time.sleep(pause_s * random.uniform(0.5, 1))
    raise AssertionError("not reached")


def _is_final(error: Exception) -> bool:
    return (
        (isinstance(error, _FINAL) and not _is_passing(error.__cause__))
        or getattr(error, "errno", None) in _FINAL_NUMBERS
        or type(error).__name__ in _FINAL_NAMES
    )


def _is_passing(cause: BaseException | None) -> bool:
    """Whether what does not exist may be a server that fails: over HTTP fsspec says no other."""
    status = getattr(cause, "status", None)
    if isinstance(status, int) and status:
        return status >= 500 or status in _PASSING_STATUSES
    return isinstance(cause, ConnectionError | TimeoutError) or type(cause).__name__ in _BROKEN


def in_short(error: BaseException) -> str:
    """An error in one line, named where it has no words of its own."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def has_ranges(fs: Any) -> bool:
    """Whether a file system reads stretches by itself, not by opening the file each time."""
    # Asynchronous ones get their `cat_file` put onto the instance.
    return bool(fs.async_impl or type(fs).cat_file is not AbstractFileSystem.cat_file)


class RemoteFile(io.RawIOBase):
    """One file behind a URL.

    Attributes:
        size_bytes: its length.
        n_fetched: bytes that came.
        n_requests: ranges that were asked for, the repeated ones once.
    """

    def __init__(self, fs: Any, path: str, size_bytes: int) -> None:
        self._fs = fs
        self._path = path
        self.size_bytes = size_bytes
        self._at = 0
        self._start = 0
        self._data = b""
        self._ahead = MIN_AHEAD_BYTES
        self._least_s = float("inf")
        self._spent_s = 0.0
        self._whole: bytes | None = None
        self.n_fetched = 0
        self.n_requests = 0

    def skip_pays_from(self) -> int:
        """Bytes from which a stretch is left out sooner than read: latency times bandwidth."""
        if not self.n_requests:
            return MIN_SKIP_BYTES
        streaming_s = max(self._spent_s - self.n_requests * self._least_s, 1e-6)
        return round(
            min(max(self._least_s * self.n_fetched / streaming_s, MIN_SKIP_BYTES), MAX_SKIP_BYTES)
        )

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "cannot seek before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self.read(self.size_bytes)

    def read(self, size: int | None = -1) -> bytes:
        """`size` bytes from here, or fewer at the end of the file.

        Raises:
            OSError: they cannot be had.
        """
        if size is None or size < 0:
            size = self.size_bytes
        data = self.stretch(self._at, size)
        self._at += len(data)
        return data

    def stretch(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on, or fewer at the end of the file."""
        end = min(offset + size, self.size_bytes)
        begin = offset - self._start
        if begin < 0 or offset + size > self._start + len(self._data):
            if end <= offset:
                return b""
            begin = self._move(offset, end)
        return self._data[begin : begin + end - offset]

    def _move(self, offset: int, end: int) -> int:
        """Hold the stretch and what is read ahead of it; where it begins in what is held."""
        held_end = self._start + len(self._data)
        # Padding between two members is no jump.
        is_near = self._start <= offset <= held_end + MIN_AHEAD_BYTES and bool(self._data)
        self._ahead = min(2 * self._ahead, MAX_AHEAD_BYTES) if is_near else MIN_AHEAD_BYTES
        wanted_end = min(max(end, offset + self._ahead), self.size_bytes)
        if self._start <= offset < held_end:
            self._data = self._data[offset - self._start :]
            if held_end < wanted_end:
                self._data += self._fetch(held_end, wanted_end)
        else:
            self._data = self._fetch(offset, wanted_end)
        self._start = offset
        return 0

    def _hold(self, data: bytes) -> None:
        """Keep the whole file, which a server without ranges sends whatever it is asked for."""
        if self.size_bytes > MAX_HELD_FILE_BYTES:
            raise OSError(
                errno.EFBIG,
                f"the server sends all of its {self.size_bytes} bytes for any part, and more than "
                f"{MAX_HELD_FILE_BYTES} are not held; copy it to where ranges can be read",
            )
        self._whole = data

    def _fetch(self, start: int, end: int) -> bytes:
        def ask() -> bytes:
            began = time.monotonic()
            data: bytes = self._fs.cat_file(self._path, start=start, end=end)
            if len(data) == self.size_bytes != end - start:
                self._hold(data)
            elif len(data) != end - start:
                raise CutBodyError(
                    f"{len(data)} bytes came for the {end - start} from byte {start} on"
                )
            seconds = time.monotonic() - began
            self._least_s = min(self._least_s, seconds)
            self._spent_s += seconds
            return data

        if self._whole is not None:
            return self._whole[start:end]
        data = persist(ask)
        self.n_requests += 1
        self.n_fetched += len(data)
        return data if self._whole is None else data[start:end]
