"""`madaudit risk`: what the synthetic share of a store does to models, and where to cut it.

The estimate decides what is known of π. The certain floor alone leaves everything above it open,
so the level is then given for both ends, and there is no cut by score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from madaudit.commands.loop_options import loop_option, pool_option
from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.errors import OptionError
from madaudit.types import Interval

if TYPE_CHECKING:
    from madaudit.assessment import (
        FoundCut,
        PhaseDiagram,
        Policy,
        Risk,
        SamplingBias,
        Strata,
        Threshold,
        Trajectory,
        Weighting,
    )
    from madaudit.assessment.harm import Level
    from madaudit.commands.estimate import Estimate
    from madaudit.commands.store_threshold import Advice
    from madaudit.estimation.calibration import Calibration
    from madaudit.simulation import LoopSpec, LoopTrace

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
        advice: where to cut and who is hurt; None where no calibration's scores say it.
        basis_risk: the risk on the interval that the cut rests on, where that is not the headline.
        by_bias: the cut for each λ where nobody knows it, as by the level.
        weighting: weights in place of a cut; None where there is nothing to weigh.
        sampling_bias: λ measured on the store's embeddings; None where it was not asked for.
    """

    risk: Risk
    tier: str
    trace: LoopTrace
    bands: Trajectory
    phase: PhaseDiagram
    advice: Advice | None = None
    basis_risk: Risk | None = None
    by_bias: Mapping[float, FoundCut] = field(default_factory=dict)
    weighting: Weighting | None = None
    sampling_bias: SamplingBias | None = None

    @property
    def threshold(self) -> Threshold | None:
        return self.advice.threshold if self.advice else None

    def to_dict(self) -> dict[str, Any]:
        advice, bias = self.advice, self.sampling_bias
        return {
            **self.risk.to_dict(),
            "tier": self.tier,
            "threshold": advice.to_dict() if advice else None,
            "curve": [p.to_dict() for p in advice.threshold.curve] if advice else None,
            "basis": _basis(advice, self.basis_risk or self.risk) if advice else None,
            "hurt": [group.to_dict() for group in advice.hurt] if advice else [],
            "threshold_by_bias": {f"{k:g}": v.to_dict() for k, v in self.by_bias.items()},
            "weighting": self.weighting.to_dict() if self.weighting else None,
            "sampling_bias": bias.to_dict() if bias else None,
            "trajectory": self.bands.to_dict(),
            "phase": self.phase.to_dict(),
        }


def _basis(advice: Advice, at_basis: Risk) -> dict[str, Any]:
    return {
        "level": at_basis.level,
        "level_at_low": at_basis.level_at_low,
        "tier": advice.basis.tier,
        "prevalence": advice.basis.prevalence.to_dict(),
        "least_detected": advice.basis.least_detected,
        "calibration": advice.calibration,
        "assumptions": list(advice.basis.assumptions),
    }


class _Known(NamedTuple):
    """What the risk takes of an estimate."""

    n: float
    prevalence: Interval


