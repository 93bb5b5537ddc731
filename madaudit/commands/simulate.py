"""`madaudit simulate`: what a self-consuming loop does, generation by generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from madaudit.commands.loop_interventions import InterventionOptions
from madaudit.commands.loop_options import COUNTS, REALS, loop_option, pool_option
from madaudit.commands.scan_request import parse_options
from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.commands.simulate_summary import print_trace
from madaudit.commands.simulate_trained import FAMILIES as TRAINED
from madaudit.commands.simulate_trained import TrainingOptions, parse_settings, run_trained
from madaudit.errors import OptionError
from madaudit.registry import suggest

if TYPE_CHECKING:
    from madaudit.simulation import Filter, LoopSpec

Family = Literal["gaussian", "mixture", "ddpm", "flow", "normal", "stylegan", "wgan"]
THEORIES = ("gaussian", "mixture")
FAMILIES = (*THEORIES, *TRAINED)


@dataclass(frozen=True)
class Simulation:
    """A loop's trajectory as plain values; `to_dict` is the --json output."""

    content: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.content


def simulate(
    family: Family,
    *,
    loop: str = "fresh",
    pool: str = "replace",
    memory: int = 1,
    keep: int | None = None,
    n_fresh: int | Sequence[int] = 0,
    n_fixed: int = 0,
    n_synthetic: int | Sequence[int] = 0,
    n_initial: int | None = None,
    bias: float | Sequence[float] = 1.0,
    real_weight: float = 1.0,
    model_error: float | Sequence[float] = 0.0,
    filter_tpr: float | Sequence[float] = 0.0,
    filter_fpr: float | Sequence[float] = 0.0,
    filter_detector: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    mark: str | None = None,
    mark_bits: str | None = None,
    dim: int = 1,
    spectrum: Sequence[float] | None = None,
    data: str | None = None,
    generations: int = 10,
    seeds: Sequence[int] = (0,),
    monte_carlo: int = 0,
    side: int = 8,
    n_eval: int = 500,
    encoder: str | None = None,
    weights: str | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | None = None,
    quiet: bool = True,
) -> Simulation:
    """What a self-consuming loop does to models, generation by generation.

    Args:
        family: "gaussian" (exact, or sampled with monte_carlo) or "mixture" (sampled); "ddpm",
            "stylegan", "wgan", "flow" and "normal" train a model in every generation.
        loop: "fresh", "augmentation" or "synthetic".
        pool: what becomes of old synthetic samples: "replace", "accumulate" or "subsample".
        memory: last models that draw the synthetic samples.
        keep: generations that accumulated samples stay; None for ever.
        n_fresh: fresh real samples; one number, or one for each generation.
        n_fixed: fixed real samples.
        n_synthetic: synthetic samples; one number, or one for each generation.
        n_initial: real samples of the first model.
        bias: λ, factor on the variance of what a model draws; may change by generation.
        real_weight: weight of a real sample beside a synthetic one.
        model_error: ε², as a fraction of the real variance; may change by generation.
        filter_tpr: share of synthetic samples that a detector drops before training; may change
            by generation.
        filter_fpr: share of real samples that it drops; may change by generation.
        filter_detector: of a trained loop, a detector of madaudit that drops samples as they enter
            in place of a random share; filter_fpr is then what its cut may cost, one number.
        options: detector's name to its options, for filter_detector.
        mark: of a trained loop, a watermark on every draw that is trained on: "dwt_dct" or
            "dwt_dct_svd".
        mark_bits: its message, 0 or 1 for each block of 8 × 8 pixels; default: from a fixed seed.
        dim: dimension of the Gaussian.
        spectrum: eigenvalues of its covariance, in place of dim ones.
        data: "mixture25", "rosenbrock", "digits", "mnist" or a path (see
            `commands.loop_data.load_real`); a mixture's is mixture25.
        generations: after generation 0.
        seeds: a set of replicates for each.
        monte_carlo: replicates for each seed; 0 for the exact trace.
        side: of images that models are trained on, in pixels.
        n_eval: real samples that measure a trained generation.
        encoder: whose features of images are compared, for example "clip-onnx"; None for LeNet,
            and for points as they are.
        weights: what the encoder takes; None for its default.
        settings: options of the trained family, for example {"steps": 3000}.
        out: folder for trace.parquet, trace.json and, of the first two families, charts as SVG;
            of a trained loop every generation too, so that the same command goes on where it was
            killed.
        quiet: no progress on stderr.

    Raises:
        OptionError: a loop that makes no sense; the message says what to give.
    """
    from madaudit.simulation import LoopSpec

    if family not in FAMILIES:
        raise OptionError(f"simulate knows no family {family!r}{suggest(family, list(FAMILIES))}")
    interventions = _interventions(
        filter_detector, filter_tpr, filter_fpr, options or {}, mark, mark_bits
    )
    filters = None if filter_detector else _filters(filter_tpr, filter_fpr, generations)
    spec = LoopSpec(
        loop,  # type: ignore[arg-type]  # LoopSpec refuses other names itself
        pool=pool,  # type: ignore[arg-type]
        memory=memory,
        keep=keep,
        n_fresh=n_fresh,
        n_fixed=n_fixed,
        n_synthetic=n_synthetic,
        n_initial=n_initial,
        bias=bias,
        real_weight=real_weight,
        model_error=model_error,
        filters=filters,
        dim=len(spectrum) if spectrum else dim,
        spectrum=tuple(spectrum) if spectrum else None,
        generations=generations,
    )
    if family in TRAINED:
        training = TrainingOptions(
            data, side, n_eval, dict(settings or {}), interventions, encoder, weights
        )
        return Simulation(
            run_trained(family, spec, tuple(seeds), training, out=out, is_quiet=quiet)
        )
    if encoder is not None or weights is not None:
        raise OptionError(
            f"the {family} family has no images to measure by an encoder; leave out --encoder and "
            f"--weights, or give a family that trains on images"
        )
    if not interventions.are_none:
        raise OptionError(
            f"the {family} family has no samples to mark or to show a detector; give "
            f"--filter-tpr and --filter-fpr, or a family that trains ({', '.join(TRAINED)})"
        )
    content = _run(family, spec, tuple(seeds), monte_carlo, data)
    if out is not None:
        from madaudit.commands.simulate_files import write_simulation

        write_simulation(content, spec, out)
    return Simulation(content)


