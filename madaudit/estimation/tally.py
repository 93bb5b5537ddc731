"""Counts of what marks say, per stratum; mergeable by addition."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from madaudit.types import LABELS

#: Codes of a sample's verdict: what its strongest mark says, or that it has none.
NO_MARK = -1
SYNTHETIC, COMPOSITE, REAL = range(len(LABELS))


class RowMasks(NamedTuple):
    """What is known of rows besides their verdict, each (n,) of bool.

    Attributes:
        validated: a synthetic mark has a signature that validates.
        observable: all marks could have been seen.
        partly: only some could have been seen.
        bare: observable, without metadata, and nobody says that the image was re-encoded.
        broken: another status than "ok".
    """

    validated: npt.NDArray[np.bool_]
    observable: npt.NDArray[np.bool_]
    partly: npt.NDArray[np.bool_]
    bare: npt.NDArray[np.bool_]
    broken: npt.NDArray[np.bool_]

    def chosen(self, rows: npt.NDArray[Any]) -> RowMasks:
        return RowMasks(*(mask[rows] for mask in self))


@dataclass(frozen=True)
class MarkTally:
    """Samples of one stratum by what their marks say.

    A sample counts once however many marks it carries: synthetic before composite before real.

    Attributes:
        n: rows.
        weight, weight_squared: sums of w and w² over rows (w = 1 in a census).
        synthetic, composite, real: sums of w over rows whose strongest mark says so.
        unmarked: sum of w over rows without a mark.
        composite_squared: sum of w² over the composite rows.
        validated: sum of w over synthetic rows with a mark whose signature validates.
        observable: sum of w over rows whose marks could all have been seen.
        partly: sum of w over rows of which only some marks could have been seen.
        hidden: sum of w over rows of which no mark could have been seen.
        bare: sum of w over observable rows without metadata that nobody says were re-encoded.
        broken: sum of w over rows whose status is not "ok".
    """

    n: int = 0
    weight: float = 0.0
    weight_squared: float = 0.0
    synthetic: float = 0.0
    composite: float = 0.0
    real: float = 0.0
    unmarked: float = 0.0
    composite_squared: float = 0.0
    validated: float = 0.0
    observable: float = 0.0
    partly: float = 0.0
    hidden: float = 0.0
    bare: float = 0.0
    broken: float = 0.0

    def __add__(self, other: MarkTally) -> MarkTally:
        return MarkTally(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(self))
        )

    @classmethod
    def count(
        cls,
        verdicts: npt.NDArray[np.int8],
        weights: npt.NDArray[np.float64],
        masks: RowMasks,
    ) -> MarkTally:
        """Tally rows.

        Args:
            verdicts: NO_MARK, SYNTHETIC, COMPOSITE or REAL per row (n,).
            weights: inverse inclusion probabilities (n,), ≥ 1.
            masks: what else is known of the rows.
        """

        def total(rows: npt.NDArray[np.bool_]) -> float:
            return float(weights[rows].sum())

        return cls(
            n=len(verdicts),
            weight=float(weights.sum()),
            weight_squared=float((weights**2).sum()),
            synthetic=total(verdicts == SYNTHETIC),
            composite=total(verdicts == COMPOSITE),
            real=total(verdicts == REAL),
            unmarked=total(verdicts == NO_MARK),
            composite_squared=float((weights[verdicts == COMPOSITE] ** 2).sum()),
            validated=total((verdicts == SYNTHETIC) & masks.validated),
            observable=total(masks.observable),
            partly=total(masks.partly),
            hidden=total(~(masks.observable | masks.partly)),
            bare=total(masks.bare),
            broken=total(masks.broken),
        )

    @classmethod
    def count_by(
        cls,
        strata: npt.NDArray[np.int64],
        n_strata: int,
        verdicts: npt.NDArray[np.int8],
        weights: npt.NDArray[np.float64],
        masks: RowMasks,
    ) -> npt.NDArray[np.float64]:
        """Tallies of many strata at once.

        Args:
            strata: number of each row's stratum (n,).
            n_strata: of them.
            verdicts: as of `count`.
            weights: as of `count`.
            masks: as of `count`.

        Returns:
            One row per stratum, its columns in the order of the fields (n_strata, 14).
        """
        is_composite = verdicts == COMPOSITE
        columns: dict[str, npt.NDArray[np.float64]] = {
            "n": np.ones_like(weights),
            "weight": weights,
            "weight_squared": weights**2,
            "synthetic": weights * (verdicts == SYNTHETIC),
            "composite": weights * is_composite,
            "real": weights * (verdicts == REAL),
            "unmarked": weights * (verdicts == NO_MARK),
            "composite_squared": weights**2 * is_composite,
            "validated": weights * ((verdicts == SYNTHETIC) & masks.validated),
            "observable": weights * masks.observable,
            "partly": weights * masks.partly,
            "hidden": weights * ~(masks.observable | masks.partly),
            "bare": weights * masks.bare,
            "broken": weights * masks.broken,
        }
        sums = [np.bincount(strata, columns[field.name], n_strata) for field in fields(cls)]
        return np.stack(sums, axis=1)

    @classmethod
    def of(cls, row: npt.NDArray[np.float64]) -> MarkTally:
        """The tally of one row of `count_by`."""
        n, *sums = row.tolist()
        return cls(round(n), *sums)

    def share(self, part: float) -> float:
        """A weighted part as a share of all, 0 for an empty stratum."""
        return part / self.weight if self.weight else 0.0
