"""`madaudit detectability`: what share of image watermarks survives a pipeline, on your images.

The answer stands beside the floor and never divides it: how many marked images a data set held
before its pipeline, nobody can say from those that survived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from madaudit.commands.scan_request import split_names
from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.errors import InputError, OptionError
from madaudit.limits import MAX_DETECTABILITY_PIXELS, MAX_DETECTABILITY_RATIO
from madaudit.types import Interval

if TYPE_CHECKING:
    from madaudit.detectors.base import Pixels
    from madaudit.detectors.watermarks.frequency import FrequencyWatermark

LEVEL = 0.95


@dataclass(frozen=True)
class Survival:
    """How often one message was found after one pipeline.

    Attributes:
        method: detector.
        message: name.
        pipeline: name.
        found, n: images on which this very message was found, and how many were marked.
        unobservable: of these, images that could carry no mark any more (too small, grey).
    """

    method: str
    message: str
    pipeline: str
    found: int
    n: int
    unobservable: int

    @property
    def share(self) -> Interval:
        """With an exact binomial interval (Clopper and Pearson)."""
        from scipy import stats

        result = stats.binomtest(self.found, self.n).proportion_ci(LEVEL, "exact")
        return Interval(float(result.low), self.found / self.n, float(result.high), LEVEL)

    def to_dict(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "message": self.message,
            "pipeline": self.pipeline,
            "n": self.n,
            "found": self.found,
            "unobservable": self.unobservable,
            "share": self.share.to_dict(),
        }


@dataclass(frozen=True)
class Detectability:
    """What was measured.

    Attributes:
        n_drawn: samples drawn.
        n_unfit: of these, those that cannot be marked (no image, broken, too small, grey, or a
            strip more than 16 times as long as wide).
        threshold: largest p-value that counts as found.
        rows: one per method, message and pipeline.
    """

    n_drawn: int
    n_unfit: int
    threshold: float
    rows: tuple[Survival, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "drawn": self.n_drawn,
            "unfit": self.n_unfit,
            "threshold": self.threshold,
            "rows": [row.to_dict() for row in self.rows],
        }


def detectability(
    inputs: Sequence[str],
    *,
    method: Sequence[str] = ("dwt_dct",),
    messages: str = "",
    n: int = 32,
    seed: int = 0,
    threshold: float = 1e-6,
    search: str = "none",
) -> Detectability:
    """The share of marks that is found after each pipeline, on some of your own images.

    Args:
        inputs: shards or folders, as for scan.
        method: checks: dwt_dct, dwt_dct_svd.
        messages: TOML file with further messages.
        n: images to draw.
        seed: of the draw.
        threshold: largest p-value that counts as found.
        search: positions that the checks try: none, offsets, sizes, both.

    Raises:
        OptionError: an unknown check or value.
        InputError: no image among the inputs can be marked.
    """
    if n < 1:
        raise OptionError(f"-n is {n}; it must be at least 1")
    options = {"messages": messages, "threshold": threshold, "search": search}
    checks = [_check(name, options) for name in method]
    found: Counter[tuple[str, str, str]] = Counter()
    hidden: Counter[tuple[str, str, str]] = Counter()
    n_drawn = n_marked = 0
    for pixels in _draw([inputs] if isinstance(inputs, str) else inputs, n=n, seed=seed):
        n_drawn += 1
        if pixels is None or not _is_fit(pixels, checks[0]):
            continue
        n_marked += 1
        for check in checks:
            for key, state in _outcomes(check, pixels):
                found[key] += state == "present"
                hidden[key] += state == "unobservable"
    if not n_marked:
        raise InputError(
            f"cannot measure on {n_drawn} samples: none of them can carry a mark (at least "
            f"256 × 256 pixels in all, in colour); give larger images or a larger -n"
        )
    rows = tuple(Survival(*key, found[key], n_marked, hidden[key]) for key in found)
    return Detectability(n_drawn, n_drawn - n_marked, threshold, rows)


def _check(name: str, options: dict[str, Any]) -> FrequencyWatermark:
    from madaudit.detectors import build_detector
    from madaudit.detectors.watermarks.frequency import FrequencyWatermark

    if name not in ("dwt_dct", "dwt_dct_svd"):
        raise OptionError(f"--method {name!r} has no encoder here; allowed: dwt_dct, dwt_dct_svd")
    check = build_detector(name, options)
    if not isinstance(check, FrequencyWatermark):
        raise OptionError(f"--method {name!r} is another package's detector")
    return check


def _is_fit(pixels: Pixels, check: FrequencyWatermark) -> bool:
    short, long = sorted(pixels.shape[:2])
    return long <= MAX_DETECTABILITY_RATIO * short and check.judge(pixels).state != "unobservable"


def _outcomes(
    check: FrequencyWatermark, pixels: Pixels
) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Mark an image with every message, send it through every pipeline, and look."""
    from madaudit.detectors.watermarks import encode
    from madaudit.detectors.watermarks.pipelines import PIPELINES

    for message in check.wanted():
        marked = encode(pixels, message.bits, method=check.method)
        for name, pipeline in PIPELINES.items():
            evidence = check.judge(pipeline(marked))
            state = evidence.state
            if evidence.detail is None or evidence.detail.message != message.name:
                state = "unobservable" if state == "unobservable" else "absent"
            yield (check.name, message.name, name), state


