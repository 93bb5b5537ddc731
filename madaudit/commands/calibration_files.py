"""Calibrations in folders: calibration.json, written last, and the counts in sketches.npz.

Both may be a stranger's: their lengths are bounded, arrays are read by shapes that the JSON names
and never by what a header claims, and whatever is not what a calibration holds is refused.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from importlib import resources
from typing import Any

import numpy as np

from madaudit.errors import InputError, StoreError
from madaudit.estimation.calibration import Calibration, Counts
from madaudit.estimation.sketch import N_CELLS
from madaudit.limits import MAX_CALIBRATION_BYTES, MAX_NPY_HEADER_BYTES
from madaudit.scanning.store import Store
from madaudit.shards import files

#: The name by which the calibration that ships in the package is asked for.
DEFAULT = "default"
_DEFAULT_FOLDER = "default_calibration"
_ABOUT, _COUNTS = "calibration.json", "sketches.npz"
# As every numpy writes it, padding apart.
_HEADER = "{{'descr': '<i8', 'fortran_order': False, 'shape': ({}, {}), }}"


def read_calibration(place: str) -> Calibration:
    """The calibration in a folder, at a URL, or "default" for the one that ships.

    Raises:
        InputError: there is none, it is of another version, or it is damaged.
    """
    if place == DEFAULT:
        folder = resources.files("madaudit.commands").joinpath(_DEFAULT_FOLDER)
        with resources.as_file(folder) as path:
            return _read(str(path), "the default calibration")
    return _read(place.rstrip("/"), place)


def write_calibration(calibration: Calibration, folder: str) -> None:
    """Write a calibration; it is there once calibration.json is.

    Raises:
        InputError: the folder cannot be written.
    """
    store = Store(folder.rstrip("/"))
    arrays = calibration.arrays()
    try:
        # An old one must not stand beside the new one's counts.
        store.remove(_ABOUT)
        with store.create(_COUNTS) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        store.write_json(_ABOUT, calibration.to_dict())
    except StoreError as error:
        raise InputError(f"cannot write the calibration to {folder}: {error}") from error


def _read(folder: str, name: str) -> Calibration:
    about, counts = (_bytes(folder, file, name) for file in (_ABOUT, _COUNTS))
    content = _parsed(about, name)
    wanted = {side: content.get(side) for side in ("real", "synthetic")}
    if not all(isinstance(names, list) for names in wanted.values()):
        raise _unreadable(name, f"{_ABOUT} names no sources")
    shapes = {side: (len(names or []), N_CELLS + 1) for side, names in wanted.items()}
    try:
        with zipfile.ZipFile(io.BytesIO(counts)) as archive:
            arrays = {side: _array(archive, side, shape) for side, shape in shapes.items()}
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, OSError) as error:
        raise _unreadable(name, f"{_COUNTS}: {str(error)[:200]}") from error
    except (NotImplementedError, RuntimeError) as error:  # another compression, or encrypted
        raise _unreadable(name, f"{_COUNTS}: {str(error)[:200]}") from error
    return Calibration.from_dict(content, arrays)


def _bytes(folder: str, file: str, name: str) -> bytes:
    try:
        data = files.read_bytes(files.join(folder, file), most_bytes=MAX_CALIBRATION_BYTES)
    except OSError as error:
        raise _unreadable(name, f"{file}: {error}") from error
    if data is None:
        raise InputError(
            f"no calibration at {name!r}: {file} is missing; make one with: madaudit calibrate "
            f"-o DIR --real A --synthetic B, or use the one that ships: --calibration {DEFAULT}"
        )
    return data


def _parsed(data: bytes, name: str) -> dict[str, Any]:
    try:
        content = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, f"{_ABOUT} is no JSON ({str(error)[:200]})") from error
    if not isinstance(content, dict):
        raise _unreadable(name, f"{_ABOUT} is no object")
    return content


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _array(archive: zipfile.ZipFile, side: str, shape: tuple[int, int]) -> Counts:
    """One side's counts.

    The header is compared with what must stand in it and never followed: a forged one can claim
    any size.
    """
    n_bytes = 8 * shape[0] * shape[1]
    if n_bytes > MAX_CALIBRATION_BYTES:
        raise ValueError(f"{shape[0]} sources are more than any calibration has")
    with archive.open(f"{side}.npy") as file:
        magic, length = file.read(8), int.from_bytes(file.read(2), "little")
        header = file.read(min(length, MAX_NPY_HEADER_BYTES)).decode("latin-1").strip()
        if magic != b"\x93NUMPY\x01\x00" or header != _HEADER.format(*shape):
            raise ValueError(f"{side}.npy holds {header[:100]!r}, wanted are {shape} of int64")
        data = file.read(n_bytes + 1)
    if len(data) != n_bytes:
        raise ValueError(f"{side}.npy has another length than its header says")
    return np.frombuffer(data, dtype="<i8").astype(np.int64).reshape(shape)


def _unreadable(name: str, what: str) -> InputError:
    return InputError(f"cannot use the calibration {name!r}: {what}; calibrate again")
