"""npy and npz files of strangers: nothing is unpickled, and no header is believed.

A header of a hundred bytes can claim terabytes, and a megabyte of deflated zeros is a gigabyte; so
what a file says of its length is compared with what is there and with what may be there, before
anything is allocated.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.limits import MAX_NPY_HEADER_BYTES


def parse_npy(data: bytes) -> npt.NDArray[Any]:
    """The array of an npy file that is held whole.

    Raises:
        ValueError: it is none, holds objects, or has another length than its header says.
    """
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"an npy file of version {version}")
    shape, is_fortran, kind = readers[version](file, max_header_size=MAX_NPY_HEADER_BYTES)
    n_bytes = math.prod(shape) * kind.itemsize
    if kind.hasobject or min(shape, default=0) < 0 or len(data) - file.tell() != n_bytes:
        raise ValueError(
            f"{len(data) - file.tell()} bytes of numbers, the header claims {kind} of {shape}"
        )
    array = np.frombuffer(data, dtype=kind, offset=file.tell()).copy()
    return array.reshape(shape, order="F" if is_fortran else "C")


def parse_npz(data: bytes, *, most_bytes: int) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an npz file.

    Args:
        data: the file.
        most_bytes: all arrays together may have.

    Raises:
        ValueError: it is none, is damaged, or holds more than that.
    """
    arrays, left = {}, most_bytes
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                if member.file_size > left:
                    raise ValueError(f"its arrays have more than {most_bytes} bytes")
                left -= member.file_size
                # Never more than it claims, whatever is packed.
                arrays[member.filename.removesuffix(".npy")] = parse_npy(archive.read(member))
    except (
        zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError,
    ) as error:  # fmt: skip
        raise ValueError(f"it is no sound npz file: {str(error)[:200]}") from error
    return arrays
