"""Where genuine files lie, if they are here, and what the list beside them says."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from madaudit.detectors import DEFAULTS, build_detector
from madaudit.detectors.base import Batch, Look
from madaudit.types import Evidence
from tests.detectors.image_building import look_at

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(
    not (DATA / "MANIFEST.csv").is_file(),
    reason="the genuine files of ../shared/data are not beside this checkout",
)

Row = dict[str, str]


@functools.cache
def rows() -> tuple[Row, ...]:
    """The list's rows of image files; none where the data is absent."""
    if not (DATA / "MANIFEST.csv").is_file():
        return ()
    with open(DATA / "MANIFEST.csv", encoding="utf-8", newline="") as stream:
        return tuple(
            row
            for row in csv.DictReader(stream)
            if row["path"].startswith(("provenance/", "synthetic/", "real/"))
            and "-expected/" not in row["path"]
        )


def rows_of(*folders: str) -> list[Row]:
    return [row for row in rows() if row["path"].startswith(folders)]


def entries(row: Row) -> list[str]:
    """The evidence column, entry by entry."""
    return [entry for entry in row["evidence"].split(";") if entry]


def look(row: Row) -> Look:
    return look_at((DATA / row["path"]).read_bytes())


def evidence_of(row: Row, *names: str) -> dict[str, Evidence]:
    """What the default detectors, or those named, say of one file; signatures are not checked."""
    batch = Batch([look(row)])
    return {
        name: build_detector(name, {"validate": False} if name == "c2pa" else {}).detect(batch)[0]
        for name in names or DEFAULTS
    }


def stores() -> Iterator[tuple[Row, Look, bytes]]:
    """Files with a C2PA store inside."""
    for row in rows():
        seen = look(row)
        blocks = seen.container.of_kind("c2pa") if seen.container else []
        if blocks:
            yield row, seen, blocks[0].data
