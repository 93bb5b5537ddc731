"""JSON objects in strangers' texts: what is one, and what only begins like one."""

from __future__ import annotations

import pytest

from madaudit.detectors import base
from madaudit.detectors.provenance.json_text import read_object
from madaudit.errors import MalformedError
from tests.detectors.image_building import look_at, png, state_of, text_chunk, ztxt_chunk


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


def test_an_object_that_is_too_long_is_malformed_and_never_absent():
    text = '{"a": "' + "x" * (1 << 22) + '"}'
    with pytest.raises(MalformedError, match="at most"):
        read_object(text)
    assert read_object(text[1:]) is None
    image = png(ztxt_chunk("parameters", text.encode()))
    assert state_of("swarmui", image) == "missing"


def test_settings_are_read_once_for_all_detectors(monkeypatch):
    calls = []
    monkeypatch.setattr(base, "read_object", lambda text: calls.append(text) or {})
    look = look_at(png(text_chunk("parameters", "{}")))
    assert look.settings == look.settings == (("PNG tEXt parameters", {}),)
    assert calls == ["{}"]


def test_a_file_without_text_has_no_settings():
    look = look_at(png())
    assert (look.texts, look.settings, look.kinds) == ({}, (), frozenset())
