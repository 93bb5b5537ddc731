"""What `diff` says to people: one sentence, the largest changes, and what they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from madaudit.commands.diff import Diff
    from madaudit.commands.store_joins import Join
    from madaudit.estimation.comparison import Difference

#: Shares that are compared: name to the tally's field.
SHARES = {
    "marked synthetic": "synthetic",
    "marked synthetic, signature valid": "validated",
    "marked composite": "composite",
    "marked real": "real",
    "marks could not be seen": "hidden",
    "broken": "broken",
}
#: Name of the comparison of two estimates.
P_NAME = "effective real fraction p"


def in_words(found: tuple[Difference, ...], *, changed: bool, is_same: bool, level: float) -> str:
    if is_same:
        return (
            "The same data, read differently: every difference is the detectors' or the plan's."
            if changed
            else "The same data, and nothing differs."
        )
    real = [item for item in found if item.adjusted is not None and item.adjusted < 1.0 - level]
    if not real:
        return (
            f"Nothing differs by more than chance, at level {level:g} over "
            f"{sum(item.p_value is not None for item in found)} comparisons."
        )
    first = max(
        real, key=lambda item: (item.name == P_NAME, item.name in SHARES, abs(item.effect))
    )
    return (
        f"{len(real)} of {sum(item.p_value is not None for item in found)} comparisons differ by "
        f"more than chance at level {level:g}; {_one(first)}."
    )


def _one(item: Difference) -> str:
    from madaudit.reports.wording import percent

    if item.name.endswith(" scores"):
        return (
            f"{item.name}: one of the second data set is higher than one of the first with "
            f"probability {item.after:.3f}"
        )
    low, high = 100 * item.change.low, 100 * item.change.high
    return (
        f"{item.name}: {percent(item.before)} became {percent(item.after)} "
        f"({low:+.3g} to {high:+.3g} points)"
    )


def assumptions_of(*, is_same: bool) -> tuple[str, ...]:
    if is_same:
        return ("both stores scanned the same bytes, by the digests in their markers",)
    return (
        (
            "each data set is taken as draws from a source, and p-values ask whether one source "
            "could have given both; of a census the difference itself is exact"
        ),
        (
            "samples of one shard may be alike, shards of one data set are draws of their own; "
            "below 10 shards alikeness cannot be measured, and p-values are then too small if "
            "there is any"
        ),
        (
            "p-values are adjusted for all comparisons (Holm); effects are Cohen's h for shares "
            "and Cliff's delta for scores: .2 is small, .5 middling, .8 large"
        ),
        (
            "two estimates by one calibration err together, so the change of p, if asked for, is "
            "known better than its interval says"
        ),
    )


def print_diff(result: Diff) -> None:
    from madaudit.reports.wording import count, visible

    click.echo(result.says)
    click.echo(f"  rows: {count(result.n_before)} before, {count(result.n_after)} after")
    shown = [item for item in result.differences if item.before != item.after or item.effect]
    for item in shown[:20]:
        p_value = "" if item.adjusted is None else f", adjusted p {item.adjusted:.2g}"
        click.echo(f"  {visible(_one(item))}; effect {item.effect:+.2g}{p_value}")
    if len(shown) > 20:
        click.echo(f"  … and {len(shown) - 20} more; --json has them all")
    for name, words in (
        ("only_before", "ran before alone"),
        ("only_after", "ran after alone"),
        ("other_version", "ran in two versions or with other options"),
    ):
        if result.detectors[name]:
            click.echo(f"  not compared, {words}: {visible(', '.join(result.detectors[name]))}")
    if result.joined is not None:
        _print_join(result.joined)
    for assumption in result.assumptions:
        click.echo(f"  assumes: {assumption}")


def _print_join(joined: Join) -> None:
    from madaudit.reports.wording import count

    about = "" if joined.one_in == 1 else f", scaled from one in {joined.one_in}"
    click.echo(
        f"  samples by {joined.by}{about}: {count(joined.kept)} in both, "
        f"{count(joined.appeared)} appeared, {count(joined.vanished)} vanished"
    )
    for what, counts in (
        ("appeared", joined.appeared_as),
        ("vanished", joined.vanished_as),
        ("changed", joined.changed),
    ):
        if counts:
            click.echo(f"    {what}: " + ", ".join(f"{count(n)} {k}" for k, n in counts.items()))
