"""`madaudit diff`: what changed between two stores, and whether it is more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from madaudit.commands.diff_summary import (
    P_NAME,
    SHARES,
    assumptions_of,
    in_words,
    print_diff,
)
from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.commands.store_joins import Identities, Join, choose_identity, slices_of
from madaudit.commands.store_joins import join as join_samples
from madaudit.errors import StoreError
from madaudit.types import STATES, Interval, can_hit

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from madaudit.estimation import MarkTally
    from madaudit.estimation.comparison import Difference, ShardSums
    from madaudit.scanning.store import Store
    from madaudit.scanning.survey import Survey


@dataclass(frozen=True)
class Diff:
    """What changed from one store to another.

    Attributes:
        says: one sentence.
        changed: whether anything is more than chance, or, of the same data, differs at all.
        same_data: whether both scanned the same bytes; then every difference is the detectors'.
        exact: whether both are a census: the differences of the two data sets are then facts,
            and the p-values ask whether one source could have given both.
        differences: of shares and scores, those that differ most surely first.
        detectors: "compared", "only_before", "only_after", "other_version".
        joined: samples by identity; None where nothing identifies them.
        assumptions: what the p-values rest on.
        n_before, n_after: rows.
    """

    says: str
    changed: bool
    same_data: bool
    exact: bool
    differences: tuple[Difference, ...]
    detectors: dict[str, list[str]]
    joined: Join | None
    assumptions: tuple[str, ...]
    n_before: int
    n_after: int

    def to_dict(self) -> dict[str, Any]:
        return {
            **vars(self),
            "differences": [item.to_dict() for item in self.differences],
            "joined": self.joined.to_dict() if self.joined else None,
            "assumptions": list(self.assumptions),
        }


class _Side(NamedTuple):
    """One store, read.

    Attributes:
        survey: what it holds.
        tallies: by shard.
        histograms: detector to histograms by shard.
        identities: of its samples; None where nothing identifies them.
    """

    survey: Survey
    tallies: list[MarkTally]
    histograms: dict[str, list[npt.NDArray[np.float64]]]
    identities: Identities | None


def diff(
    before: str,
    after: str,
    *,
    calibration: str | None = None,
    join: str = "auto",
    level: float = 0.95,
) -> Diff:
    """Compare two stores.

    Args:
        before: folder or URL of a store.
        after: of the other one.
        calibration: folder of one, or "default", to compare p too; None for marks and scores.
        join: what identifies a sample in both: a column, "auto", or "none".
        level: of intervals; a change is called real where its adjusted p-value is below 1 − level.

    Raises:
        StoreError: no store, none of its shards is finished, or no detector ran in both.
        OptionError: no such column.
    """
    from madaudit.commands.estimate import require_finished
    from madaudit.estimation.comparison import adjust
    from madaudit.scanning.store import Store

    stores = [Store(url.rstrip("/")) for url in (before, after)]
    surveys = [store.survey() for store in stores]
    for store, survey in zip(stores, surveys, strict=True):
        require_finished(store, survey)
    detectors = _common(surveys)
    pairs = list(zip(stores, surveys, strict=True))
    column = choose_identity(pairs, join)
    one_in = slices_of(surveys)
    sides = [_read(*pair, detectors["compared"], column, one_in) for pair in pairs]
    is_same = _inputs(surveys[0]) == _inputs(surveys[1])
    joined = (
        join_samples(sides[0].identities, sides[1].identities)
        if sides[0].identities and sides[1].identities
        else None
    )
    found = _compare(sides, detectors["compared"], level)
    if calibration is not None:
        found.append(_compare_p(before, after, calibration, level))
    ordered = tuple(sorted(adjust(found), key=_surest)) if not is_same else _untested(found)
    changed = _is_changed(ordered, joined, level=level, is_same=is_same)
    return Diff(
        in_words(ordered, changed=changed, is_same=is_same, level=level),
        changed,
        is_same,
        not any(survey.is_sampled for survey in surveys),
        ordered,
        detectors,
        joined,
        assumptions_of(is_same=is_same),
        *(sum(tally.n for tally in side.tallies) for side in sides),
    )


def _common(surveys: list[Survey]) -> dict[str, list[str]]:
    """Detectors by whether both stores ran them in one version."""
    first, second = (_identities(survey) for survey in surveys)
    both = [name for name in first if name in second]
    compared = [name for name in both if first[name] == second[name]]
    if not compared:
        raise StoreError(
            f"cannot compare: no detector ran in both stores in one version "
            f"({', '.join(first)} v {', '.join(second)}); scan both with the same detectors"
        )
    return {
        "compared": compared,
        "only_before": [name for name in first if name not in second],
        "only_after": [name for name in second if name not in first],
        "other_version": [name for name in both if name not in compared],
    }


def _identities(survey: Survey) -> dict[str, str]:
    """Detector to what its numbers depend on: version and options, or the store's own digest."""
    options, digests = survey.manifest["plan"]["options"], survey.manifest.get("identities", {})
    return {
        name: digests.get(name) or f"{version} {sorted(options.get(name, {}).items())}"
        for name, version in survey.manifest["detectors"].items()
    }


