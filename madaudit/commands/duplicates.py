"""`madaudit duplicates`: clusters of copies within and across the shards of a store.

By the perceptual hashes of the scan, and by embeddings where the store keeps some.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import click

from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.errors import OptionError, StoreError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from madaudit.scanning.store import Store
    from madaudit.scanning.survey import Survey

Key = Literal["hash", "embedding"]
KEYS: tuple[Key, ...] = get_args(Key)
_N_LARGEST = 10


@dataclass(frozen=True)
class Duplicates:
    """What was found; `summary` is the content of clusters.json without the shards' lengths."""

    summary: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.summary


class _Samples(NamedTuple):
    """The keys of all samples, in the order of shards and rows.

    Attributes:
        shards: name and number of rows of each.
        hashes: uint64 (n,), 0 where there is none.
        has_hash: bool (n,).
        digests: the first 64 bits of the pixels' digests, uint64 (n,), 0 where there is none.
    """

    shards: list[tuple[str, int]]
    hashes: npt.NDArray[np.uint64]
    has_hash: npt.NDArray[np.bool_]
    digests: npt.NDArray[np.uint64]


def duplicates(
    store: str,
    *,
    by: Sequence[str] = (),
    radius: int | None = None,
    cosine: float = 0.95,
    mirrored: bool = True,
) -> Duplicates:
    """Find copies of one another among the samples of a store, and write their clusters.

    Args:
        store: folder or URL of the store.
        by: keys to use: "hash", "embedding"; default: all that the store has.
        radius: hashes that differ in at most so many of 64 bits are copies, 0 to 15; None: the
            widest up to 8 at which chance brings few.
        cosine: embeddings of at least this similarity are copies, above 0, at most 1.
        mirrored: whether mirrored copies count.

    Raises:
        StoreError: no store, none of its shards finished, or scanned without reading pixels.
        OptionError: a value out of its range, or embeddings asked for that the store lacks.
    """
    from madaudit.commands.cluster_rows import write_clusters
    from madaudit.commands.kept_embeddings import has_embeddings
    from madaudit.scanning.store import Store

    _require_ranges(radius, cosine)
    place = Store(store)
    survey = place.survey()
    chosen = _chosen_keys(by, place, survey, is_embedded=has_embeddings(place))
    samples = _read(place, survey)
    wanted = _Wanted(chosen, radius, cosine, mirrored)
    labels, method = _cluster(place, samples, wanted, flags=_flags(survey))
    summary = {
        **_summary(samples, labels),
        "method": method,
        "scan": survey.manifest["fingerprint"],
        "largest": _largest(place, samples, labels),
    }
    content = write_clusters(place, _by_shard(place, samples, labels), summary)
    return Duplicates({name: value for name, value in content.items() if name != "shards"})


def _require_ranges(radius: int | None, cosine: float) -> None:
    from madaudit.scanning.copies.hash_pairs import FARTHEST

    if radius is not None and not 0 <= radius <= FARTHEST:
        raise OptionError(f"--radius is {radius}; allowed: 0 to {FARTHEST} of 64 bits")
    if not 0.0 < cosine <= 1.0:
        raise OptionError(f"--cosine is {cosine:g}; it must be above 0 and at most 1")


class _Wanted(NamedTuple):
    """The options of a search, checked."""

    by: tuple[str, ...]
    radius: int | None
    cosine: float
    mirrored: bool


def _cluster(
    store: Store, samples: _Samples, wanted: _Wanted, *, flags: list[str]
) -> tuple[npt.NDArray[np.int64], dict[str, Any]]:
    """The cluster of each sample, and how it was found."""
    from madaudit.commands.kept_embeddings import embedding_pairs
    from madaudit.scanning.copies.search import find_hash_pairs, group, label

    uses_hashes = "hash" in wanted.by
    groups = group(samples.hashes, samples.has_hash & uses_hashes)
    close: list[npt.NDArray[np.integer]] = []
    method: dict[str, Any] = {"by": list(wanted.by)}
    if uses_hashes:
        found = find_hash_pairs(groups.hashes, wanted.radius, mirrored=wanted.mirrored)
        close.append(found.pairs)
        method["radius"] = found.radius
        method["mirrored"] = wanted.mirrored
        method["pairs"] = len(found.pairs)
        method["chance_pairs"] = found.strangers
        flags = flags + found.flags
    if "embedding" in wanted.by:
        near = embedding_pairs(store, samples.shards, groups.of, wanted.cosine)
        close.append(near.pairs)
        method["cosine"] = wanted.cosine
        method["embedded"] = near.n_embedded
        method["recall"] = near.recall
    return label(groups, close), {**method, "flags": flags}


