"""`scripts/bench forensic`: the forensic detector beside one decoding of the same image."""

from __future__ import annotations

import cProfile
import platform
import pstats
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bench_rounds import figure, rounds_of, spread
from bench_watermark import square_jpeg

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Look, Raster
from madaudit.detectors.provenance.containers import parse
from madaudit.types import Sample


def forensic_timers(files: list[bytes]) -> dict[str, Callable[[], float]]:
    """CPU seconds of this thread for all files, so that a busy machine counts for neither."""
    import simplejpeg

    pixels = [simplejpeg.decode_jpeg(file) for file in files]
    looks = [
        Look(Sample(0, "", 0, len(file), memoryview(file)), parse(memoryview(file)))
        for file in files
    ]
    batch = Batch(looks, lambda index: Raster(pixels[index]))
    detector = build_detector("forensic")

    def timed(work: Callable[[], object]) -> float:
        began = time.thread_time()
        work()
        return time.thread_time() - began

    return {
        "simplejpeg, RGB": lambda: timed(lambda: [simplejpeg.decode_jpeg(f) for f in files]),
        "madaudit forensic": lambda: timed(lambda: detector.detect(batch)),
    }


def _print_parts(photos: list[Path], n_rounds: int) -> None:
    """Where the score's processor time goes at 512 px: each function with what it calls."""
    import simplejpeg

    from madaudit.detectors.forensics import traces

    pixels = [simplejpeg.decode_jpeg(square_jpeg(photo, 512)) for photo in photos]
    profile = cProfile.Profile(time.thread_time)
    for _ in range(n_rounds):
        for rgb in pixels:
            profile.runcall(traces.features, rgb)
    found = pstats.Stats(profile).get_stats_profile().func_profiles
    whole = found["features"].cumtime
    for name, of in sorted(found.items(), key=lambda item: -item[1].cumtime):
        if of.file_name.endswith(("traces.py", "tiles.py")):
            each = 1000 * of.cumtime / n_rounds / len(pixels)
            print(f"512   {name:<24}{each:>12.2f}{of.cumtime / whole:>20.2f}")


def bench_forensic(photos: list[Path], n_rounds: int) -> None:
    print(f"{len(photos)} photos; Python {platform.python_version()}, {platform.machine()}")
    print(f"{'':<6}{'':<24}{'ms an image':>12}{'against one decode':>20}")
    for side_px in (256, 512, 1024):
        files = [square_jpeg(photo, side_px) for photo in photos]
        results = dict(rounds_of(forensic_timers(files), n_rounds))
        decode = results["simplejpeg, RGB"]
        for name, seconds in results.items():
            of_decode = statistics.median(s / d for s, d in zip(seconds, decode, strict=True))
            each = 1000 * statistics.median(seconds) / len(files)
            print(f"{side_px:<6}{name:<24}{each:>12.2f}{of_decode:>20.2f}")
        if side_px == 512:
            ours = results["madaudit forensic"]
            ratios = [mine / base for mine, base in zip(ours, decode, strict=True)]
            figure(f"forensic score at 512 px: {spread(ratios)} decodings (aim 1)")
        size = sum(map(len, files)) / len(files) / 1000
        print(f"{side_px:<6}{'(JPEGs of ' + format(size, '.0f') + ' KB)':<24}")
    print(f"{'':<6}{'of which':<24}{'ms an image':>12}{'share':>20}")
    _print_parts(photos, n_rounds)
