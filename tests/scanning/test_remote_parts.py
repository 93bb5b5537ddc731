"""A metadata scan of a remote shard leaves pixel data out and changes no row."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from madaudit.scanning.shard_scan import ShardSummary
from madaudit.shards.remote import RemoteFile
from tests.scanning.data_building import INFOTEXT, all_files, scan, write_tar

_FOLDERS = ("scores", "sketches", "thumbnails")
_FETCHED: list[int] = []


def _picture(form: str, **options: object) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (480, 480, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture
def shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Large members of all kinds: whole, marked, cut, damaged; and the link is slow."""
    exif = Image.Exif()
    exif[0x0131] = "Midjourney"
    jpeg = _picture("JPEG", quality=98, exif=exif, comment=INFOTEXT.encode())
    members = [
        ("a.jpg", jpeg),
        ("b.jpg", _picture("JPEG", quality=98)),
        ("c.webp", _picture("WEBP", quality=100, exif=exif)),
        ("d.png", _picture("PNG")),
        ("e.jpg", jpeg[:-2]),
        ("f.jpg", jpeg[:300] + b"\xff\x00" + jpeg[302:]),
        ("g.gif", _picture("GIF")),
    ]
    path = write_tar(tmp_path / "a.tar", members)
    fsspec.filesystem("memory").pipe_file("/parts/a.tar", path.read_bytes())
    monkeypatch.setattr(RemoteFile, "skip_pays_from", lambda self: 1 << 16)
    fetch = RemoteFile._fetch
    _FETCHED.clear()

    def counting(self: RemoteFile, start: int, end: int) -> bytes:
        _FETCHED.append(end - start)
        return fetch(self, start, end)

    monkeypatch.setattr(RemoteFile, "_fetch", counting)
    yield path
    fsspec.filesystem("memory").rm("/parts", recursive=True)


def _scan(shard: Path, tmp_path: Path, **options: object) -> list[ShardSummary]:
    found = scan(["memory://parts/a.tar"], tmp_path / "remote", **options)
    fetched = sum(_FETCHED)
    scan([shard], tmp_path / "local", **options)
    assert all_files(tmp_path / "remote", *_FOLDERS) == all_files(tmp_path / "local", *_FOLDERS)
    _FETCHED[:] = [fetched]
    return found


def test_large_members_are_read_by_parts_and_rows_stay(shard: Path, tmp_path: Path) -> None:
    (summary,) = _scan(shard, tmp_path, thumbnails="none")
    assert summary.n_hits >= 2
    assert summary.status["truncated"] >= 1
    assert sum(_FETCHED) < 0.8 * shard.stat().st_size


def test_a_detector_that_reads_whole_images_gets_them(shard: Path, tmp_path: Path) -> None:
    _scan(shard, tmp_path, detectors=("constant",))
    assert sum(_FETCHED) >= shard.stat().st_size - 20_000


def test_decoded_images_are_read_whole(shard: Path, tmp_path: Path) -> None:
    _scan(shard, tmp_path, tier="pixels", detectors=("a1111", "c2pa"))
    assert sum(_FETCHED) >= shard.stat().st_size - 20_000
