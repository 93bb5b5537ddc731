"""Midjourney's descriptions: the job's identifier, the version asked for, and mere mentions."""

from __future__ import annotations

import pytest

from tests.detectors.image_building import detect, jpeg, png, text_chunk
from tests.detectors.shared_data import evidence_of, needs_data, rows_of

_JOB = "Job ID: d4ed5fb5-1025-4cc1-9f89-8a23e53bb384"


def _evidence(text: str, keyword: str = "Description"):
    return detect("midjourney", png(text_chunk(keyword, text)))


@pytest.mark.parametrize(
    ("flags", "model"),
    [
        ("--ar 9:16 --v 6.1", "Midjourney 6.1"),
        ("--version 5", "Midjourney 5"),
        ("--niji 6", "Niji 6"),
        ("--v 4 --v 5.2", "Midjourney 5.2"),
        ("", None),
    ],
)
def test_the_version_asked_for_is_the_model(flags, model):
    detail = _evidence(f"an axolotl {flags} {_JOB}").detail
    assert (detail.tool, detail.model, detail.label) == ("Midjourney", model, "synthetic")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "an axolotl --ar 9:16 --v 6.1",
        _JOB[:-1],
        f"{_JOB} was cancelled",
        "Job ID: 12345",
        _JOB.upper(),
    ],
)
def test_another_description_is_absent(text):
    assert _evidence(text).state == "absent"


@pytest.mark.parametrize("keyword", ["Comment", "Title", "parameters"])
def test_it_counts_in_its_own_chunk_alone(keyword):
    assert _evidence(f"an axolotl {_JOB}", keyword).state == "absent"
    assert detect("midjourney", jpeg((0xFE, _JOB.encode()))).state == "absent"


def test_a_very_long_prompt_is_read_by_its_end():
    assert _evidence("very " * 100_000 + _JOB).is_hit


@needs_data
def test_every_genuine_file_is_read():
    found = [evidence_of(r, "midjourney")["midjourney"] for r in rows_of("synthetic/midjourney")]
    assert [item.detail.model for item in found] == ["Midjourney 6.1"] * 20
