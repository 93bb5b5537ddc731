"""What `estimate --calibration` leaves in a store: a score and a posterior for each row.

Folder `posteriors/<first 16 digits of the calibration's fingerprint>/`: a Parquet file a shard
with `ordinal`, `log_ratio` (ln f1/f0; null: no score, +inf: marked as synthetic) and
`p_synthetic`; `estimate.json`, written last, says that all shards are whole, and holds the
estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from madaudit.errors import StoreError
from madaudit.scanning.store import Store
from madaudit.shards import files

N_DIGITS = 16
_COLUMNS = {"ordinal": pa.int64(), "log_ratio": pa.float32(), "p_synthetic": pa.float32()}
_Floats = npt.NDArray[np.float32]


class Scores(NamedTuple):
    """Of some rows, NaN where there is none.

    Attributes:
        log_ratio: ln f1/f0, float32 (n,); +inf for a row marked as synthetic.
        p_synthetic: posterior, float32 (n,), [0, 1].
    """

    log_ratio: _Floats
    p_synthetic: _Floats


@dataclass(frozen=True)
class Posteriors:
    """The posteriors of one estimate.

    Attributes:
        store: where they are.
        name: of their folder.
        estimate: what stands in its estimate.json.
    """

    store: Store
    name: str
    estimate: dict[str, Any]

    @classmethod
    def find(cls, store: Store, calibration: str | None) -> Posteriors | None:
        """Those of a calibration, or the only ones; None where there are none and none is named.

        Args:
            store: to look in.
            calibration: its fingerprint, None for whichever is there.

        Raises:
            StoreError: those named are not there or not whole, or there are several.
        """
        names = _folders(store) if calibration is None else [calibration[:N_DIGITS]]
        if len(names) > 1:
            raise StoreError(
                f"cannot tell which posteriors of store {store.url} to use: {', '.join(names)}; "
                f"name one in the policy (cut: {{score: …, calibration: FINGERPRINT}})"
            )
        if not names:
            return None
        content = store.read_json(f"posteriors/{names[0]}/estimate.json")
        if not isinstance(content, dict):
            raise StoreError(
                f"store {store.url} has no whole posteriors of calibration {names[0]}; "
                f"run: madaudit estimate {store.url} --calibration DIR"
            )
        return cls(store, names[0], content)

    @property
    def prevalence(self) -> float:
        """The estimate's synthetic share, NaN where it gives no single value."""
        point = self.effective_real.get("point")
        return 1.0 - point if isinstance(point, (int, float)) else float("nan")

    @property
    def effective_real(self) -> dict[str, Any]:
        """The estimate's interval of p; empty where it is damaged."""
        known = self.estimate.get("estimate")
        p = known.get("p") if isinstance(known, dict) else None
        return p if isinstance(p, dict) else {}

    def shard(self, shard: str) -> ShardScores:
        """The scores of a shard.

        Raises:
            StoreError: its file is missing or damaged.
        """
        path = f"posteriors/{self.name}/{shard}.parquet"
        table = self.store.table(path, _COLUMNS)
        if table is None:
            raise StoreError(f"{path} of store {self.store.url} is missing; {self._advice}")
        ordinals = table.column("ordinal").to_numpy()
        order = np.argsort(ordinals, kind="stable")
        values = [_floats(table, name)[order] for name in ("log_ratio", "p_synthetic")]
        return ShardScores(
            ordinals[order],
            Scores(*values),
            f"{path} of store {self.store.url} lacks rows of its shard, which was scanned again "
            f"since; {self._advice}",
        )

    @property
    def _advice(self) -> str:
        return f"run: madaudit estimate {self.store.url} --calibration DIR"


@dataclass(frozen=True, eq=False)
class ShardScores:
    """Scores of one shard, by ordinal."""

    ordinals: npt.NDArray[np.int64]
    scores: Scores
    complaint: str

    def at(self, ordinals: npt.NDArray[np.int64]) -> Scores:
        """Scores of some rows.

        Args:
            ordinals: of the rows (n,).

        Raises:
            StoreError: one of them has no entry.
        """
        places = np.searchsorted(self.ordinals, ordinals)
        inside = places < len(self.ordinals)
        places[~inside] = 0
        if not inside.all() or (self.ordinals[places] != ordinals).any():
            raise StoreError(self.complaint)
        return Scores(self.scores.log_ratio[places], self.scores.p_synthetic[places])


def _floats(table: pa.Table, name: str) -> _Floats:
    values = table.column(name).to_numpy().astype(np.float32)
    return np.asarray(values, dtype=np.float32)


def _folders(store: Store) -> list[str]:
    """Folders of posteriors that are whole."""
    fs, root = files.filesystem(store.url)
    folder = f"{root}/posteriors"
    if not fs.isdir(folder):
        return []
    names = [path.rstrip("/").rpartition("/")[2] for path in fs.ls(folder, detail=False)]
    return sorted(name for name in names if fs.exists(f"{folder}/{name}/estimate.json"))
