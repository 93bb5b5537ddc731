"""A detector of ours as the filter of a loop: it looks at all samples as they enter.

How a draw is shown: to a graded detector enlarged to the side that it needs; to a watermark check
repeated to the size that marks are made for, so that its blocks stay whole. A score has no meaning
without a calibration, so a graded detector's cut is set by the share of real samples it may cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from madaudit.commands.loop_marks import SHEET_PX
from madaudit.commands.loop_pictures import (
    Pixels,
    Values,
    enlarged,
    pictures_of,
    repeated,
    require_images,
)
from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Look, Raster
from madaudit.errors import OptionError, RequestError
from madaudit.types import Sample

if TYPE_CHECKING:
    from madaudit.detectors import Detector

# Pictures that are shown at once.
_TOGETHER = 256


@dataclass(frozen=True, eq=False)
class DetectorJudge:
    """A detector that drops what it calls synthetic.

    Attributes:
        detector: of the registry.
        cut: score above which a sample is dropped; None where hits are dropped.
    """

    detector: Detector
    cut: float | None = None

    def drops(self, values: Values) -> npt.NDArray[np.bool_]:
        """Whether each sample is dropped; one that cannot be judged stays."""
        if self.cut is None:
            return self._evidence(values)[1]
        return self._evidence(values)[0] > self.cut

    def at_fpr(self, real: Values, fpr: float) -> DetectorJudge:
        """The same detector with the lowest cut that drops at most that share of real samples.

        Raises:
            OptionError: not one of them could be scored.
        """
        scores = self._evidence(real)[0]
        scored = scores[np.isfinite(scores)]
        if not len(scored):
            raise OptionError(
                f"cannot filter by {self.detector.name!r}: it scored none of {len(real)} real "
                f"samples of {real.shape[-1]} px"
            )
        # Of those that it cannot score none is dropped, so their share is spent on the others.
        share = min(fpr * len(real) / len(scored), 1.0)
        cut = float(np.quantile(scored, 1.0 - share, method="higher"))
        return DetectorJudge(self.detector, cut)

    def _evidence(self, values: Values) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Scores (n,), NaN where there is none, and hits (n,)."""
        require_images(values, "show a detector")
        found = []
        for start in range(0, len(values), _TOGETHER):
            pictures = self._pictures(values[start : start + _TOGETHER])
            found += self.detector.detect(_batch(pictures))
        return np.array([e.score for e in found]), np.array([e.is_hit for e in found], np.bool_)

    def _pictures(self, values: Values) -> list[Pixels]:
        if self.detector.kind == "one-sided":
            return [repeated(picture, SHEET_PX) for picture in pictures_of(values)]
        space = self.detector.space()
        side_px = SHEET_PX if space is None else space.encoder.side_px
        return [enlarged(picture, side_px) for picture in pictures_of(values)]


def build_judge(
    name: str,
    options: Mapping[str, Any],
    *,
    real: Values,
    fpr: float,
) -> DetectorJudge:
    """A detector with its cut.

    Args:
        name: of a detector that looks at pixels.
        options: its own.
        real: samples that no generation is trained on, by which a graded detector's cut is set.
        fpr: share of real samples that a graded detector may drop; 0 for a watermark check.

    Raises:
        OptionError: no such detector, one that does not look at pixels, or a wrong fpr.
        RequestError: it cannot run here.
    """
    detector = build_detector(name, options)
    if detector.tier == "headers" or detector.looks_at != "pixels":
        raise OptionError(
            f"cannot filter a loop by {name!r}: it looks at {detector.looks_at}, and a draw is "
            f"pixels alone; take a detector of pixels, for example dwt_dct or neighbours"
        )
    reason = detector.why_unavailable()
    if reason is not None:
        raise RequestError(f"detector {name!r} cannot run here: {reason}")
    judge = DetectorJudge(detector)
    if detector.kind == "one-sided":
        if fpr:
            raise OptionError(
                f"--filter-fpr is {fpr:g} for {name!r}, which drops its hits and has no score to "
                f"cut at; leave it out"
            )
        return judge
    if not 0 < fpr < 1:
        raise OptionError(
            f"--filter-fpr is {fpr:g}; for the graded detector {name!r} it must be above 0 and "
            f"below 1: the share of real samples that its cut may cost"
        )
    return judge.at_fpr(real, fpr)


def _batch(pictures: list[Pixels]) -> Batch:
    # A draw never was a file: its pixels stand in for the bytes, so that nobody takes it for a
    # text or an embedding.
    looks = [
        Look(Sample(place, str(place), image=memoryview(picture.tobytes())), None)
        for place, picture in enumerate(pictures)
    ]
    return Batch(looks, lambda index: Raster(pictures[index]))
