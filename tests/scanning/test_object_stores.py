"""Scans from and into object stores give the rows of a local scan, whatever breaks on the way.

moto's server on loopback stands for S3, behind a proxy that breaks its answers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import madaudit
from madaudit.commands.scan import ScanResult
from madaudit.errors import StoreError
from madaudit.scanning.store import Store
from madaudit.shards import remote
from tests.scanning.data_building import all_files, jpeg, marked_png, samples, write_tar
from tests.scanning.flaky_proxy import FlakyProxy

pytest.importorskip("s3fs", reason="s3fs (extra s3) is not installed")
moto_server = pytest.importorskip("moto.server", reason="moto[server] stands for S3")

pytestmark = [
    pytest.mark.slow,
    # aiohttp's connections to a server that resets them are closed by the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

_FOLDERS = ("scores", "sketches", "thumbnails")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def proxy(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyProxy]:
    import fsspec

    proxy = FlakyProxy(port)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    # Our own retries are tested, so s3fs's and botocore's give up at once; pauses are short.
    monkeypatch.setitem(
        fsspec.config.conf,
        "s3",
        {"endpoint_url": proxy.url, "config_kwargs": {"retries": {"total_max_attempts": 1}}},
    )
    monkeypatch.setattr(remote, "MAX_PAUSE_S", 0.05)
    _fs().clear_instance_cache()
    monkeypatch.setattr(type(_fs()), "retries", 1)
    fs = _fs()
    if fs.exists("bucket"):
        fs.rm("bucket", recursive=True)
    fs.mkdir("bucket")
    yield proxy
    fs.clear_instance_cache()
    proxy.close()


def _fs() -> Any:
    import s3fs

    return s3fs.S3FileSystem(**__import__("fsspec").config.conf.get("s3", {}))


def _photo(seed: int, form: str, **options: Any) -> bytes:
    """About a megabyte that does not shrink."""
    pixels = np.random.default_rng(seed).integers(0, 256, (640, 640, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def _large(folder: Path, n: int) -> list[Path]:
    """A shard of large members of every kind, and one whose last member is cut."""
    kinds = ("JPEG", "PNG", "WEBP", "JPEG")
    members: list[tuple[str, bytes]] = []
    for index in range(n):
        form = kinds[index % 4]
        quality = {"quality": 98} if form != "PNG" else {}
        members.append((f"{index:04d}.{form.lower()}", _photo(index, form, **quality)))
        members.append((f"{index:04d}.json", b'{"url": "https://a.example/x"}'))
    members.append(("marked.png", marked_png()))
    whole = write_tar(folder / "large.tar", members)
    cut = write_tar(folder / "cut.tar", [("a.jpg", jpeg(1)), ("b.jpg", _photo(3, "JPEG"))])
    cut.write_bytes(cut.read_bytes()[:-200_000])
    return [whole, cut]


def _small(folder: Path, n: int = 3) -> list[Path]:
    return [write_tar(folder / f"{i:05d}.tar", samples(40 + i)) for i in range(n)]


def _upload(paths: list[Path]) -> None:
    fs = _fs()
    for path in paths:
        fs.pipe_file(f"bucket/data/{path.name}", path.read_bytes())


def _scan(inputs: str, store: str) -> ScanResult:
    return madaudit.scan(inputs, store, engine="serial")


def _stored(folder: str) -> dict[str, bytes]:
    fs = _fs()
    fs.invalidate_cache()
    return {
        path.removeprefix(f"bucket/{folder}/"): fs.cat_file(path)
        for part in _FOLDERS
        for path in fs.find(f"bucket/{folder}/{part}")
    }


def test_rows_from_and_in_a_broken_object_store_are_those_of_a_local_scan(
    tmp_path: Path, proxy: FlakyProxy
) -> None:
    _upload([*_large(tmp_path / "data", 6), *_small(tmp_path / "data")])
    _scan(str(tmp_path / "data"), str(tmp_path / "local"))
    proxy.share = 0.3
    result = _scan("s3://bucket/data", "s3://bucket/store")
    proxy.share = 0.0
    assert all(proxy.n_broken.values()), proxy.n_broken
    assert _stored("store") == all_files(tmp_path / "local", *_FOLDERS)
    local = Store(str(tmp_path / "local")).survey()
    found = Store("s3://bucket/store").survey()
    for ours, theirs in zip(found.markers, local.markers, strict=True):
        assert ours["input"]["sha256"] == theirs["input"]["sha256"]
    assert result.shards["quarantined"] == 1  # the cut one
    assert found.problems() == local.problems()


def test_a_scan_of_metadata_fetches_a_part_of_large_members(
    tmp_path: Path, proxy: FlakyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from madaudit.shards.remote import RemoteFile

    monkeypatch.setattr(RemoteFile, "skip_pays_from", lambda self: 1 << 18)
    members = [(f"{i:04d}.jpg", _photo(i, "JPEG", quality=98)) for i in range(8)]
    path = write_tar(tmp_path / "data" / "photos.tar", members)
    _upload([path])
    proxy.n_sent = 0
    _scan("s3://bucket/data/photos.tar", str(tmp_path / "by-parts"))
    share = proxy.n_sent / path.stat().st_size
    _scan(str(path), str(tmp_path / "local"))
    assert all_files(tmp_path / "by-parts", *_FOLDERS) == all_files(tmp_path / "local", *_FOLDERS)
    assert share < 0.4


def test_the_marker_is_uploaded_last_and_every_file_once(
    tmp_path: Path, proxy: FlakyProxy
) -> None:
    _upload(_small(tmp_path / "data", 1))
    proxy.puts.clear()
    _scan("s3://bucket/data/00000.tar", "s3://bucket/store")
    names = [path.removeprefix("/bucket/store/") for path in proxy.puts]
    assert names[0] == "manifest.json"
    assert names[-1] == "shards/00000.tar.json"
    assert len(names) == len(set(names))


def test_a_store_that_dies_half_way_is_one_error_and_is_taken_up_later(
    tmp_path: Path, proxy: FlakyProxy
) -> None:
    _small(tmp_path / "data", 4)
    _scan(str(tmp_path / "data"), str(tmp_path / "local"))
    proxy.n_puts, proxy.dies_after_puts = 0, 7
    with pytest.raises(StoreError, match=r"cannot write .* run the same command again"):
        _scan(str(tmp_path / "data"), "s3://bucket/store")
    proxy.is_dead, proxy.dies_after_puts = False, None
    survey = Store("s3://bucket/store").survey()
    assert 1 <= len(survey.markers) < 4
    for marker in survey.markers:
        rows = list(Store("s3://bucket/store").row_batches(marker["shard"]))
        assert sum(batch.num_rows for batch in rows) == marker["n_rows"]
    result = _scan(str(tmp_path / "data"), "s3://bucket/store")
    assert result.shards["skipped"] == len(survey.markers)
    assert _stored("store") == all_files(tmp_path / "local", *_FOLDERS)


def test_an_input_that_dies_half_way_is_quarantined_and_scanned_when_it_is_back(
    tmp_path: Path, proxy: FlakyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from madaudit.shards.remote import RemoteFile

    _upload(_large(tmp_path / "data", 4)[:1])
    _scan(str(tmp_path / "data" / "large.tar"), str(tmp_path / "local"))
    fetch = RemoteFile._fetch

    def dying(self: RemoteFile, start: int, end: int) -> bytes:
        if start > 1_000_000:
            proxy.is_dead = True
        return fetch(self, start, end)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteFile, "_fetch", dying)
        result = _scan("s3://bucket/data/large.tar", str(tmp_path / "store"))
    assert result.shards["quarantined"] == 1
    assert "asked 8 times" in result.problems[0]["message"]
    assert "\n" not in result.problems[0]["message"]
    proxy.is_dead = False
    again = madaudit.scan(
        "s3://bucket/data/large.tar", str(tmp_path / "store"), engine="serial", retry_failed=True
    )
    assert again.shards["quarantined"] == 0
    assert all_files(tmp_path / "store", *_FOLDERS) == all_files(tmp_path / "local", *_FOLDERS)
