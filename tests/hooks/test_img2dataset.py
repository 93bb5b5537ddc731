"""img2dataset's own downloader against a server on loopback, with the audit inside."""

from __future__ import annotations

import importlib
import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.scanning.plan import Plan
from tests.commands.store_building import composite, generated, make_store, page, photo

pytest.importorskip("img2dataset", reason="scripts/test-peer img2dataset runs these")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
N = 12
PLAN = Plan(("a1111", "iptc"))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()


class World(NamedTuple):
    """What is served.

    Attributes:
        urls: Parquet of URLs, the last of which is not there.
        root: of the server.
        asked: paths that were asked for so far.
    """

    urls: str
    root: str
    asked: list[str]


@pytest.fixture
def served(tmp_path):
    """A table of URLs of photos, marked images, composites and a page; one is gone."""
    folder = tmp_path / "served"
    folder.mkdir()
    make = (photo, generated, composite)
    for i in range(N):
        (folder / f"{i}.jpg").write_bytes(make[i % 3](i).data)
    (folder / "0.jpg").write_bytes(page().data)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root = f"http://127.0.0.1:{server.server_port}"
    table = {"url": [f"{root}/{i}.jpg" for i in range(N + 1)], "caption": ["x"] * (N + 1)}
    pq.write_table(pa.table(table), tmp_path / "urls.parquet")
    yield World(str(tmp_path / "urls.parquet"), root, server.asked)
    server.shutdown()
    server.server_close()


@pytest.fixture
def urls(served):
    return served.urls


def options_of(urls, output):
    """Of img2dataset itself."""
    return {
        "url_list": urls,
        "input_format": "parquet",
        "url_col": "url",
        "caption_col": "caption",
        "output_folder": str(output),
        "output_format": "webdataset",
        "image_size": 24,
        "processes_count": 1,
        "thread_count": 4,
        "enable_wandb": False,
    }


def download(urls, output, **options):
    from madaudit.hooks import img2dataset

    return img2dataset.download(PLAN, **options_of(urls, output), **options)


@pytest.fixture
def store(served, tmp_path):
    """An earlier scan of what is served, its last three images unseen."""
    make = (photo, generated, composite)
    urls = [f"{served.root}/{i}.jpg" for i in range(N - 3)]
    return make_store(tmp_path, a=[make[i % 3](i, url=url) for i, url in enumerate(urls)])


def records(output):
    return {
        int(row["url"].rpartition("/")[2][:-4]): row
        for row in pq.read_table(output / "00000.parquet").to_pylist()
    }


def test_marks_are_seen_before_the_image_is_written_anew(urls, tmp_path):
    audit = download(urls, tmp_path / "out")
    rows = records(tmp_path / "out")
    marked = list(range(1, N, 3))
    assert all(rows[i]["status"] == "failed_to_resize" for i in marked)
    assert all("demo" in rows[i]["error_message"] for i in marked)
    assert audit.report()["reasons"] == {"marked by a1111": len(marked)}
    with tarfile.open(tmp_path / "out" / "00000.tar") as archive:
        kept = sum(member.name.endswith(".jpg") for member in archive)
    assert kept == sum(row["status"] == "success" for row in rows.values()) == 7


def test_every_image_that_came_has_its_provenance(urls, tmp_path):
    download(urls, tmp_path / "out")
    found = {i: row["provenance"] for i, row in records(tmp_path / "out").items()}
    assert found[N] is None  # it never came
    labels = {i: json.loads(text)["label"] for i, text in found.items() if text}
    assert labels == {i: (None, "synthetic", "composite")[i % 3] for i in range(N)}
    with tarfile.open(tmp_path / "out" / "00000.tar") as archive:
        texts = [archive.extractfile(m).read() for m in archive if m.name.endswith(".json")]
    assert all("provenance" in json.loads(text) for text in texts)


def test_the_package_is_left_as_it_was(urls, tmp_path):
    main = importlib.import_module("img2dataset.main")
    before = (main.Resizer, main.WebDatasetSampleWriter)
    download(urls, tmp_path / "out")
    assert (main.Resizer, main.WebDatasetSampleWriter) == before


def test_what_it_writes_can_be_scanned(urls, tmp_path):
    download(urls, tmp_path / "out")
    result = madaudit.scan(str(tmp_path / "out"), str(tmp_path / "store"), engine="serial")
    assert (result.rows, result.shards["quarantined"]) == (7, 0)


def test_a_look_up_fetches_what_filter_keeps_and_nothing_else(served, store, tmp_path):
    from madaudit.hooks.img2dataset import Keep

    keep = Keep(store, unknown="drop")
    keep.download(**options_of(served.urls, tmp_path / "out"))
    madaudit.filter(store, output=str(tmp_path / "kept.txt"), column="url")
    kept = (tmp_path / "kept.txt").read_text().split()
    assert sorted(served.root + path for path in served.asked) == sorted(kept)
    assert keep.report()["dropped"] == N + 1 - len(kept)


def test_what_the_look_up_drops_is_recorded_with_the_reason(served, store, tmp_path):
    from madaudit.hooks.img2dataset import Keep

    keep = Keep(store)
    keep.download(**options_of(served.urls, tmp_path / "out"))
    rows = records(tmp_path / "out")
    marked = [i for i in range(N - 3) if i % 3 == 1]
    assert {rows[i]["status"] for i in marked} == {"failed_to_download"}
    assert {rows[i]["error_message"] for i in marked} == {"madaudit: marked by a1111"}
    assert rows[N - 2]["status"] == "success"  # marked, but the store does not know it
    assert keep.report()["reasons"] == {"marked by a1111": len(marked)}
    assert keep.report()["unknown"] == 4
    stats = json.loads((tmp_path / "out" / "00000_stats.json").read_text())
    assert stats["status_dict"]["madaudit: marked by a1111"] == len(marked)


def test_what_a_store_does_not_know_is_looked_at_as_it_comes(served, store, tmp_path):
    from madaudit.hooks.img2dataset import Keep

    keep = Keep(store)
    audit = download(served.urls, tmp_path / "out", keep=keep)
    rows = records(tmp_path / "out")
    assert rows[1]["status"] == "failed_to_download"
    assert rows[N - 2]["status"] == "failed_to_resize"
    assert keep.report()["reasons"] == {"marked by a1111": 3}
    assert audit.report()["reasons"] == {"marked by a1111": 1}