def _read(
    store: Store, survey: Survey, detectors: list[str], column: str | None, one_in: int
) -> _Side:
    from madaudit.commands.store_rows import mark_rows
    from madaudit.estimation import MarkTally

    looks_at = {name: survey.looks_at[name] for name in detectors}
    identities = Identities(column, one_in) if column else None
    tallies, histograms = [], {}  # type: ignore[var-annotated]
    for marker in survey.markers:
        shard, tally = marker["shard"], MarkTally()
        for rows in mark_rows(store, shard, looks_at, (column,) if column else ()):
            tally += rows.tally()
            if identities is not None:
                identities.add(rows, shard)
        tallies.append(tally)
        for name, counts in _histograms(store, shard, detectors).items():
            histograms.setdefault(name, []).append(counts)
    return _Side(survey, tallies, histograms, identities)


def _histograms(
    store: Store, shard: str, detectors: list[str]
) -> Mapping[str, npt.NDArray[np.float64]]:
    """Scores of one shard by detector, those without any left out."""
    from madaudit.scanning.sketches import read_sketch
    from madaudit.scanning.store import sketch_path

    path = sketch_path(shard)
    data = store.read_file(path)
    if data is None:
        raise StoreError(
            f"cannot read {path} of store {store.url}: it is missing; delete the shard's marker "
            f"and scan again"
        )
    arrays = read_sketch(data, f"{path} of store {store.url}")
    scores = {name: arrays.get(f"{name}_scores") for name in detectors}
    return {
        name: counts[:-1].astype(float)
        for name, counts in scores.items()
        if counts is not None and counts[:-1].any()
    }


def _compare(sides: list[_Side], detectors: list[str], level: float) -> list[Difference]:
    from madaudit.estimation.comparison import compare_scores, compare_shares

    found = [
        compare_shares(name, *(_sums(side, part) for side in sides), level=level)
        for name, part in SHARES.items()
    ]
    for name in detectors:
        for state in STATES:
            if state == "present" and not can_hit(name):
                continue
            sums = [_states(side.survey, name, state) for side in sides]
            if any(one.part.any() for one in sums) and state != "absent":
                found.append(compare_shares(f"{name} {state}", *sums, level=level))
        scores = [side.histograms.get(name) for side in sides]
        if scores[0] and scores[1]:
            found.append(compare_scores(f"{name} scores", scores[0], scores[1], level=level))
    return found


def _compare_p(before: str, after: str, calibration: str, level: float) -> Difference:
    from madaudit.commands.estimate import estimate
    from madaudit.estimation.comparison import compare_intervals

    shares = (
        estimate(store, calibration=calibration, level=level, posteriors=False).p
        for store in (before, after)
    )
    return compare_intervals(P_NAME, *shares)


def _sums(side: _Side, part: str) -> ShardSums:
    import numpy as np

    from madaudit.estimation.comparison import ShardSums

    squares = sum(tally.weight_squared for tally in side.tallies)
    total = np.array([tally.weight for tally in side.tallies])
    return ShardSums(
        np.array([getattr(tally, part) for tally in side.tallies]),
        total,
        float(total.sum() ** 2 / squares) if squares else 0.0,
    )


def _states(survey: Survey, detector: str, state: str) -> ShardSums:
    """Rows by state, from the markers alone; a sampled scan's rows count once each."""
    import numpy as np

    from madaudit.estimation.comparison import ShardSums

    part = [marker["states"].get(detector, {}).get(state, 0) for marker in survey.markers]
    total = np.array([marker["n_rows"] for marker in survey.markers], dtype=float)
    return ShardSums(np.array(part, dtype=float), total, float(total.sum()))


def _inputs(survey: Survey) -> frozenset[tuple[str, str]]:
    """What was scanned, whatever its shards are called."""
    return frozenset(
        (marker["input"]["sha256"], marker["input"]["digest"]) for marker in survey.markers
    )


def _surest(item: Difference) -> tuple[float, float]:
    p_value = 2.0 if item.p_value is None else item.p_value
    return p_value, -abs(item.effect)


def _untested(found: list[Difference]) -> tuple[Difference, ...]:
    """Differences of the same data: facts, of which chance has no part."""
    from dataclasses import replace

    exact = (
        replace(
            item,
            p_value=None,
            change=Interval(item.after - item.before, item.after - item.before,
                            item.after - item.before, 1.0),
        )
        for item in found
    )  # fmt: skip
    return tuple(sorted(exact, key=lambda item: -abs(item.effect)))


def _is_changed(
    found: tuple[Difference, ...], joined: Join | None, *, level: float, is_same: bool
) -> bool:
    if is_same:
        return any(item.before != item.after for item in found) or bool(joined and joined.changed)
    return any(item.adjusted is not None and item.adjusted < 1.0 - level for item in found)


@click.command("diff", no_args_is_help=True)
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--calibration", metavar="DIR", help="Compare p too: a folder, or default.")
@click.option(
    "--join",
    default="auto",
    show_default=True,
    metavar="COL",
    help="What identifies a sample: content_digest, sha256, uid, url, key; auto, none.",
)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of intervals, and for what is called real.",
)
@common_options
@guarded
def command(
    before: str,
    after: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Compare two stores, and tell changes from chance.

    \b
      madaudit diff store-june store-july
      madaudit diff store-june store-july --join url --json
    """
    result = diff(before, after, **options)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        print_diff(result)
    return 0
