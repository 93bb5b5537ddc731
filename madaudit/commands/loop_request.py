"""The loop that a command assumes, and what the assessment takes of an estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from madaudit.types import Interval

if TYPE_CHECKING:
    from madaudit.simulation import LoopSpec

# λ where nobody says it: from half the variance to all of it.
_UNKNOWN_BIAS = (0.5, 1.0)


class LoopRequest(NamedTuple):
    """A loop by the flags of `risk`.

    Attributes:
        loop, pool, bias, model_error, dim, generations: of the loop; `bias` None for not known.
        tolerance: harm that is accepted.
    """

    loop: str = "fresh"
    pool: str = "replace"
    bias: float | None = None
    model_error: float = 0.0
    dim: int = 1
    generations: int = 10
    tolerance: float = 0.01

    def spec(self) -> LoopSpec:
        """The loop without counts.

        Raises:
            OptionError: there is no such loop.
        """
        from madaudit.simulation import LoopSpec

        return LoopSpec(
            self.loop,  # type: ignore[arg-type]  # LoopSpec refuses other names itself
            pool=self.pool,  # type: ignore[arg-type]
            bias=1.0 if self.bias is None else self.bias,
            model_error=self.model_error,
            dim=self.dim,
            generations=self.generations,
        )

    def unknown_bias(self) -> Interval | None:
        """λ's interval where nobody said it; None where somebody did."""
        return None if self.bias is not None else Interval(_UNKNOWN_BIAS[0], None,
                                                           _UNKNOWN_BIAS[1], 1.0)  # fmt: skip


class Known(NamedTuple):
    """What a risk takes of an estimate: samples, and the interval of π."""

    n: float
    prevalence: Interval

    @classmethod
    def of(cls, n: float, p: Interval) -> Known:
        """From the effective real fraction p."""
        point = None if p.point is None else 1.0 - p.point
        return cls(n, Interval(1.0 - p.high, point, 1.0 - p.low, p.level))
