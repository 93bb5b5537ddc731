"""Training the cells of `scripts/validate_risk`; each finished cell and seed is one small file."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from validation_cells import Cell, queue

from madaudit.commands.loop_data import load_real
from madaudit.commands.loop_files import Folder, begin
from madaudit.commands.loop_gauge import build_gauge
from madaudit.simulation.generators import Samples, build_generator
from madaudit.simulation.generators.base import Fitted, Generator, Progress
from madaudit.simulation.measuring import Gauge
from madaudit.simulation.real_data import RealData
from madaudit.simulation.trace import spec_to_dict
from madaudit.simulation.trained_loop import TrainedLoop

#: Draws whose trace ratio is the measured λ.
N_BIAS = 1000


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes.

    Attributes:
        results: finished cells, one JSON file each.
        work: models and unfinished cells; may be deleted when all is finished.
        mnist: an .npz of MNIST.
    """

    results: Path
    work: Path
    mnist: Path


def run_all(place: Place, *, only: str = "", until: float = float("inf")) -> None:
    """Train what is not finished, in the queue's order.

    Several processes may run this at once; each cell is one process's.

    Args:
        place: folders.
        only: part of a cell's name.
        until: seconds since the epoch after which no further cell is begun.
    """
    for cell, seed in queue():
        if only not in cell.name or time.time() > until:
            continue
        with claimed(place.work / f"{cell.name}-{seed}.lock") as is_mine:
            if is_mine and not result_file(place.results, cell, seed).exists():
                train(cell, seed, place)


def train(cell: Cell, seed: int, place: Place) -> None:
    """Train one cell with one seed and write its file."""
    data = "rosenbrock" if cell.side is None else str(place.mnist)
    real = load_real(data, cell.side or 8)
    gauge = build_gauge(real, cell.n_evaluation)
    generator = build_generator(cell.family, dict(cell.settings))
    once = TrainedOnce(generator, place.work / "first-models")
    loop = TrainedLoop(cell.spec, once, real, gauge)
    described = {
        "cell": cell.name,
        "family": cell.family,
        "version": generator.version,
        "knob": generator.knob,
        "settings": asdict(generator),  # type: ignore[call-overload]
        "loop": spec_to_dict(cell.spec),
        "data": _named(cell, place),
        "side": cell.side,
        "n_evaluation": cell.n_evaluation,
    }
    folder = begin(str(place.work / cell.name), described)
    ledger = Folder(folder / f"seed-{seed}")
    steps, seconds = [], []
    began, busy = time.perf_counter(), time.process_time()
    for step in loop.run(seed, ledger=ledger):
        steps.append(step.to_dict())
        now = time.perf_counter()
        seconds.append(round(now - began, 2))
        began = now
        print(f"{cell.name} seed {seed} {json.dumps(steps[-1])}", flush=True)
    measured = Measured(loop, gauge, real, ledger, seed)
    for step in steps:
        step.update(measured.classes_of(step))
    content = {
        **described,
        "seed": seed,
        "bias": float(cell.spec.at("bias", 1)),
        "measured_bias": measured.bias(),
        "model_error": steps[0]["model_error"],
        "floor": gauge.measure(measured.unseen()),
        "real": measured.real_moments(),
        "generations": steps,
        "seconds": seconds,
        "cpu_s": round(time.process_time() - busy, 1),
        "versions": _versions(),
    }
    file = result_file(place.results, cell, seed)
    part = file.with_name(file.name + ".part")
    part.write_text(json.dumps(rounded(content), indent=1, ensure_ascii=False) + "\n")
    os.replace(part, file)


def result_file(results: Path, cell: Cell, seed: int) -> Path:
    return results / f"{cell.name}-seed-{seed}.json"


