"""What a store tells of p: the object behind `madaudit estimate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from madaudit.commands.counted import Counted
from madaudit.commands.stratum import Course, Stratum, WorstStrata, effective_real
from madaudit.commands.watermark_checks import WatermarkCheck
from madaudit.estimation import Floor, MarkTally, ScoreSketch
from madaudit.estimation.calibration import Calibration
from madaudit.estimation.prevalence import Estimate as Tiers
from madaudit.types import Interval


@dataclass(frozen=True, eq=False)
class Estimate:
    """What is known of p.

    Attributes:
        tally: counts over all rows.
        floor: of the synthetic share π.
        assumptions: what the numbers rest on.
        flags: what a reader must know before using them.
        strata: largest first.
        watermarks: what each check with p-values says of the data set.
        tiers: from scores and labels; None where there are neither.
        distinct: the same with every near-duplicate cluster counted once; None without clusters.
        calibration: whose combiner made the scores.
        counted: combined scores by stratum; see `sketch`.
        worst: strata against the whole, the number of them allowed for.
        course: over the years, where the strata are years.
        undecided: the adjudicated interval where undecided labels may be anything; None where
            there are none.
    """

    tally: MarkTally
    floor: Floor
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    strata: tuple[Stratum, ...] = field(default=())
    watermarks: tuple[WatermarkCheck, ...] = ()
    tiers: Tiers | None = None
    distinct: Tiers | None = None
    calibration: Calibration | None = None
    counted: Counted | None = None
    worst: WorstStrata | None = None
    course: Course | None = None
    undecided: Interval | None = None

    @property
    def n(self) -> int:
        return self.tally.n

    @property
    def tier(self) -> str:
        """The headline's."""
        return self.tiers.tier if self.tiers else "floor"

    @property
    def prevalence(self) -> Interval:
        """The headline's interval of π."""
        return self.tiers.prevalence if self.tiers else self.floor.all_marks

    @property
    def p(self) -> Interval:
        return effective_real(self.prevalence) if self.tiers else self.floor.effective_real()

    @property
    def p_distinct(self) -> Interval | None:
        return self.distinct.p if self.distinct else None

    @property
    def sketch(self) -> ScoreSketch:
        """Combined scores of all samples; marked ones lie in the last cell, as +∞ does."""
        return self.counted.sketch() if self.counted else ScoreSketch()

    def to_dict(self) -> dict[str, Any]:
        tiers = self.tiers.to_dict()["tiers"] if self.tiers else {}
        return {
            "n": self.tally.n,
            "p": self.p.to_dict(),
            "p_distinct": self.p_distinct.to_dict() if self.p_distinct else None,
            "tier": self.tier,
            "tiers": {
                "floor": self.floor.to_dict(),
                "detectable": tiers.get("detectable"),
                "model_based": tiers.get("model_based"),
                "adjudicated": self._adjudicated(tiers.get("adjudicated")),
            },
            "composite_share": self.tally.share(self.tally.composite),
            "calibration": self.calibration.fingerprint if self.calibration else None,
            "assumptions": list(self.assumptions),
            "flags": list(self.flags),
            "strata": [stratum.to_dict() for stratum in self.strata],
            "worst": self._worst(),
            "trend": self.course.to_dict() if self.course else None,
            "watermarks": [check.to_dict() for check in self.watermarks],
        }

    def _adjudicated(self, told: dict[str, Any] | None) -> dict[str, Any] | None:
        if told is None:
            return None
        return {**told, "undecided": self.undecided.to_dict() if self.undecided else None}

    def _worst(self) -> dict[str, Any] | None:
        if self.worst is None:
            return None
        names = {stratum.number: stratum.by for stratum in self.strata}
        return {
            "limit": self.worst.limit,
            "n_above": self.worst.n_above,
            "strata": [
                {
                    "by": names[one.number],
                    "low": one.low,
                    "low_model_based": one.low_model_based,
                    "p_value": one.p_value,
                }
                for one in self.worst.strata
            ],
        }
