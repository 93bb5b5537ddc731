"""λ of a store, measured on its embeddings: how much narrower its synthetic samples are.

Samples with a mark that says synthetic come first; where they are too few, those that a calibrated
detector is sure of, and the measurement is then marked as selection-biased. The real side is what
carries no mark, and is not taken for synthetic by the calibration where there is one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.assessment import Clustered, SamplingBias, measure_bias
from madaudit.assessment.sampling_bias import clusters_of
from madaudit.commands.posteriors import posteriors_folder
from madaudit.commands.store_rows import mark_rows
from madaudit.errors import StoreError
from madaudit.estimation.tally import COMPOSITE, SYNTHETIC
from madaudit.limits import MAX_BIAS_SAMPLES
from madaudit.scanning.store import Store
from madaudit.scanning.survey import Survey
from madaudit.shards.array_files import parse_npy
from madaudit.shards.files import filesystem

# Samples of a side below which λ is not told.
_LEAST = 50
# Posteriors that count as sure where marks are too few.
_SURE_SYNTHETIC, _SURE_REAL = 0.9, 0.1

Embeddings = npt.NDArray[np.float32]


class _Rows(NamedTuple):
    """Rows of one shard that have an embedding.

    Attributes:
        embeddings: (n, d).
        verdicts: what the strongest mark of each says, (n,).
        p_synthetic: posterior of each, NaN where unknown, (n,).
    """

    embeddings: Embeddings
    verdicts: npt.NDArray[np.int8]
    p_synthetic: npt.NDArray[np.float64]


@dataclass
class _Side:
    """A random sample of at most `MAX_BIAS_SAMPLES` rows, whatever their number."""

    generator: np.random.Generator
    rows: list[Embeddings] = field(default_factory=list)
    keys: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def add(self, rows: Embeddings) -> None:
        self.rows.append(rows)
        self.keys.append(self.generator.random(len(rows)))
        if sum(map(len, self.keys)) > 2 * MAX_BIAS_SAMPLES:
            self._thin()

    def all(self) -> Embeddings:
        self._thin()
        return self.rows[0]

    def _thin(self) -> None:
        rows = np.concatenate(self.rows) if self.rows else np.zeros((0, 1), np.float32)
        keys = np.concatenate(self.keys) if self.keys else np.zeros(0)
        kept = np.argsort(keys, kind="stable")[:MAX_BIAS_SAMPLES]
        self.rows, self.keys = [rows[kept]], [keys[kept]]


def bias_of_store(
    url: str, *, calibration: str | None = None, level: float = 0.95
) -> SamplingBias:
    """λ from a store's embeddings.

    Args:
        url: of the store, with a folder `embeddings` in clip-retrieval's layout.
        calibration: fingerprint of the calibration whose posteriors the store has; None for none.
        level: of the intervals.

    Raises:
        StoreError: no embeddings, or too few samples of a side.
    """
    store = Store(url.rstrip("/"))
    survey = store.survey()
    generator = np.random.default_rng(0)
    marked, chosen, real = (_Side(generator) for _ in range(3))
    for rows in _embedded_rows(store, survey, calibration):
        is_marked = rows.verdicts == SYNTHETIC
        is_open = ~is_marked & (rows.verdicts != COMPOSITE)
        with np.errstate(invalid="ignore"):
            marked.add(rows.embeddings[is_marked])
            chosen.add(rows.embeddings[is_open & (rows.p_synthetic >= _SURE_SYNTHETIC)])
            real.add(rows.embeddings[is_open & ~(rows.p_synthetic > _SURE_REAL)])
    is_selected = len(marked.all()) < _LEAST
    synthetic = chosen.all() if is_selected else marked.all()
    if len(synthetic) < _LEAST or len(real.all()) < _LEAST:
        raise StoreError(
            f"cannot measure λ on the embeddings of store {store.url}: {len(marked.all())} "
            f"samples are marked synthetic, {len(chosen.all())} are sure by a calibration and "
            f"{len(real.all())} are taken for real; {_LEAST} of each side are needed: give "
            f"--bias, or --calibration"
        )
    clusters = clusters_of(real.all(), synthetic, generator)
    return measure_bias(
        Clustered(real.all(), clusters[0]),
        Clustered(synthetic, clusters[1]),
        is_selected=is_selected,
        level=level,
    )


def _embedded_rows(store: Store, survey: Survey, calibration: str | None) -> Iterator[_Rows]:
    """Rows with an embedding, file by file; rows of other stores' shards are left out."""
    finished = {marker["shard"] for marker in survey.markers}
    width = 0
    for array_path, table_path in _pairs(store):
        table = _table(store, table_path, ["shard", "ordinal"])
        embeddings = _array(store, array_path)
        if width and embeddings.shape[1] != width:
            why = f"{embeddings.shape[1]} dimensions beside {width} in another file"
            raise _refusal(store, array_path, why)
        width = embeddings.shape[1]
        if len(embeddings) != table.num_rows:
            why = f"{len(embeddings)} rows, and its table has {table.num_rows}"
            raise _refusal(store, array_path, why)
        # What is no number is no position.
        is_finite = np.isfinite(embeddings).all(axis=1)
        shards = np.asarray(table.column("shard").to_pylist(), dtype=object)
        ordinals = table.column("ordinal").to_numpy()
        for shard in dict.fromkeys(shards.tolist()):
            if shard in finished:
                rows = np.flatnonzero((shards == shard) & is_finite)
                yield _joined(store, survey, shard, ordinals[rows], embeddings[rows], calibration)


