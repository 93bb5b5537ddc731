"""Verdicts of rows: the strongest mark of each sample, once."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from madaudit.commands.store_rows import domain, mark_rows
from madaudit.errors import StoreError
from madaudit.estimation import MarkTally
from madaudit.estimation.tally import COMPOSITE, NO_MARK, REAL, SYNTHETIC
from madaudit.scanning.details import read_detail
from madaudit.scanning.store import Store
from tests.commands.store_building import (
    COMFYUI,
    INFOTEXT,
    XMP,
    Item,
    generated,
    jpeg,
    make_store,
    photo,
    png,
)


class OneBatch:
    """A store from a stranger: one batch of rows, whatever is asked for."""

    def __init__(self, *evidence, image_format="jpeg", looks_at=()):
        """Evidence: one (state, detail text) by detector and row, detectors outermost."""
        n = len(evidence[0])
        columns = {
            "weight": pa.array(np.ones(n)),
            "status": pa.array(["ok"] * n),
            "reencoded": pa.array([False] * n),
            "size": pa.array([9] * n),
            "format": pa.array([image_format] * n, pa.string()),
        }
        for number, rows in enumerate(evidence):
            columns[f"d{number}_state"] = pa.array([state for state, _ in rows])
            columns[f"d{number}_detail"] = pa.array([text for _, text in rows], pa.string())
        places = looks_at or ["metadata"] * len(evidence)
        self.looks_at = {f"d{number}": place for number, place in enumerate(places)}
        self._batch = pa.RecordBatch.from_pydict(columns)

    def row_batches(self, shard, columns, groups_at_once=1):
        return iter([self._batch])


def judged(*evidence, **about):
    store = OneBatch(*evidence, **about)
    (rows,) = mark_rows(store, "a.tar", store.looks_at)
    return rows


def said(label, **more):
    return ("present", json.dumps({"says": "so", "label": label, **more}))


def scanned(tmp_path, item):
    store = Store(make_store(tmp_path, a=[item]))
    looks_at = store.survey().looks_at
    return sum((rows.tally() for rows in mark_rows(store, "a.tar", looks_at)), MarkTally())


def test_a_sample_with_marks_of_two_tools_counts_once(tmp_path):
    image = png(parameters=INFOTEXT.format(model="m"), prompt=COMFYUI)
    tally = scanned(tmp_path, Item(image, ending="png"))
    assert (tally.n, tally.synthetic, tally.weight) == (1, 1.0, 1.0)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("trainedAlgorithmicMedia", "synthetic"),
        ("compositeWithTrainedAlgorithmicMedia", "composite"),
        ("digitalCapture", "real"),
    ],
)
def test_each_source_type_counts_where_it_belongs(tmp_path, kind, field):
    tally = scanned(tmp_path, Item(jpeg(xmp=XMP.format(kind=kind).encode())))
    assert getattr(tally, field) == tally.weight == 1.0


@pytest.mark.parametrize(
    ("labels", "verdict"),
    [
        (("synthetic", "composite"), SYNTHETIC),
        (("composite", "synthetic"), SYNTHETIC),
        (("real", "composite"), COMPOSITE),
        (("real", "real"), REAL),
        (("real", "synthetic"), SYNTHETIC),
    ],
)
def test_the_strongest_mark_decides_in_any_order(labels, verdict):
    assert judged(*([said(label)] for label in labels)).verdicts.tolist() == [verdict]


@pytest.mark.parametrize("state", ["absent", "unobservable", "missing"])
def test_only_a_present_mark_counts(state):
    _, detail = said("synthetic")
    assert judged([(state, detail)]).verdicts.tolist() == [NO_MARK]


@pytest.mark.parametrize(
    ("validation", "is_validated"),
    [("trusted", True), ("valid", True), ("invalid", False), ("not checked", False)],
)
def test_a_signature_counts_only_where_it_validates(validation, is_validated):
    rows = judged([said("synthetic", validation=validation)])
    assert rows.masks.validated.tolist() == [is_validated]


def test_observability_is_of_all_detectors_of_some_or_of_none():
    first = [("absent", None), ("absent", None), ("unobservable", None), ("missing", None)]
    other = [("present", None), ("unobservable", None), ("missing", None), ("missing", None)]
    masks = judged(first, other).masks
    assert masks.observable.tolist() == [True, False, False, False]
    assert masks.partly.tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "3", "null", '{"label": []}', '{"label": {}}', "[" * 100_000]
)
def test_details_from_a_stranger_that_say_nothing_are_no_mark(text):
    assert judged([("present", text)]).verdicts.tolist() == [NO_MARK]


def test_a_detail_is_read_or_empty():
    assert read_detail('{"says": "so"}') == {"says": "so"}
    assert read_detail(None) == read_detail("[]") == read_detail("x") == {}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.example.org/a", "example.org"),
        ("http://u:p@Example.ORG:80/", "example.org"),
        ("ftp://example.org?x#y", "example.org"),
        ("javascript:alert(1)", ""),
        ("/a/b", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_domain_is_the_host_of_a_url(url, host):
    assert domain(url) == host


_SEEN, _BLIND = [("absent", None)], [("unobservable", None)]


def sight(rows):
    """Whether every mark, or only some, could have been seen in the one row."""
    return bool(rows.masks.observable[0]), bool(rows.masks.partly[0])


@pytest.mark.parametrize(
    ("metadata", "pixels", "expected"),
    [(_SEEN, _BLIND, (True, False)), (_BLIND, _SEEN, (False, False))],
)
def test_what_could_be_seen_in_an_image_is_judged_by_its_metadata(metadata, pixels, expected):
    rows = judged(metadata, pixels, looks_at=("metadata", "pixels"))
    assert sight(rows) == expected


@pytest.mark.parametrize(("text", "expected"), [(_SEEN, (True, False)), (_BLIND, (False, False))])
def test_what_could_be_seen_in_a_document_is_judged_by_its_text(text, expected):
    rows = judged(_BLIND, text, looks_at=("metadata", "text"), image_format=None)
    assert sight(rows) == expected


def test_a_caption_that_was_looked_at_makes_no_image_observable():
    assert sight(judged(_BLIND, _SEEN, looks_at=("metadata", "text"))) == (False, False)


def test_a_scan_for_watermarks_alone_is_judged_by_them():
    assert sight(judged(_SEEN, _BLIND, looks_at=("pixels", "pixels"))) == (False, True)


def test_details_are_not_read_of_detectors_that_found_nothing(tmp_path):
    store = Store(make_store(tmp_path, a=[generated(), photo()]))
    looks_at = store.survey().looks_at
    (rows,) = mark_rows(store, "a.tar", looks_at, silent=["c2pa"])
    assert "c2pa_detail" not in rows.rows.schema.names
    assert rows.tally().synthetic == 1.0


def test_rows_that_say_more_than_the_marker_are_refused(tmp_path):
    store = Store(make_store(tmp_path, a=[generated(), photo()]))
    with pytest.raises(StoreError, match="says that a1111 found nothing, and rows say otherwise"):
        list(mark_rows(store, "a.tar", store.survey().looks_at, silent=["a1111"]))