def risk(
    store: str,
    *,
    calibration: str | Calibration | None = None,
    loop: str = "fresh",
    pool: str = "replace",
    bias: float | None = None,
    bias_from_embeddings: bool = False,
    model_error: float = 0.0,
    dim: int = 1,
    generations: int = 10,
    tolerance: float | None = None,
    by: Sequence[str] = (),
    policy: str | None = None,
    policy_out: str | None = None,
    plots: str | None = None,
) -> Assessment:
    """The risk of training on a scanned data set, generation after generation, and where to cut.

    Args:
        store: folder or URL of the store.
        calibration: folder of one, "default", or the calibration itself; None for marks alone,
            which give a risk and no cut.
        loop: "fresh", "augmentation" or "synthetic".
        pool: what becomes of old synthetic samples.
        bias: λ; None for not known, between .5 and 1.
        bias_from_embeddings: measure λ on the store's embeddings.
        model_error: ε², as a fraction of the real variance.
        dim: dimension of the Gaussian that stands for a model.
        generations: at which harm is told, beside convergence.
        tolerance: harm that is accepted; default the policy's `max_harm`, else .01.
        by: columns whose strata are loops of their own, as `estimate` takes them; "cluster" is
            the concept by embeddings that the scan kept.
        policy: file whose levels and tolerance hold.
        policy_out: file for a policy with the cut, the weights and this tolerance.
        plots: folder for harm.svg, variance.svg, phase.svg and, where there is a cut's curve,
            cuts.svg, as the report draws them.

    Raises:
        StoreError: no store, none of its shards is finished, or no embeddings where λ is to be
            measured on them.
        OptionError: an unknown column, or a value out of its range.
        InputError: no calibration there, or one of other detectors.
    """
    from madaudit.assessment import LIMITS, assess_risk, phase_of, trace_of, trajectory_of
    from madaudit.commands.estimate import estimate
    from madaudit.commands.store_threshold import advise, cuts_by_bias
    from madaudit.hooks.policy_file import as_policy
    from madaudit.simulation import LoopSpec

    if bias is not None and bias_from_embeddings:
        raise OptionError(
            f"--bias is {bias:g} beside --bias-from-embeddings; give λ, or have it measured"
        )
    rules = as_policy(policy or None)
    accepted = _tolerance(tolerance, rules)
    spec = LoopSpec(
        loop,  # type: ignore[arg-type]  # LoopSpec refuses other names itself
        pool=pool,  # type: ignore[arg-type]
        bias=1.0 if bias is None else bias,
        model_error=model_error,
        dim=dim,
        generations=generations,
    )
    known = estimate(store, calibration=calibration, by=by)
    measured = _measured(store, known) if bias_from_embeddings else None
    factor = _factor(bias, measured)
    basis = _Known(known.n, prevalence_of(known.p))
    limits = rules.levels if rules else LIMITS
    told: dict[str, Any] = {"bias": factor, "tolerance": accepted}
    advice = advise(known, spec, **told)
    result = Assessment(
        assess_risk(basis, spec, limits=limits, strata=_strata(known) if by else None, **told),
        known.tier,
        trace_of(basis, spec),
        trajectory_of(basis, spec, **told),
        phase_of(basis, spec, limits=limits, **told),
        advice,
        _risk_of_basis(known, advice, spec, limits, told),
        cuts_by_bias(known, spec, tolerance=accepted) if factor and not measured else {},
        _weighting(known, advice, spec, factor),
        measured,
    )
    if policy_out is not None:
        _write_policy(result, accepted, limits, policy_out)
    if plots is not None:
        _draw(result, spec, plots)
    return result


def _draw(result: Assessment, spec: LoopSpec, folder: str) -> None:
    from madaudit.commands.chart_files import (
        cut_picture,
        loop_picture,
        phase_picture,
        write_charts,
    )
    from madaudit.reports import charts

    loop = loop_picture(result.bands, spec.loop, spec.pool, result.phase.bias)
    drawn = {
        "harm": charts.draw_harm(loop, "harm"),
        "variance": charts.draw_variance(loop, "variance"),
        "phase": charts.draw_phase(phase_picture(result.phase), "phase"),
    }
    cuts = cut_picture(result.threshold) if result.threshold else None
    if cuts is not None:
        drawn["cuts"] = charts.draw_cuts(cuts, "cuts")
    write_charts(drawn, folder)


def _tolerance(tolerance: float | None, rules: Policy | None) -> float:
    from madaudit.simulation.loop import require_number

    if tolerance is None and rules and "max_harm" in rules.rules:
        return float(rules.rules["max_harm"])
    accepted = 0.01 if tolerance is None else tolerance
    require_number("tolerance", accepted, high=1.0)
    return accepted


def _factor(bias: float | None, measured: SamplingBias | None) -> Interval | None:
    """λ's interval: measured, or not known; None where it is given."""
    if bias is not None:
        return None
    if measured is None:
        return Interval(_UNKNOWN_BIAS[0], None, _UNKNOWN_BIAS[1], 1.0)
    low, point, high = (
        min(value, 1.0)
        for value in (measured.trace_ratio.low, measured.trace_ratio.point or 0.0,
                      measured.trace_ratio.high)
    )  # fmt: skip
    return Interval(low, point, high, measured.trace_ratio.level)


