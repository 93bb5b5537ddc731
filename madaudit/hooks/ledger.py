"""What a hook decided, counted across the processes of one machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from madaudit.hooks.shared_sums import SharedSums

_KEPT, _UNKNOWN, _AMBIGUOUS, _FAILED = range(4)
_N_FIXED = 4


class Ledger:
    """Counts of decisions; safe to pickle and to fork.

    Attributes:
        reasons: why samples go; a sample's code is one more than the place.
        last_reason: of the sample that was dropped last, by this process.
    """

    def __init__(self, folder: str, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        self.last_reason = ""
        self._sums = SharedSums(folder, _N_FIXED + len(self.reasons))

    def keep(self) -> None:
        """Count a sample that stays."""
        (self._sums.row or self._sums.mine())[_KEPT] += 1

    def drop(self, code: int) -> None:
        """Count a sample that goes, by its code, from 1."""
        self._sums.mine()[_N_FIXED - 1 + code] += 1
        self.last_reason = self.reasons[code - 1]

    def note_unknown(self) -> None:
        """Count a sample that the store does not know."""
        self._sums.mine()[_UNKNOWN] += 1

    def note_ambiguous(self) -> None:
        """Count a sample whose key belongs to a kept and to a dropped row."""
        self._sums.mine()[_AMBIGUOUS] += 1

    def note_failed(self) -> None:
        """Count a sample on which the hook itself failed."""
        self._sums.mine()[_FAILED] += 1

    def report(self) -> dict[str, Any]:
        """What was decided so far, by all processes on this machine.

        `kept` and `dropped` are all samples; `unknown`, `ambiguous` and `failed` are among them.
        """
        sums = [int(value) for value in self._sums.total()]
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
