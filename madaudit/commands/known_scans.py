"""Known samples scanned after the pipeline, and what is fitted on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from madaudit.commands.calibration_pipelines import NONE, processed, write_processed
from madaudit.commands.calibration_request import GivenSource
from madaudit.commands.known_rows import StoredSource, join_sources, read_source
from madaudit.commands.probe_training import TRAINED, read_trainer
from madaudit.commands.scan import scan
from madaudit.estimation.calibration import Calibration, Source
from madaudit.estimation.calibration_fit import Request, Trainer, fit_calibration
from madaudit.estimation.known_samples import (
    Halves,
    KnownSamples,
    describe_sources,
    split_halves,
)
from madaudit.scanning.plan import Plan, detector_identities
from madaudit.scanning.store import Store
from madaudit.shards import files
from madaudit.shards.locate import locate

# Sources to their rows, and to what is wrong with their shards.
Stored = Mapping[GivenSource, tuple[StoredSource, list[dict[str, Any]]]]
_STORES, _PROCESSED = "stores", "processed"


@dataclass(frozen=True)
class KnownScans:
    """Scans of the known samples in a calibration's folder, each source into its own store.

    Attributes:
        folder: of the calibration.
        plan: by which they are scanned.
        graded: detectors that are calibrated.
        pipeline: what samples go through before.
        engine, workers, is_quiet: as for scan.
        trains: whether a probe is trained on what was scanned.
    """

    folder: str
    plan: Plan
    graded: tuple[str, ...]
    pipeline: str
    engine: str | None
    workers: int | None
    is_quiet: bool
    trains: bool = False

    def store(self, given: GivenSource) -> Store:
        """Where a source is scanned into."""
        return Store(files.join(self.folder, f"{_STORES}/{self.pipeline}/{given.folder}"))

    def scan(self, given: GivenSource) -> tuple[StoredSource, list[dict[str, Any]]]:
        """One source scanned into its own store; its rows, and what is wrong with its shards."""
        inputs, left_out, problems = self._after_pipeline(given)
        plan = self.plan
        result = scan(
            inputs,
            self.store(given).url,
            detectors=plan.detectors,
            options=plan.options,
            tier=plan.tier,
            engine=self.engine,
            workers=self.workers,
            max_pixels=plan.max_pixels,
            image_timeout=plan.image_timeout_s,
            thumbnails="none",
            keep_embeddings=plan.keep_embeddings,
            quiet=self.is_quiet,
        )
        if result.interrupted:
            raise KeyboardInterrupt
        source = read_source(self.store(given), self.graded)
        broken = {**source.broken}
        for status, n in left_out.items():
            broken[status] = broken.get(status, 0) + n
        return replace(source, broken=broken), [*problems, *result.problems]

    def _after_pipeline(
        self, given: GivenSource
    ) -> tuple[list[str], dict[str, int], list[dict[str, Any]]]:
        """What to scan of a source: as it lies there, or written again by the pipeline."""
        if self.pipeline == NONE:
            return list(given.places), {}, []
        store = Store(files.join(self.folder, f"{_PROCESSED}/{self.pipeline}/{given.folder}"))
        left_out: Counter[str] = Counter()
        problems = []
        wanted = []
        for shard in locate(given.places).shards:
            path = f"{quote(shard.name, safe=' ')}.tar"
            write_processed(shard, self.pipeline, store, path, self.plan.max_pixels)
            told = processed(store, path) or {}
            left_out.update(told.get("left_out", {}))
            problems += [
                {"shard": shard.name, "message": message, "offset": None}
                for message in told.get("problems", [])
            ]
            wanted.append(files.join(store.url, path))
        return wanted, dict(left_out), problems


def fit(
    scans: KnownScans,
    stored: Stored,
    licences: Mapping[str, str],
    *,
    rates: Sequence[float],
    seed: int,
    level: float,
) -> Calibration:
    """The calibration of what was scanned; trains and writes the probe where that is asked for.

    Args:
        scans: of the known samples.
        stored: their rows, by source.
        licences: source to licence.
        rates: false-alarm rates to tell the detected share at.
        seed: of the halves.
        level: of intervals.

    Raises:
        InputError: too few samples of a class have a score.
        OptionError: a rate that they cannot show.
    """
    sources = {given.source: source for given, (source, _) in stored.items()}
    known: KnownSamples = join_sources(scans.graded, sources)
    halves = split_halves(known, seed)
    plan = scans.plan
    trainers: Mapping[str, Trainer] = {}
    if scans.trains:
        plan, trainers = _trained(scans, known, halves, stored)
    identities = detector_identities(plan.build_detectors())
    request = Request(
        identities={name: identities[name] for name in scans.graded},
        tier=scans.plan.tier,
        pipeline=scans.pipeline,
        fpr=rates,
        level=level,
        trainers=trainers,
        sources=_provenance(known, halves, list(sources.values()), licences),
    )
    return fit_calibration(known, halves, request)


def _trained(
    scans: KnownScans, known: KnownSamples, halves: Halves, stored: Stored
) -> tuple[Plan, dict[str, Trainer]]:
    """The plan with the probe of the fitting half, and what fits others."""
    trainer = read_trainer(
        scans.folder,
        known,
        [scans.store(given) for given in stored],
        [source for source, _ in stored.values()],
    )
    path = trainer.write(halves.fitting, scans.folder, pipeline=scans.pipeline)
    options = {**scans.plan.options, TRAINED: {**scans.plan.options[TRAINED], "probe": path}}
    return replace(scans.plan, options=options), {TRAINED: trainer}


def _provenance(
    known: KnownSamples,
    halves: Halves,
    stored: Sequence[StoredSource],
    licences: Mapping[str, str],
) -> tuple[Source, ...]:
    """Where the samples came from, what was not read of them included."""
    notes = [
        "; ".join(f"{n} {status}" for status, n in sorted(one.broken.items())) for one in stored
    ]
    named = [licences.get(source.name, "not stated") for source in known.sources]
    return describe_sources(known, halves, named, notes)
