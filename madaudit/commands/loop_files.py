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
from madaudit.limits import MAX_JSON_BYTES

if TYPE_CHECKING:
    from madaudit.simulation.generators.base import State, Values
    from madaudit.simulation.trained_loop import Step

_COUNTS = ("generation", "seed", "n_real", "n_synthetic")
_GRID = 8
# Of a drawn image in the grid, so that an 8 × 8 one can be seen.
_GRID_SIDE_PX = 32


def begin(folder: str, experiment: dict[str, Any]) -> Path:
    """The folder of an experiment, made or found again.

    Raises:
        StoreError: another experiment was run there, or its description is damaged.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    text = json.dumps(experiment, sort_keys=True, indent=2, ensure_ascii=False)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    file = target / "experiment.json"
    if file.exists():
        kept = _read_json(file).get("fingerprint")
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
        """A finished generation's row; None where it is not finished.

        Raises:
            StoreError: the row is damaged.
        """
        file = self._of(generation) / "step.json"
        return _step_of(_read_json(file), file) if file.exists() else None

    def state(self, generation: int) -> State:
        """A finished generation's model, as arrays.

        Raises:
            StoreError: the file is damaged, or not there.
        """
        load, file = _safetensors().load_file, self._of(generation) / "model.safetensors"
        try:
            return dict(load(file))
        except Exception as error:  # safetensors raises an exception of its own, and numpy's
            raise _damaged(file, error) from error

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


def _read_json(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise ValueError(f"longer than {MAX_JSON_BYTES} bytes")
        content = json.loads(data)
        if not isinstance(content, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, error) from error
    return content


def _step_of(content: dict[str, Any], file: Path) -> Step:
    from madaudit.simulation.trained_loop import Step

    try:
        measures = {
            str(name): float("nan") if value is None else float(value)
            for name, value in content["measures"].items()
        }
        counts = {name: int(content[name]) for name in _COUNTS}
        shares = {
            name: None if content[name] is None else float(content[name])
            for name in content.keys() - {*_COUNTS, "bias", "measures", "has_diverged"}
        }
        return Step(
            bias=float(content["bias"]),
            measures=measures,
            has_diverged=content.get("has_diverged", False) is True,
            **counts,
            **shares,  # type: ignore[arg-type]  # Step refuses names that it does not know
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> StoreError:
    return StoreError(
        f"cannot go on from {file}: it is damaged ({error}); delete its generation's folder and "
        f"all later ones, or give another folder, and run the same command again"
    )


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