def _chosen_keys(
    by: Sequence[str], store: Store, survey: Survey, *, is_embedded: bool
) -> tuple[str, ...]:
    """The keys to use, checked to be there."""
    for name in by:
        if name not in KEYS:
            raise OptionError(f"--by {name!r} does not exist; allowed: {', '.join(KEYS)}")
    if not survey.markers:
        raise StoreError(
            f"cannot look for copies in store {store.url}: none of its shards is finished; run "
            f"the scan again"
        )
    if "embedding" in by and not is_embedded:
        raise OptionError(
            f"--by embedding: store {store.url} keeps no embeddings; scan into a new store with "
            f"--tier model and --keep-embeddings"
        )
    is_hashed = survey.manifest["plan"]["tier"] != "headers"
    if not is_hashed and ("hash" in by or not is_embedded):
        raise StoreError(
            f"cannot look for copies in store {store.url}: it was scanned at tier 'headers', "
            f"which reads no pixel and hashes none; scan into a new store with: madaudit scan "
            f"INPUT -o NEW --tier pixels"
        )
    available = [name for name, there in zip(KEYS, (is_hashed, is_embedded), strict=True) if there]
    return tuple(by) or tuple(available)


def _flags(survey: Survey) -> list[str]:
    if not survey.is_sampled:
        return []
    return ["the scan drew a sample: copies outside it are not seen, so clusters are too small"]


# ---- reading


def _read(store: Store, survey: Survey) -> _Samples:
    import numpy as np

    shards: list[tuple[str, int]] = []
    hashes, has_hash, digests = [], [], []
    for marker in survey.markers:
        n_rows = 0
        for rows in store.row_batches(marker["shard"], ["perceptual_hash", "content_digest"]):
            column = rows.column("perceptual_hash")
            has_hash.append(np.asarray(column.is_valid()))
            hashes.append(column.fill_null(0).to_numpy())
            digests.append(_digests(rows.column("content_digest")))
            n_rows += rows.num_rows
        shards.append((marker["shard"], n_rows))
    return _Samples(
        shards,
        np.concatenate([*hashes, np.empty(0, dtype=np.uint64)]),
        np.concatenate([*has_hash, np.empty(0, dtype=bool)]),
        np.concatenate([*digests, np.empty(0, dtype=np.uint64)]),
    )


def _digests(column: pa.Array) -> npt.NDArray[np.uint64]:
    """The first 16 hexadecimal digits of each text as a number, 0 where it is null or none."""
    import numpy as np
    import pyarrow.compute as pc

    whole = pc.fill_null(pc.match_substring_regex(column, "^[0-9a-f]{32}$"), False)
    is_digest = np.asarray(whole)
    text = "".join(pc.utf8_slice_codeunits(column.filter(whole), 0, 16).to_pylist())
    numbers = np.zeros(len(column), dtype=np.uint64)
    numbers[is_digest] = np.frombuffer(bytes.fromhex(text), dtype=">u8")
    return numbers


# ---- telling


def _summary(samples: _Samples, labels: npt.NDArray[np.int64]) -> dict[str, Any]:
    import numpy as np

    sizes = np.bincount(labels)
    of_size = np.bincount(sizes)
    there = np.flatnonzero(of_size).tolist()
    known = samples.digests[samples.digests != 0]
    squares = float((sizes.astype(float) ** 2).sum())
    return {
        "n": len(labels),
        "n_hashed": int(samples.has_hash.sum()),
        "n_clusters": len(sizes),
        "n_copies": len(labels) - len(sizes),
        "n_identical": len(known) - len(np.unique(known)),
        "n_effective": len(labels) ** 2 / squares if squares else 0.0,
        "sizes": {str(size): int(of_size[size]) for size in there},
    }