@dataclass(frozen=True, eq=False)
class TrainedOnce:
    """A generator that trains on the same samples with the same seed once.

    First models of many cells are one: kept by what they follow from, they are read back.

    Attributes:
        generator: what trains.
        folder: of kept models.
    """

    generator: Generator
    folder: Path

    def fit(
        self,
        samples: Samples,
        *,
        seed: int,
        weights: npt.NDArray[np.float64] | None = None,
        progress: Progress | None = None,
    ) -> Fitted:
        key = hashlib.sha256(repr((self.generator, self.generator.version, seed)).encode())
        for array in (samples.values, samples.labels, weights):
            key.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        file = self.folder / f"{key.hexdigest()[:32]}.npz"
        if file.exists():
            with np.load(file, allow_pickle=False) as kept:
                return self.generator.restore({name: kept[name] for name in kept.files})
        fitted = self.generator.fit(samples, seed=seed, weights=weights, progress=progress)
        self.folder.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.stem}.{os.getpid()}.part.npz")
        np.savez(part, **fitted.state())  # type: ignore[arg-type]
        os.replace(part, file)
        return fitted

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> Fitted:
        return self.generator.restore(state)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a cell tells beside the rows of its loop.

    Attributes:
        loop, gauge, real: of the cell.
        ledger: its finished generations.
        seed: of the run.
    """

    loop: TrainedLoop
    gauge: Gauge
    real: RealData
    ledger: Folder
    seed: int

    def bias(self) -> dict[str, float]:
        """λ of the first model, several ways: variance of draws with the knob over without.

        "all" is the trace of all features' covariance, "within" that within classes, which a
        stronger separation of classes does not raise; "pixels…" the same on the samples.
        """
        bias = float(self.loop.spec.at("bias", 1))
        if bias == 1.0:
            return dict.fromkeys(("all", "within", "pixels_all", "pixels_within"), 1.0)
        model = self.loop.generator.restore(self.ledger.state(0))
        with_knob = model.sample(N_BIAS, bias=bias, seed=self.seed + 1_000_003)
        without = model.sample(N_BIAS, bias=1.0, seed=self.seed + 2_000_003)
        one, other = (self._traces(samples) for samples in (with_knob, without))
        return {name: one[name] / other[name] for name in one}

    def classes_of(self, step: Mapping[str, Any]) -> dict[str, float | None]:
        """Variance within classes against that of real samples, of one generation's draws."""
        if step["diverged"]:
            return {"within_ratio": None, "pixels_within_ratio": None}
        model = self.loop.generator.restore(self.ledger.state(step["generation"]))
        drawn = model.sample(N_BIAS, bias=step["bias"], seed=self.seed + 3_000_017)
        own, real = self._traces(drawn), self._traces(self._real_samples())
        return {f"{name}_ratio": own[name] / real[name] for name in ("within", "pixels_within")}

    def unseen(self) -> npt.NDArray[np.float32]:
        """Real samples beside those of the evaluation: what a perfect model would draw."""
        return self._real_samples().values[: self.gauge.n]

    def real_moments(self) -> dict[str, float]:
        """Trace and effective dimension, tr² Σ / tr Σ², of real features, all and in classes."""
        samples = self._real_samples()
        features = self.gauge.encode(samples.values)
        centred = centred_by_class(features, samples.labels)
        result = {}
        for name, values in (("all", features), ("within", centred)):
            eigenvalues = np.linalg.eigvalsh(np.cov(values, rowvar=False))
            result[f"trace_{name}"] = float(eigenvalues.sum())
            result[f"dimension_{name}"] = float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
        return result

    def _real_samples(self) -> Samples:
        available = self.real.n_available(self.gauge.n)
        start = 10_000_000 if available is None else available - N_BIAS
        return self.real.take(start, N_BIAS, seed=self.seed, n_evaluation=self.gauge.n)

    def _traces(self, samples: Samples) -> dict[str, float]:
        flat = samples.values.reshape(len(samples), -1).astype(np.float64)
        result = {}
        for prefix, values in (("", self.gauge.encode(samples.values)), ("pixels_", flat)):
            result[f"{prefix}all"] = _trace(values)
            result[f"{prefix}within"] = _trace(centred_by_class(values, samples.labels))
        return result


def centred_by_class(
    values: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Values (n, d) less the mean of their own class."""
    n = np.maximum(np.bincount(labels), 1)
    sums = np.zeros((len(n), values.shape[1]))
    np.add.at(sums, labels, values)
    result: npt.NDArray[np.float64] = values - (sums / n[:, None])[labels]
    return result


@contextmanager
def claimed(file: Path) -> Iterator[bool]:
    """Whether this process alone holds the file; the end of the process lets go of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def rounded(value: Any) -> Any:
    """Numbers to six digits, those that are not finite as null."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


def _trace(values: npt.NDArray[np.float64]) -> float:
    return float(values.var(axis=0, ddof=1).sum())


def _named(cell: Cell, place: Place) -> str:
    if cell.side is None:
        return "rosenbrock"
    digest = hashlib.sha256(place.mnist.read_bytes()).hexdigest()
    return f"{place.mnist.name} sha256:{digest[:16]}"


def _versions() -> dict[str, str]:
    import torch

    import madaudit

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "madaudit": madaudit.__version__,
    }