def _filters(
    tpr: float | Sequence[float], fpr: float | Sequence[float], generations: int
) -> Filter | tuple[Filter, ...] | None:
    """One detector for all generations, or one for each."""
    from madaudit.simulation import Filter

    if not isinstance(tpr, Sequence) and not isinstance(fpr, Sequence):
        return Filter(tpr, fpr) if tpr or fpr else None
    rates = []
    for name, value in (("filter_tpr", tpr), ("filter_fpr", fpr)):
        rates.append(value if isinstance(value, Sequence) else (value,) * generations)
        if len(rates[-1]) != generations:
            raise OptionError(
                f"{name} has {len(rates[-1])} values for {generations} generations; give one "
                f"value, or one for each generation after the first model"
            )
    return tuple(Filter(*pair) for pair in zip(*rates, strict=True))


def _interventions(
    detector: str | None,
    tpr: float | Sequence[float],
    fpr: float | Sequence[float],
    options: Mapping[str, Mapping[str, Any]],
    mark: str | None,
    mark_bits: str | None,
) -> InterventionOptions:
    if detector is None:
        return InterventionOptions(options=options, mark=mark, mark_bits=mark_bits)
    if tpr:
        raise OptionError(
            f"--filter-tpr is {tpr} with --filter-detector {detector}, whose share of synthetic "
            f"samples is measured; leave it out"
        )
    if isinstance(fpr, Sequence):
        raise OptionError(
            f"--filter-fpr has {len(fpr)} values with --filter-detector {detector}, which has one "
            f"cut; give one value"
        )
    return InterventionOptions(detector, fpr, options, mark, mark_bits)


def _run(
    family: Family, spec: LoopSpec, seeds: tuple[int, ...], monte_carlo: int, data: str | None
) -> dict[str, Any]:
    from madaudit.simulation import predict, sample_loop, sample_mixture

    if family == "mixture":
        if data not in (None, "mixture25"):
            raise OptionError(f"--data is {data!r}; the mixture family knows 'mixture25'")
        return sample_mixture(spec, monte_carlo or 100, seeds).to_dict()
    if data is not None:
        raise OptionError(f"--data is {data!r}; the gaussian family has no data, only --dim")
    trace = sample_loop(spec, monte_carlo, seeds) if monte_carlo else predict(spec)
    return trace.to_dict()


