"""The folder of a loop that trains: every finished generation, whole or not there.

experiment.json                  what is run, and its fingerprint
seed-0/generation-000/           model.safetensors, drawn.png, step.json (written last)
trace.json, trace.parquet        all generations of all seeds
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madaudit.errors import MissingExtraError, StoreError

if TYPE_CHECKING:
    from madaudit.simulation.generators.base import State, Values
    from madaudit.simulation.trained_loop import Step

_GRID = 8
# Of a drawn image in the grid, so that an 8 × 8 one can be seen.
_GRID_SIDE_PX = 32


def begin(folder: str, experiment: dict[str, Any]) -> Path:
    """The folder of an experiment, made or found again.

    Raises:
        StoreError: another experiment was run there.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    text = json.dumps(experiment, sort_keys=True, indent=2, ensure_ascii=False)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    file = target / "experiment.json"
    if file.exists():
        kept = json.loads(file.read_text(encoding="utf-8")).get("fingerprint")
        if kept != fingerprint:
            raise StoreError(
                f"cannot go on in {folder}: another loop was run there (fingerprint "
                f"{str(kept)[:12]}, this one {fingerprint[:12]}); give another folder, or the "
                f"same options"
            )
        return target
    content = {"fingerprint": fingerprint, "experiment": experiment}
    _replace(file, json.dumps(content, indent=2, ensure_ascii=False).encode())
    return target


@dataclass(frozen=True)
class Folder:
    """A ledger of one seed on disk.

    Attributes:
        path: of the seed.
    """

    path: Path

    def step(self, generation: int) -> Step | None:
        from madaudit.simulation.trained_loop import Step

        file = self._of(generation) / "step.json"
        if not file.exists():
            return None
        content = json.loads(file.read_text(encoding="utf-8"))
        content["measures"] = {
            name: float("nan") if value is None else value
            for name, value in content["measures"].items()
        }
        return Step(**content)

    def state(self, generation: int) -> State:
        load = _safetensors().load_file
        return dict(load(self._of(generation) / "model.safetensors"))

    def record(self, step: Step, state: State, drawn: Values) -> None:
        import numpy as np

        folder = self._of(step.generation)
        folder.mkdir(parents=True, exist_ok=True)
        # safetensors 0.8 writes the memory of an array as it lies, so that one whose axes were
        # exchanged (torch's channels_last) comes back with other numbers.
        arrays = {name: np.ascontiguousarray(value) for name, value in state.items()}
        data = _safetensors().save(arrays) if arrays else b""
        _replace(folder / "model.safetensors", data)
        if drawn.ndim == 4 and len(drawn):
            _replace(folder / "drawn.png", _grid(drawn))
        measures = {n: v if v == v else None for n, v in step.measures.items()}  # noqa: PLR0124
        content = {**asdict(step), "measures": measures}
        _replace(folder / "step.json", json.dumps(content, indent=2).encode())

    def _of(self, generation: int) -> Path:
        return self.path / f"generation-{generation:03d}"


def write_trace(folder: Path, content: dict[str, Any]) -> None:
    """trace.json with everything, trace.parquet with the rows under the metrics' full names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = content.get("metric_names", {})
    rows = [{names.get(key, key): value for key, value in row.items()} for row in content["trace"]]
    _replace(folder / "trace.json", json.dumps(content, indent=2, ensure_ascii=False).encode())
    part = folder / "trace.parquet.part"
    pq.write_table(pa.Table.from_pylist(rows), part)
    os.replace(part, folder / "trace.parquet")


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError(
            "keep a trained loop", package="safetensors", extra="loops"
        ) from error
    return safetensors.numpy


def _grid(drawn: Values) -> bytes:
    """A PNG of the first 64 draws."""
    import io

    import numpy as np
    from PIL import Image

    pixels = np.clip((drawn[: _GRID**2] + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)
    enlarge = max(1, _GRID_SIDE_PX // pixels.shape[-1])
    pixels = pixels.repeat(enlarge, axis=2).repeat(enlarge, axis=3).transpose(0, 2, 3, 1)
    n, side, _, channels = pixels.shape
    sheet = np.zeros((_GRID * side, _GRID * side, channels), np.uint8)
    for place in range(n):
        top, left = place // _GRID * side, place % _GRID * side
        sheet[top : top + side, left : left + side] = pixels[place]
    file = io.BytesIO()
    Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet).save(file, "PNG")
    return file.getvalue()


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
