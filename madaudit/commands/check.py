"""`madaudit check`: does a store fulfil a policy? Exit 3 with every broken rule if it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from madaudit.commands.loop_options import loop_option, pool_option
from madaudit.commands.loop_request import Known, LoopRequest
from madaudit.commands.shell import (
    EXIT_INCOMPLETE,
    EXIT_POLICY,
    common_options,
    guarded,
    print_json,
)
from madaudit.errors import OptionError

if TYPE_CHECKING:
    from madaudit.assessment import Broken, Policy
    from madaudit.commands.estimate import Estimate
    from madaudit.scanning.survey import Survey

# Rules that need the loop; without them a store of one sample can be checked, too.
_OF_THE_LOOP = ("max_harm", "max_level")
# What rules are held against.
WHOLE, CUT, WEIGHTED = "the store", "what the cut leaves", "the store, real samples weighted"


@dataclass(frozen=True)
class Checked:
    """What a policy says of a store.

    Attributes:
        broken: rules that are not fulfilled.
        values: what was held against them, at the cautious end of each interval.
        unfinished: shards that are not scanned yet.
        quarantined: shards with something wrong.
        of: what the rules were held against: "the store", "what the cut leaves" or "the store,
            real samples weighted".
    """

    broken: tuple[Broken, ...]
    values: dict[str, float | str | None]
    unfinished: int
    quarantined: int
    of: str = WHOLE

    @property
    def is_complete(self) -> bool:
        return not self.unfinished and not self.quarantined

    @property
    def passed(self) -> bool:
        """Every rule holds, and holds of the whole data set."""
        return not self.broken and self.is_complete

    def to_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "of": self.of,
            "broken": [{**rule.to_dict(), "value": _finite(rule.value)} for rule in self.broken],
            "values": {name: _finite(value) for name, value in self.values.items()},
            "unfinished": self.unfinished,
            "quarantined": self.quarantined,
        }


def check(
    store: str,
    *,
    policy: str,
    calibration: str | None = None,
    loop: str = "fresh",
    pool: str = "replace",
    bias: float | None = None,
    model_error: float = 0.0,
    dim: int = 1,
    generations: int = 10,
) -> Checked:
    """Hold a store against the rules of a policy.

    With a calibration, a policy's cut is applied first, as `filter` and the hooks would: what it
    leaves is held against the rules on marks, prevalence, harm and level, at the end of each
    interval that speaks against the data. Weights change harm and level alone. Without a
    calibration nothing can be said of a cut by score, and the store is checked as it is.

    Args:
        store: folder or URL of the store.
        policy: the policy's file.
        calibration: folder of one, or "default"; None for marks alone.
        loop: as in `risk`; for the rules `max_harm` and `max_level`, like all that follow.
        pool: what becomes of old synthetic samples.
        bias: λ; None for not known.
        model_error: ε², as a fraction of the real variance.
        dim: dimension of the Gaussian that stands for a model.
        generations: at which harm is told, beside convergence.

    Raises:
        StoreError: no store, or none of its shards is finished.
        OptionError: a policy that cannot be read, one without rules, or one whose cut is of
            another calibration.
    """
    from madaudit.assessment import level_of
    from madaudit.commands.estimate import estimate
    from madaudit.scanning.store import Store

    rules = _read(policy)
    survey = Store(store.rstrip("/")).survey()
    known = estimate(store, calibration=calibration, posteriors=False)
    request = LoopRequest(loop, pool, bias, model_error, dim, generations)
    values, of = _values(known, survey), WHOLE
    harm: Callable[[], float | None] = partial(_harm, known, request, rules.real_weight)
    if rules.cut is not None and known.calibration is not None:
        of, left = CUT, _left_by(rules, known, request)
        values |= left
        harm = partial(left.get, "harm")
    elif rules.real_weight is not None:
        of = WEIGHTED
    if any(rule in rules.rules for rule in _OF_THE_LOOP):
        found = harm()
        values |= {
            "harm": found,
            "level": None if found is None else level_of(found, rules.levels),
        }
    return Checked(
        rules.broken_by(values),
        values,
        len(survey.manifest["shards"]) - len(survey.markers),
        len(survey.quarantine),
        of,
    )


def _harm(known: Estimate, request: LoopRequest, real_weight: float | None) -> float:
    """Harm of the store as it is, at its upper end."""
    from madaudit.assessment import assess_risk

    spec = replace(request.spec(), real_weight=1.0 if real_weight is None else real_weight)
    told = assess_risk(Known.of(known.tally.weight, known.p), spec, bias=request.unknown_bias())
    return max(told.by_generation[-1].high, told.at_convergence.high)


def _left_by(policy: Policy, known: Estimate, request: LoopRequest) -> dict[str, float | None]:
    """What the policy's cut leaves: the values it changes, None where they are not known.

    Raises:
        OptionError: the cut is of another calibration.
    """
    from madaudit.commands.store_threshold import advise

    calibration = known.calibration
    assert calibration is not None
    assert policy.cut is not None
    if policy.calibration and not calibration.fingerprint.startswith(policy.calibration):
        raise OptionError(
            f"cannot check by a cut of calibration {policy.calibration[:16]}: --calibration is "
            f"{calibration.fingerprint[:16]}; give the one that the cut was made with"
        )
    left: dict[str, float | None] = dict.fromkeys(("prevalence", "effective_real", "harm"))
    # Whatever a mark says is synthetic goes with any cut.
    left["floor"] = 0.0
    advice = advise(known, request.spec(), bias=request.unknown_bias())
    if advice is None:
        return left
    # A cut between two of the curve's drops at least what the higher one does.
    point = next(one for one in advice.threshold.curve if one.cut >= policy.cut)
    share = advice.basis.prevalence.high
    synthetic = share * (
        advice.basis.least_detected * point.synthetic_kept.high
        + (1.0 - advice.basis.least_detected)
    )
    real = (1.0 - share) * (1.0 - point.real_lost.high)
    kept = synthetic + real
    prevalence = synthetic / kept if kept > 0 else 1.0
    return left | {
        "prevalence": prevalence,
        "effective_real": 1.0 - prevalence,
        "harm": point.harm_bound,
    }


def _read(path: str) -> Policy:
    from madaudit.hooks.policy_file import read_policy

    policy = read_policy(path)
    if not policy.rules:
        raise OptionError(
            f"cannot check by {path}: it has no rules; add some, for example "
            f"'rules: {{max_level: low}}'"
        )
    return policy


def _values(known: Estimate, survey: Survey) -> dict[str, float | str | None]:
    """What rules bound, each at its cautious end."""
    p = known.p
    n_shards = len(survey.manifest["shards"])
    return {
        "floor": _floor_at_most(known, survey),
        "prevalence": 1.0 - p.low,
        "effective_real": p.low,
        "observable": known.tally.share(known.tally.observable),
        "missing": max(known.tally.share(known.tally.broken), _failed(survey)),
        "quarantined": len(survey.quarantine) / n_shards if n_shards else 0.0,
    }


def _floor_at_most(known: Estimate, survey: Survey) -> float | None:
    """The marked share: counted in a census, the exact bound's upper end in a sample."""
    from madaudit.estimation.floor import clopper_pearson_low

    floor, tally = known.floor.all_marks, known.tally
    if not survey.is_sampled or floor.point is None:
        return floor.point
    n = tally.weight**2 / tally.weight_squared
    return 1.0 - clopper_pearson_low((1.0 - floor.point) * n, n, floor.level)


