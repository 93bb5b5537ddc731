"""`scripts/bench watermark`: image checks beside the library and beside one decoding."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench_rounds import figure, rounds_of, spread
from bench_scan import encoded
from PIL import Image


def square_jpeg(photo: Path, side_px: int) -> bytes:
    """The photo's middle, as a JPEG of one size."""
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    square = picture.crop((left, top, left + short, top + short)).resize((side_px, side_px))
    return encoded(square, is_marked=False)


def watermark_timers(files: list[bytes]) -> dict[str, Callable[[], float]]:
    """Seconds that each reader takes for all files; pixels are decoded beforehand."""
    import simplejpeg
    from imwatermark import WatermarkDecoder

    from madaudit.detectors import build_detector
    from madaudit.detectors.base import Batch, Look, Raster
    from madaudit.detectors.provenance.containers import parse
    from madaudit.types import Sample

    pixels = [simplejpeg.decode_jpeg(file) for file in files]
    reversed_ = [np.ascontiguousarray(image[..., ::-1]) for image in pixels]
    looks = [
        Look(Sample(0, "", 0, len(file), memoryview(file)), parse(memoryview(file)))
        for file in files
    ]
    batch = Batch(looks, lambda index: Raster(pixels[index]))

    def timed(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    def ours(name: str) -> Callable[[], float]:
        detector = build_detector(name)
        return lambda: timed(lambda: detector.detect(batch))

    def theirs(method: str) -> Callable[[], float]:
        decoder = WatermarkDecoder("bits", 136)
        return lambda: timed(lambda: [decoder.decode(image, method) for image in reversed_])

    return {
        "simplejpeg, RGB": lambda: timed(lambda: [simplejpeg.decode_jpeg(f) for f in files]),
        "madaudit dwt_dct": ours("dwt_dct"),
        "library dwtDct": theirs("dwtDct"),
        "madaudit dwt_dct_svd": ours("dwt_dct_svd"),
        "library dwtDctSvd": theirs("dwtDctSvd"),
    }


def _tell(results: dict[str, list[float]]) -> None:
    for ours, peer in (("dwt_dct", "dwtDct"), ("dwt_dct_svd", "dwtDctSvd")):
        mine = results[f"madaudit {ours}"]
        faster, decodings = (
            spread(
                [base / own if over else own / base for own, base in zip(mine, of, strict=True)]
            )
            for of, over in (
                (results[f"library {peer}"], True),
                (results["simplejpeg, RGB"], False),
            )
        )
        figure(f"`{ours}` at 512 px: {faster} times as fast as the library, {decodings} decodings")


def bench_watermark(photos: list[Path], n_rounds: int) -> None:
    print(f"{len(photos)} photos; Python {platform.python_version()}, {platform.machine()}")
    print(
        f"{'':<6}{'':<24}{'ms an image':>12}{'against one decode':>20}{'faster than library':>21}"
    )
    for side_px in (512, 1024):
        files = [square_jpeg(photo, side_px) for photo in photos]
        results = dict(rounds_of(watermark_timers(files), n_rounds))
        decode = results["simplejpeg, RGB"]
        peers = {"madaudit dwt_dct": "library dwtDct", "madaudit dwt_dct_svd": "library dwtDctSvd"}
        for name, seconds in results.items():
            of_decode = statistics.median(s / d for s, d in zip(seconds, decode, strict=True))
            faster = ""
            if name in peers:
                pairs = zip(seconds, results[peers[name]], strict=True)
                faster = f"{statistics.median(peer / own for own, peer in pairs):.1f}"
            each = 1000 * statistics.median(seconds) / len(files)
            print(f"{side_px:<6}{name:<24}{each:>12.2f}{of_decode:>20.2f}{faster:>21}")
        if side_px == 512:
            _tell(results)
        size = sum(map(len, files)) / len(files) / 1000
        print(f"{side_px:<6}{'(JPEGs of ' + format(size, '.0f') + ' KB)':<24}")
