"""Files of labels: what a page exports, the key that stays in the store, and what estimates read.

A draw's key holds which sample each item of the page is, the truth of the blind checks and the
bins of the design; it lies in the store under `labels/<draw>/` and never in the page. A labels
file is a page's answers joined with the key: JSON. A CSV file with the columns shard, ordinal and
label is taken for a simple random sample.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from madaudit.commands.store_tiers import Composite
from madaudit.errors import InputError
from madaudit.estimation import LabelChecks
from madaudit.estimation.cells import N_PLACES
from madaudit.limits import MAX_LABELS, MAX_LABELS_BYTES
from madaudit.shards import files
from madaudit.types import LABELS

LABELS_VERSION = 1
UNDECIDED = "undecided"
ANSWERS = (*LABELS, UNDECIDED)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """One bin of a design.

    Attributes:
        first, last: places of a sketch that it holds, both included.
        samples: rows that could have been drawn.
        weight: Σw of them.
    """

    first: int
    last: int
    samples: int
    weight: float


@dataclass(frozen=True)
class Design:
    """How labels were drawn.

    Attributes:
        combiner: fingerprint of what made the scores; "" without scores.
        bins: in the order of the scores, the last one without a score.
        pool: Σw of all samples that no mark settles, drawable or not.
    """

    combiner: str
    bins: tuple[Bin, ...]
    pool: float

    def groups(self) -> Ints:
        """Bin of each place (N_PLACES,), −1 where none holds it."""
        groups = np.full(N_PLACES, -1, dtype=np.int64)
        for number, one in enumerate(self.bins):
            groups[one.first : one.last + 1] = number
        return groups


@dataclass(frozen=True)
class Label:
    """What a person said of one sample; `bin` is that of the design, 0 without one."""

    shard: str
    ordinal: int
    label: str
    bin: int = 0


@dataclass(frozen=True)
class LabelSet:
    """Labels of a store's samples.

    Attributes:
        labels: one per sample.
        design: None for a simple random sample.
        checks: truth to what was said of blind checks, each a count.
        store: fingerprint of the store's plan; "" where nobody noted it.
        draw: name of the draw.
    """

    labels: tuple[Label, ...]
    design: Design | None = None
    checks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    store: str = ""
    draw: str = ""

    def to_dict(self) -> dict[str, Any]:
        design = None
        if self.design is not None:
            design = {**vars(self.design), "bins": [vars(one) for one in self.design.bins]}
        return {
            "version": LABELS_VERSION,
            "draw": self.draw,
            "store": self.store,
            "design": design,
            "checks": {truth: dict(said) for truth, said in self.checks.items()},
            "labels": [vars(one) for one in self.labels],
        }

    def label_checks(self, composite: Composite) -> LabelChecks | None:
        """How often labellers erred; None where a class was not checked."""
        calls = {"synthetic", "composite"} if composite == "synthetic" else {"synthetic"}
        counts = {}
        for truth in ("real", "synthetic"):
            said = self.checks.get(truth, {})
            decided = sum(n for answer, n in said.items() if answer != UNDECIDED)
            called = sum(n for answer, n in said.items() if answer in calls)
            counts[truth] = (decided, called)
        (n_real, called_real), (n_synthetic, called) = counts["real"], counts["synthetic"]
        if not n_real or not n_synthetic:
            return None
        return LabelChecks(n_real, called_real, n_synthetic, n_synthetic - called)

    def count(self) -> Counter[str]:
        return Counter(one.label for one in self.labels)


def read_labels(path: str) -> LabelSet:
    """A labels file, JSON of `label read` or CSV.

    Raises:
        InputError: it is missing, no such file, or holds what is no label.
    """
    data = read_bytes(path)
    if data.lstrip()[:1] == b"{":
        return parse_labels(parse_json(data, path), path)
    return _from_csv(data, path)


def read_bytes(path: str) -> bytes:
    try:
        data = files.read_bytes(path, most_bytes=MAX_LABELS_BYTES)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if data is None:
        raise InputError(f"cannot read labels: no file at {path}")
    return data


def parse_json(data: bytes, path: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: no JSON ({str(error)[:100]})") from error
    if not isinstance(content, dict):
        raise InputError(f"cannot read {path}: its JSON is no object")
    return content


def parse_labels(content: Mapping[str, Any], path: str) -> LabelSet:
    """Labels from the JSON of a labels file, which may be a stranger's.

    Raises:
        InputError: another version, or what is no label.
    """
    if content.get("version") != LABELS_VERSION or "labels" not in content:
        raise InputError(
            f"cannot use {path}: it is no labels file of version {LABELS_VERSION}; take a page's "
            f"export back with: madaudit label read STORE {path}"
        )
    try:
        labels = tuple(
            Label(str(one["shard"]), int(one["ordinal"]), str(one["label"]), int(one["bin"]))
            for one in content["labels"]
        )
        design = _design(content["design"])
        checks = {
            str(truth): {str(said): int(n) for said, n in counts.items()}
            for truth, counts in content["checks"].items()
        }
        found = LabelSet(labels, design, checks, str(content["store"]), str(content["draw"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"cannot use {path}: {type(error).__name__} {error}") from error
    _require(found, path)
    return found


def _design(content: Any) -> Design | None:
    if content is None:
        return None
    bins = tuple(
        Bin(int(one["first"]), int(one["last"]), int(one["samples"]), float(one["weight"]))
        for one in content["bins"]
    )
    return Design(str(content["combiner"]), bins, float(content["pool"]))


def _from_csv(data: bytes, path: str) -> LabelSet:
    rows = csv.DictReader(io.StringIO(data.decode("utf-8", "replace")))
    try:
        columns = rows.fieldnames or ["none"]
    except csv.Error as error:
        raise InputError(f"cannot use {path}: {error}") from error
    if not {"shard", "ordinal", "label"} <= set(columns):
        raise InputError(
            f"cannot use {path}: its columns are {', '.join(columns)[:200]}; wanted are shard, "
            f"ordinal and label"
        )
    try:
        labels = tuple(
            Label(str(row["shard"]), int(row["ordinal"]), str(row["label"]).strip())
            for row in rows
        )
    except (TypeError, ValueError, csv.Error) as error:
        raise InputError(f"cannot use {path}: {error}; an ordinal is a whole number") from error
    found = LabelSet(labels)
    _require(found, path)
    return found


def _require(found: LabelSet, path: str) -> None:
    """Refuse what no draw of ours can hold."""
    bins = found.design.bins if found.design else ()
    n_bins = len(bins) or 1
    numbers = [found.design.pool] if found.design else []
    numbers += [one.weight for one in bins]
    for one in found.labels:
        if one.label not in ANSWERS:
            raise InputError(
                f"cannot use {path}: label {one.label[:60]!r} of {one.shard[:200]} "
                f"#{one.ordinal}; allowed are {', '.join(ANSWERS)}"
            )
        if not 0 <= one.bin < n_bins:
            raise InputError(f"cannot use {path}: a label is of bin {one.bin}, of {n_bins}")
    places = [place for one in bins for place in (one.first, one.last)]
    sound = all(0 <= place < N_PLACES for place in places)
    sound &= all(np.isfinite(number) and number >= 0 for number in numbers)
    counts = [n for said in found.checks.values() for n in said.values()]
    if not sound or any(not 0 <= n <= MAX_LABELS for n in counts):
        raise InputError(f"cannot use {path}: its design or its checks are no counts")
    if len(found.labels) > MAX_LABELS:
        raise InputError(f"cannot use {path}: {len(found.labels)} labels; at most {MAX_LABELS}")
    names = Counter((one.shard, one.ordinal) for one in found.labels)
    twice = [name for name, n in names.items() if n > 1]
    if twice:
        raise InputError(
            f"cannot use {path}: {twice[0][0][:200]} #{twice[0][1]} is labelled twice; one label "
            f"per sample"
        )


def counted_by_bin(
    labels: Sequence[Label], bins: Ints, n_bins: int, composite: Composite
) -> tuple[Floats, Floats, Floats]:
    """Labels found real, found synthetic, and left out as composites, by bin (n_bins,).

    Args:
        labels: of some samples; undecided ones count nowhere.
        bins: of each (n,).
        n_bins: of them.
        composite: how composites count.
    """
    counts_as = {"synthetic": 1, "real": 0, UNDECIDED: -1}
    counts_as["composite"] = {"real": 0, "synthetic": 1, "apart": 2}[composite]
    classes = np.array([counts_as[one.label] for one in labels], dtype=np.int64)
    real, synthetic, apart = (
        np.asarray(np.bincount(bins[classes == k], minlength=n_bins), np.float64) for k in range(3)
    )
    return real, synthetic, apart