def _failed(survey: Survey) -> float:
    """The largest share of rows on which one and the same check failed."""
    rows = sum(marker["n_rows"] for marker in survey.markers)
    failed = [
        sum(marker["states"].get(name, {}).get("missing", 0) for marker in survey.markers)
        for name in survey.detectors
    ]
    return max(failed, default=0) / rows if rows else 0.0


def _finite(value: float | str | None) -> float | str | None:
    """JSON has no ∞; an unbounded number is null there."""
    is_endless = isinstance(value, float) and value == float("inf")
    return None if is_endless else value


def _print(checked: Checked, policy: Policy) -> None:
    rules: Mapping[str, float | str] = policy.rules
    if checked.of != WHOLE:
        click.echo(f"held against: {checked.of}")
    elif policy.cut is not None:
        click.echo("held against: the store before the policy's cut (give --calibration)")
    broken = {rule.rule: rule for rule in checked.broken}
    for name, allowed in rules.items():
        sign = click.style("broken", fg="red") if name in broken else "holds"
        value = broken[name].value if name in broken else None
        seen = "" if name not in broken else f", is {_said(value)}"
        click.echo(f"{sign}: {name} {_said(allowed)}{seen}")
    if not checked.is_complete:
        click.echo(
            f"incomplete: {checked.unfinished} shards not finished, {checked.quarantined} in "
            f"quarantine; what is missing may break rules that hold here"
        )


def _said(value: float | str | None) -> str:
    if value is None:
        return "not known"
    return value if isinstance(value, str) else f"{value:.4g}"


@click.command("check", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option(
    "--policy",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="The policy's YAML file.",
)
@click.option("--calibration", metavar="DIR", help="Known samples' scores: a folder, or default.")
@loop_option
@pool_option
@click.option("--bias", type=float, metavar="λ", help="Variance that samplers keep; not known.")
@click.option("--model-error", type=float, default=0.0, show_default=True, metavar="ε²",
              help="Error that training adds, in real variances.")  # fmt: skip
@click.option("--dim", type=int, default=1, show_default=True, help="Dimension.")
@click.option("--generations", type=int, default=10, show_default=True, help="Of the loop.")
@common_options
@guarded
def command(
    store: str, policy: str, as_json: bool, quiet: bool, verbose: bool, **options: Any
) -> int:
    """Check a store against a policy's rules.

    With --calibration, what the policy's cut leaves is checked. Exits 3 where a rule is broken,
    and names each; 4 where none is but shards are missing.

    \b
      madaudit check store --policy policy.yaml
      madaudit check store --policy policy.yaml --loop augmentation --bias 0.9 --json
    """
    result = check(store, policy=policy, **options)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result, _read(policy))
    if result.broken:
        return EXIT_POLICY
    return 0 if result.is_complete else EXIT_INCOMPLETE
