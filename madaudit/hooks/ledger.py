"""What a hook decided, counted across the processes of one machine.

Each process that decides maps a file of its own in a folder they share, and only it writes there:
no locks, and a loader's workers lose nothing when they end.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from madaudit.errors import StoreError

_KEPT, _UNKNOWN, _AMBIGUOUS, _FAILED = range(4)
_N_FIXED = 4


def scratch_folder(owner: object) -> str:
    """A temporary folder that goes when its owner does; copies in other processes may use it."""
    folder = tempfile.mkdtemp(prefix="madaudit-hook-")
    weakref.finalize(owner, _remove, folder, os.getpid())
    return folder


def _remove(folder: str, process: int) -> None:
    """Delete a folder, but not from a forked process whose parent still uses it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


class Ledger:
    """Counts of decisions.

    Attributes:
        reasons: why samples go; a sample's code is one more than the place.
        last_reason: of the sample that was dropped last, by this process.
    """

    def __init__(self, folder: str, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        self._folder = folder
        self._n_slots = _N_FIXED + len(self.reasons)
        self._process = 0
        self.last_reason = ""
        self._counts = memoryview(bytearray(8 * self._n_slots)).cast("q")

    def keep(self) -> None:
        """Count a sample that stays."""
        self._open()
        self._counts[_KEPT] += 1

    def drop(self, code: int) -> None:
        """Count a sample that goes, by its code, from 1."""
        self._open()
        self._counts[_N_FIXED - 1 + code] += 1
        self.last_reason = self.reasons[code - 1]

    def note_unknown(self) -> None:
        """Count a sample that the store does not know."""
        self._open()
        self._counts[_UNKNOWN] += 1

    def note_ambiguous(self) -> None:
        """Count a sample whose key belongs to a kept and to a dropped row."""
        self._open()
        self._counts[_AMBIGUOUS] += 1

    def note_failed(self) -> None:
        """Count a sample on which the hook itself failed."""
        self._open()
        self._counts[_FAILED] += 1

    def report(self) -> dict[str, Any]:
        """What was decided so far, by all processes on this machine.

        `kept` and `dropped` are all samples; `unknown`, `ambiguous` and `failed` are among them.
        """
        sums = [0] * self._n_slots
        for path in sorted(Path(self._folder).glob("counts-*")):
            data = path.read_bytes()
            if len(data) == 8 * self._n_slots:
                sums = [a + b for a, b in zip(sums, struct.unpack(f"{self._n_slots}q", data))]  # noqa: B905
        dropped = sums[_N_FIXED:]
        reasons = {reason: n for reason, n in zip(self.reasons, dropped, strict=True) if n}
        return {
            "kept": sums[_KEPT],
            "dropped": sum(dropped),
            "reasons": reasons,
            "unknown": sums[_UNKNOWN],
            "ambiguous": sums[_AMBIGUOUS],
            "failed": sums[_FAILED],
        }

    def in_words(self) -> str:
        """The report in a line."""
        report = self.report()
        parts = [f"{reason}: {n}" for reason, n in report["reasons"].items()]
        parts += [f"{name}: {report[name]}" for name in ("unknown", "ambiguous", "failed")]
        return f"{report['kept']} kept, {report['dropped']} dropped ({', '.join(parts)})"

    def _open(self) -> None:
        """Map this process's own file; a forked one must not write into its parent's."""
        process = os.getpid()
        if process == self._process:
            return
        try:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
            path = Path(self._folder, f"counts-{process}-{os.urandom(4).hex()}")
            with path.open("w+b") as file:
                file.write(bytes(8 * self._n_slots))
                file.flush()
                self._counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        except OSError as error:
            raise StoreError(f"cannot count decisions in {self._folder}: {error}") from error
        self._process = process

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self._folder, "reasons": self.reasons}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"], state["reasons"])  # type: ignore[misc]
