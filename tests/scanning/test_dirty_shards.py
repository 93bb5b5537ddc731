"""Everything hostile gives a counted row or a quarantine entry, with the status that fits it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import madaudit
from madaudit.scanning.store import Store
from tests.detectors import image_building as build
from tests.scanning.data_building import jpeg, marked_png, rows
from tests.scanning.dirty import (
    Entry,
    animated,
    bomb_png,
    cyclic_exif,
    endless_manifest,
    picture,
    saved,
    sixteen_bit_png,
    swollen_png,
    xmp_with_entities,
    xmp_with_external_entity,
)
from tests.shards.tar_building import END_MARK, header, pack, padded, patched, special, with_pax

_OK, _LARGE, _BROKEN, _NONE = "ok", "too_large", "decode_error", "missing_image"
_UNSAFE, _NO_IMAGE = "unsafe_member", "not_an_image"
_TIERS = ("headers", "pixels")
_JPEG, _PNG = jpeg(1, 16), marked_png(1, 16)


class Case(NamedTuple):
    """One shard.

    Attributes:
        data: its bytes.
        statuses: of its rows, in order.
        at_pixels: where decoding tells more.
        evidence: detector to its state in the first row.
        quarantine: what the entry says, None for no entry.
        keys: of its rows, where they matter.
    """

    data: bytes
    statuses: tuple[str, ...]
    at_pixels: tuple[str, ...] | None = None
    evidence: dict[str, str] | None = None
    quarantine: str | None = None
    keys: tuple[str, ...] | None = None


def _image(data: bytes, status: str, ending: str = "jpg", **about: Any) -> Case:
    return Case(pack((f"a.{ending}", data)), (status,), **about)


def _members(*entries: Entry, statuses: tuple[str, ...], **about: Any) -> Case:
    return Case(pack(*entries, form="pax"), statuses, **about)


def _without_end(data: bytes) -> bytes:
    return data[: -len(END_MARK)]


def _claims(size: int) -> bytes:
    return header("b.jpg", size, form="gnu") + padded(b"x" * 700)


def _images() -> Iterator[tuple[str, Case]]:
    yield "bomb", _image(bomb_png(), _LARGE, "png")
    yield "swollen text", _image(swollen_png(), _BROKEN, "png", evidence={"a1111": "missing"})
    for name, xmp in (("laughs", xmp_with_entities()), ("external", xmp_with_external_entity())):
        yield name, _image(build.jpeg_with_xmp(xmp), _OK, evidence={"iptc": "missing"})
    cyclic = build.jpeg_with_exif(cyclic_exif())
    yield "cyclic exif", _image(cyclic, _OK, evidence={"exif_software": "absent"})
    endless = build.jpeg((0xEB, b"JP\0\1\0\0\0\1" + endless_manifest()))
    yield "endless manifest", _image(endless, _OK, evidence={"c2pa": "missing"})
    in_png = build.png(build.chunk(b"caBX", endless_manifest()))
    yield "endless manifest in png", _image(in_png, _OK, "png", evidence={"c2pa": "missing"})
    yield "16 bit", _image(sixteen_bit_png(), _OK, "png")
    yield "cmyk", _image(saved(picture("CMYK"), "JPEG"), _OK)
    for kind in ("GIF", "WEBP", "PNG"):
        yield f"animated {kind}", _image(animated(kind), _OK, kind.lower())
    yield "no bytes", _image(b"", _NO_IMAGE, evidence={"c2pa": "missing"})
    yield "html", _image(b"<html>404</html>", _NO_IMAGE)
    yield "png named jpg", _image(_PNG, _OK, evidence={"a1111": "present"})
    yield "cut", _image(_JPEG[:-90], "truncated")
    damaged = _PNG.replace(b"IDAT", b"IDAX")
    yield "no pixels", _image(damaged, _OK, "png", at_pixels=(_BROKEN,))
    yield "svg", _image(b"<svg xmlns='http://www.w3.org/2000/svg'/>", _NO_IMAGE)
    yield "pdf", _image(b"%PDF-1.7\n", _NO_IMAGE)


def _names() -> Iterator[tuple[str, Case]]:
    unsafe = ("../../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "..\\x.jpg", "C:\\x.jpg")
    for name in unsafe:
        yield f"name {name}", _members((name, _JPEG), statuses=(_UNSAFE,))
    odd = {"new\nline": "new\nline", "\u202egnp": "\u202egnp", " ": " ", "é" * 200: "é" * 200}
    for name, key in odd.items():
        case = _members((f"{name}.jpg", _JPEG), statuses=(_OK,), keys=(key,))
        yield f"name {name[:9]!r}", case
    nul = with_pax("a.jpg", len(_JPEG), {"path": "nul\0byte.jpg"}) + padded(_JPEG)
    yield "name with NUL", Case(nul + END_MARK, (_OK,), keys=("nul\0byte",))
    latin = patched(header("n.jpg", len(_JPEG)), 0, b"\xff\xfe.jpg") + padded(_JPEG)
    yield "name not UTF-8", Case(latin + END_MARK, (_OK,), keys=("\ufffd\ufffd",))
    yield "dotted name", _members(("img.v2.jpg", _JPEG), statuses=(_OK,), keys=("img",))
    long_name = _members(("d/" * 4000 + "x.jpg", _JPEG), statuses=(_OK,))
    yield "long name", long_name


def _entries() -> Iterator[tuple[str, Case]]:
    code = b"cos\nsystem\n(S'touch unpickled'\ntR."
    yield "pickle", _members(("a.pkl", code), ("a.pyd", b"MZ"), statuses=(_NONE,))
    beside = (("a.jpg", _JPEG), ("a.pkl", code), ("a.pth", code))
    yield "pickle beside", _members(*beside, statuses=(_OK,))
    mixed = (("a.jpg", _JPEG), ("b.jpg", _JPEG), ("a.txt", b"a"), ("b.txt", b"b"))
    keys = ("a", "b", "a", "b")
    apart = "interleaved: 2 records stand apart from their image"
    halves = (_OK, _OK, _NONE, _NONE)
    yield "interleaved", _members(*mixed, statuses=halves, keys=keys, quarantine=apart)
    turned, statuses = mixed[2:] + mixed[:2], halves[2:] + halves[:2]
    yield "records first", _members(*turned, statuses=statuses, keys=keys, quarantine=apart)
    twice = (("a.jpg", _JPEG), ("a.jpg", _PNG), ("b.jpg", _JPEG), ("a.jpg", b""))
    statuses = (_OK, _OK, _OK, _NO_IMAGE)
    yield "repeated", _members(*twice, statuses=statuses, keys=("a", "a", "b", "a"))
    for name, kind in (("hard", b"1"), ("symbolic", b"2"), ("char", b"3"), ("block", b"4")):
        link = special("a.jpg", kind, linkname="../../etc/passwd")
        yield f"{name} link or device", _members(link, ("b.jpg", _JPEG), statuses=(_UNSAFE, _OK))
    yield "pipe", _members(special("a.jpg", tarfile.FIFOTYPE), statuses=(_UNSAFE,))
    sparse = with_pax("a.jpg", 512, {"GNU.sparse.major": "1", "GNU.sparse.realsize": "9" * 18})
    yield "sparse, pax", Case(sparse + bytes(512) + END_MARK, (_UNSAFE,))
    old = header("a.jpg", 512, kind=b"S", form="gnu") + bytes(512) + END_MARK
    yield "sparse, gnu", Case(old, (_UNSAFE,))


def _archives() -> Iterator[tuple[str, Case]]:
    whole = pack(("a.jpg", _JPEG))
    begun = _without_end(whole)
    # 8 EB has 64 bits; 300 MB is more than an image may have, 4,000 bytes more than is there.
    for size in (1 << 63, (1 << 63) - 1, 300 << 20):
        case = Case(begun + _claims(size), (_OK, _LARGE), quarantine="cut inside member 'b.jpg'")
        yield f"claims {size}", case
    cut = Case(begun + _claims(4000), (_OK, "truncated"), quarantine="cut inside member 'b.jpg'")
    yield "claims 4000", cut
    yield "joined", Case(whole + whole, (_OK,), quarantine="behind the end-of-archive mark")
    lost = begun + b"?" * 512 + whole
    yield "garbage between", Case(lost, (_OK, _OK), quarantine="no valid tar header here")
    yield "no bytes at all", Case(b"", (), quarantine="the file is empty")
    packed = zlib.compress(whole, wbits=31)
    yield "gzip", Case(packed, (), quarantine="gzip-compressed")
    yield "text", Case(b"not a tar at all\n" * 99, (), quarantine="no valid tar header here")
    yield "zeros", Case(bytes(10240), ())


CASES = dict((*_images(), *_names(), *_entries(), *_archives()))
_NAMES = {name: f"{number:03d}.tar" for number, name in enumerate(CASES)}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Every case scanned at both tiers; read only."""
    folder = tmp_path_factory.mktemp("dirty")
    for name, case in CASES.items():
        (folder / "in").mkdir(exist_ok=True)
        (folder / "in" / _NAMES[name]).write_bytes(case.data)
    here = Path.cwd()
    os.chdir(folder)
    for tier in _TIERS:
        madaudit.scan(str(folder / "in"), str(folder / tier), tier=tier, engine="serial")
    os.chdir(here)
    yield {tier: folder / tier for tier in _TIERS}
    assert not (folder / "unpickled").exists()


