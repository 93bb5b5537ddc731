"""What a trainer really consumes: running p with its interval, per source, and the risk level.

    monitor = madaudit.hooks.Monitor(store, policy="policy.yaml", log=print)
    dataset = webdataset.WebDataset(urls).map(monitor.tap)      # in a loader's workers too
    for step, batch in enumerate(loader):
        monitor.step(step)                                      # logs each `every` steps

For Lightning, Hugging Face's Trainer and TensorBoard see `madaudit.hooks.trainers`.

Two tiers, as in an estimate. With posteriors in the store π is their mean over the samples seen;
its interval adds what the draw leaves open (a normal interval of a mean) to the estimate's own
interval, whose calibration error no number of samples lessens. Without posteriors only marks are
counted: an exact lower bound of π (Clopper and Pearson), and no upper one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from madaudit.assessment.harm import LEVELS, Level, at_prevalence, harm_of, level_of, worst
from madaudit.assessment.policy import Broken, Policy
from madaudit.errors import OptionError
from madaudit.estimation.floor import clopper_pearson_low
from madaudit.hooks.lookup import Lookup
from madaudit.hooks.policy_file import as_policy
from madaudit.hooks.selection import Rule, Selection
from madaudit.hooks.shared_sums import SharedSums, scratch_folder
from madaudit.limits import MAX_MONITOR_SOURCES
from madaudit.scanning.store import Store
from madaudit.simulation import LoopSpec
from madaudit.types import Interval

_N, _UNKNOWN, _MARKED, _SCORED, _SUM, _SQUARES = range(6)
_N_SUMS = 6
_MARK = np.float32(np.inf)
Log = Callable[[Mapping[str, float], int], None]
Alarm = Callable[[Broken, int], None]


@dataclass(frozen=True)
class Reading:
    """What was consumed so far, of one source or of all.

    Attributes:
        n: samples seen; `unknown` of them are not in the store.
        marked: samples with a mark that says synthetic.
        p: effective real fraction; `point` None where only marks are known.
        level: risk at p's point; where there is none at p's high end, so at least this.
    """

    n: int
    unknown: int
    marked: int
    p: Interval
    level: Level

    def to_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "p": self.p.to_dict()}


@dataclass(frozen=True)
class MonitorOptions:
    """How a monitor speaks.

    Attributes:
        every: steps between two logs.
        level: of intervals, (0, 1).
        loop: what the risk level is of; None for a fresh loop.
        source_of: from a shard's name to its source; None for its first folder.
    """

    every: int = 100
    level: float = 0.95
    loop: LoopSpec | None = None
    source_of: Callable[[str], str] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.level < 1 or self.every < 1:
            raise OptionError(
                f"every is {self.every} and level {self.level}; allowed: 1 or more, and (0, 1)"
            )


class Monitor:
    """Counts what passes and tells what it comes to; safe to pickle and to fork."""

    def __init__(
        self,
        store: str,
        *,
        policy: Policy | str | None = None,
        log: Log | None = None,
        alarm: Alarm | None = None,
        options: MonitorOptions | None = None,
    ) -> None:
        """Open the store.

        Args:
            store: folder or URL.
            policy: or the file of one; its rules are what alarms go off for.
            log: called with names and numbers, and the step.
            alarm: called once for each rule that breaks; default a warning.
            options: how often it speaks, and of which loop.

        Raises:
            RequestError: no store.
            OptionError: more sources than can be told apart.
        """
        chosen = options or MonitorOptions()
        self._policy = as_policy(policy)
        self._loop = chosen.loop or LoopSpec("fresh")
        self._log, self._alarm = log, alarm or _warn
        self.every, self._level = chosen.every, chosen.level
        self._broken: set[str] = set()
        self._lookup = Lookup(store)
        selection = Selection(Store(store.rstrip("/")), Rule(self._policy))
        self._margin = _margin(selection)
        self._n_rows = self._lookup.n_rows
        names, places = _sources(selection, chosen.source_of or _first_folder)
        self.sources = names
        scratch = scratch_folder(self)
        self._scores = f"{scratch}/scores.npy"
        self._places = f"{scratch}/sources.npy"
        np.save(self._scores, _row_scores(selection), allow_pickle=False)
        np.save(self._places, places, allow_pickle=False)
        self._sums = SharedSums(f"{scratch}/sums", _N_SUMS * (len(names) + 1))
        self._map()

    # ---- in the stream

    def tap(self, sample: Any) -> Any:
        """Count a sample (with `__key__` and `__url__`) and hand it on; it never raises."""
        try:
            shard = self._lookup.namespaces[sample["__url__"]]
            rows = () if shard is None else self._lookup.rows(shard, sample["__key__"])
        except Exception:  # noqa: BLE001 — a monitor must not end a training run
            rows = ()
        self._add(rows[0] if rows else None)
        return sample

    def observe(self, batch: Mapping[str, Any]) -> None:
        """Count a batch whose `__key__` and `__url__` are lists, in the trainer's process."""
        for key, url in zip(batch["__key__"], batch["__url__"], strict=True):
            self.tap({"__key__": key, "__url__": url})

    def observe_rows(self, rows: Iterable[int]) -> None:
        """Count samples by their rows' numbers in the store."""
        for row in rows:
            self._add(row if 0 <= row < self._n_rows else None)

    # ---- at the trainer

    def step(self, step: int) -> tuple[Broken, ...]:
        """Log and sound alarms, each `every` steps; the rules that are broken now."""
        return self.check(step) if step % self.every == 0 else ()

    def check(self, step: int) -> tuple[Broken, ...]:
        """Log and sound alarms now.

        Returns:
            The policy's rules that do not hold for what was consumed.
        """
        readings = self.readings()
        if self._log is not None:
            self._log(_flat(readings), step)
        total = readings[""]
        if self._policy is None or not total.n:
            return ()
        broken = self._policy_broken(total)
        for one in broken:
            if one.rule not in self._broken:
                self._broken.add(one.rule)
                self._alarm(one, step)
        return broken

    def numbers(self) -> dict[str, float]:
        """The readings as names and numbers; levels are numbered from 0, "none"."""
        return _flat(self.readings())

    def readings(self) -> dict[str, Reading]:
        """What was consumed so far, by source; "" is all of it."""
        sums = self._sums.total().reshape(-1, _N_SUMS)
        total = self._reading(sums.sum(axis=0))
        return {"": total} | {
            name: self._reading(sums[place])
            for place, name in enumerate(self.sources)
            if sums[place, _N]
        }

    def _policy_broken(self, total: Reading) -> tuple[Broken, ...]:
        """Rules about what a stream can tell; the others are the business of `check`."""
        floor = 0.0 if total.n == 0 else total.marked / total.n
        values: dict[str, float | str | None] = {
            "floor": floor,
            "level": total.level,
            "prevalence": 1.0 - (total.p.low if total.p.point is not None else total.p.high),
            "effective_real": total.p.low if total.p.point is not None else total.p.high,
        }
        told = {"max_floor", "max_level", "max_prevalence", "min_effective_real"}
        policy = self._policy or Policy()
        return tuple(one for one in policy.broken_by(values) if one.rule in told)

    def _reading(self, sums: npt.NDArray[np.float64]) -> Reading:
        n, unknown, marked = (int(sums[slot]) for slot in (_N, _UNKNOWN, _MARKED))
        prevalence = self._prevalence(sums)
        point = None if prevalence.point is None else 1.0 - prevalence.point
        p = Interval(1.0 - prevalence.high, point, 1.0 - prevalence.low, prevalence.level)
        at = prevalence.low if prevalence.point is None else prevalence.point
        return Reading(n, unknown, marked, p, self._risk(at))

    def _prevalence(self, sums: npt.NDArray[np.float64]) -> Interval:
        """Interval of π over the known samples seen."""
        tail = (1.0 - self._level) / 2.0
        known = sums[_N] - sums[_UNKNOWN]
        scored = sums[_SCORED]
        if self._margin is None or scored < 2:
            marked = sums[_MARKED]
            low = clopper_pearson_low(marked, known, self._level) if known else 0.0
            return Interval(float(low), None, 1.0, self._level)
        mean = sums[_SUM] / scored
        variance = max(sums[_SQUARES] / scored - mean * mean, 0.0) * scored / (scored - 1.0)
        half = float(norm.ppf(1.0 - tail)) * math.sqrt(variance / scored)
        below, above = self._margin
        return Interval(
            max(0.0, float(mean - half - below)),
            float(mean),
            min(1.0, float(mean + half + above)),
            self._level,
        )

    def _risk(self, prevalence: float) -> Level:
        """The level of training on this store's number of samples with that synthetic share."""
        if prevalence >= 1.0:
            return LEVELS[-1]
        n = max(self._n_rows, 1)
        numbers = at_prevalence(self._loop, n, prevalence)
        harm = worst(*harm_of(self._loop, numbers, n * (1.0 - prevalence)))
        limits = Policy().levels if self._policy is None else self._policy.levels
        return level_of(float(harm[0]), limits)

    def _add(self, row: int | None) -> None:
        sums = self._sums.mine()
        source = len(self.sources) if row is None else int(self._row_sources[row])
        base = _N_SUMS * source
        sums[base + _N] += 1
        if row is None:
            sums[base + _UNKNOWN] += 1
            return
        score = float(self._row_scores[row])
        if score == math.inf:
            sums[base + _MARKED] += 1
            score = 1.0
        if score == score and self._margin is not None:  # noqa: PLR0124 — not NaN
            sums[base + _SCORED] += 1
            sums[base + _SUM] += score
            sums[base + _SQUARES] += score * score

    def _map(self) -> None:
        self._row_scores = np.load(self._scores, mmap_mode="r", allow_pickle=False)
        self._row_sources = np.load(self._places, mmap_mode="r", allow_pickle=False)

    def __getstate__(self) -> dict[str, Any]:
        # Workers only count; what logs and sounds alarms stays with the trainer.
        left = {"_row_scores": None, "_row_sources": None, "_log": None, "_alarm": _warn}
        return {**self.__dict__, **left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()


def _warn(broken: Broken, step: int) -> None:
    warnings.warn(
        f"step {step}: the training stream breaks {broken.rule}: {broken.value} "
        f"(allowed: {broken.allowed})",
        stacklevel=2,
    )


def _first_folder(shard: str) -> str:
    return shard.partition("/")[0] if "/" in shard else "data"


def _sources(
    selection: Selection, source_of: Callable[[str], str]
) -> tuple[tuple[str, ...], npt.NDArray[np.uint16]]:
    """Names of the sources, and each row's place among them."""
    of_shard = [source_of(marker["shard"]) for marker in selection.markers]
    names = tuple(dict.fromkeys(of_shard))
    if len(names) > MAX_MONITOR_SOURCES:
        raise OptionError(
            f"{len(names)} sources; at most {MAX_MONITOR_SOURCES} are told apart: give source_of="
        )
    counts = [marker["n_rows"] for marker in selection.markers]
    places = np.array([names.index(name) for name in of_shard], dtype=np.uint16)
    return names, np.repeat(places, counts)


def _row_scores(selection: Selection) -> npt.NDArray[np.float32]:
    """The posterior of each row, +inf where it is marked, NaN where nothing is known."""
    parts = [np.empty(0, dtype=np.float32)]
    for marker in selection.markers:
        for decided in selection.look(marker["shard"]):
            scores = np.full(decided.rows.num_rows, np.nan, dtype=np.float32)
            if decided.scores is not None:
                scores = decided.scores.p_synthetic.copy()
            for row, mark in decided.marks.items():
                if mark.label == "synthetic":
                    scores[row] = _MARK
            parts.append(scores)
    return np.concatenate(parts)


def _margin(selection: Selection) -> tuple[float, float] | None:
    """What the estimate's interval of π leaves open below and above its point; None without."""
    found = selection.any_posteriors
    if found is None:
        return None
    ends = [found.effective_real.get(name) for name in ("low", "point", "high")]
    if not all(isinstance(end, (int, float)) for end in ends):
        return None
    low, point, high = (float(end) for end in ends if end is not None)
    return max(high - point, 0.0), max(point - low, 0.0)


def _flat(readings: Mapping[str, Reading]) -> dict[str, float]:
    """Names and numbers as loggers take them."""
    numbers: dict[str, float] = {}
    for name, one in readings.items():
        root = f"madaudit/{name}/" if name else "madaudit/"
        numbers |= {f"{root}p_low": one.p.low, f"{root}p_high": one.p.high}
        if one.p.point is not None:
            numbers[f"{root}p"] = one.p.point
        numbers |= {f"{root}marked": float(one.marked), f"{root}samples": float(one.n)}
        numbers[f"{root}unknown"] = float(one.unknown)
        numbers[f"{root}risk_level"] = float(LEVELS.index(one.level))
    return numbers