def _draw(inputs: Sequence[str], *, n: int, seed: int) -> Iterator[Pixels | None]:
    """Pixels of n samples, drawn from all shards alike; None where a sample has none."""
    import numpy as np

    from madaudit.shards import load_reader
    from madaudit.shards.locate import locate

    rng = np.random.default_rng(seed)
    shards = locate(inputs).shards
    order = rng.permutation(len(shards)).tolist()
    left = n
    for number, place in enumerate(order):
        with load_reader(shards[place].reader).open(shards[place]) as source:
            n_samples = source.count()
            share = -(-left // (len(order) - number))
            chosen = rng.permutation(n_samples)[:share].tolist()
            for sample in source.samples(frozenset(chosen)):
                left -= 1
                yield _pixels(sample)
        if left <= 0:
            return


def _pixels(sample: Any) -> Pixels | None:
    from madaudit.detectors.provenance.containers import parse
    from madaudit.scanning.decode import decode

    container = None if sample.image is None else parse(sample.image)
    if container is None:
        return None
    raster = decode(sample.image, container, MAX_DETECTABILITY_PIXELS).raster
    return None if raster is None else raster.rgb


def _print(result: Detectability) -> None:
    pipelines = list(dict.fromkeys(row.pipeline for row in result.rows))
    click.echo(
        f"found at p ≤ {result.threshold:g}, of {result.rows[0].n} images marked here "
        f"({result.n_unfit} of {result.n_drawn} drawn cannot carry a mark)"
    )
    shares = {(r.method, r.message, r.pipeline): r.share.point for r in result.rows}
    width = max(len(f"{row.method} {row.message}") for row in result.rows)
    click.echo(" " * width + "".join(f"{name:>13}" for name in pipelines))
    for method, message in dict.fromkeys((row.method, row.message) for row in result.rows):
        cells = "".join(f"{shares[method, message, name]:>13.2f}" for name in pipelines)
        click.echo(f"{f'{method} {message}':<{width}}{cells}")
    click.echo("  these shares stand beside the floor; they never divide it")


@click.command("detectability", no_args_is_help=True)
@click.argument("inputs", metavar="INPUT…", nargs=-1, required=True)
@click.option("--method", metavar="A,B", help="Checks: dwt_dct (default), dwt_dct_svd.")
@click.option("--messages", default="", metavar="FILE", help="TOML file with your own messages.")
@click.option("-n", "--n", "n", default=32, show_default=True, help="Images to draw.")
@click.option("--seed", default=0, show_default=True, help="Of the draw.")
@click.option(
    "--threshold", default=1e-6, show_default=True, help="Largest p-value that counts as found."
)
@click.option(
    "--search", default="none", show_default=True, help="none, offsets, sizes or both (slow)."
)
@common_options
@guarded
def command(
    inputs: tuple[str, ...],
    method: str | None,
    messages: str,
    n: int,
    seed: int,
    threshold: float,
    search: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Measure what share of image watermarks survives resizing, JPEG and crops.

    \b
      madaudit detectability photos/
      madaudit detectability shards/*.tar -n 100 --json
    """
    result = detectability(
        inputs,
        method=split_names(method) or ("dwt_dct",),
        messages=messages,
        n=n,
        seed=seed,
        threshold=threshold,
        search=search,
    )
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result)
    return 0
