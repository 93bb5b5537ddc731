"""What a stranger's files can do to the commands that read them: one line of refusal, no more."""

from __future__ import annotations

import ctypes
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import madaudit
from tests.commands.invoking import Run, invoke
from tests.commands.store_building import (
    edit_json,
    generated,
    make_store,
    photo,
    stored_files,
    write_shard,
    write_shards,
)

# Deeper than any parser's stack.
_DEEP = "[" * 200_000
_HOSTILE = "\x1b]0;owned\x07\u202e"
_REPOSITORY = Path(__file__).parents[2]
_CAP_DAC_OVERRIDE, _PR_CAPBSET_DROP = 1, 24


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Path(make_store(tmp_path, a=[photo(), generated()], b=[photo()]))


def _is_one_line(run: Run, code: int = 2) -> bool:
    return run.code == code and run.err.startswith("error: ") and run.err.count("\n") == 1


@pytest.mark.parametrize("verb", ["verify", "report", "estimate"])
def test_json_without_end_is_refused(store: Path, verb: str) -> None:
    (store / "manifest.json").write_text(_DEEP)
    assert _is_one_line(invoke(verb, store))


def test_a_marker_without_end_counts_as_none_and_is_mended(store: Path, tmp_path: Path) -> None:
    marker = store / "shards" / "a.tar.json"
    whole = json.loads(marker.read_text())
    marker.write_text(_DEEP)
    assert _is_one_line(invoke("report", store))
    inputs = Path(whole["input"]["uri"]).parent
    madaudit.scan(str(inputs), str(store), engine="serial")
    assert json.loads(marker.read_text())["input"] == whole["input"]


@pytest.mark.slow
def test_a_policy_without_end_is_refused(store: Path, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(_DEEP)
    assert _is_one_line(invoke("check", store, "--policy", tmp_path / "p.yaml"))


def test_a_policy_that_multiplies_itself_is_refused(store: Path, tmp_path: Path) -> None:
    """A billion laughs: each name stands for nine of the one before."""
    lines = ["version: 1", "a: &a [x, x, x, x, x, x, x, x, x]"]
    for last, name in zip("abcdefghijklmno", "bcdefghijklmnop", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]")
    (tmp_path / "p.yaml").write_text("\n".join([*lines, "rules: *p"]))
    run = invoke("check", store, "--policy", tmp_path / "p.yaml")
    assert _is_one_line(run)
    assert len(run.err) < 1000


def test_a_policy_runs_nothing(store: Path, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        f"version: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path "
        f"['{tmp_path / 'ran'}']]\n"
    )
    assert _is_one_line(invoke("check", store, "--policy", tmp_path / "p.yaml"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [_DEEP, "{" + '"a":{' * 100_000, 'shard,"' + "x" * 200_000])
def test_labels_without_end_are_refused(store: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "labels").write_text(content)
    assert _is_one_line(invoke("estimate", store, "--labels", tmp_path / "labels"))


def test_a_config_without_end_is_refused(store: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f"a = {_DEEP}")
    run = invoke("verify", store, "--config", tmp_path / "c.toml")
    assert run.code == 2
    assert "Traceback" not in run.err


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_sketch_that_claims_or_holds_gigabytes_is_refused(store: Path, is_packed: bool) -> None:
    header = io.BytesIO()
    about = {"descr": "<i8", "fortran_order": False, "shape": (1 << (24 if is_packed else 40),)}
    np.lib.format.write_array_header_1_0(header, about)
    content = header.getvalue() + (bytes(8 << 24) if is_packed else b"")
    with zipfile.ZipFile(store / "sketches" / "a.tar.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("version.npy", content)
    assert _is_one_line(invoke("diff", store, store))


@pytest.mark.parametrize("name", ["../../a.tar", "/etc/a.tar", "a/../../b.tar", "a\0.tar"])
@pytest.mark.parametrize("verb", ["verify", "estimate", "merge"])
def test_a_shard_name_cannot_leave_the_store(
    store: Path, tmp_path: Path, name: str, verb: str
) -> None:
    edit_json(store / "manifest.json", shards=[name, "a.tar"])
    before = stored_files(tmp_path)
    words = [verb, store] if verb != "merge" else [verb, store, store, "-o", tmp_path / "m"]
    assert _is_one_line(invoke(*words))
    assert stored_files(tmp_path) == before


def test_control_characters_of_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    write_shard(tmp_path / "data" / f"{_HOSTILE}.tar", [photo()])
    (tmp_path / "data" / f"broken{_HOSTILE}.tar").write_bytes(b"no archive")
    store = tmp_path / "store"
    said = [
        invoke("scan", tmp_path / "data", "-o", store, "--engine", "serial"),
        invoke("verify", store),
        invoke("estimate", store, "--by", "shard"),
        invoke("verify", f"{tmp_path}/{_HOSTILE}"),
        invoke("scan", f"{tmp_path}/{_HOSTILE}", "-o", store),
    ]
    (store / "shards" / f"{_HOSTILE}.tar.json").write_text("{")
    said.append(invoke("report", store))
    assert [run.code for run in said] == [4, 0, 0, 2, 2, 2]
    for run in said:
        assert not {"\x1b", "\x07", "\u202e"} & set(run.out + run.err)


def test_no_command_writes_a_table_that_a_spreadsheet_would_run() -> None:
    sources = (_REPOSITORY / "madaudit").rglob("*.py")
    assert [
        p for p in sources if "csv.writer" in p.read_text() or "DictWriter" in p.read_text()
    ] == []


def _without_root() -> None:
    """Root loses its right to write into read-only folders; others have none."""
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0) == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
@pytest.mark.parametrize("verb", ["scan", "report", "duplicates", "index", "filter", "label"])
def test_a_read_only_store_is_one_line_and_stays_as_it_was(tmp_path: Path, verb: str) -> None:
    inputs = write_shards(tmp_path / "in", a=[photo(), generated()])
    store = tmp_path / "store"
    plan = {"engine": "serial", "tier": "pixels", "detectors": ["a1111"]}
    madaudit.scan(inputs, str(store), **plan)
    write_shard(Path(inputs) / "b.tar", [photo()])
    before = stored_files(store)
    for folder in (store, *(p for p in store.rglob("*") if p.is_dir())):
        folder.chmod(0o555)
    words = {
        "scan": [inputs, "-o", store, "--engine", "serial", "--tier", "pixels",
                 "--detectors", "a1111", "-q"],
        "filter": [store, "-o", store / "kept.txt"],
        "label": ["draw", store, "-n", "1", "-o", tmp_path / "page.html"],
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "madaudit", verb, *map(str, words.get(verb, [store]))],
        capture_output=True, text=True, check=False, cwd=_REPOSITORY, preexec_fn=_without_root,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: cannot write ")
    assert "Permission denied" in done.stderr
    assert done.stderr.count("\n") == 1
    assert stored_files(store) == before
