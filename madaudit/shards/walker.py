"""A tar archive walked block by block, without copying what nobody asks for.

Reads ustar, pax (x and g headers), GNU long names, base-256 sizes and the checksum of every
header. Links, devices and sparse files are handed over by name and never followed. Nothing is
unpacked: names are only compared. A header that breaks the rules is reported at its byte and the
walk goes on at the next block that is a header; a cut tail is reported at its byte.

Format: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from madaudit.limits import (
    MAX_HELD_HEADERS,
    MAX_MEMBER_BYTES,
    MAX_PAX_SIZE_DIGITS,
    MAX_PROBLEMS,
    MAX_TAR_EXTENSION_BYTES,
    WINDOW_BYTES,
)
from madaudit.shards.base import Problem
from madaudit.shards.windows import BLOCK, Window

_ADLER = 65521
_REFUSED = {
    0x31: "hard link",
    0x32: "symbolic link",
    0x33: "character device",
    0x34: "block device",
    0x36: "named pipe",
    0x53: "sparse file",
}
_SPARSE = 0x53
_DIRECTORY = 0x35
_LONG_NAME, _PAX, _PAX_GLOBAL = b"Lxg"
_EXTENSIONS = b"xgLK"
# Records that name or measure a member, and one that stands for all of a sparse file's.
_SPARSE_RECORD = "GNU.sparse."
_USED_RECORDS = frozenset({"path", "size", "GNU.sparse.name"})
# Links, devices, directories and pipes: whatever size their header states, no content follows.
_NO_CONTENT = b"123456"


Records = dict[str, str]


class Member(NamedTuple):
    """One entry of an archive.

    Attributes:
        name: path as stored.
        offset: byte at which the content begins.
        size: length of the content in bytes, as the header says, at most 2**63 − 1; 0 for links.
        refused: kind of entry that is never read ("symbolic link", …), or None for a file.
        start: byte at which its first header begins, those that name or measure it included.
    """

    name: str
    offset: int
    size: int
    refused: str | None
    start: int


class Walker:
    """Walks one archive.

    Attributes:
        problems: what is wrong with the archive, with its byte; the first thousand.
        headers: the header blocks walked since the caller last emptied the list, and the
            contents of those that name or measure another entry. Where members are rare, `absorb`
            is asked to empty it.
        size_bytes: length of the archive.
        end: byte at which the walk stopped.
        has_global_names: whether a global header has named or measured entries, so that a member
            does not mean the same in another archive.
    """

    def __init__(
        self, window: Window, *, size_bytes: int, absorb: Callable[[], None] | None = None
    ) -> None:
        self.window = window
        self.size_bytes = size_bytes
        self._absorb = absorb
        self.problems: list[Problem] = []
        self.headers: list[bytes] = []
        self.end = 0
        self._global: dict[str, str] = {}

    @property
    def has_global_names(self) -> bool:
        return bool(self._global)

    def members(self) -> Iterator[Member]:
        """The entries in order; directories are left out, links are named as refused."""
        position: int | None = 0
        start = 0
        local: Records = {}
        while position is not None:
            block = self.window.block(position)
            if len(block) < BLOCK or (block[0] == 0 and not any(block)):
                self._finish(position, block)
                return
            size = _number(block[124:136]) if checksum_holds(block) else None
            if size is None:
                local, position = {}, self._resume_after(position)
                start = position
                continue
            self.headers.append(block)
            if len(self.headers) > 2 * MAX_HELD_HEADERS and self._absorb:
                self._absorb()
            if block[156] in _EXTENSIONS:
                local, position = self._extension(block[156], position + BLOCK, size, local)
                continue
            member = self._member(block, position + BLOCK, size, local, start)
            if block[156] != _DIRECTORY:
                yield member
            local, position = {}, self._behind(member)
            start = position or 0

    def _member(self, block: bytes, content: int, size: int, local: Records, start: int) -> Member:
        """The entry that a header describes, with what extensions said of it before."""
        kind = block[156]
        refused = _REFUSED.get(kind)
        if kind in _NO_CONTENT:
            size = 0
        elif local or self._global:
            size = _overridden_size(size, local, self._global)
            if _SPARSE_RECORD in local:
                refused = "sparse file"
        if kind == _SPARSE:
            content = self._behind_sparse_map(content, block[482])
        return Member(self._name(block, local), content, size, refused, start)

    def _behind(self, member: Member) -> int | None:
        """Where the next header begins; None where the archive ends inside the member."""
        end = member.offset + member.size
        if end > self.size_bytes:
            self._report_cut(f"member {member.name[:200]!r}", member.offset, member.size)
            return None
        self.end = (end + BLOCK - 1) // BLOCK * BLOCK
        return self.end

    def _name(self, block: bytes, local: Records) -> str:
        if local or self._global:
            name = local.get("GNU.sparse.name") or local.get("path") or self._global.get("path")
            if name:
                return name
        text = block[:100].split(b"\0", 1)[0]
        if block[345] and block[257:263] == b"ustar\0":
            text = block[345:500].split(b"\0", 1)[0] + b"/" + text
        return text.decode("utf-8", "replace")

    def _extension(
        self, kind: int, content: int, size: int, local: Records
    ) -> tuple[Records, int | None]:
        """What an x, g, L or K header sets for the next entry, and where that begins."""
        if content + size > self.size_bytes:
            self._report_cut("an extension header", content, size)
            return local, None
        behind = (content + size + BLOCK - 1) // BLOCK * BLOCK
        if size > MAX_TAR_EXTENSION_BYTES:
            self._report(f"a tar extension header of {size} bytes was not read", content)
            return local, behind
        data = bytes(self.window.read(content, size))
        self.headers.append(data)
        if size > BLOCK and self._absorb:
            self._absorb()
        if kind == _LONG_NAME:
            name = data.split(b"\0", 1)[0].decode("utf-8", "replace")
            return {**local, "path": name}, behind
        if kind == _PAX:
            return {**local, **_pax_records(data)}, behind
        if kind == _PAX_GLOBAL:
            self._global.update(_pax_records(data))
        return local, behind

    def _behind_sparse_map(self, content: int, is_extended: int) -> int:
        """Where an old GNU sparse file's data begin: behind blocks that continue its map."""
        while is_extended:
            block = self.window.read(content, BLOCK)
            content += BLOCK
            is_extended = block[504] if len(block) == BLOCK else 0
        return content

    def _report_cut(self, what: str, content: int, size: int) -> None:
        held = max(self.size_bytes - content, 0)
        self._report(f"cut inside {what}: {held} of {size} bytes", self.size_bytes)
        self.end = self.size_bytes

    def _report(self, message: str, offset: int) -> None:
        """Note what is wrong, unless there is too much of it already."""
        if len(self.problems) == MAX_PROBLEMS:
            message = f"more than {MAX_PROBLEMS} things are wrong; later ones are left out"
        if len(self.problems) <= MAX_PROBLEMS:
            self.problems.append(Problem(message, offset))

    def _finish(self, position: int, block: bytes) -> None:
        """Say what the end of the archive looks like."""
        self.end = min(position, self.size_bytes)
        cut = self.end + len(block)
        if len(block) == BLOCK:
            self._look_behind_the_end(position)
        elif cut == 0:
            self._report("the file is empty: not even an end-of-archive mark", 0)
        elif block:
            self._report(f"cut inside a header: {len(block)} of {BLOCK} bytes", cut)
        else:
            self._report("no end-of-archive mark: members after this byte may be lost", cut)

    def _look_behind_the_end(self, position: int) -> None:
        """Report bytes behind the mark: `cat a.tar b.tar` hides every sample of b."""
        probe = position
        while chunk := self.window.read(probe, WINDOW_BYTES):
            rest = bytes(chunk).lstrip(b"\0")
            if rest:
                self._report(
                    "data behind the end-of-archive mark was not read "
                    "(archives joined end to end?)",
                    probe + len(chunk) - len(rest),
                )
                return
            probe += len(chunk)

    def _resume_after(self, position: int) -> int:
        """The next block that is a header, after one that is not."""
        probe = position + BLOCK
        while True:
            block = bytes(self.window.read(probe, BLOCK))
            at_end = len(block) < BLOCK
            if at_end or (block[257:262] == b"ustar" and checksum_holds(block)):
                lost = probe - position
                self._report(f"no valid tar header here; {lost} bytes skipped", position)
                return probe
            probe += BLOCK


