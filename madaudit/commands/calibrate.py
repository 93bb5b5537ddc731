"""`madaudit calibrate`: what known samples score after the data set's own pipeline.

The known samples are sent through the pipeline, scanned by the plan that the data set is scanned
by, and halved: one half fits the combiner, the other is counted. Everything lies in the output
folder and is taken up again after an interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from madaudit.commands.calibration_request import (
    GivenSource,
    build_calibration_plan,
    read_sources,
)
from madaudit.commands.scan_request import parse_options, split_names
from madaudit.commands.shell import EXIT_INCOMPLETE, common_options, guarded, print_json
from madaudit.errors import InputError
from madaudit.limits import DEFAULT_MAX_PIXELS
from madaudit.reports.wording import count, plural, visible
from madaudit.shards import files

if TYPE_CHECKING:
    from madaudit.commands.known_rows import StoredSource
    from madaudit.estimation.calibration import Calibration
    from madaudit.estimation.known_samples import KnownSamples
    from madaudit.scanning.plan import Plan

_STORES, _PROCESSED = "stores", "processed"


@dataclass(frozen=True)
class Calibrated:
    """A calibration that was written.

    Attributes:
        folder: where.
        calibration: what.
        broken: source to samples that could not be read, by status.
        problems: what is wrong with shards of known samples: source, shard, message.
    """

    folder: str
    calibration: Calibration
    broken: dict[str, dict[str, int]]
    problems: tuple[dict[str, Any], ...] = ()

    @property
    def is_complete(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        made = self.calibration
        told = dict(made.performance)
        return {
            "calibration": self.folder,
            "fingerprint": made.fingerprint,
            "pipeline": made.pipeline,
            "tier": made.tier,
            "identities": dict(made.detectors),
            "detectors": {name: told[name] for name in made.detectors},
            "combination": told["combination"],
            "least_detected": made.least_detected,
            "n_generators": made.n_generators,
            "counted": {
                "real": {name: sketch.n for name, sketch in made.real.items()},
                "synthetic": {name: sketch.n for name, sketch in made.synthetic.items()},
            },
            "sources": [source.to_dict() for source in made.sources],
            "broken": self.broken,
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class _Work:
    """What scanning the known samples needs at hand."""

    folder: str
    plan: Plan
    graded: tuple[str, ...]
    pipeline: str
    engine: str | None
    workers: int | None
    is_quiet: bool


def calibrate(
    output: str,
    *,
    real: Sequence[str],
    synthetic: Sequence[str],
    pipeline: str = "none",
    detectors: Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    like: str | None = None,
    licences: Mapping[str, str] | None = None,
    fpr: Sequence[float] = (),
    seed: int = 0,
    level: float = 0.95,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    engine: str | None = None,
    workers: int | None = None,
    quiet: bool = True,
) -> Calibrated:
    """Calibrate graded detectors on samples whose label is known.

    Args:
        output: folder to write; run again after an interruption, it goes on.
        real: `[NAME=]PLACE` each; places as for scan, one name may have several.
        synthetic: `[GENERATOR=]PLACE` each.
        pipeline: what the data set went through: "none", "img2dataset", "datacomp", "jpeg-95",
            "jpeg-85", "jpeg-75".
        detectors: graded ones; default: all that can run here without an option.
        options: detector to its options.
        like: a store whose plan is taken over, so that the calibration fits it.
        licences: source to the licence of its samples, for provenance.
        fpr: false-alarm rates to tell the detected share at, besides .05 and .01.
        seed: of the halves.
        level: of intervals.
        max_pixels: larger images are left out and counted; --like takes the store's.
        engine: as for scan.
        workers: as for scan.
        quiet: no progress on stderr.

    Raises:
        RequestError: the request cannot be carried out, or there are too few samples.
    """
    from madaudit.commands.calibration_files import write_calibration
    from madaudit.commands.calibration_pipelines import require_pipeline
    from madaudit.estimation.discrimination import USUAL_FPR

    require_pipeline(pipeline)
    given = read_sources(
        [real] if isinstance(real, str) else real,
        [synthetic] if isinstance(synthetic, str) else synthetic,
    )
    _require_licences(licences or {}, given)
    plan, graded = build_calibration_plan(detectors, options, like, max_pixels=max_pixels)
    work = _Work(output.rstrip("/"), plan, graded, pipeline, engine, workers, quiet)
    stored = {one: _scan(work, one) for one in given}
    rates = tuple(dict.fromkeys((*USUAL_FPR, *fpr)))
    made = _fit(work, stored, licences or {}, rates=rates, seed=seed, level=level)
    write_calibration(made, work.folder)
    problems = [
        {"source": one.source.name, **problem}
        for one, (_, found) in stored.items()
        for problem in found
    ]
    broken = {one.source.name: source.broken for one, (source, _) in stored.items()}
    return Calibrated(
        work.folder, made, {name: one for name, one in broken.items() if one}, tuple(problems)
    )


def _require_licences(licences: Mapping[str, str], given: Sequence[GivenSource]) -> None:
    names = [one.source.name for one in given]
    for name in licences:
        if name not in names:
            raise InputError(
                f"cannot note a licence of {name!r}: no such source (known: {', '.join(names)})"
            )


def _scan(work: _Work, given: GivenSource) -> tuple[StoredSource, list[dict[str, Any]]]:
    """One source scanned into its own store; its rows, and what is wrong with its shards."""
    from madaudit.commands.known_rows import read_source
    from madaudit.commands.scan import scan
    from madaudit.scanning.store import Store

    inputs, left_out, problems = _after_pipeline(work, given)
    url = files.join(work.folder, f"{_STORES}/{work.pipeline}/{given.folder}")
    plan = work.plan
    result = scan(
        inputs,
        url,
        detectors=plan.detectors,
        options=plan.options,
        tier=plan.tier,
        engine=work.engine,
        workers=work.workers,
        max_pixels=plan.max_pixels,
        image_timeout=plan.image_timeout_s,
        thumbnails="none",
        quiet=work.is_quiet,
    )
    if result.interrupted:
        raise KeyboardInterrupt
    source = read_source(Store(url), work.graded)
    broken = {**source.broken}
    for status, n in left_out.items():
        broken[status] = broken.get(status, 0) + n
    return replace(source, broken=broken), [*problems, *result.problems]


def _after_pipeline(
    work: _Work, given: GivenSource
) -> tuple[list[str], dict[str, int], list[dict[str, Any]]]:
    """What to scan of a source: as it lies there, or written again by the pipeline."""
    from collections import Counter

    from madaudit.commands.calibration_pipelines import NONE, processed, write_processed
    from madaudit.scanning.store import Store
    from madaudit.shards.locate import locate

    if work.pipeline == NONE:
        return list(given.places), {}, []
    store = Store(files.join(work.folder, f"{_PROCESSED}/{work.pipeline}/{given.folder}"))
    left_out: Counter[str] = Counter()
    problems = []
    wanted = []
    for shard in locate(given.places).shards:
        path = f"{quote(shard.name, safe=' ')}.tar"
        write_processed(shard, work.pipeline, store, path, work.plan.max_pixels)
        told = processed(store, path) or {}
        left_out.update(told.get("left_out", {}))
        problems += [
            {"shard": shard.name, "message": message, "offset": None}
            for message in told.get("problems", [])
        ]
        wanted.append(files.join(store.url, path))
    return wanted, dict(left_out), problems


def _fit(
    work: _Work,
    stored: Mapping[GivenSource, tuple[StoredSource, list[dict[str, Any]]]],
    licences: Mapping[str, str],
    *,
    rates: Sequence[float],
    seed: int,
    level: float,
) -> Calibration:
    from madaudit.commands.known_rows import join_sources
    from madaudit.estimation.calibration_fit import Request, fit_calibration
    from madaudit.estimation.known_samples import split_halves
    from madaudit.scanning.plan import detector_identities

    sources = {given.source: source for given, (source, _) in stored.items()}
    known: KnownSamples = join_sources(work.graded, sources)
    halves = split_halves(known, seed)
    identities = detector_identities(work.plan.build_detectors())
    request = Request(
        identities={name: identities[name] for name in work.graded},
        tier=work.plan.tier,
        pipeline=work.pipeline,
        fpr=rates,
        level=level,
        sources=_provenance(known, halves, list(sources.values()), licences),
    )
    return fit_calibration(known, halves, request)


def _provenance(
    known: KnownSamples, halves: Any, stored: Sequence[StoredSource], licences: Mapping[str, str]
) -> Any:
    from madaudit.estimation.known_samples import describe_sources

    notes = [
        "; ".join(f"{n} {status}" for status, n in sorted(one.broken.items())) for one in stored
    ]
    named = [licences.get(source.name, "not stated") for source in known.sources]
    return describe_sources(known, halves, named, notes)


def _print(result: Calibrated) -> None:
    made = result.calibration
    n_real, n_synthetic = made.real_counts.n, made.synthetic_counts.n
    click.echo(
        f"{plural(len(made.real), 'real source')} ({count(n_real)} counted), "
        f"{plural(len(made.synthetic), 'generator')} ({count(n_synthetic)} counted), after "
        f"pipeline {made.pipeline}"
    )
    for name in (*made.detectors, "combination"):
        told = made.performance[name]
        click.echo(f"  {name}: AUC {_interval(told['auc'])}")
        for fpr, found in told["tpr"].items():
            if found:
                click.echo(f"    detected at a false-alarm rate of {fpr}: {_interval(found)}")
    if made.least_detected is not None:
        click.echo(
            f"  least detected of a generator left out: {made.least_detected:.2f} "
            f"(of {made.n_generators})"
        )
    for name, statuses in result.broken.items():
        said = ", ".join(f"{count(n)} {status}" for status, n in statuses.items())
        click.echo(visible(f"  {name}: not read: {said}"))
    for problem in result.problems[:10]:
        text = f"{problem['source']}: {problem['shard']}: {problem['message']}"
        click.echo(click.style(visible(f"  {text}"), fg="yellow"), err=True)
    click.echo(visible(f"next: madaudit estimate STORE --calibration {result.folder}"))


def _interval(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    return f"{found['point']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


@click.command("calibrate", no_args_is_help=True)
@click.option("-o", "--output", required=True, metavar="DIR", help="Folder or URL to write.")
@click.option(
    "--real", multiple=True, required=True, metavar="[NAME=]A", help="Known-real; repeat."
)
@click.option(
    "--synthetic",
    multiple=True,
    required=True,
    metavar="[GENERATOR=]B",
    help="Known-synthetic; repeat, one generator each.",
)
@click.option(
    "--pipeline",
    default="none",
    show_default=True,
    metavar="NAME",
    help="What the data set went through: none, img2dataset, datacomp, jpeg-95, -85, -75.",
)
@click.option("--detectors", metavar="A,B", help="Graded ones; default: all that can run here.")
@click.option(
    "--option",
    "option_pairs",
    multiple=True,
    metavar="DETECTOR.OPTION=VALUE",
    help="An option of a detector; may be repeated.",
)
@click.option("--like", metavar="STORE", help="Take this store's detectors and options.")
@click.option(
    "--licence",
    "licence_pairs",
    multiple=True,
    metavar="NAME=TEXT",
    help="Licence of a source, for provenance; may be repeated.",
)
@click.option("--fpr", multiple=True, type=float, metavar="F", help="Besides .05 and .01.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="S")
@click.option("--level", default=0.95, show_default=True, help="Of intervals.")
@click.option(
    "--max-pixels", type=click.IntRange(1), default=DEFAULT_MAX_PIXELS, show_default=True
)
@click.option("--engine", type=click.Choice(("serial", "pool")), help="Default: what pays.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Default: processors.")
@common_options
@guarded
def command(
    output: str,
    real: tuple[str, ...],
    synthetic: tuple[str, ...],
    pipeline: str,
    detectors: str | None,
    option_pairs: tuple[str, ...],
    like: str | None,
    licence_pairs: tuple[str, ...],
    fpr: tuple[float, ...],
    seed: int,
    level: float,
    max_pixels: int,
    engine: str | None,
    workers: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Calibrate graded detectors on samples whose label is known.

    \b
      madaudit calibrate -o cal --real photos/ --synthetic sdxl=sdxl/ --synthetic flux=flux/ \\
          --pipeline img2dataset --like store
      madaudit estimate store --calibration cal
    """
    result = calibrate(
        output,
        real=real,
        synthetic=synthetic,
        pipeline=pipeline,
        detectors=split_names(detectors),
        options=parse_options(option_pairs),
        like=like,
        licences=dict(_pair(text) for text in licence_pairs),
        fpr=fpr,
        seed=seed,
        level=level,
        max_pixels=max_pixels,
        engine=engine,
        workers=workers,
        quiet=quiet,
    )
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result)
    return 0 if result.is_complete else EXIT_INCOMPLETE


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"cannot read --licence {text!r}; allowed: NAME=TEXT")
    return name, value
