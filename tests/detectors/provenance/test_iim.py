"""IPTC-IIM datasets: character sets, extended lengths and what is cut."""

from __future__ import annotations

import struct

import pytest

from madaudit.detectors.provenance.iim import CREDIT, KEYWORDS, read_datasets
from tests.detectors.image_building import iim

_UTF8 = (1, 90, b"\x1b%G")


def test_repeated_datasets_are_all_kept():
    data = iim((2, 25, b"one"), (2, 110, b"agency"), (2, 25, b"two"))
    assert read_datasets(data) == {KEYWORDS: ["one", "two"], CREDIT: ["agency"]}


@pytest.mark.parametrize(
    ("datasets", "text"),
    [
        ([_UTF8, (2, 110, "Größe".encode())], "Größe"),
        ([(2, 110, "Größe".encode())], "Größe"),
        ([(2, 110, "Größe".encode("latin-1"))], "Größe"),
        ([_UTF8, (2, 110, b"\xff")], "\ufffd"),
        ([(2, 110, b"padded\0 ")], "padded"),
    ],
)
def test_the_character_set_is_the_declared_one_or_the_likeliest(datasets, text):
    assert read_datasets(iim(*datasets))[CREDIT] == [text]


def test_an_extended_length_is_read():
    value = b"x" * 40_000
    data = struct.pack(">BBBHI", 0x1C, 2, 110, 0x8004, len(value)) + value
    assert read_datasets(data)[CREDIT] == ["x" * 40_000]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1c",
        b"\x1c\x02\x6e\x00\x09cut",
        b"\x1c\x02\x6e\xff\xff" + b"\xff" * 40,
        b"\x1c\x02\x6e\x80\x04\xff\xff\xff\xff",
        b"\x1b\x02\x6e\x00\x01a",
    ],
)
def test_a_broken_dataset_is_left_out(data):
    whole = iim((2, 25, b"kept"))
    assert read_datasets(whole + data) == {KEYWORDS: ["kept"]}


def test_datasets_without_end_are_read_in_bounded_time():
    assert len(read_datasets(iim((2, 25, b"")) * 100_000)[KEYWORDS]) == 2000