def checksum_holds(block: bytes) -> bool:
    """Whether the header's checksum field equals the sum of its bytes, the field as spaces.

    adler32's low half is 1 + the sum of the bytes modulo 65521, at a tenth of `sum`'s cost.
    """
    try:
        stored = int(block[148:156].strip(b" \0") or b"0", 8)
    except ValueError:
        return False
    total = (zlib.adler32(block) & 0xFFFF) - sum(block[148:156]) + 8 * 0x20
    if total % _ADLER == (stored + 1) % _ADLER:
        return True
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:])
    return stored == signed + 256


def _number(field: bytes) -> int | None:
    """An octal or base-256 number of a header; None where it is neither or negative."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << 95) - 1)
        return min(value, MAX_MEMBER_BYTES) if field[0] == 0x80 else None
    text = field.strip(b" \0") or b"0"
    if not text.isdigit():
        text = text.split(b"\0", 1)[0].rstrip()
    try:
        return int(text, 8) if text.isdigit() else None  # int takes a sign, "_" and "0o" too
    except ValueError:
        return None


def _overridden_size(size: int, local: Records, shared: Records) -> int:
    text = local.get("size") or shared.get("size")
    if not text or not text.isdecimal() or len(text) > MAX_PAX_SIZE_DIGITS:
        return size
    return min(int(text), MAX_MEMBER_BYTES)


def _pax_records(data: bytes) -> Records:
    r"""The records that matter, of the form "LENGTH KEY=VALUE\\n", up to the first that is not."""
    records: Records = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 10)
        digits = data[at:space]
        if space < 0 or not digits.isdigit():
            break
        end = at + int(digits)
        key, equals, value = data[space + 1 : end].partition(b"=")
        if end > len(data) or not equals or not value.endswith(b"\n"):
            break
        name = key.decode("utf-8", "replace")
        if name in _USED_RECORDS:
            records[name] = value[:-1].decode("utf-8", "replace")
        if name.startswith(_SPARSE_RECORD):
            records[_SPARSE_RECORD] = "1"
        at = end
    return records
