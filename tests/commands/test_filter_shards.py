"""`madaudit filter --to shards`: the kept samples, byte for byte, in new archives."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import multiprocessing
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import madaudit
from madaudit.commands import progress
from madaudit.commands.clean_shard import SIDECAR, CleanShard, Inputs, Piece
from madaudit.commands.clean_shard_pool import write_all
from madaudit.errors import InputError, RequestError
from madaudit.scanning.store import Store
from tests.commands.invoking import invoke
from tests.commands.store_building import (
    generated,
    make_store,
    photo,
    scan_into,
    stored_files,
    write_shards,
)
from tests.shards.tar_building import header, padded, special

ROOT = Path(__file__).parents[2]


def mixed(n, *, first=0):
    """Samples with captions and records; each third is marked."""
    make = (generated, photo, photo)
    return [
        make[number % 3](
            number, key=f"{number:09d}", caption=f"no {number}", url=f"https://x/{number}"
        )
        for number in range(first, first + n)
    ]


def members(folder):
    """Name and SHA-256 of every member of the archives below a folder, in order."""
    found = []
    for path in sorted(Path(folder).glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member).read()
                found.append((member.name, hashlib.sha256(content).hexdigest()))
    return found


def kept_of(folder):
    """The members that a filter without a rule should leave: those of unmarked samples."""
    marked = {name.split(".")[0] for name, _ in members(folder) if name.endswith(".png")}
    return [pair for pair in members(folder) if pair[0].split(".")[0] not in marked]


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path, a=mixed(10), b=mixed(7, first=10))


def test_kept_members_and_their_siblings_are_copied_byte_for_byte(store, tmp_path):
    result = madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    assert members(tmp_path / "clean") == kept_of(tmp_path / "shards")
    assert (result.kept, result.dropped, result.shards) == (11, 6, 3)


def test_headers_are_copied_too(tmp_path):
    store = make_store(tmp_path, a=[photo(0, key="x" * 150), generated(1), photo(2)])
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards")
    before = (tmp_path / "shards" / "a.tar").read_bytes()
    after = (tmp_path / "clean" / "00000.tar").read_bytes()
    assert len(after) % 512 == 0
    assert after[:2048] == before[:2048]


def test_stats_say_how_many_as_img2dataset_does(store, tmp_path):
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    stats = [
        json.loads(path.read_text()) for path in sorted((tmp_path / "clean").glob("*_stats.json"))
    ]
    assert [one["successes"] for one in stats] == [4, 4, 3]
    again = madaudit.scan(str(tmp_path / "clean"), str(tmp_path / "again"), engine="serial")
    assert (again.rows, again.shards["quarantined"]) == (11, 0)


def test_a_second_scan_finds_no_mark(store, tmp_path):
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards")
    again = madaudit.scan(str(tmp_path / "clean"), str(tmp_path / "again"), engine="serial")
    assert sum(states["present"] for states in again.detectors.values()) == 0


def test_records_of_the_inputs_follow_their_samples(tmp_path):
    inputs = write_shards(tmp_path, a=mixed(5), b=mixed(4, first=5))
    table = pa.table(
        {
            "key": [f"{number:09d}" for number in (4, 3, 2, 1, 0, 99)],
            "NSFW": ["n4", "n3", "n2", "n1", "n0", "n99"],
        }
    )
    pq.write_table(table, tmp_path / "shards" / "a.parquet")
    store = scan_into(tmp_path, str(tmp_path / "shards" / "*.tar"))
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards")
    rows = pq.read_table(tmp_path / "clean" / "00000.parquet").to_pylist()
    assert [row["key"] for row in rows] == [f"{n:09d}" for n in (1, 2, 4, 5, 7, 8)]
    assert [row["NSFW"] for row in rows[:3]] == ["n1", "n2", "n4"]
    assert rows[3]["url"] == "https://x/5"
    assert [(row["source_shard"], row["source_ordinal"]) for row in rows[2:4]] == [
        ("a.tar", 4),
        ("b.tar", 0),
    ]
    assert inputs


def test_every_drop_is_explained(store, tmp_path):
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards")
    rows = pq.read_table(tmp_path / "clean" / "_madaudit" / "rejected.parquet").to_pylist()
    assert [row["key"] for row in rows] == [f"{number:09d}" for number in range(0, 17, 3)]
    assert all("demo" in row["says"] for row in rows)


def test_neighbours_with_one_key_are_kept_apart(tmp_path):
    twins = [photo(0, key="same"), generated(1, key="other"), photo(2, key="same"), photo(3)]
    store = make_store(tmp_path, a=twins)
    result = madaudit.filter(store, output=str(tmp_path / "clean"), to="shards")
    again = madaudit.scan(str(tmp_path / "clean"), str(tmp_path / "again"), engine="serial")
    assert (result.shards, result.kept, again.rows) == (2, 3, 3)


def test_a_sample_that_the_shard_ends_inside_is_dropped_and_told(tmp_path):
    inputs = write_shards(tmp_path, a=mixed(6), b=mixed(3, first=6))
    path = tmp_path / "shards" / "a.tar"
    path.write_bytes(path.read_bytes().rstrip(b"\0")[:-2])  # inside the last caption
    store = scan_into(tmp_path, inputs)
    result = madaudit.filter(store, output=str(tmp_path / "clean"), to="shards")
    names = {name.split(".")[0] for name, _ in members(tmp_path / "clean")}
    assert result.reasons["cut or unsafe in its shard, so not copied"] == 1
    assert names == {f"{n:09d}" for n in (1, 2, 4, 7, 8)}


def test_a_link_is_not_copied(tmp_path):
    shard = write_shards(tmp_path, a=[photo(0), photo(1)])
    link = special("000000002.jpg", tarfile.SYMTYPE, linkname="/etc/passwd")
    path = tmp_path / "shards" / "a.tar"
    data = path.read_bytes().rstrip(b"\0")
    data += bytes(-len(data) % 512) + link.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)
    path.write_bytes(data)
    madaudit.filter(scan_into(tmp_path, shard), output=str(tmp_path / "clean"), to="shards")
    assert [name for name, _ in members(tmp_path / "clean")] == ["000000000.jpg", "000000001.jpg"]


def test_a_hidden_file_between_samples_is_left_behind(tmp_path):
    store_input = write_shards(tmp_path, a=[photo(0)])
    path = tmp_path / "shards" / "a.tar"
    hidden = header("._x.jpg", 3) + padded(b"abc")
    path.write_bytes(hidden + path.read_bytes())
    madaudit.filter(scan_into(tmp_path, store_input), output=str(tmp_path / "clean"), to="shards")
    assert [name for name, _ in members(tmp_path / "clean")] == ["000000000.jpg"]


def test_a_global_header_that_names_members_stops_its_shard_only(tmp_path):
    inputs = write_shards(tmp_path, a=[photo(0)], b=[photo(1)])
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"path": "x.jpg"}
    ) as archive:
        data = photo(3).data
        member = tarfile.TarInfo("y.jpg")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    (tmp_path / "shards" / "c.tar").write_bytes(buffer.getvalue())
    store = scan_into(tmp_path, inputs)
    result = madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=2)
    assert result.shards == 1
    assert "global pax header" in result.unfinished[0]


def test_a_shard_that_changed_since_the_scan_is_not_copied(store, tmp_path):
    path = tmp_path / "shards" / "b.tar"
    path.write_bytes((tmp_path / "shards" / "a.tar").read_bytes())
    run = invoke(
        "filter", store, "-o", tmp_path / "clean", "--to", "shards", "--shard-size", "6", "--json"
    )
    assert run.code == 4
    assert "changed since it was scanned" in run.json["unfinished"][0]
    assert [path.name for path in sorted((tmp_path / "clean").glob("*.tar"))] == ["00000.tar"]


def test_what_was_unfinished_is_made_once_the_input_is_back(store, tmp_path):
    path = tmp_path / "shards" / "b.tar"
    path.rename(tmp_path / "gone.tar")
    first = madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    (tmp_path / "gone.tar").rename(path)
    second = madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    assert len(first.unfinished) == 2
    assert second.unfinished == []
    assert members(tmp_path / "clean") == kept_of(tmp_path / "shards")


def test_what_is_done_is_not_written_again(store, tmp_path):
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    before = (tmp_path / "clean" / "00000.tar").stat().st_mtime_ns
    (tmp_path / "clean" / "00001_stats.json").unlink()
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    assert (tmp_path / "clean" / "00000.tar").stat().st_mtime_ns == before
    assert (tmp_path / "clean" / "00001_stats.json").exists()


def test_a_folder_of_another_request_is_left_alone(store, tmp_path):
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    before = stored_files(tmp_path / "clean")
    with pytest.raises(RequestError, match="another request"):
        madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=5)
    assert stored_files(tmp_path / "clean") == before


def test_other_data_than_archives_are_refused_with_what_to_do(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "0.jpg").write_bytes(photo(0).data)
    store = scan_into(tmp_path, str(tmp_path / "photos"))
    with pytest.raises(InputError, match=r"folder data.*--to keys"):
        madaudit.filter(store, output=str(tmp_path / "clean"), to="shards")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_other_tools_read_the_shards(store, tmp_path):
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    webdataset = pytest.importorskip("webdataset", reason="it reads the shards here")
    urls = [str(path) for path in sorted((tmp_path / "clean").glob("*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [
        f"{number:09d}" for number in range(17) if number % 3
    ]
    assert all(sample.keys() >= {"jpg", "json", "txt"} for sample in samples)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_package_datasets_reads_the_shards(store, tmp_path):
    datasets = pytest.importorskip("datasets", reason="it reads the shards here")
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    read = datasets.load_dataset(
        "webdataset",
        data_files=str(tmp_path / "clean" / "*.tar"),
        split="train",
        streaming=True,
    )
    rows = list(read.cast_column("jpg", datasets.Image(decode=False)))
    assert [row["__key__"] for row in rows] == [
        f"{number:09d}" for number in range(17) if number % 3
    ]


@pytest.mark.torch
@pytest.mark.filterwarnings("default")
def test_clip_retrieval_reads_the_shards(store, tmp_path):
    package = importlib.util.find_spec("clip_retrieval")
    if package is None or not package.submodule_search_locations:
        pytest.skip("clip-retrieval is not installed; its reader reads the shards here")
    # Its reader alone: importing the package loads its servers.
    place = Path(package.submodule_search_locations[0], "clip_inference", "reader.py")
    spec = importlib.util.spec_from_file_location("clip_retrieval_reader", place)
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    madaudit.filter(store, output=str(tmp_path / "clean"), to="shards", shard_size=4)
    dataset = reader.create_webdataset(
        [str(path) for path in sorted((tmp_path / "clean").glob("*.tar"))],
        lambda image: image.size,
        lambda texts: texts,
        enable_text=True,
        enable_image=True,
        image_key="jpg",
        caption_key="txt",
        enable_metadata=True,
    )
    found = [(item["image_filename"], item["text"]) for item in dataset]
    assert found == [(f"{n:09d}", f"no {n}") for n in range(17) if n % 3]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_writes_the_same_bytes(tmp_path, workers):
    shards = {f"s{number}": mixed(41, first=41 * number) for number in range(3)}
    store = scan_into(tmp_path, write_shards(tmp_path, **shards))
    alone, together = tmp_path / "alone", tmp_path / "together"
    options = {"to": "shards", "shard_size": 7}
    first = madaudit.filter(store, output=str(alone), workers=1, **options)
    other = madaudit.filter(store, output=str(together), workers=workers, **options)
    assert stored_files(together) == stored_files(alone)
    assert {**other.to_dict(), "output": ""} == {**first.to_dict(), "output": ""}


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_shard_and_the_next_run_makes_that(tmp_path):
    store = scan_into(tmp_path, write_shards(tmp_path, a=mixed(30)))
    inputs = Inputs({one["shard"]: one for one in Store(store).survey().markers})
    rows = next(Store(store).row_batches("a.tar", ["ordinal", "key", *SIDECAR]))
    shards = [CleanShard(f"{i}", [Piece("a.tar", rows.slice(5 * i, 5))]) for i in range(6)]

    def planned():
        yield from shards[:3]
        for worker in multiprocessing.active_children():
            worker.kill()
        yield from shards[3:]  # the first of these goes to a dead one

    told = list(write_all(planned(), Store(str(tmp_path / "out")), inputs, 2))
    assert sorted(one.name for one in told) == [one.name for one in shards]
    lost = [one.problem for one in told if one.problem is not None]
    assert 1 <= len(lost) <= 3  # what two were at, and the next
    assert set(lost) == {"the process that wrote it ended with code -9"}
    again = list(write_all(iter(shards), Store(str(tmp_path / "out")), inputs, 1))
    assert {one.problem for one in again} == {None}
    assert len(list((tmp_path / "out").glob("*.tar"))) == 6


def test_progress_is_told_in_lines_where_there_is_no_terminal(store, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    run = invoke("filter", store, "--to", "shards", "-o", tmp_path / "clean", "--shard-size", 5)
    assert "100.0% of" in run.err
    assert "min left" in run.err
    quiet = invoke("filter", store, "-o", tmp_path / "kept.txt", "-q")
    assert quiet.err == ""


def _kill_after(command, folder, n_shards, delay_s):
    """Start a filter and kill it once so many shards are finished; False where it ended before."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    while len(list(folder.glob("*_stats.json"))) < n_shards and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    return process.wait() != 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_anywhere_it_goes_on_to_the_same_bytes(tmp_path, workers):
    shards = {f"s{number}": mixed(300, first=300 * number) for number in range(4)}
    store = scan_into(tmp_path, write_shards(tmp_path, **shards))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    madaudit.filter(store, output=str(whole), to="shards", shard_size=10)
    words = ["filter", store, "--to", "shards", "--shard-size", "10", "-q", "-o", str(killed)]
    words += ["--workers", str(workers)]
    command = [sys.executable, "-m", "madaudit", *words]
    rng = random.Random(20)
    moments = sorted(rng.sample(range(80), 5))
    n_killed = sum(
        _kill_after(command, killed, moment, rng.uniform(0, 0.02)) for moment in moments
    )
    subprocess.run(command, cwd=ROOT, check=True)
    left = stored_files(killed)
    finished = {name: data for name, data in left.items() if not name.endswith(".partial")}
    assert n_killed >= 3, "the filter was too fast to be killed"
    assert finished == stored_files(whole)
    assert finished == left, "half-written files were left behind"
