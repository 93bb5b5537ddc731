"""Strip and add over a whole estimate: marks settle some samples, scores tell of the others.

With h the share of samples marked synthetic, c the share whose mark settles that they count as
real (composites, where those do) and π' the prevalence among the rest, π = h + (1 − h − c) π'.
Every tier is told of the rest first, then moved by this. Marks are taken for certain, as the floor
takes them; `one_sided` is for checks whose false hits were counted on controls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from madaudit.estimation.prevalence import Estimate
from madaudit.estimation.tiers import ModelBased
from madaudit.types import Interval


@dataclass(frozen=True)
class MarkedShares:
    """Shares of the samples that marks settle, each exact in a census, else with bounds.

    Attributes:
        synthetic: h.
        real: c.
    """

    synthetic: Interval
    real: Interval

    def added(self, others: Interval) -> Interval:
        """π of all samples from π' of those that no mark settles."""
        h, c = self.synthetic, self.real
        point = None
        if others.point is not None and h.point is not None and c.point is not None:
            point = _mixed(h.point, c.point, others.point)
        # π grows with h and falls with c, whatever π' is.
        low = _mixed(h.low, c.high, others.low)
        return Interval(low, point, max(_mixed(h.high, c.low, others.high), low), others.level)


def with_marks(others: Estimate, marks: MarkedShares, *, floor: Interval, n: float) -> Estimate:
    """The estimate of all samples.

    Args:
        others: of the samples that no mark settles.
        marks: shares of all samples.
        floor: of all samples.
        n: of all samples.
    """

    def moved(interval: Interval | None) -> Interval | None:
        return None if interval is None else marks.added(interval)

    model = others.model_based
    # Marks give a lower end and no point, though their own share is exact.
    bare = Interval(floor.low, None, floor.high, floor.level)
    prevalence = bare if others.tier == "floor" else marks.added(others.prevalence)
    return replace(
        others,
        n=n,
        prevalence=prevalence,
        floor=floor,
        detectable=moved(others.detectable),
        model_based=_moved_model(model, marks) if model else None,
        adjudicated=moved(others.adjudicated),
    )


def _moved_model(model: ModelBased, marks: MarkedShares) -> ModelBased:
    return replace(
        model, closed=marks.added(model.closed), sensitivity=marks.added(model.sensitivity)
    )


def _mixed(h: float, c: float, others: float) -> float:
    return min(h + max(1.0 - h - c, 0.0) * others, 1.0)
