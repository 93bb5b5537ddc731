"""The report's part on near-duplicates and on what people saw."""

from __future__ import annotations

from typing import Any

from madaudit.commands.cluster_rows import open_clusters
from madaudit.commands.label_files import UNDECIDED, LabelSet
from madaudit.commands.store_estimate import Estimate
from madaudit.reports.audit_report import Copies, CopyCluster, LabelCount
from madaudit.scanning.store import Store
from madaudit.types import Interval

_LARGEST = 10
_KINDS = {"radius": "perceptual hashes", "cosine": "embeddings"}


def copies_of(store: Store, known: Estimate) -> Copies | None:
    """Near-duplicates, where the estimate has allowed for them.

    Args:
        store: whose clusters they are.
        known: the estimate.
    """
    found = open_clusters(store) if known.distinct is not None else None
    if found is None or known.p_distinct is None or known.counted is None:
        return None
    # A store from strangers may say anything here; what is no row of a table is left out.
    largest = [
        _cluster(one) for one in _listed(found.summary.get("largest")) if isinstance(one, dict)
    ]
    method = found.summary.get("method")
    kinds = [words for key, words in _KINDS.items() if isinstance(method, dict) and key in method]
    cells, squares = known.counted.cells, known.counted.whole_squares
    weight = float(cells.sums[:, 1].sum())
    return Copies(
        known.p_distinct,
        round(float(cells.sums[:, 3].sum())),
        weight**2 / squares if squares else weight,
        " or ".join(kinds),
        tuple(one for one in largest if one is not None)[:_LARGEST],
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _cluster(row: dict[str, Any]) -> CopyCluster | None:
    numbers = [row.get(name) for name in ("size", "n_shards", "ordinal")]
    if not all(type(number) is int for number in numbers):
        return None
    size, n_shards, ordinal = (int(number or 0) for number in numbers)
    return CopyCluster(
        size, n_shards, str(row.get("shard", "")), ordinal, str(row.get("key") or "")
    )


def labels_of(given: LabelSet, known: Estimate) -> LabelCount:
    """What people saw.

    Args:
        given: the labels.
        known: the estimate that has taken them in.
    """
    tier = known.tiers.adjudicated if known.tiers else None
    share = None if tier is None else Interval(tier.low, tier.point, tier.high, tier.level)
    checked = [(truth, said, n) for truth, row in given.checks.items() for said, n in row.items()]
    return LabelCount(
        len(given.labels),
        {name: n for name, n in sorted(given.count().items()) if name != UNDECIDED}
        | ({UNDECIDED: given.count()[UNDECIDED]} if given.count()[UNDECIDED] else {}),
        share,
        known.undecided,
        sum(n for _, _, n in checked),
        sum(n for truth, said, n in checked if said != truth),
    )
