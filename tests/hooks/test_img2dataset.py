"""img2dataset's own downloader against a server on loopback, with the audit inside."""

from __future__ import annotations

import importlib
import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.scanning.plan import Plan
from tests.commands.store_building import composite, generated, page, photo

pytest.importorskip("img2dataset", reason="scripts/test-peer img2dataset runs these")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
N = 12
PLAN = Plan(("a1111", "iptc"))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def urls(tmp_path):
    """A table of URLs of photos, marked images, composites and a page; one is gone."""
    folder = tmp_path / "served"
    folder.mkdir()
    make = (photo, generated, composite)
    for i in range(N):
        (folder / f"{i}.jpg").write_bytes(make[i % 3](i).data)
    (folder / "0.jpg").write_bytes(page().data)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root = f"http://127.0.0.1:{server.server_port}"
    table = {"url": [f"{root}/{i}.jpg" for i in range(N + 1)], "caption": ["x"] * (N + 1)}
    pq.write_table(pa.table(table), tmp_path / "urls.parquet")
    yield str(tmp_path / "urls.parquet")
    server.shutdown()
    server.server_close()


def download(urls, output, **options):
    from madaudit.hooks import img2dataset

    return img2dataset.download(
        PLAN,
        url_list=urls,
        input_format="parquet",
        url_col="url",
        caption_col="caption",
        output_folder=str(output),
        output_format="webdataset",
        image_size=24,
        processes_count=1,
        thread_count=4,
        enable_wandb=False,
        **options,
    )


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
