"""A tar archive walked block by block, without copying what nobody asks for.

Reads ustar, pax (x and g headers), GNU long names, base-256 sizes and the checksum of every
header. Links, devices and sparse files are handed over by name and never followed. Nothing is
unpacked: names are only compared. A header that breaks the rules is reported at its byte and the
walk goes on at the next block that is a header; a cut tail is reported at its byte.

Format: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from madaudit.limits import MAX_PAX_SIZE_DIGITS, MAX_TAR_EXTENSION_BYTES, WINDOW_BYTES
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
# Links, devices, directories and pipes: whatever size their header states, no content follows.
_NO_CONTENT = b"123456"


Records = dict[str, str]


class Member(NamedTuple):
    """One entry of an archive.

    Attributes:
        name: path as stored.
        offset: byte at which the content begins.
        size: length of the content in bytes, as the header says; 0 for links.
        refused: kind of entry that is never read ("symbolic link", …), or None for a file.
    """

    name: str
    offset: int
    size: int
    refused: str | None


class Walker:
    """Walks one archive.

    Attributes:
        problems: what is wrong with the archive, with its byte.
        headers: the header blocks walked since the caller last emptied the list, and the
            contents of those that name or measure another entry.
        end: byte at which the walk stopped.
    """

    def __init__(self, window: Window, *, size_bytes: int) -> None:
        self.window = window
        self._size_bytes = size_bytes
        self.problems: list[Problem] = []
        self.headers: list[bytes] = []
        self.end = 0
        self._global: dict[str, str] = {}

    def members(self) -> Iterator[Member]:
        """The entries in order; directories are left out, links are named as refused."""
        position: int | None = 0
        local: Records = {}
        while position is not None:
            block = self.window.block(position)
            if len(block) < BLOCK or (block[0] == 0 and not any(block)):
                self._finish(position, block)
                return
            size = _number(block[124:136]) if checksum_holds(block) else None
            if size is None:
                local, position = {}, self._resume_after(position)
                continue
            self.headers.append(block)
            if block[156] in _EXTENSIONS:
                local, position = self._extension(block[156], position + BLOCK, size, local)
                continue
            member = self._member(block, position + BLOCK, size, local)
            if block[156] != _DIRECTORY:
                yield member
            local, position = {}, self._behind(member)

    def _member(self, block: bytes, content: int, size: int, local: Records) -> Member:
        """The entry that a header describes, with what extensions said of it before."""
        kind = block[156]
        refused = _REFUSED.get(kind)
        if kind in _NO_CONTENT:
            size = 0
        elif local or self._global:
            size = _overridden_size(size, local, self._global)
            if _is_pax_sparse(local):
                refused = "sparse file"
        if kind == _SPARSE:
            content = self._behind_sparse_map(content, block[482])
        return Member(self._name(block, local), content, size, refused)

    def _behind(self, member: Member) -> int | None:
        """Where the next header begins; None where the archive ends inside the member."""
        end = member.offset + member.size
        if end > self._size_bytes:
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
        if content + size > self._size_bytes:
            self._report_cut("an extension header", content, size)
            return local, None
        behind = (content + size + BLOCK - 1) // BLOCK * BLOCK
        if size > MAX_TAR_EXTENSION_BYTES:
            self.problems.append(
                Problem(f"a tar extension header of {size} bytes was not read", content)
            )
            return local, behind
        data = bytes(self.window.read(content, size))
        self.headers.append(data)
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
        held = max(self._size_bytes - content, 0)
        self.problems.append(
            Problem(f"cut inside {what}: {held} of {size} bytes", self._size_bytes)
        )
        self.end = self._size_bytes

    def _finish(self, position: int, block: bytes) -> None:
        """Say what the end of the archive looks like."""
        self.end = min(position, self._size_bytes)
        cut = self.end + len(block)
        if len(block) == BLOCK:
            self._look_behind_the_end(position)
        elif cut == 0:
            self.problems.append(Problem("the file is empty: not even an end-of-archive mark", 0))
        elif block:
            self.problems.append(
                Problem(f"cut inside a header: {len(block)} of {BLOCK} bytes", cut)
            )
        else:
            self.problems.append(
                Problem("no end-of-archive mark: members after this byte may be lost", cut)
            )

    def _look_behind_the_end(self, position: int) -> None:
        """Report bytes behind the mark: `cat a.tar b.tar` hides every sample of b."""
        probe = position
        while chunk := self.window.read(probe, WINDOW_BYTES):
            rest = bytes(chunk).lstrip(b"\0")
            if rest:
                self.problems.append(
                    Problem(
                        "data behind the end-of-archive mark was not read "
                        "(archives joined end to end?)",
                        probe + len(chunk) - len(rest),
                    )
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
                self.problems.append(
                    Problem(f"no valid tar header here; {lost} bytes skipped", position)
                )
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
        return value if field[0] == 0x80 else None
    text = field.strip(b" \0") or b"0"
    if not text.isdigit():
        text = text.split(b"\0", 1)[0].rstrip()
    try:
        return int(text, 8) if text.isdigit() else None  # int takes a sign, "_" and "0o" too
    except ValueError:
        return None


def _overridden_size(size: int, local: Records, shared: Records) -> int:
    text = local.get("size") or shared.get("size")
    return int(text) if text and text.isdecimal() and len(text) <= MAX_PAX_SIZE_DIGITS else size


def _is_pax_sparse(local: Records) -> bool:
    return any(key.startswith("GNU.sparse.") for key in local)


def _pax_records(data: bytes) -> dict[str, str]:
    r"""Records of the form "LENGTH KEY=VALUE\\n"; reading stops at the first that is not."""
    records: dict[str, str] = {}
    while data:
        digits, space, _ = data.partition(b" ")
        if not space or not digits.isdigit() or len(digits) > 9:
            break
        length = int(digits)
        record = data[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if length > len(data) or not equals or not record.endswith(b"\n"):
            break
        records[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "replace")
        data = data[length:]
    return records
