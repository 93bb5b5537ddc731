"""`madaudit filter`: what is left of a data set after a cut, as lists or as clean shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from madaudit.commands.shell import EXIT_INCOMPLETE, common_options, guarded, print_json
from madaudit.errors import OptionError, RequestError

if TYPE_CHECKING:
    from madaudit.assessment.policy import Policy
    from madaudit.hooks.selection import Decided, Selection

To = Literal["keys", "parquet", "datacomp", "laion", "shards"]
Column = Literal["key", "uid", "url"]
# As many samples as img2dataset puts into a shard.
SHARD_SIZE = 10_000


@dataclass
class Tally:
    """What became of rows, counted on the way.

    Attributes:
        kept: rows that stay.
        reasons: dropped rows by reason.
        unscored: kept rows that a cut could not judge, for want of a score.
        unnamed: kept rows that the list cannot name: no uid, no URL.
    """

    kept: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unscored: int = 0
    unnamed: int = 0

    @property
    def n_rows(self) -> int:
        """Rows that were counted."""
        return self.kept + self.reasons.total()


@dataclass(frozen=True)
class Filtered:
    """What is left of a data set.

    Attributes:
        kept: rows that stay.
        dropped: rows that go.
        reasons: dropped rows by reason.
        to: kind of output.
        output: where it is.
        unfinished: shards of the store without rows, or whose samples could not be copied: what
            is in them is neither kept nor dropped.
        unscored: kept rows that a cut could not judge, for want of a score.
        unnamed: kept rows that the list cannot name, for want of a uid or a URL.
        shards: clean shards that were written or found done; None for lists.
    """

    kept: int
    dropped: int
    reasons: dict[str, int]
    to: To
    output: str
    unfinished: list[str]
    unscored: int = 0
    unnamed: int = 0
    shards: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def filter(
    store: str,
    *,
    output: str,
    to: To = "keys",
    policy: Policy | str | None = None,
    cut: float | None = None,
    where: str | None = None,
    column: Column = "key",
    weights: bool = False,
    shard_size: int = SHARD_SIZE,
    rejects: str | None = None,
    workers: int | None = None,
    quiet: bool = True,
) -> Filtered:
    """Keep the samples that a policy, a cut or a predicate leaves.

    With none of the three, rows with a mark that says synthetic go. From a script, keep a call
    with several workers below `if __name__ == "__main__":`, since they are processes that import
    it.

    Args:
        store: folder or URL of the store.
        output: file of the list, or folder of the clean shards.
        to: "keys" (a text file, or Parquet by its ending), "parquet" (the store's rows),
            "datacomp" (subset .npy of uids), "laion" (hash and score) or "shards" (tar shards
            with the kept samples, byte for byte).
        policy: or the file of one; its cut drops samples at and above a log ratio.
        cut: log ratio at and above which samples go, in place of a policy.
        where: SQL of the rows to keep.
        column: what a list of keys holds: "key", "uid" or "url".
        weights: drop nothing, and write each row's weight by the policy's `weight` (Parquet).
        shard_size: samples in a clean shard.
        rejects: Parquet file that explains each drop; clean shards bring their own.
        workers: processes that write clean shards; default: one per processor where that pays.
        quiet: no progress on stderr.

    Raises:
        OptionError: options that do not go together, or an expression that is no predicate.
        StoreError: no store, no posteriors for a cut, or a store of a sampled scan.
        InputError: clean shards are asked of a data set that is no tar shards.
    """
    from madaudit.commands.filter_lists import write_list
    from madaudit.commands.filter_shards import write_shards
    from madaudit.hooks.selection import Rule, Selection
    from madaudit.scanning.store import Store

    _require_fitting(to, column, weights=weights, shard_size=shard_size, rejects=rejects)
    rule = Rule(_policy(policy, cut), where)
    if weights:
        if rule.policy is None or not rule.weighs:
            raise OptionError(
                "--weights needs a policy with a weight (weight: {real: …}); "
                "make one with: madaudit risk STORE --policy-out FILE"
            )
        rule = replace(rule, policy=replace(rule.policy, cut=None))
    selection = Selection(Store(store.rstrip("/")), rule)
    if selection.survey.is_sampled:
        raise RequestError(
            f"cannot filter by store {store}: it holds a drawn sample, so nothing is known of the "
            f"other rows; scan without --sample"
        )
    if to == "shards":
        return write_shards(selection, output, shard_size, workers, is_quiet=quiet)
    return write_list(
        selection, output, to, column, weights=weights, rejects=rejects, is_quiet=quiet
    )


def decisions(
    selection: Selection, columns: Sequence[str], tally: Tally
) -> Iterator[tuple[str, Decided]]:
    """Every row of a store with what becomes of it, counted; with the shard's name."""
    import numpy as np

    is_cut = selection.rule.policy is not None and selection.rule.policy.cut is not None
    for marker in selection.markers:
        for decided in selection.decide(marker["shard"], columns):
            is_kept = decided.codes == 0
            tally.kept += int(is_kept.sum())
            for code, n_rows in enumerate(np.bincount(decided.codes)[1:].tolist()):
                if n_rows:
                    tally.reasons[selection.reasons[code]] += n_rows
            if is_cut and decided.scores is not None:
                tally.unscored += int((np.isnan(decided.scores.log_ratio) & is_kept).sum())
            yield marker["shard"], decided


def filtered(
    selection: Selection,
    tally: Tally,
    *,
    to: To,
    output: str,
    unfinished: Sequence[str] = (),
    shards: int | None = None,
) -> Filtered:
    """The result of counts."""
    return Filtered(
        kept=tally.kept,
        dropped=tally.reasons.total(),
        reasons=dict(tally.reasons.most_common()),
        to=to,
        output=output,
        unfinished=[*selection.unfinished, *unfinished],
        unscored=tally.unscored,
        unnamed=tally.unnamed,
        shards=shards,
    )


def _require_fitting(
    to: To, column: Column, *, weights: bool, shard_size: int, rejects: str | None
) -> None:
    """Refuse options that do not go together."""
    for name, value, allowed in (("to", to, get_args(To)), ("column", column, get_args(Column))):
        if value not in allowed:
            raise OptionError(f"--{name} is {value!r}; allowed: {', '.join(allowed)}")
    if shard_size < 1:
        raise OptionError(f"--shard-size is {shard_size}; it must be 1 or more")
    if weights and to != "parquet":
        raise OptionError(f"--weights goes with --to parquet, not with --to {to}")
    if rejects is not None and to == "shards":
        raise OptionError("clean shards bring their own reject list; leave --rejects out")


def _policy(policy: Policy | str | None, cut: float | None) -> Policy | None:
    from madaudit.assessment.policy import Policy as AnyPolicy
    from madaudit.hooks.policy_file import as_policy

    if policy is not None and cut is not None:
        raise OptionError("--policy and --cut both say where to cut; give one")
    return as_policy(policy) if cut is None else AnyPolicy(cut=cut)


def _print(result: Filtered) -> None:
    from madaudit.reports.wording import count, plural, visible

    click.echo(
        f"{count(result.kept)} kept, {count(result.dropped)} dropped → {visible(result.output)}"
        + ("" if result.shards is None else f" ({plural(result.shards, 'shard')})")
    )
    for reason, n_rows in result.reasons.items():
        click.echo(f"  {visible(reason)}: {count(n_rows)}")
    if result.unscored:
        click.echo(f"  kept without a score: {count(result.unscored)}")
    if result.unnamed:
        click.echo(f"  kept but not in the list, for want of a name: {count(result.unnamed)}")
    for shard in result.unfinished:
        click.echo(f"  unfinished: {visible(shard)}", err=True)


@click.command("filter", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option("-o", "--output", required=True, metavar="OUT", help="File, or folder for shards.")
@click.option(
    "--to",
    type=click.Choice(get_args(To)),
    default="keys",
    show_default=True,
    help="A list for other tools, or clean tar shards.",
)
@click.option("--policy", metavar="FILE", help="YAML; its cut drops samples.")
@click.option("--cut", type=float, metavar="T", help="Log ratio at and above which samples go.")
@click.option("--where", metavar="SQL", help="Keep the rows that match.")
@click.option(
    "--column",
    type=click.Choice(get_args(Column)),
    default="key",
    show_default=True,
    help="What --to keys lists.",
)
@click.option("--weights", is_flag=True, help="Drop nothing; write weights (--to parquet).")
@click.option(
    "--shard-size",
    type=click.IntRange(1),
    default=SHARD_SIZE,
    show_default=True,
    metavar="N",
    help="Samples in a clean shard.",
)
@click.option("--rejects", metavar="FILE", help="Parquet that explains each drop.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes that write shards. Default: processors, where that pays.",
)
@common_options
@guarded
def command(
    store: str,
    output: str,
    to: To,
    policy: str | None,
    cut: float | None,
    where: str | None,
    column: Column,
    weights: bool,
    shard_size: int,
    rejects: str | None,
    workers: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Keep what a policy, a cut or a predicate leaves: lists or clean shards.

    Without any of the three, samples with a mark that says synthetic go.

    \b
      madaudit filter store -o kept.txt
      madaudit filter store -o clean/ --to shards --policy policy.yaml
      madaudit filter store -o kept.parquet --where "width >= 256 AND verdict IS NULL"
      madaudit filter store -o subset.npy --to datacomp --cut 1.25

    Interrupted while it writes shards: run the same command again. Exit code 4: some shards are
    not in the output.
    """
    result = filter(
        store,
        output=output,
        to=to,
        policy=policy,
        cut=cut,
        where=where,
        column=column,
        weights=weights,
        shard_size=shard_size,
        rejects=rejects,
        workers=workers,
        quiet=quiet,
    )
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result)
    return EXIT_INCOMPLETE if result.unfinished else 0
