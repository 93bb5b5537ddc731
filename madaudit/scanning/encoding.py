"""Features made ahead: one thread encodes images while the scan decodes those that follow.

A tower releases Python's lock while it computes, so reading, decoding and other checks cost no
time beside it on a second core. One image after the other, in order: what a tower gives depends in
its last bits on how many images it is given at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from madaudit.detectors import Detector
from madaudit.detectors.base import Pixels
from madaudit.encoders.base import Features
from madaudit.encoders.space import FeatureSpace

if TYPE_CHECKING:
    from madaudit.scanning.batches import Prepared

#: Features of one image by the key of their space.
Started = Mapping[str, "Future[Features | None]"]
NOTHING_STARTED: Started = {}


def spaces_of(detectors: Sequence[Detector]) -> tuple[FeatureSpace, ...]:
    """The feature spaces that detectors ask for, each once, in the detectors' order."""
    spaces = (detector.space() for detector in detectors)
    return tuple({space.key: space for space in spaces if space is not None}.values())


class Encoding:
    """Encodes what it is given, in order.

    Attributes:
        spaces: in which.
    """

    def __init__(
        self, spaces: Sequence[FeatureSpace], executor: ThreadPoolExecutor | None
    ) -> None:
        self.spaces = spaces
        self._executor = executor

    def start(self, pixels: Pixels) -> Started:
        """Begin to encode an image, RGB uint8 (h, w, 3)."""
        if self._executor is None:
            return NOTHING_STARTED
        return {space.key: self._executor.submit(space.features, pixels) for space in self.spaces}


#: For scans without a detector that needs features.
NO_ENCODING = Encoding((), None)


@contextmanager
def encoding(detectors: Sequence[Detector]) -> Iterator[Encoding]:
    """A thread for what detectors need encoded; none where they need nothing.

    Raises:
        RequestError: an encoder's weights cannot be read.
    """
    spaces = spaces_of(detectors)
    if not spaces:
        yield NO_ENCODING
        return
    for space in spaces:
        space.encoder.load()
    executor = ThreadPoolExecutor(1, thread_name_prefix="encode")
    try:
        yield Encoding(spaces, executor)
    finally:
        executor.shutdown(cancel_futures=True)


def one_ahead(batches: Iterator[Prepared]) -> Iterator[Prepared]:
    """The same batches, each handed over once the next is decoded.

    A batch of large images is one image, which would leave the tower with nothing to do while the
    next is decoded.
    """
    held: Prepared | None = None
    for prepared in batches:
        if held is not None:
            yield held
        held = prepared
    if held is not None:
        yield held
