"""DataComp's subset file: which uids of a pool to train on.

A `.npy` of dtype "u8,u8", shape (n,): the halves of each uid's 128 bits, sorted. It is a multiset:
a uid that stands in it k times is written k times by DataComp's resharder.

Format: mlfoundations/datacomp, README "Training on a subset" and resharder.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

SUBSET = np.dtype("u8,u8")
_UID = re.compile(r"[0-9a-fA-F]{32}")


def uid_pairs(uids: Sequence[str | None]) -> npt.NDArray[np.void]:
    """The halves of each uid, SUBSET (m,); what is no uid of 32 hexadecimal digits is left out."""
    good = [uid for uid in uids if uid is not None and _UID.fullmatch(uid)]
    halves = np.frombuffer(bytes.fromhex("".join(good)), dtype=">u8").astype("<u8")
    return halves.view(SUBSET)


def write_subset(file: BinaryIO, pairs: Sequence[npt.NDArray[np.void]]) -> int:
    """Write uids as a subset file.

    Args:
        file: to write to.
        pairs: SUBSET arrays, in any order; they are held and sorted, 16 bytes a uid.

    Returns:
        How many uids, repeated ones each time.
    """
    halves = np.concatenate([part.view("<u8") for part in pairs] or [np.empty(0, "<u8")])
    columns = halves.reshape(-1, 2)
    order = np.lexsort((columns[:, 1], columns[:, 0]))
    sorted_pairs = np.ascontiguousarray(columns[order]).view(SUBSET).reshape(-1)
    np.lib.format.write_array(file, sorted_pairs, version=(1, 0), allow_pickle=False)
    return len(sorted_pairs)
