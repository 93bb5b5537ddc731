"""Arrays of strangers are read by what is there, never by what their headers claim."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest

from madaudit.shards.array_files import parse_npy, parse_npz

_MOST = 1 << 20


def _npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), **options)
    return file.getvalue()


def _header(shape: tuple[int, ...], kind: str = "<i8") -> bytes:
    file = io.BytesIO()
    about = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)
    return file.getvalue()


def _npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.float16(3.5),
        np.zeros((0, 7), np.float32),
        np.array(["a", "bcd"]),
        np.arange(5, dtype=">u4"),
    ],
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_what_numpy_wrote_is_read_as_numpy_reads_it(array: Any, version: Any) -> None:
    data = _npy(array, version=version)
    found, expected = parse_npy(data), np.load(io.BytesIO(data), allow_pickle=False)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
    assert found.flags.writeable


def test_all_arrays_of_a_file_are_read() -> None:
    arrays = {"a": np.arange(3), "b": np.ones((2, 2))}
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, **arrays)
        found = parse_npz(file.getvalue(), most_bytes=_MOST)
        assert {name: array.tolist() for name, array in found.items()} == {
            name: array.tolist() for name, array in arrays.items()
        }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        _header((1 << 40,)),
        _header((1 << 62, 1 << 62)),
        _header((-1,)) + bytes(8),
        _header((2,)) + bytes(8),
        _header((1,)) + bytes(16),
        _header((1,), "|O") + bytes(8),
        _npy(np.array([{"a": 1}], dtype=object), allow_pickle=True),
        b"\x93NUMPY\x03\x00" + _header((1,))[8:],
    ],
)
def test_what_lies_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_npy(data)
    with pytest.raises(ValueError, match=r".+"):
        parse_npz(_npz(a=data), most_bytes=_MOST)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = _npz(a=_header((1 << 23,)) + bytes(1 << 26))
    assert len(bomb) < 100_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        parse_npz(bomb, most_bytes=_MOST)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_many_small_members_count_together() -> None:
    with pytest.raises(ValueError, match="more than"):
        parse_npz(_npz(**{f"a{n}": _npy(np.zeros(1 << 14)) for n in range(9)}), most_bytes=_MOST)


@pytest.mark.parametrize("place", range(0, 400, 20))
def test_damage_is_an_error_and_nothing_else(place: int) -> None:
    data = bytearray(_npz(a=_npy(np.arange(9)), b=_npy(np.ones(3))))
    data[place % len(data)] ^= 0x41
    try:
        parse_npz(bytes(data), most_bytes=_MOST)
    except ValueError:
        return
