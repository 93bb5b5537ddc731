"""One shard, scanned: a pure function of plan, task and the shard's bytes.

Engines call it and nothing else, so every engine gives the same rows bit for bit.
"""

from __future__ import annotations

import gc
import hashlib
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from madaudit.detectors import Detector
from madaudit.detectors.base import Batch
from madaudit.detectors.provenance.containers.parts import first_unknown
from madaudit.errors import MadauditError, MalformedError, ShardError
from madaudit.limits import WINDOW_BYTES
from madaudit.scanning.batches import WITHOUT_IMAGE, Prepared, bug_in_words, prepare_batches
from madaudit.scanning.embedding_files import EmbeddingBuffer, keeping
from madaudit.scanning.encoding import Encoding, encoding, one_ahead
from madaudit.scanning.plan import Plan
from madaudit.scanning.reasons import ReasonCounts
from madaudit.scanning.rows import ROW_GROUP, RowBuffer
from madaudit.scanning.sketches import ShardSketch
from madaudit.scanning.store import (
    Store,
    marker_path,
    quarantine_path,
    scores_path,
    sketch_path,
    sound,
    thumbnails_path,
)
from madaudit.scanning.tasks import ShardTask, draw_ordinals, sample_weight
from madaudit.scanning.thumbnails import Candidates, make_thumbnails
from madaudit.scanning.watch import ImageTimeout, Progress, Watch
from madaudit.shards import OpenShard, Problem, files, load_reader
from madaudit.types import MISSING, Detail, Evidence, Shard, can_hit


@dataclass(frozen=True)
class ShardSummary:
    """What one shard came to.

    Attributes:
        shard: its name.
        n_samples: samples in it; `n_rows` of them were scanned.
        status: rows by status.
        states: detector to rows by state.
        n_hits: rows with a mark that says synthetic or composite.
        problems: what is wrong with the shard itself.
        is_done: whether a marker was written; False where nothing could be read.
        seconds: wall time.
    """

    shard: str
    n_samples: int
    n_rows: int
    status: dict[str, int]
    states: dict[str, dict[str, int]]
    n_hits: int
    problems: tuple[Problem, ...] = ()
    is_done: bool = True
    seconds: float = 0.0


@dataclass(frozen=True)
class Job:
    """A plan made ready in one process.

    Attributes:
        plan: the options.
        detectors: built from it.
        fingerprint: of the plan and its plug-ins.
        store: where rows go.
        maps: whether this process may map files, and so die of one that fails.
    """

    plan: Plan
    detectors: tuple[Detector, ...]
    fingerprint: str
    store: Store
    maps: bool = False

    @classmethod
    def prepare(cls, plan: Plan, store: Store, *, maps: bool = False) -> Job:
        """Build the detectors; raises what `Plan.build_detectors` raises."""
        return cls(plan, plan.build_detectors(), plan.fingerprint(), store, maps)


@dataclass
class _Work:
    """What scanning one shard needs at hand."""

    job: Job
    task: ShardTask
    watch: Watch
    rows: RowBuffer
    sketch: ShardSketch
    ahead: Encoding
    embeddings: EmbeddingBuffer | None
    reasons: ReasonCounts
    candidates: Candidates = field(default_factory=Candidates)
    n_errors: int = 0
    n_imageless: int = 0


def scan_shard(job: Job, task: ShardTask, watch: Watch) -> ShardSummary:
    """Scan one shard into the store; the marker is written last.

    A shard that cannot be read at all gets a quarantine entry and no marker; so does one on which
    madaudit itself fails, since a bug must not cost the other shards.

    Raises:
        StoreError: the store cannot be written.
    """
    began = time.monotonic()
    shard, store = task.shard, job.store
    store.forget(shard.name)
    rows = RowBuffer(shard.name, job.detectors)
    try:
        maps = job.maps and not task.is_unmappable
        with (
            encoding(job.detectors) as ahead,
            keeping(job.plan, shard.name, ahead) as embeddings,
            watch.armed(),
            _collecting_rarely(),
            load_reader(shard.reader).open(shard, maps=maps) as source,
        ):
            sketch, reasons = ShardSketch(job.detectors), ReasonCounts(job.detectors)
            work = _Work(job, task, watch, rows, sketch, ahead, embeddings, reasons)
            n_samples, identity = _scan_open(source, work)
            problems = tuple(source.problems + _count_problem(source, n_samples))
            ignored = source.n_ignored
    except ShardError as error:
        return give_up(job, task, str(error), offset=error.offset)
    except MadauditError:
        raise
    except Exception as error:  # noqa: BLE001 — recorded with its place, and asked to be reported
        return give_up(job, task, bug_in_words(error))
    summary = _summary(work, n_samples, problems, began=began)
    if problems:
        _write_quarantine(job, shard, problems, is_given_up=False)
    else:
        store.remove(quarantine_path(shard.name))
    content = _marker(job, shard, summary, identity)
    content |= {"ignored_files": ignored, "imageless": work.n_imageless}
    content["unscored"] = work.reasons.to_dict()
    if embeddings is not None:
        content["embedded"] = len(embeddings)
    store.write_json(marker_path(shard.name), content)
    return summary


