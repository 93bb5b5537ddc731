"""Shards on a web server give the rows of local ones, whatever the server can and does.

Plain HTTP on loopback; https is the same code of the client library behind a TLS connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import madaudit
from madaudit.errors import InputError
from madaudit.shards import remote
from tests.scanning.data_building import all_files, samples, write_tar
from tests.scanning.web_server import WebServer

pytest.importorskip("aiohttp", reason="fsspec reads http by aiohttp (extra s3 installs it)")

pytestmark = [
    pytest.mark.slow,
    # aiohttp's connections to a server that breaks them are closed by the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_FOLDERS = ("scores", "sketches", "thumbnails")


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setattr(remote, "MAX_PAUSE_S", 0.02)
    paths = [write_tar(tmp_path / "data" / f"{n}.tar", samples(150 + n)) for n in range(2)]
    server = WebServer({path.name: path.read_bytes() for path in paths})
    yield server
    server.close()


def _same_rows(tmp_path: Path, url: str) -> madaudit.ScanResult:
    result = madaudit.scan(url, str(tmp_path / "remote"), engine="serial")
    madaudit.scan(str(tmp_path / "data" / "0.tar"), str(tmp_path / "local"), engine="serial")
    assert all_files(tmp_path / "remote", *_FOLDERS) == all_files(tmp_path / "local", *_FOLDERS)
    assert result.shards == {"total": 1, "done": 1, "skipped": 0, "quarantined": 0}
    return result


@pytest.mark.parametrize("kind", ["ranges", "whole", "moved", "busy"])
def test_rows_are_those_of_a_local_scan(tmp_path: Path, web: WebServer, kind: str) -> None:
    _same_rows(tmp_path, f"{web.url}/{kind}/0.tar")


def test_a_server_without_ranges_is_asked_for_the_file_once(
    tmp_path: Path, web: WebServer
) -> None:
    _same_rows(tmp_path, f"{web.url}/whole/0.tar")
    n_whole = web.sent / len(web.contents["0.tar"])
    # Once to see that it is there, which the client ends early, and once to read it.
    assert n_whole <= 3


def test_a_file_that_is_too_long_to_be_held_is_refused_and_says_what_to_do(
    tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_HELD_FILE_BYTES", 1000)
    web.sent = 0
    result = madaudit.scan(f"{web.url}/whole/0.tar", str(tmp_path / "s"), engine="serial")
    (problem,) = result.problems
    assert "for any part" in problem["message"]
    assert "copy it to where ranges can be read" in problem["message"]
    assert web.sent <= 3 * len(web.contents["0.tar"])


def test_answers_that_are_cut_put_the_shard_in_quarantine(tmp_path: Path, web: WebServer) -> None:
    result = madaudit.scan(f"{web.url}/cut/0.tar", str(tmp_path / "s"), engine="serial")
    assert result.shards["quarantined"] == 1
    (problem,) = result.problems
    assert "asked 8 times" in problem["message"]
    assert "\n" not in problem["message"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("ranges/no-such.tar", "no file or folder matches"),
        ("refused/0.tar", "cannot open .*403"),
        ("loop/0.tar", "cannot open .*TooManyRedirects"),
    ],
)
def test_what_cannot_be_had_is_a_wrong_request(
    tmp_path: Path, web: WebServer, path: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        madaudit.scan(f"{web.url}/{path}", str(tmp_path / "s"), engine="serial")
    assert "\n" not in str(caught.value)
    assert len(web.asked) < 40
    assert not (tmp_path / "s").exists()


def test_a_page_of_links_that_ends_in_a_slash_is_a_folder(tmp_path: Path, web: WebServer) -> None:
    result = madaudit.scan(f"{web.url}/folder/", str(tmp_path / "s"), engine="serial")
    madaudit.scan(str(tmp_path / "data"), str(tmp_path / "local"), engine="serial")
    assert result.shards["done"] == 2
    assert all_files(tmp_path / "s", *_FOLDERS) == all_files(tmp_path / "local", *_FOLDERS)


def test_a_second_scan_finds_the_file_as_it_was(tmp_path: Path, web: WebServer) -> None:
    url = f"{web.url}/ranges/0.tar"
    madaudit.scan(url, str(tmp_path / "s"), engine="serial")
    web.sent = 0
    assert madaudit.scan(url, str(tmp_path / "s"), engine="serial").shards["skipped"] == 1
    assert madaudit.verify(str(tmp_path / "s")).consistent


def test_a_location_outside_the_server_is_only_read_as_a_shard(
    tmp_path: Path, web: WebServer
) -> None:
    """What a redirect leads to shows in no message, whatever it is."""
    web.contents["secret.tar"] = b"password=hunter2\n" * 100
    result = madaudit.scan(f"{web.url}/moved/secret.tar", str(tmp_path / "s"), engine="serial")
    told = (tmp_path / "s" / "quarantine" / "secret.tar.json").read_text()
    assert result.shards["quarantined"] == 1
    assert "hunter2" not in told