def _joined(
    store: Store,
    survey: Survey,
    shard: str,
    ordinals: npt.NDArray[np.int64],
    embeddings: Embeddings,
    calibration: str | None,
) -> _Rows:
    known, verdicts = [np.zeros(0, np.int64)], [np.zeros(0, np.int8)]
    for rows in mark_rows(store, shard, survey.looks_at):
        known.append(rows.rows.column("ordinal").to_numpy())
        verdicts.append(rows.verdicts)
    places, is_known = _places(np.concatenate(known), ordinals)
    if not len(places):
        return _Rows(embeddings[:0], np.zeros(0, np.int8), np.zeros(0))
    found = np.concatenate(verdicts)[places]
    posterior = np.full(len(ordinals), np.nan)
    path = f"{posteriors_folder(calibration)}/{shard}.parquet" if calibration else ""
    if path:
        table = _table(store, path, ["ordinal", "p_synthetic"])
        places, has_posterior = _places(table.column("ordinal").to_numpy(), ordinals)
        values = table.column("p_synthetic").to_numpy(zero_copy_only=False).astype(float)
        if len(places):
            posterior = np.where(has_posterior, values[places], np.nan)
    return _Rows(embeddings[is_known], found[is_known], posterior[is_known])


def _places(
    known: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Where each wanted ordinal stands among the known ones, and whether it does."""
    if not len(known):
        return np.zeros(0, np.intp), np.zeros(0, np.bool_)
    order = np.argsort(known, kind="stable")
    places = np.minimum(np.searchsorted(known[order], wanted), max(len(known) - 1, 0))
    found = order[places]
    return found, known[found] == wanted


def _pairs(store: Store) -> list[tuple[str, str]]:
    """Paths of arrays and tables in the store, by number.

    Raises:
        StoreError: there are none.
    """
    fs, root = filesystem(store.url)
    tables = sorted(fs.glob(f"{root}/embeddings/metadata/metadata_*.parquet"))
    if not tables:
        raise StoreError(
            f"store {store.url} has no embeddings; scan with --keep-embeddings, or give --bias"
        )
    numbers = [path.rsplit("metadata_", 1)[1].removesuffix(".parquet") for path in tables]
    return [
        (
            f"embeddings/img_emb/img_emb_{number}.npy",
            f"embeddings/metadata/metadata_{number}.parquet",
        )
        for number in numbers
    ]


def _array(store: Store, path: str) -> Embeddings:
    try:
        found = parse_npy(_bytes(store, path))
    except ValueError as error:
        raise _refusal(store, path, str(error)) from error
    if found.ndim != 2 or found.dtype.kind != "f":
        raise _refusal(store, path, f"{found.dtype} of shape {found.shape}, not floats (n, d)")
    return np.asarray(found, dtype=np.float32)


def _table(store: Store, path: str, columns: list[str]) -> pa.Table:
    try:
        table = pq.ParquetFile(io.BytesIO(_bytes(store, path))).read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise _refusal(store, path, str(error)) from error
    missing = [name for name in columns if name not in table.column_names]
    if missing or not pa.types.is_integer(table.schema.field("ordinal").type):
        raise _refusal(store, path, f"columns {table.column_names}, not {columns}")
    return table


def _bytes(store: Store, path: str) -> bytes:
    content = store.read_file(path)
    if content is None:
        raise _refusal(store, path, "it is not there")
    return content


def _refusal(store: Store, path: str, why: str) -> StoreError:
    return StoreError(
        f"cannot read {path} of store {store.url}: {why}; scan again with --keep-embeddings"
    )