@pytest.mark.parametrize("tier", _TIERS)
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_shard_gives_its_rows(name: str, tier: str, stores: dict[str, Path]) -> None:
    case, store = CASES[name], Store(str(stores[tier]))
    shard = _NAMES[name]
    found = rows(stores[tier], shard) if store.marker(shard) else []
    expected = (case.at_pixels if tier == "pixels" else None) or case.statuses
    assert tuple(row["status"] for row in found) == expected
    for detector, state in (case.evidence or {}).items():
        assert found[0][f"{detector}_state"] == state
    if case.keys:
        assert tuple(row["key"] for row in found) == case.keys
    said = json.dumps([store.quarantine(shard), found])
    assert "a bug in madaudit" not in said
    assert not re.search(r"the check failed: \w+(Error|Exception|Timeout): ", said)
    assert "root:" not in said  # of /etc/passwd


@pytest.mark.parametrize("tier", _TIERS)
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_shard_is_in_quarantine_where_it_is_damaged(
    name: str, tier: str, stores: dict[str, Path]
) -> None:
    entry = Store(str(stores[tier])).quarantine(_NAMES[name])
    expected = CASES[name].quarantine
    assert (entry is None) == (expected is None), entry
    if entry is not None and expected is not None:
        assert expected in " ".join(problem["message"] for problem in entry["problems"])


