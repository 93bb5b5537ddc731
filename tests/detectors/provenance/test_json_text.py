"""JSON objects in strangers' texts: what is one, and what only begins like one."""

from __future__ import annotations

import pytest

from madaudit.detectors import base
from madaudit.detectors.provenance.json_text import read_object
from tests.detectors.image_building import look_at, png, text_chunk


@pytest.mark.parametrize(
    "text", ['{"a": 1}', ' \n{"a": 1}\0', '\ufeff{"a": 1}', '{"a": 1, "b": NaN}']
)
def test_an_object_is_read(text):
    assert read_object(text)["a"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "a",
        "[1]",
        '"{}"',
        "null",
        '{"a": 1}}',
        '{"a":' * 100_000,
        '{"a": ' + "9" * 10_000 + "}",
    ],
)
def test_anything_else_is_none(text):
    assert read_object(text) is None


def test_settings_are_read_once_for_all_detectors(monkeypatch):
    calls = []
    monkeypatch.setattr(base, "read_object", lambda text: calls.append(text) or {})
    look = look_at(png(text_chunk("parameters", "{}")))
    assert look.settings == look.settings == (("PNG tEXt parameters", {}),)
    assert calls == ["{}"]


def test_a_file_without_text_has_no_settings():
    look = look_at(png())
    assert (look.texts, look.settings, look.kinds) == ({}, (), frozenset())
