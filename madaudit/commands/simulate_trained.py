"""Loops whose models are really trained: `madaudit simulate ddpm|flow|normal|stylegan|wgan`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from madaudit.commands.loop_interventions import InterventionOptions, build_interventions
from madaudit.errors import OptionError

if TYPE_CHECKING:
    from madaudit.simulation import LoopSpec
    from madaudit.simulation.generators import Generator
    from madaudit.simulation.measuring import Gauge
    from madaudit.simulation.trained_loop import Step, TrainedLoop

FAMILIES = ("ddpm", "flow", "normal", "stylegan", "wgan")
_DEFAULT_DATA = {"flow": "rosenbrock", "normal": "mixture25"}


@dataclass(frozen=True)
class TrainingOptions:
    """What a loop that trains needs beside the loop itself.

    Attributes:
        data: real samples, see `loop_data.load_real`; None for the family's default.
        side: of images, in pixels.
        n_evaluation: real samples that measure every generation, and draws of it.
        settings: the generator's own options.
        interventions: what is done to samples before they are trained on.
        encoder: of images, whose features are compared; None for LeNet, and for points as they
            are.
        weights: what the encoder takes; None for its default.
    """

    data: str | None = None
    side: int = 8
    n_evaluation: int = 500
    settings: Mapping[str, Any] = field(default_factory=dict)
    interventions: InterventionOptions = field(default_factory=InterventionOptions)
    encoder: str | None = None
    weights: str | None = None


def run_trained(
    family: str,
    spec: LoopSpec,
    seeds: Sequence[int],
    options: TrainingOptions,
    *,
    out: str | None = None,
    is_quiet: bool = False,
) -> dict[str, Any]:
    """Train a loop, seed after seed, and tell its trace.

    Args:
        family: of generators.
        spec: the loop.
        seeds: a run each.
        options: data, evaluation and the generator's settings.
        out: folder that finished generations are kept in; a killed run goes on from there.
        is_quiet: no progress on stderr.

    Returns:
        The --json output.

    Raises:
        OptionError: options that make no sense together, or too few real samples.
        MissingExtraError: torch, or what the encoder needs, is not installed.
        RequestError: the encoder's weights are not there.
        StoreError: another loop was run in that folder.
    """
    from madaudit.commands.loop_data import load_real
    from madaudit.commands.loop_gauge import build_gauge, find_encoder
    from madaudit.simulation.generators import build_generator
    from madaudit.simulation.trained_loop import TrainedLoop

    if options.n_evaluation < 10:
        raise OptionError(f"--n-eval is {options.n_evaluation}; it must be 10 or more")
    generator = build_generator(family, options.settings)
    data = options.data or _DEFAULT_DATA.get(family, "digits")
    real = load_real(data, options.side)
    encoder = find_encoder(options.encoder, options.weights)
    gauge = build_gauge(real, options.n_evaluation, encoder)
    interventions = build_interventions(options.interventions, gauge.real)
    loop = TrainedLoop(spec, generator, real, gauge, interventions)
    described = _described(family, generator, spec, data, options)
    if encoder is not None:
        described["encoder"] = {"name": encoder.name, "digest": encoder.digest}
    steps = list(_run(loop, seeds, described, out, is_quiet=is_quiet))
    content = _content(family, described, gauge, steps)
    if out is not None:
        from pathlib import Path

        from madaudit.commands.loop_files import write_trace

        write_trace(Path(out), content)
    return content


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Options of a generator from "name=value" texts; values are JSON, or else text.

    Raises:
        OptionError: no "=" in one.
    """
    settings = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise OptionError(
                f"cannot read --set {pair!r}; allowed: NAME=VALUE, for example steps=3000"
            )
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        settings[name] = tuple(value) if isinstance(value, list) else value
    return settings


def _run(
    loop: TrainedLoop,
    seeds: Sequence[int],
    described: dict[str, Any],
    out: str | None,
    *,
    is_quiet: bool,
) -> Iterator[Step]:
    from madaudit.commands.loop_files import Folder, begin
    from madaudit.commands.loop_progress import LoopProgress

    folder = None if out is None else begin(out, described)
    n_steps = len(seeds) * (loop.spec.generations + 1)
    with LoopProgress(n_steps, is_quiet=is_quiet) as progress:
        for seed in seeds:
            ledger = None if folder is None else Folder(folder / f"seed-{seed}")
            progress.begin(seed)
            for step in loop.run(seed, ledger=ledger, progress=progress.show):
                progress.finish(step)
                yield step


def _described(
    family: str, generator: Generator, spec: LoopSpec, data: str, options: TrainingOptions
) -> dict[str, Any]:
    """All that numbers depend on, the seeds aside; a longer loop goes on in the same folder."""
    from madaudit.simulation.trace import spec_to_dict

    loop = {name: value for name, value in spec_to_dict(spec).items() if name != "generations"}
    described = {
        "family": family,
        "version": generator.version,
        "knob": generator.knob,
        "settings": asdict(generator),  # type: ignore[call-overload]  # a family is a dataclass
        "loop": loop,
        "data": data,
        "side": options.side,
        "n_evaluation": options.n_evaluation,
    }
    if not options.interventions.are_none:
        described["interventions"] = options.interventions.to_dict()
    return described


def _content(
    family: str, described: dict[str, Any], gauge: Gauge, steps: list[Step]
) -> dict[str, Any]:
    flags = [
        f"seed {step.seed}: training diverged in generation {step.generation}"
        for step in steps
        if step.has_diverged
    ]
    return {
        "family": family,
        "method": "trained",
        "experiment": described,
        "loop": described["loop"],
        "metric_names": gauge.names(),
        "trace": [step.to_dict() for step in steps],
        "fixed_point": None,
        "n_effective": None,
        "n_effective_ratio": None,
        "flags": flags,
    }
