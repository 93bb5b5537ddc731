"""Sums that several processes of one machine add to.

Each process maps a file of its own in a folder they share, and only it writes there: no locks, and
a loader's workers lose nothing when they end.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.errors import StoreError


def scratch_folder(owner: object) -> str:
    """A temporary folder that goes when its owner does; copies in other processes may use it."""
    folder = tempfile.mkdtemp(prefix="madaudit-hook-")
    weakref.finalize(owner, _remove, folder, os.getpid())
    return folder


def _remove(folder: str, process: int) -> None:
    """Delete a folder, but not from a forked process whose parent still uses it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _forget(sums: weakref.ref[SharedSums]) -> None:
    """In a forked process: the row is its parent's."""
    found = sums()
    if found is not None:
        found.row = None


class SharedSums:
    """A row of float64 sums, exact for counts up to 2**53; safe to pickle and to fork.

    Attributes:
        row: of this process, (n_slots,); None before `mine` is called.
    """

    def __init__(self, folder: str, n_slots: int) -> None:
        self._folder = folder
        self._n_slots = n_slots
        self.row: memoryview[float] | None = None

    def mine(self) -> memoryview[float]:
        """This process's own row, to add to; a forked process gets another than its parent."""
        if self.row is not None:
            return self.row
        try:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
            path = Path(self._folder, f"sums-{os.getpid()}-{os.urandom(4).hex()}")
            with path.open("w+b") as file:
                file.write(bytes(8 * self._n_slots))
                file.flush()
                row = memoryview(mmap.mmap(file.fileno(), 0)).cast("d")
        except OSError as error:
            raise StoreError(f"cannot count decisions in {self._folder}: {error}") from error
        # Told of a fork, since asking for the process at each sample costs a system call.
        os.register_at_fork(after_in_child=partial(_forget, weakref.ref(self)))
        self.row = row
        return row

    def total(self) -> npt.NDArray[np.float64]:
        """The sums of all processes so far, float64 (n_slots,)."""
        sums = np.zeros(self._n_slots)
        for path in sorted(Path(self._folder).glob("sums-*")):
            data = path.read_bytes()
            if len(data) == 8 * self._n_slots:
                sums += np.frombuffer(data, dtype=np.float64)
        return sums

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self._folder, "n_slots": self._n_slots}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"], state["n_slots"])  # type: ignore[misc]