# Objects made before Python looks for reference cycles among the young; its default is 700.
_COLLECT_EVERY = 50_000


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Let Python look for reference cycles more rarely while a shard is scanned.

    Rows wait in thousands, several tuples each, and none is in a cycle: looking through them again
    and again takes a quarter of a metadata scan.
    """
    before = gc.get_threshold()
    if 0 < before[0] < _COLLECT_EVERY:
        gc.set_threshold(_COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def give_up(job: Job, task: ShardTask, reason: str, *, offset: int | None = None) -> ShardSummary:
    """Record a shard that cannot be scanned; it has no rows and no marker."""
    problem = Problem(reason, offset)
    _write_quarantine(job, task.shard, (problem,), is_given_up=True)
    return ShardSummary(task.shard.name, 0, 0, {}, {}, 0, (problem,), is_done=False)


def _scan_open(source: OpenShard, work: _Work) -> tuple[int, str]:
    """Rows, sketch and thumbnails of an open shard; its number of samples and its digest."""
    plan, shard, store = work.job.plan, work.task.shard, work.job.store
    if plan.tier == "headers" and all(d.reads == "structure" for d in work.job.detectors):
        source.first_unknown = first_unknown
    wanted, n_samples, weight = None, None, 1.0
    if work.task.n_draw is not None:
        n_samples = source.count()
        wanted = draw_ordinals(work.task, n_samples, plan.seed)
        weight = sample_weight(work.task, n_samples)
    with (
        store.create(scores_path(shard.name)) as file,
        pq.ParquetWriter(
            file,
            work.rows.schema,
            compression="zstd",
            # Only columns of few values: a dictionary of URLs costs a quarter more time and 7 % of
            # space before Parquet gives it up.
            use_dictionary=work.rows.categories(),
            write_statistics=True,
            write_page_checksum=True,
        ) as writer,
    ):
        samples = source.samples(wanted)
        batches = prepare_batches(samples, plan, work.task, work.watch, work.ahead)
        for prepared in one_ahead(batches) if work.ahead.spaces else batches:
            _add_batch(work, prepared, weight)
            if len(work.rows) >= ROW_GROUP:
                _flush(work, writer)
            work.watch.report(_progress(source, work))
        _flush(work, writer)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **work.sketch.arrays())  # type: ignore[arg-type]
    with store.create(sketch_path(shard.name)) as file:
        file.write(buffer.getvalue())
    _write_thumbnails(source, work)
    if work.embeddings is not None:
        work.embeddings.write(store)
    digest = source.header_digest() if plan.digest == "headers" else full_digest(shard)
    return work.rows.n_rows if n_samples is None else n_samples, digest


def _add_batch(work: _Work, prepared: Prepared, weight: float) -> None:
    """Evidence of all detectors for one batch."""
    # Those that need features come last: the others run while these are made.
    ordered = sorted(work.job.detectors, key=lambda detector: detector.space() is not None)
    found = {d.name: _evidence(d, prepared, work.watch) for d in ordered}
    evidence = {d.name: found[d.name] for d in work.job.detectors}
    work.reasons.add(evidence)
    if work.embeddings is not None:
        work.embeddings.add(prepared)
    work.rows.add(prepared, evidence, weight)
    n_imageless = prepared.verdicts.count(WITHOUT_IMAGE)
    work.n_imageless += n_imageless
    if n_imageless == len(prepared.verdicts):
        return  # nothing is broken, and there is no picture to keep
    work.n_errors += sum(verdict.status != "ok" for verdict in prepared.verdicts)
    if work.job.plan.thumbnails == "none":
        return
    for name, said in evidence.items():
        if not can_hit(name):
            continue
        for look, item in zip(prepared.batch.looks, said, strict=True):
            if item.detail is not None:
                work.candidates.offer(look.sample, item)


def _evidence(detector: Detector, prepared: Prepared, watch: Watch) -> list[Evidence]:
    """Evidence of one detector, missing for the samples that must be left alone."""
    if not prepared.doomed:
        return detect_all(detector, prepared.batch, watch)
    evidence: list[Evidence] = []
    for index in range(len(prepared.batch)):
        if index in prepared.doomed:
            evidence.append(MISSING)
        else:
            evidence += detect_all(detector, prepared.batch.single(index), watch)
    return evidence


def detect_all(detector: Detector, batch: Batch, watch: Watch) -> list[Evidence]:
    """Evidence for a batch; where it fails as a whole, sample by sample.

    A sample on which the detector fails is missing with the reason, never absent.
    """
    watch.enter(batch.looks[0].sample.ordinal, len(batch))
    try:
        return detector.detect(batch)
    except ImageTimeout:
        failure: Exception = ImageTimeout("took too long")
    except Exception as error:  # noqa: BLE001 — a stranger's code fails one sample, not a scan
        failure = error
    finally:
        watch.leave()
    if len(batch) == 1:
        kind = "" if isinstance(failure, MalformedError) else f"{type(failure).__name__}: "
        says = f"the check failed: {kind}{str(failure)[:200]}"
        return [MISSING._replace(detail=Detail(says))]
    return [
        item
        for index in range(len(batch))
        for item in detect_all(detector, batch.single(index), watch)
    ]


def _flush(work: _Work, writer: pq.ParquetWriter) -> None:
    if len(work.rows):
        taken = work.rows.take()
        work.sketch.add(taken)
        writer.write_batch(taken)


def _progress(source: OpenShard, work: _Work) -> Progress:
    n_rows = work.rows.n_rows + len(work.rows)
    return Progress(source.position_bytes, n_rows, work.rows.n_hits, work.n_errors)


def _write_thumbnails(source: OpenShard, work: _Work) -> None:
    store = work.job.store
    path = thumbnails_path(work.task.shard.name)
    table = None
    if not work.task.skips_thumbnails:
        table = make_thumbnails(source, work.candidates, work.job.plan, work.watch)
    if table is None:
        store.remove(path)
        return
    with store.create(path) as file:
        pq.write_table(table, file, write_page_checksum=True)


def _count_problem(source: OpenShard, n_samples: int) -> list[Problem]:
    """Samples that the pipeline says it wrote and that are not there, or the reverse."""
    expected = source.n_expected
    if expected is None or expected == n_samples:
        return []
    return [Problem(f"_stats.json says {expected} samples, the shard holds {n_samples}")]


def full_digest(shard: Shard) -> str:
    """SHA-256 (hexadecimal) of all bytes of a shard."""
    sha = hashlib.sha256()
    uris = [files.join(shard.uri, path) for path in shard.paths] or [shard.uri]
    for uri in uris:
        with files.open_binary(uri) as file:
            while chunk := file.read(WINDOW_BYTES):
                sha.update(chunk)
    return sha.hexdigest()


def _summary(
    work: _Work, n_samples: int, problems: tuple[Problem, ...], *, began: float
) -> ShardSummary:
    rows = work.rows
    return ShardSummary(
        shard=work.task.shard.name,
        n_samples=n_samples,
        n_rows=rows.n_rows,
        status=dict(rows.status),
        states={name: dict(states) for name, states in rows.states.items()},
        n_hits=rows.n_hits,
        problems=problems,
        seconds=time.monotonic() - began,
    )


def _marker(job: Job, shard: Shard, summary: ShardSummary, digest: str) -> dict[str, Any]:
    content = asdict(summary)
    del content["is_done"], content["problems"]
    return {
        **content,
        "fingerprint": job.fingerprint,
        "input": {
            "uri": shard.uri,
            "reader": shard.reader,
            "size_bytes": shard.size_bytes,
            "version": shard.version,
            "digest": job.plan.digest,
            "sha256": digest,
            **({"paths": list(shard.paths)} if shard.paths else {}),
        },
    }


def _write_quarantine(
    job: Job, shard: Shard, problems: tuple[Problem, ...], *, is_given_up: bool
) -> None:
    """Record what is wrong with a shard, and how often it was tried."""
    before = sound(job.store.quarantine, shard.name)
    same = before is not None and before["version"] == shard.version
    attempts = (before or {}).get("attempts", 0) if same else 0
    job.store.write_json(
        quarantine_path(shard.name),
        {
            "shard": shard.name,
            "uri": shard.uri,
            "reader": shard.reader,
            "version": shard.version,
            "fingerprint": job.fingerprint,
            "attempts": attempts + 1,
            "given_up": is_given_up,
            "problems": [{"message": p.message, "offset": p.offset} for p in problems],
        },
    )
