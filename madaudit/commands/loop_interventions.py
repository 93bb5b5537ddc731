"""What `simulate` does to samples before a generation is trained on them, from its flags."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madaudit.errors import OptionError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from madaudit.commands.loop_marks import SheetMark
    from madaudit.simulation.interventions import Interventions


@dataclass(frozen=True)
class InterventionOptions:
    """Flags of a loop's interventions.

    Attributes:
        detector: filters samples as they enter; None for none.
        fpr: share of real samples that a graded detector may drop.
        options: detector's name to its options.
        mark: watermark on every draw that is trained on: "dwt_dct", "dwt_dct_svd", or None.
        mark_bits: its message, a bit for each block of 8 × 8 pixels; None for one from a fixed
            seed.
    """

    detector: str | None = None
    fpr: float = 0.0
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mark: str | None = None
    mark_bits: str | None = None

    def __post_init__(self) -> None:
        if self.mark_bits is not None and self.mark is None:
            raise OptionError(
                f"--mark-bits is {self.mark_bits!r} without --mark; give --mark dwt_dct"
            )
        for name in self.options:
            if name != self.detector:
                raise OptionError(
                    f"--option is of the detector {name!r}, which this loop does not filter by; "
                    f"give --filter-detector {name}"
                )

    @property
    def are_none(self) -> bool:
        return self.detector is None and self.mark is None

    def to_dict(self) -> dict[str, Any]:
        """All that a loop's numbers depend on."""
        return {
            "detector": self.detector,
            "fpr": self.fpr,
            "options": {name: dict(own) for name, own in self.options.items()},
            "mark": self.mark,
            "mark_bits": self.mark_bits,
        }


def build_interventions(
    options: InterventionOptions, real: npt.NDArray[np.float32]
) -> Interventions:
    """The mark and the detector that flags name.

    Args:
        options: the flags.
        real: samples that no generation is trained on, by which a detector's cut is set.

    Raises:
        OptionError: a mark or detector that cannot look at these samples.
        RequestError: a detector that cannot run here.
    """
    from madaudit.simulation.interventions import Interventions

    mark = _mark(options, real)
    judge = None
    if options.detector is not None:
        from madaudit.commands.loop_judges import build_judge

        with tempfile.TemporaryDirectory() as folder:
            own = dict(options.options.get(options.detector, {}))
            if mark is not None and options.detector == mark.method and "messages" not in own:
                own["messages"] = _messages(mark, folder)
            judge = build_judge(options.detector, own, real=real, fpr=options.fpr)
    return Interventions(mark, judge)


def _mark(options: InterventionOptions, real: npt.NDArray[np.float32]) -> SheetMark | None:
    if options.mark is None:
        return None
    from madaudit.commands.loop_marks import SheetMark, random_digits, require_colour

    side = require_colour(real).shape[-1]
    digits = random_digits(side) if options.mark_bits is None else options.mark_bits
    return SheetMark(options.mark, side, digits)


def _messages(mark: SheetMark, folder: str) -> str:
    """A file with the loop's own message, which its check reads when it is built."""
    from madaudit.commands.loop_marks import write_messages

    path = Path(folder) / "messages.toml"
    write_messages(mark, path)
    return str(path)
