"""`madaudit calibrate`: what known samples score after the data set's own pipeline.

The known samples are sent through the pipeline, scanned by the plan that the data set is scanned
by, and halved: one half fits the combiner, the other is counted. Everything lies in the output
folder and is taken up again after an interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from madaudit.commands.calibration_request import (
    GivenSource,
    build_calibration_plan,
    read_sources,
)
from madaudit.commands.scan_request import parse_options, split_names
from madaudit.commands.shell import EXIT_INCOMPLETE, common_options, guarded, print_json
from madaudit.errors import InputError, OptionError
from madaudit.limits import DEFAULT_MAX_PIXELS
from madaudit.shards import files

if TYPE_CHECKING:
    from madaudit.estimation.calibration import Calibration


@dataclass(frozen=True)
class Calibrated:
    """A calibration that was written.

    Attributes:
        folder: where.
        calibration: what.
        broken: source to samples that could not be read, by status.
        problems: what is wrong with shards of known samples: source, shard, message.
        probe: path of the probe that was trained, None where none was.
    """

    folder: str
    calibration: Calibration
    broken: dict[str, dict[str, int]]
    problems: tuple[dict[str, Any], ...] = ()
    probe: str | None = None

    @property
    def is_complete(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        made = self.calibration
        told = dict(made.performance)
        return {
            "calibration": self.folder,
            "probe": self.probe,
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


def calibrate(
    output: str,
    *,
    real: Sequence[str],
    synthetic: Sequence[str],
    pipeline: str = "none",
    detectors: Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    like: str | None = None,
    train_probe: bool = False,
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
        train_probe: fit `clip_probe` on the known samples; the probe is written beside the
            calibration, and a data set is then scanned with clip_probe.probe=DIR/probe.json.
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
    from madaudit.commands.known_scans import KnownScans, fit
    from madaudit.commands.probe_training import PROBE_FILE
    from madaudit.estimation.discrimination import USUAL_FPR

    require_pipeline(pipeline)
    given = read_sources(
        [real] if isinstance(real, str) else real,
        [synthetic] if isinstance(synthetic, str) else synthetic,
    )
    _require_licences(licences or {}, given)
    folder = output.rstrip("/")
    if train_probe:
        detectors, options = _to_train(folder, detectors, options, like)
    plan, graded = build_calibration_plan(
        detectors, options, like, max_pixels=max_pixels, keep_embeddings=train_probe
    )
    work = KnownScans(folder, plan, graded, pipeline, engine, workers, quiet, train_probe)
    stored = {one: work.scan(one) for one in given}
    rates = tuple(dict.fromkeys((*USUAL_FPR, *fpr)))
    made = fit(work, stored, licences or {}, rates=rates, seed=seed, level=level)
    write_calibration(made, work.folder)
    problems = [
        {"source": one.source.name, **problem}
        for one, (_, found) in stored.items()
        for problem in found
    ]
    broken = {one.source.name: source.broken for one, (source, _) in stored.items()}
    return Calibrated(
        work.folder,
        made,
        {name: one for name, one in broken.items() if one},
        tuple(problems),
        files.join(work.folder, PROBE_FILE) if train_probe else None,
    )


def _to_train(
    folder: str,
    detectors: Sequence[str] | None,
    options: Mapping[str, Mapping[str, Any]] | None,
    like: str | None,
) -> tuple[Sequence[str], Mapping[str, Mapping[str, Any]]]:
    """Detectors and options of a scan that keeps what a probe is trained on."""
    from madaudit.commands.probe_training import TRAINED, untrained_options

    names = tuple(detectors or (TRAINED,))
    if like is not None:
        raise OptionError(
            "cannot train a probe --like a store, whose scores another probe gave; leave one out, "
            "and scan the data set with the new probe"
        )
    if TRAINED not in names:
        raise OptionError(
            f"cannot train a probe without its detector; add {TRAINED} to --detectors"
        )
    return names, untrained_options(folder, options)


def _require_licences(licences: Mapping[str, str], given: Sequence[GivenSource]) -> None:
    names = [one.source.name for one in given]
    for name in licences:
        if name not in names:
            raise InputError(
                f"cannot note a licence of {name!r}: no such source (known: {', '.join(names)})"
            )


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
@click.option("--train-probe", is_flag=True, help="Fit clip_probe on the known samples.")
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
    train_probe: bool,
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
        train_probe=train_probe,
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
        from madaudit.commands.calibrate_summary import print_summary

        print_summary(result)
    return 0 if result.is_complete else EXIT_INCOMPLETE


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"cannot read --licence {text!r}; allowed: NAME=TEXT")
    return name, value
