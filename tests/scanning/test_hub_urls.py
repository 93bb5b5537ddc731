"""`hf://` reads a repository's shards; a server on loopback stands for the Hub."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest

import madaudit
from madaudit.errors import InputError
from tests.scanning.data_building import all_files, samples, write_tar

hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub (extra hf) is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

_REPOSITORY = "someone/pictures"
_FOLDERS = ("scores", "sketches", "thumbnails")


class _Hub(ThreadingHTTPServer):
    """Answers what the client asks of a data set: that it exists, its files, and their parts."""

    daemon_threads = True

    def __init__(self, contents: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents = contents
        self.ranges: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: _Hub

    def do_GET(self) -> None:
        path = unquote(urlparse(self.path).path)
        api, files = f"/api/datasets/{_REPOSITORY}", f"/datasets/{_REPOSITORY}/resolve/main/"
        if path.startswith(f"{api}/tree/main"):
            folder = path.removeprefix(f"{api}/tree/main").lstrip("/")
            self._tell(self._tree(f"{folder}/" if folder else ""))
        elif path in (api, f"{api}/revision/main"):
            self._tell({"id": _REPOSITORY, "sha": "0" * 40, "siblings": []})
        elif path.removeprefix(files) in self.server.contents:
            self._part(self.server.contents[path.removeprefix(files)])
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET  # noqa: N815

    def _tree(self, folder: str) -> list[dict[str, Any]]:
        below = {n.removeprefix(folder): d for n, d in self.server.contents.items()
                 if n.startswith(folder)}  # fmt: skip
        folders = sorted({name.partition("/")[0] for name in below if "/" in name})
        return [
            *({"type": "directory", "path": folder + n, "oid": "1", "size": 0} for n in folders),
            *(
                {"type": "file", "path": folder + name, "size": len(data), "oid": f"{len(data):x}"}
                for name, data in below.items()
                if "/" not in name
            ),
        ]

    def _tell(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _part(self, data: bytes) -> None:
        wanted = self.headers.get("Range")
        if wanted is None:
            self._send(200, data, {})
            return
        self.server.ranges.append(wanted)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        end = min(int(last) + 1, len(data)) if last else len(data)
        about = {"Content-Range": f"bytes {first}-{end - 1}/{len(data)}"}
        self._send(206, data[int(first) : end], about)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Hub]:
    import fsspec

    paths = [write_tar(tmp_path / "data" / f"{n:05d}.tar", samples(40 + n)) for n in range(2)]
    server = _Hub({f"data/{path.name}": path.read_bytes() for path in paths})
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": address, "token": False})
    yield server
    server.shutdown()
    server.server_close()


def test_rows_of_a_repositorys_folder_are_those_of_the_local_one(
    tmp_path: Path, server: _Hub
) -> None:
    url = f"hf://datasets/{_REPOSITORY}/data"
    result = madaudit.scan(url, str(tmp_path / "hub"), engine="serial")
    madaudit.scan(str(tmp_path / "data"), str(tmp_path / "local"), engine="serial")
    assert (result.shards["done"], result.shards["quarantined"]) == (2, 0)
    assert all_files(tmp_path / "hub", *_FOLDERS) == all_files(tmp_path / "local", *_FOLDERS)
    assert server.ranges
    assert madaudit.verify(str(tmp_path / "hub")).consistent


def test_one_file_is_scanned_and_known_again(tmp_path: Path, server: _Hub) -> None:
    url = f"hf://datasets/{_REPOSITORY}/data/00001.tar"
    assert madaudit.scan(url, str(tmp_path / "s"), engine="serial").rows == 41
    assert madaudit.scan(url, str(tmp_path / "s"), engine="serial").shards["skipped"] == 1


@pytest.mark.parametrize("place", [f"{_REPOSITORY}/data/no-such.tar", "someone/else/a.tar"])
def test_what_is_not_there_is_a_wrong_request(tmp_path: Path, server: _Hub, place: str) -> None:
    with pytest.raises(InputError, match=r"no file or folder matches|cannot list"):
        madaudit.scan(f"hf://datasets/{place}", str(tmp_path / "s"), engine="serial")
