"""CBOR and JUMBF: strict decoders with limits, compared with the standard's own examples."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madaudit.detectors.provenance import jumbf
from madaudit.detectors.provenance.cbor import decode
from madaudit.errors import MalformedError
from madaudit.limits import MAX_CBOR_DEPTH, MAX_CBOR_ITEMS, MAX_JUMBF_BOXES, MAX_JUMBF_DEPTH
from tests.detectors.image_building import box, cbor, superbox

# RFC 8949, appendix A.
_EXAMPLES = {
    "00": 0,
    "17": 23,
    "1818": 24,
    "1903e8": 1000,
    "1bffffffffffffffff": 18446744073709551615,
    "20": -1,
    "3903e7": -1000,
    "f90000": 0.0,
    "f93e00": 1.5,
    "fa47c35000": 100000.0,
    "fb3ff199999999999a": 1.1,
    "f4": False,
    "f5": True,
    "f6": None,
    "f7": None,
    "f0": None,
    "f8ff": None,
    "f97c00": None,
    "c11a514b67b0": 1363896240,
    "d818456449455446": b"dIETF",
    "40": b"",
    "4401020304": b"\1\2\3\4",
    "60": "",
    "62c3bc": "ü",
    "80": [],
    "8301820203820405": [1, [2, 3], [4, 5]],
    "a0": {},
    "a26161016162820203": {"a": 1, "b": [2, 3]},
    "5f42010243030405ff": b"\1\2\3\4\5",
    "7f657374726561646d696e67ff": "streaming",
    "9fff": [],
    "9f018202039f0405ffff": [1, [2, 3], [4, 5]],
    "bf61610161629f0203ffff": {"a": 1, "b": [2, 3]},
}


@pytest.mark.parametrize("encoded", _EXAMPLES)
def test_the_standards_examples_are_decoded(encoded):
    assert decode(bytes.fromhex(encoded)) == _EXAMPLES[encoded]


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=30)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, database=None)
@given(value=_VALUES)
def test_what_the_tests_encoder_writes_is_read_back(value):
    assert decode(cbor(value)) == value


@pytest.mark.parametrize(
    "encoded",
    [
        *("", "18", "62c3", "82", "a1", "a161", "9f01"),  # cut
        *("1c", "fc", "ff", "1f", "3f", "df"),  # kinds that do not exist
        *("bf6161ff", "5f6161ff", "7f4101ff"),  # pieces that do not fit
        *("a18001", "a1a001"),  # keys that are no names
        *("9affffffff", "bbffffffffffffffff"),  # more items than bytes
    ],
)
def test_what_breaks_the_rules_is_malformed(encoded):
    with pytest.raises(MalformedError, match="CBOR"):
        decode(bytes.fromhex(encoded))


@pytest.mark.parametrize("opening", [b"\x81", b"\x9f", b"\xa1\x00", b"\xbf\x00", b"\xc1"])
def test_depth_is_limited(opening):
    with pytest.raises(MalformedError, match="beyond the limits"):
        decode(opening * (MAX_CBOR_DEPTH + 2) + b"\x00" + b"\xff" * MAX_CBOR_DEPTH)


def test_items_are_limited():
    head = b"\x9a" + (MAX_CBOR_ITEMS + 10).to_bytes(4, "big")
    with pytest.raises(MalformedError, match="beyond the limits"):
        decode(head + b"\0" * (MAX_CBOR_ITEMS + 10))


def test_numbers_that_are_none_become_none():
    assert decode(bytes.fromhex("f97e00")) is None
    assert not math.isnan(decode(bytes.fromhex("f93c00")))


def test_a_superbox_has_label_content_and_children():
    data = superbox("outer", box(b"json", b"{}"), superbox("inner"), box(b"free", b"", wide=True))
    found = jumbf.parse_superbox(data)
    assert (found.label, found.content) == ("outer", ((b"json", b"{}"), (b"free", b"")))
    assert found.child("inner") == found.children[0]
    assert found.child("missing") is None


def test_a_last_box_without_a_size_reaches_to_the_end():
    data = superbox("outer")
    assert jumbf.parse_superbox(b"\0\0\0\0" + data[4:]).label == "outer"


def test_a_description_without_a_label_gives_none():
    data = box(b"jumb", box(b"jumd", b"c2pa" + b"\0" * 12 + b"\1"))
    assert jumbf.parse_superbox(data).label == ""


def test_nesting_is_limited():
    data = b""
    for _ in range(MAX_JUMBF_DEPTH + 2):
        data = superbox("x", data) if data else superbox("x")
    with pytest.raises(MalformedError, match="nested deeper"):
        jumbf.parse_superbox(data)


def test_boxes_are_limited():
    with pytest.raises(MalformedError, match="more than"):
        jumbf.parse_superbox(superbox("x", box(b"free", b"") * (MAX_JUMBF_BOXES + 1)))


@pytest.mark.parametrize("length", [3, 7, 200, 1 << 31])
def test_a_box_of_a_wrong_length_is_cut(length):
    data = box(b"jumb", length.to_bytes(4, "big") + b"free" + b"\0" * 20)
    with pytest.raises(MalformedError, match="is cut"):
        jumbf.parse_superbox(data)
