"""DWT-DCT, the method "dwtDct" of invisible-watermark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from madaudit.detectors.watermarks.frequency import FrequencyWatermark


@dataclass(frozen=True)
class DwtDct(FrequencyWatermark):
    """Messages written by the method "dwtDct"."""

    name: ClassVar[str] = "dwt_dct"
    version: ClassVar[int] = 1
    method: ClassVar[str] = "dwt_dct"
    verified: ClassVar[str] = (
        "verified on 24 genuine outputs of Stable Diffusion 1 and one of FLUX; other tools' "
        "messages from source"
    )
