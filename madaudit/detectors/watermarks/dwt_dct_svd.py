"""DWT-DCT-SVD, the method "dwtDctSvd" of invisible-watermark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.watermarks.frequency import FrequencyWatermark


@dataclass(frozen=True)
class DwtDctSvd(FrequencyWatermark):
    """Messages written by the method "dwtDctSvd"."""

    name: ClassVar[str] = "dwt_dct_svd"
    version: ClassVar[int] = 1
    method: ClassVar[str] = "dwt_dct_svd"
    verified: ClassVar[str] = (
        "verified against invisible-watermark 0.2.0; no genuine file of a generator is known"
    )