def _seeds(context: click.Context, parameter: click.Parameter, value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


@click.command("simulate", no_args_is_help=True)
@click.argument("family", type=click.Choice(FAMILIES), metavar="FAMILY")
@loop_option
@pool_option
@click.option(
    "--memory",
    type=int,
    default=1,
    show_default=True,
    help="Last models that draw the synthetic samples.",
)
@click.option("--keep", type=int, help="Generations that accumulated samples stay; all.")
@click.option("--n-fresh", type=COUNTS, default=0, metavar="N,…", help="Fresh real samples.")
@click.option("--n-fixed", type=COUNTS, default=0, help="Fixed real samples.")
@click.option("--n-synthetic", type=COUNTS, default=0, metavar="N,…", help="Synthetic samples.")
@click.option("--n-initial", type=COUNTS, help="Real samples of the first model.")
@click.option(
    "--bias",
    type=REALS,
    default=1.0,
    metavar="λ,…",
    show_default=True,
    help="Factor on the variance of what a model draws.",
)
@click.option(
    "--real-weight",
    type=float,
    default=1.0,
    show_default=True,
    help="Weight of a real sample beside a synthetic one.",
)
@click.option(
    "--model-error",
    type=REALS,
    default=0.0,
    metavar="ε²,…",
    show_default=True,
    help="Error that training adds, in real variances.",
)
@click.option(
    "--filter-tpr",
    type=REALS,
    default=0.0,
    metavar="R,…",
    show_default=True,
    help="Share of synthetic samples that a detector drops.",
)
@click.option(
    "--filter-fpr",
    type=REALS,
    default=0.0,
    metavar="R,…",
    show_default=True,
    help="Share of real samples that it drops.",
)
@click.option(
    "--filter-detector",
    metavar="NAME",
    help="Detector that filters in place of a rate.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="DETECTOR.OPTION=VALUE",
    help="An option of that detector; may be repeated.",
)
@click.option("--mark", metavar="METHOD", help="Watermark on draws: dwt_dct or dwt_dct_svd.")
@click.option("--mark-bits", metavar="DIGITS", help="Its message, a bit each 8 × 8 pixels.")
@click.option("--dim", type=int, default=1, show_default=True)
@click.option("--spectrum", type=REALS, metavar="E,…", help="Eigenvalues of the real covariance.")
@click.option("--data", help="digits, mnist, mixture25, rosenbrock, or a path.")
@click.option("--side", type=int, default=8, show_default=True, help="Of trained images, px.")
@click.option("--n-eval", type=int, default=500, show_default=True, help="Samples that measure.")
@click.option("--encoder", metavar="NAME", help="What images are compared by; default: lenet.")
@click.option("--weights", metavar="FILE|NAME", help="Of --encoder.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the trained family, for example steps=3000.",
)
@click.option("--generations", type=int, default=10, show_default=True, help="After the first.")
@click.option(
    "--seeds",
    type=COUNTS,
    default=(0,),
    show_default="0",
    metavar="S,…",
    callback=_seeds,
    help="A set of replicates for each.",
)
@click.option(
    "--monte-carlo",
    type=int,
    default=0,
    show_default=True,
    metavar="R",
    help="Replicates for each seed; 0: exact.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False),
    help="Folder for trace.parquet, trace.json and charts.",
)
@common_options
@guarded
def command(as_json: bool, quiet: bool, verbose: bool, **options: Any) -> int:
    """Predict what a self-consuming loop does to models.

    \b
      madaudit simulate gaussian --n-fresh 1000 --n-synthetic 1000 --bias 0.9
      madaudit simulate gaussian --loop synthetic --n-synthetic 100 --dim 10 --monte-carlo 1000
      madaudit simulate mixture --loop synthetic --n-synthetic 2500 --generations 200
      madaudit simulate flow --loop synthetic --n-synthetic 10000 --bias 0.75 -o flow-loop
      madaudit simulate ddpm --loop fresh --n-fresh 200 --n-synthetic 200 --generations 4

    Families: gaussian (exact, or --monte-carlo) and mixture are theory; ddpm, stylegan, wgan,
    flow and normal train a model in every generation (extra: loops).
    """
    if isinstance(options["spectrum"], float):
        options["spectrum"] = (options["spectrum"],)
    options["settings"] = parse_settings(options["settings"])
    options["options"] = parse_options(options["options"])
    result = simulate(**options, quiet=quiet)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        print_trace(result.to_dict(), options["out"])
    return 0