def test_a_folder_of_odd_names_gives_a_row_each(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("new\nline.jpg", "\u202egnp.jpg", "é.jpg", "a.b.c.jpg"):
        (photos / name).write_bytes(_JPEG)
    (photos / os.fsdecode(b"\xff\xfe.jpg")).write_bytes(_JPEG)
    (photos / "empty.png").write_bytes(b"")
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    (photos / "gone.jpg").symlink_to(photos / "nowhere")
    os.mkfifo(photos / "pipe.jpg")
    result = madaudit.scan(str(photos), str(tmp_path / "store"), engine="serial")
    assert result.samples == result.rows
    assert result.status["ok"] == 5
    assert result.status["not_an_image"] == 1


_MEASURE = """
import re, sys, time
import madaudit
from pathlib import Path
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
if __name__ == "__main__":
    madaudit.scan(sys.argv[1], sys.argv[4], tier=sys.argv[3], engine="serial")
    before, began = peak(), time.process_time()
    madaudit.scan(sys.argv[2], sys.argv[5], tier=sys.argv[3], engine="serial")
    print(peak() - before, time.process_time() - began)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("tier", _TIERS)
def test_bombs_take_neither_memory_nor_time(tmp_path: Path, tier: str) -> None:
    bombs = ("bomb", "swollen text", "laughs", "endless manifest", f"claims {1 << 63}")
    for name in bombs:
        (tmp_path / "bombs").mkdir(exist_ok=True)
        (tmp_path / "bombs" / _NAMES[name]).write_bytes(CASES[name].data)
    (tmp_path / "tame").mkdir()
    (tmp_path / "tame" / "a.tar").write_bytes(CASES["png named jpg"].data)
    words = [tmp_path / "tame", tmp_path / "bombs", tier, tmp_path / "one", tmp_path / "two"]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
    )
    grown_mb, seconds = map(float, done.stdout.split())
    # Decoded, the bomb alone is 2,700 MB, and the text 2,147 MB.
    assert grown_mb < 100
    assert seconds < 5
