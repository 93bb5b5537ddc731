"""`madaudit risk`: what the synthetic share of a store does to models trained on it.

The estimate decides what is known of π. The certain floor alone leaves everything above it open,
so the level is then given for both ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from madaudit.commands.loop_options import loop_option, pool_option
from madaudit.commands.shell import common_options, guarded, print_json

if TYPE_CHECKING:
    from madaudit.assessment import PhaseDiagram, Risk, Strata, Threshold, Trajectory
    from madaudit.simulation import LoopTrace
    from madaudit.types import Interval

# λ where nobody says it: from half the variance to all of it.
_UNKNOWN_BIAS = (0.5, 1.0)


@dataclass(frozen=True)
class Assessment:
    """The risk of a store; `to_dict` is the --json output.

    Attributes:
        risk: from π's interval and the loop.
        tier: of the estimate behind it.
        trace: the loop at the point of π, or at its upper end.
        bands: trajectories with what is not known of π and λ.
        phase: harm over share and λ, with this data set on it.
        threshold: where to cut; None where no graded scores with their calibration say it.
    """

    risk: Risk
    tier: str
    trace: LoopTrace
    bands: Trajectory
    phase: PhaseDiagram
    threshold: Threshold | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.risk.to_dict(),
            "tier": self.tier,
            "threshold": self.threshold.to_dict() if self.threshold else None,
            "trajectory": self.bands.to_dict(),
            "phase": self.phase.to_dict(),
        }


class _Known(NamedTuple):
    """What the risk takes of an estimate."""

    n: float
    prevalence: Interval


def risk(
    store: str,
    *,
    loop: str = "fresh",
    pool: str = "replace",
    bias: float | None = None,
    model_error: float = 0.0,
    dim: int = 1,
    generations: int = 10,
    tolerance: float = 0.01,
    by: Sequence[str] = (),
    policy_out: str | None = None,
) -> Assessment:
    """The risk of training on a scanned data set, generation after generation.

    Args:
        store: folder or URL of the store.
        loop: "fresh", "augmentation" or "synthetic".
        pool: what becomes of old synthetic samples.
        bias: λ; None for not known, between .5 and 1.
        model_error: ε², as a fraction of the real variance.
        dim: dimension of the Gaussian that stands for a model.
        generations: at which harm is told, beside convergence.
        tolerance: harm that is accepted.
        by: columns whose strata are loops of their own.
        policy_out: file for a policy with this tolerance.

    Raises:
        StoreError: no store, or none of its shards is finished.
        OptionError: an unknown column, or a value out of its range.
    """
    from madaudit.assessment import assess_risk, phase_of, trace_of, trajectory_of
    from madaudit.commands.estimate import estimate
    from madaudit.simulation import LoopSpec
    from madaudit.simulation.loop import require_number
    from madaudit.types import Interval

    require_number("tolerance", tolerance, high=1.0)
    spec = LoopSpec(
        loop,  # type: ignore[arg-type]  # LoopSpec refuses other names itself
        pool=pool,  # type: ignore[arg-type]
        bias=1.0 if bias is None else bias,
        model_error=model_error,
        dim=dim,
        generations=generations,
    )
    known = estimate(store, by=by)
    content = known.to_dict()
    unknown = Interval(_UNKNOWN_BIAS[0], None, _UNKNOWN_BIAS[1], 1.0) if bias is None else None
    basis = _Known(content["n"], _prevalence(content["p"]))
    assessed = assess_risk(
        basis,
        spec,
        bias=unknown,
        tolerance=tolerance,
        strata=_strata(content["strata"]) if by else None,
    )
    if policy_out is not None:
        _write_policy(tolerance, policy_out)
    return Assessment(
        assessed,
        content["tier"],
        trace_of(basis, spec),
        trajectory_of(basis, spec, bias=unknown, tolerance=tolerance),
        phase_of(basis, spec, bias=unknown, tolerance=tolerance),
    )


def _prevalence(p: dict[str, Any]) -> Interval:
    from madaudit.types import Interval

    point = None if p["point"] is None else 1.0 - p["point"]
    return Interval(1.0 - p["high"], point, 1.0 - p["low"], p["level"])


def _strata(strata: list[dict[str, Any]]) -> Strata:
    """Strata by their own interval of p, or by their floor where that is all."""
    import numpy as np

    from madaudit.assessment import Strata

    names = [
        ", ".join(f"{column} {value or '(none)'}" for column, value in stratum["by"].items())
        for stratum in strata
    ]
    ends = [
        (1.0 - stratum["p"]["high"], 1.0 - stratum["p"]["low"])
        if "p" in stratum
        else (stratum["floor"]["low"], stratum["floor"]["high"])
        for stratum in strata
    ]
    low, high = np.array(ends, dtype=float).reshape(-1, 2).T
    return Strata(names, np.array([stratum["n"] for stratum in strata], dtype=float), low, high)


def _write_policy(tolerance: float, path: str) -> None:
    import os

    from madaudit.assessment import Policy

    part = f"{path}.part"
    with open(part, "w", encoding="utf-8") as file:
        file.write(Policy(rules={"max_harm": tolerance}).to_yaml())
    os.replace(part, path)


def _print(assessment: Assessment) -> None:
    from madaudit.reports.wording import percent, visible

    told = assessment.risk
    both = (
        told.level if told.level == told.level_at_low else f"{told.level_at_low} to {told.level}"
    )
    click.echo(f"risk level: {both} (tier of the estimate: {assessment.tier})")
    end = told.at_convergence
    click.echo(
        f"  harm in the limit: {end.low:.2g} to {end.high:.2g} real standard deviations; "
        f"at generation {len(told.by_generation) - 1}: {told.by_generation[-1].low:.2g} to "
        f"{told.by_generation[-1].high:.2g}"
    )
    levels = ", ".join(f"λ = {bias:g}: {level}" for bias, level in told.by_bias.items())
    click.echo(f"  level by λ, at the upper end of π: {levels}")
    if told.generations_to_tolerance is not None:
        click.echo(f"  the tolerance may be crossed at generation {told.generations_to_tolerance}")
    if told.fresh_real_needed:
        click.echo(f"  {told.fresh_real_needed} more fresh real samples a generation prevent it")
    if told.tail is not None:
        click.echo(
            f"  strata that exceed the tolerance hold {percent(told.tail.share_certain)} of "
            f"samples for certain, {percent(told.tail.share_possible)} at most"
        )
        for name, harm in told.tail.strata[:20]:
            click.echo(f"    {visible(name)}: up to {harm:.2g}")
    for assumption in told.assumptions:
        click.echo(f"  assumes: {assumption}")
    click.echo(f"  rule: {told.rule}")


@click.command("risk", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@loop_option
@pool_option
@click.option("--bias", type=float, metavar="λ", help="Variance that samplers keep; not known.")
@click.option("--model-error", type=float, default=0.0, show_default=True, metavar="ε²",
              help="Error that training adds, in real variances.")  # fmt: skip
@click.option("--dim", type=int, default=1, show_default=True, help="Dimension.")
@click.option(
    "--generations", type=int, default=10, show_default=True, help="Told, and the limit."
)
@click.option("--tolerance", type=float, default=0.01, show_default=True, help="Harm accepted.")
@click.option("--by", metavar="COL,…", help="Strata as loops of their own.")
@click.option("--policy-out", type=click.Path(dir_okay=False), help="Write a policy file.")
@common_options
@guarded
def command(as_json: bool, quiet: bool, verbose: bool, by: str | None, **options: Any) -> int:
    """Tell what the synthetic share does to models trained on it.

    \b
      madaudit risk store
      madaudit risk store --loop augmentation --bias 0.9 --by domain
    """
    columns = tuple(name.strip() for name in by.split(",") if name.strip()) if by else ()
    result = risk(by=columns, **options)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result)
    return 0
