"""Stretches of files copied as they are."""

from __future__ import annotations

import io
import os

import pytest

from madaudit.errors import ShardError
from madaudit.shards import raw_copy
from madaudit.shards.raw_copy import copy_parts

DATA = os.urandom(5000)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").write_bytes(DATA)
    return str(tmp_path / "source")


def copied(source, target_path, parts):
    with open(target_path, "wb") as target:
        target.write(b"before")
        copy_parts(source, parts, target)
        target.write(b"after")
    return target_path.read_bytes()


PARTS = [(0, 512), (512, 1024), (2048, 2560), (4096, 4608)]
EXPECTED = b"before" + DATA[:1024] + DATA[2048:2560] + DATA[4096:4608] + b"after"


def test_stretches_are_appended_in_order(source, tmp_path):
    assert copied(source, tmp_path / "target", PARTS) == EXPECTED


def test_a_system_that_cannot_copy_in_the_kernel_gives_the_same(source, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError("not here")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    assert copied(source, tmp_path / "target", PARTS) == EXPECTED


def test_a_target_without_a_file_gives_the_same(source):
    target = io.BytesIO()
    copy_parts(source, PARTS, target)
    assert target.getvalue() == EXPECTED[6:-5]


@pytest.mark.parametrize("in_kernel", [True, False])
def test_missing_padding_is_made_and_missing_content_is_an_error(
    source, tmp_path, monkeypatch, in_kernel
):
    if not in_kernel:
        monkeypatch.setattr(raw_copy, "_is_local", lambda target: False)
    padded = copied(source, tmp_path / "a", [(4608, 5120)])
    assert padded == b"before" + DATA[4608:] + bytes(120) + b"after"
    with pytest.raises(ShardError, match="ends at byte 5000, 632 bytes before"):
        copied(source, tmp_path / "b", [(4608, 5632)])
