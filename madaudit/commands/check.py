"""`madaudit check`: does a store fulfil a policy? Exit 3 with every broken rule if it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Checked:
    """What a policy says of a store.

    Attributes:
        broken: rules that are not fulfilled.
        values: what was held against them, at the cautious end of each interval.
        unfinished: shards that are not scanned yet.
        quarantined: shards with something wrong.
    """

    broken: tuple[Broken, ...]
    values: dict[str, float | str | None]
    unfinished: int
    quarantined: int

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
        OptionError: a policy that cannot be read, or one without rules.
    """
    from madaudit.assessment import assess_risk, level_of
    from madaudit.commands.estimate import estimate
    from madaudit.scanning.store import Store

    rules = _read(policy)
    survey = Store(store.rstrip("/")).survey()
    known = estimate(store, calibration=calibration, posteriors=False)
    values = _values(known, survey)
    if any(rule in rules.rules for rule in _OF_THE_LOOP):
        request = LoopRequest(loop, pool, bias, model_error, dim, generations)
        told = assess_risk(
            Known.of(known.tally.weight, known.p), request.spec(), bias=request.unknown_bias()
        )
        harm = max(told.by_generation[-1].high, told.at_convergence.high)
        values |= {"harm": harm, "level": level_of(harm, rules.levels)}
    return Checked(
        rules.broken_by(values),
        values,
        len(survey.manifest["shards"]) - len(survey.markers),
        len(survey.quarantine),
    )


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


def _print(checked: Checked, rules: Mapping[str, float | str]) -> None:
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

    Exits 3 where a rule is broken, and names each; 4 where none is but shards are missing.

    \b
      madaudit check store --policy policy.yaml
      madaudit check store --policy policy.yaml --loop augmentation --bias 0.9 --json
    """
    result = check(store, policy=policy, **options)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result, _read(policy).rules)
    if result.broken:
        return EXIT_POLICY
    return 0 if result.is_complete else EXIT_INCOMPLETE