def _risk_of_basis(
    known: Estimate,
    advice: Advice | None,
    spec: LoopSpec,
    limits: Mapping[Level, float],
    told: dict[str, Any],
) -> Risk | None:
    from madaudit.assessment import assess_risk

    if advice is None or advice.basis.prevalence.high == known.prevalence.high:
        return None
    return assess_risk(advice.basis, spec, limits=limits, **told)


def _measured(store: str, known: Estimate) -> SamplingBias:
    from madaudit.commands.embedding_bias import bias_of_store

    fingerprint = known.calibration.fingerprint if known.calibration else None
    return bias_of_store(store, calibration=fingerprint)


def _weighting(
    known: Estimate, advice: Advice | None, spec: LoopSpec, factor: Interval | None
) -> Weighting | None:
    """w* at the point of π that a cut rests on, or at the marked share; at the lowest λ."""
    from madaudit.assessment import weigh_real

    share = known.floor.all_marks.low
    if advice and advice.basis.prevalence.point is not None:
        share = advice.basis.prevalence.point
    if not 0.0 < share < 1.0 or spec.loop == "synthetic":
        return None
    at = spec if factor is None else replace(spec, bias=factor.low)
    return weigh_real(known.n, share, at)


def prevalence_of(p: Interval) -> Interval:
    """π's interval from p's; a floor's has no point there."""
    point = None if p.point is None else 1.0 - p.point
    return Interval(1.0 - p.high, point, 1.0 - p.low, p.level)


def _strata(known: Estimate) -> Strata:
    """Strata by their own interval of π, or by their floor where that is all."""
    import numpy as np

    from madaudit.assessment import Strata
    from madaudit.commands.store_threshold import stratum_name

    shares = [prevalence_of(one.p) for one in known.strata]
    return Strata(
        [stratum_name(one.by) for one in known.strata],
        np.array([one.tally.n for one in known.strata], dtype=float),
        np.array([share.low for share in shares], dtype=float),
        np.array([share.high for share in shares], dtype=float),
    )


def _write_policy(
    result: Assessment, tolerance: float, limits: Mapping[Level, float], path: str
) -> None:
    import os

    from madaudit.assessment import Policy

    threshold, weighting = result.threshold, result.weighting
    cut = threshold.cut if threshold else None
    written = Policy(
        cut,
        weighting.real_weight if weighting else None,
        {"max_harm": tolerance},
        dict(limits),
        result.advice.calibration if result.advice and cut is not None else None,
    )
    part = f"{path}.part"
    with open(part, "w", encoding="utf-8") as file:
        file.write(written.to_yaml())
    os.replace(part, path)


def _print(assessment: Assessment) -> None:
    from madaudit.commands.risk_summary import lines_of

    for line in lines_of(assessment):
        click.echo(line)


@click.command("risk", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option("--calibration", metavar="DIR", help="Of graded scores, or 'default': gives a cut.")
@loop_option
@pool_option
@click.option("--bias", type=float, metavar="λ", help="Variance that samplers keep; not known.")
@click.option("--bias-from-embeddings", is_flag=True, help="Measure λ on the store's embeddings.")
@click.option("--model-error", type=float, default=0.0, show_default=True, metavar="ε²",
              help="Error that training adds, in real variances.")  # fmt: skip
@click.option("--dim", type=int, default=1, show_default=True, help="Dimension.")
@click.option(
    "--generations", type=int, default=10, show_default=True, help="Told, and the limit."
)
@click.option("--tolerance", type=float, show_default="0.01", help="Harm accepted.")
@click.option("--by", metavar="COL,…", help="Strata or clusters as loops of their own.")
@click.option("--policy", type=click.Path(dir_okay=False), help="File with levels and tolerance.")
@click.option("--policy-out", type=click.Path(dir_okay=False), help="Write a policy file.")
@click.option("--plots", type=click.Path(file_okay=False), help="Folder for charts as SVG.")
@common_options
@guarded
def command(as_json: bool, quiet: bool, verbose: bool, by: str | None, **options: Any) -> int:
    """Tell what the synthetic share does to models trained on it, and where to cut.

    \b
      madaudit risk store
      madaudit risk store --loop augmentation --bias 0.9 --by domain
      madaudit risk store --calibration default --policy-out policy.yaml
    """
    columns = tuple(name.strip() for name in by.split(",") if name.strip()) if by else ()
    result = risk(by=columns, **options)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result)
    return 0
