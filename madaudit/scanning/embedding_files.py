"""Embeddings of a scan, kept in clip-retrieval's layout: one array and one table a shard.

    embeddings/encoder.json                      which encoder and crops they are of
    embeddings/img_emb/img_emb_N.npy             float16 (n, d), rows of length 1
    embeddings/metadata/metadata_N.parquet       shard, ordinal, key of each row

N is made of the shard's name, so that jobs that share a store, or shards added later, need no
common count. Samples without features have no row; a shard without any has no files.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.encoders.base import unit_length
from madaudit.encoders.space import FeatureSpace
from madaudit.errors import OptionError, StoreError
from madaudit.limits import KEPT_EMBEDDINGS_BYTES
from madaudit.scanning.batches import Prepared
from madaudit.scanning.encoding import Encoding
from madaudit.scanning.plan import Plan
from madaudit.scanning.store import Store
from madaudit.shards import files
from madaudit.shards.array_files import parse_npy
from madaudit.shards.entries import ENCODER_FILE

FOLDER = "embeddings"
ENCODER_PATH = f"{FOLDER}/{ENCODER_FILE}"
_SCHEMA = pa.schema(
    [
        ("shard", pa.dictionary(pa.int32(), pa.string())),
        ("ordinal", pa.int64()),
        ("key", pa.string()),
    ]
)


def space_to_keep(spaces: Sequence[FeatureSpace]) -> FeatureSpace:
    """The one feature space of a scan.

    Raises:
        OptionError: there is none, or more than one.
    """
    if len(spaces) != 1:
        raise OptionError(
            f"cannot keep embeddings: the scan's detectors need features of {len(spaces)} "
            f"encoders or crops; allowed is one, so name one detector that has an encoder, for "
            f"example clip_probe, with --detectors"
        )
    return spaces[0]


def about(space: FeatureSpace) -> dict[str, Any]:
    """What `encoder.json` says: enough to know whether other features may be compared."""
    encoder = space.encoder
    return {
        "space": space.key,
        "encoder": encoder.name,
        "digest": encoder.digest,
        "arithmetic": encoder.arithmetic,
        "crops": space.crops.to_dict(),
        "dimension": encoder.dimension,
        "unit_length": True,
    }


def number_of(shard: str) -> str:
    """N of a shard's files: 18 digits of its name's SHA-256."""
    digest = hashlib.sha256(shard.encode(errors="surrogatepass")).digest()
    return f"{int.from_bytes(digest[:8], 'big') % 10**18:018d}"


def array_path(shard: str) -> str:
    return f"{FOLDER}/img_emb/img_emb_{number_of(shard)}.npy"


def table_path(shard: str) -> str:
    return f"{FOLDER}/metadata/metadata_{number_of(shard)}.parquet"


def _spool() -> Any:
    return tempfile.SpooledTemporaryFile(max_size=KEPT_EMBEDDINGS_BYTES)


@dataclass
class EmbeddingBuffer:
    """Embeddings of one shard, gathered batch by batch and written at its end.

    Attributes:
        shard: its name.
        space: of the features.
    """

    shard: str
    space: FeatureSpace
    _ordinals: list[int] = field(default_factory=list)
    _keys: list[str] = field(default_factory=list)
    _rows: Any = field(default_factory=_spool)

    def add(self, prepared: Prepared) -> None:
        """The features that a batch has; what could not be encoded has none."""
        for index, look in enumerate(prepared.batch.looks):
            if index in prepared.doomed:
                continue
            try:
                features = prepared.batch.features(index, self.space)
            except Exception:  # noqa: BLE001, S112 — the detector's row says what went wrong
                continue
            if features is not None:
                self._rows.write(unit_length(features[None]).astype("<f2").tobytes())
                self._ordinals.append(look.sample.ordinal)
                self._keys.append(look.sample.key)

    def write(self, store: Store) -> int:
        """Write the shard's two files, or delete old ones where it has no features; rows kept."""
        n_rows = len(self._ordinals)
        if not n_rows:
            store.remove(array_path(self.shard))
            store.remove(table_path(self.shard))
            return 0
        with store.create(array_path(self.shard)) as file:
            shape = (n_rows, self.space.encoder.dimension)
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            self._rows.seek(0)
            shutil.copyfileobj(self._rows, file, 1 << 20)
        keys = [key.encode("utf-8", "replace").decode() for key in self._keys]
        table = _table(self.shard, pa.array(self._ordinals), pa.array(keys))
        with store.create(table_path(self.shard)) as file:
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)
        return n_rows

    def __len__(self) -> int:
        return len(self._ordinals)

    def close(self) -> None:
        self._rows.close()


@contextmanager
def keeping(plan: Plan, shard: str, ahead: Encoding) -> Iterator[EmbeddingBuffer | None]:
    """A buffer for one shard's embeddings; None where the plan keeps none."""
    if not plan.keep_embeddings:
        yield None
        return
    buffer = EmbeddingBuffer(shard, space_to_keep(ahead.spaces))
    try:
        yield buffer
    finally:
        buffer.close()


class ShardEmbeddings(NamedTuple):
    """Embeddings of one shard.

    Attributes:
        ordinals: int64 (n,), ascending.
        features: float16 (n, d), rows of length 1.
    """

    ordinals: npt.NDArray[np.int64]
    features: npt.NDArray[np.float16]


def read_embeddings(store: Store, shard: str) -> ShardEmbeddings | None:
    """The embeddings of a finished shard; None where it has none.

    Raises:
        StoreError: a file is damaged, or its fellow is missing.
    """
    found = _read(store, shard)
    if found is None:
        return None
    table, features = found
    return ShardEmbeddings(table.column("ordinal").to_numpy().astype(np.int64), features)


def copy_embeddings(source: Store, shard: str, target: Store, name: str) -> None:
    """Copy a shard's embeddings into another store, where the shard has another name perhaps.

    Raises:
        StoreError: a file is damaged, or its fellow is missing.
    """
    found = _read(source, shard)
    if found is None:
        return
    table, features = found
    with target.create(array_path(name)) as file:
        np.save(file, features, allow_pickle=False)
    rows = _table(name, table.column("ordinal"), table.column("key"))
    with target.create(table_path(name)) as file:
        pq.write_table(rows, file, compression="zstd", write_page_checksum=True)


def _read(store: Store, shard: str) -> tuple[pa.Table, npt.NDArray[np.float16]] | None:
    """Table and array of a shard, held together."""
    fs, root = files.filesystem(store.url)
    paths = array_path(shard), table_path(shard)
    if not any(fs.exists(f"{root}/{path}") for path in paths):
        return None
    try:
        with files.open_binary(files.join(store.url, paths[0])) as file:
            features = parse_npy(file.read())
        with files.open_binary(files.join(store.url, paths[1])) as file:
            table = pq.read_table(file, columns=["ordinal", "key"])
        if features.ndim != 2 or len(features) != len(table):
            raise ValueError(f"{features.shape} numbers for {len(table)} rows")
    except Exception as error:  # a damaged footer raises almost anything
        raise StoreError(
            f"cannot read {paths[0]} of store {store.url} and its table: {error}; delete the "
            f"shard's marker and scan again"
        ) from error
    return table, features.astype(np.float16, copy=False)


def _table(shard: str, ordinals: Any, keys: Any) -> pa.Table:
    codes = np.zeros(len(ordinals), dtype=np.int32)
    names = pa.DictionaryArray.from_arrays(codes, pa.array([shard], pa.string()))
    return pa.table([names, ordinals, keys], schema=_SCHEMA)