def _largest(
    store: Store, samples: _Samples, labels: npt.NDArray[np.int64]
) -> list[dict[str, Any]]:
    """The largest clusters that have copies, with the first sample of each."""
    import numpy as np

    sizes = np.bincount(labels)
    order = np.lexsort((np.arange(len(sizes)), -sizes))[:_N_LARGEST]
    ends = np.cumsum([n for _, n in samples.shards])
    largest = []
    for cluster in order[sizes[order] > 1].tolist():
        first = int(np.argmax(labels == cluster))
        number = int(np.searchsorted(ends, first, side="right"))
        shard, n_rows = samples.shards[number]
        row = first - (int(ends[number]) - n_rows)
        members = np.flatnonzero(labels == cluster)
        largest.append(
            {
                "cluster": cluster,
                "size": int(sizes[cluster]),
                "n_shards": len(np.unique(np.searchsorted(ends, members, side="right"))),
                "shard": shard,
                **_row(store, shard, row),
            }
        )
    return largest


def _row(store: Store, shard: str, row: int) -> dict[str, Any]:
    for rows in store.row_batches(shard, ["ordinal", "key"]):
        if row < rows.num_rows:
            found: dict[str, Any] = rows.slice(row, 1).to_pylist()[0]
            return found
        row -= rows.num_rows
    raise StoreError(f"cannot read store {store.url}: the rows of {shard} changed meanwhile")


def _by_shard(
    store: Store, samples: _Samples, labels: npt.NDArray[np.int64]
) -> Iterator[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    import numpy as np

    start = 0
    for shard, n_rows in samples.shards:
        batches = store.row_batches(shard, ["ordinal"])
        parts = [rows.column("ordinal").to_numpy() for rows in batches]
        ordinals = np.concatenate([*parts, np.empty(0, dtype=np.int64)])
        if len(ordinals) != n_rows:
            raise StoreError(
                f"cannot read store {store.url}: the rows of {shard} changed meanwhile"
            )
        yield shard, ordinals, labels[start : start + n_rows]
        start += n_rows


def _print(summary: dict[str, Any]) -> None:
    from madaudit.reports.wording import visible

    n, method = summary["n"], summary["method"]
    click.echo(
        f"{n} samples, {summary['n_clusters']} different ones: {summary['n_copies']} are copies "
        f"of others, {summary['n_identical']} of them pixel by pixel"
    )
    if "radius" in method:
        click.echo(
            f"  by hashes within {method['radius']} of 64 bits"
            + (", mirrored ones included" if method["mirrored"] else "")
        )
        if method["chance_pairs"] is not None:
            click.echo(
                f"  of {method['pairs']} pairs of close hashes chance brings about "
                f"{method['chance_pairs']:.2g}"
            )
    if "cosine" in method:
        click.echo(f"  by embeddings of similarity {method['cosine']:g} or more")
    for one in summary["largest"]:
        click.echo(
            f"  {one['size']} samples in {one['n_shards']} shards, first: {visible(one['shard'])} "
            f"{one['ordinal']} ({visible(one['key'])})"
        )
    for flag in method["flags"]:
        click.echo(f"  note: {flag}")


@click.command("duplicates", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option("--by", metavar="KEY,…", help="hash, embedding; default: all that the store has.")
@click.option(
    "--radius", type=int, metavar="BITS", help="Of 64 bits; by default as wide as chance allows."
)
@click.option(
    "--cosine", type=float, default=0.95, show_default=True, help="Least similarity of embeddings."
)
@click.option(
    "--mirrored/--no-mirrored", default=True, show_default=True, help="Count mirrored copies."
)
@common_options
@guarded
def command(
    store: str,
    by: str | None,
    radius: int | None,
    cosine: float,
    mirrored: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Find copies of one another among the samples of a store.

    \b
      madaudit duplicates store
      madaudit duplicates store --radius 4 --json
    """
    from madaudit.commands.scan_request import split_names

    result = duplicates(
        store, by=split_names(by) or (), radius=radius, cosine=cosine, mirrored=mirrored
    )
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result.summary)
    return 0
