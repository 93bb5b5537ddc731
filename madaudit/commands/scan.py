"""`madaudit scan`: shards or folders of images into a store, one row per sample."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from madaudit.commands.scan_request import ScanRequest, build_plan, parse_options, split_names
from madaudit.commands.shell import EXIT_INCOMPLETE, common_options, guarded, print_json
from madaudit.detectors.base import Tier
from madaudit.limits import DEFAULT_IMAGE_TIMEOUT_S, DEFAULT_MAX_PIXELS
from madaudit.scanning.plan import THUMBNAILS, TIERS, Thumbnails
from madaudit.shards.locate import FORMATS, locate
from madaudit.types import STATES

if TYPE_CHECKING:
    from madaudit.scanning.store import Store


@dataclass(frozen=True)
class ScanResult:
    """What a store holds after a scan.

    Attributes:
        samples: samples in the finished shards.
        rows: rows written for them; the same number unless the scan was sampled.
        status: rows by status.
        shards: total, done by this run, skipped as done before, quarantined.
        detectors: name to rows by state.
        fingerprint: of the plan.
        seconds: wall time of this run.
        interrupted: whether it was stopped before its end.
        stale: shards scanned again since plan or input had changed.
        unscored: graded detector to the reasons why samples could not be scored, with numbers.
        problems: what is wrong with shards.
    """

    samples: int
    rows: int
    status: dict[str, int]
    shards: dict[str, int]
    detectors: dict[str, dict[str, int]]
    fingerprint: str
    seconds: float
    interrupted: bool = False
    stale: int = 0
    unscored: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return not self.interrupted and not self.shards["quarantined"]

    def to_dict(self) -> dict[str, Any]:
        content = dict(self.__dict__)
        content["seconds"] = round(self.seconds, 3)
        return content


def scan(
    inputs: str | Sequence[str],
    output: str,
    *,
    detectors: Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    tier: Tier = "headers",
    engine: str | None = None,
    workers: int | None = None,
    shard_index: int = 0,
    num_shards: int = 1,
    sample: int | None = None,
    seed: int = 0,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    image_timeout: float = DEFAULT_IMAGE_TIMEOUT_S,
    retry_failed: bool = False,
    thumbnails: Thumbnails = "blurred",
    digest: str = "headers",
    format: str = "auto",
    keep_embeddings: bool = False,
    quiet: bool = True,
) -> ScanResult:
    """Scan a data set into a store; what is done already is not done again.

    From a script, keep the call below `if __name__ == "__main__":`, since the pool engine starts
    processes that import it.

    Args:
        inputs: shards (tar, tables, documents, embeddings), folders, globs, brace patterns, fsspec
            URLs, or Hugging Face data sets (`hf:NAME`).
        output: the store's folder or URL.
        detectors: names; default: all marks that the tier can see.
        options: detector name to its options.
        tier: "headers", "pixels" (decodes every image, so damaged ones are found) or "model".
        engine: "serial", "pool" or "ray" (the cluster at RAY_ADDRESS, else one of its own);
            default: pool where it pays.
        workers: processes of the pool or of Ray's own cluster; default: one per processor.
        shard_index: number of this job among `num_shards` that share the store.
        num_shards: how many such jobs there are.
        sample: draw that many samples instead of reading all.
        seed: of the draw.
        max_pixels: larger images are `too_large`.
        image_timeout: seconds one image may take.
        retry_failed: scan quarantined shards again.
        thumbnails: "none", "blurred" or "clear".
        digest: "headers" or "full": what identifies a shard's content.
        format: one of `madaudit.shards.locate.FORMATS`; "auto" tells by names and columns.
        keep_embeddings: keep the features of the detectors' encoder in the store's `embeddings/`.
        quiet: no progress on stderr.

    Raises:
        RequestError: the request cannot be carried out; nothing was scanned.
    """
    from madaudit.scanning.store import Store

    request = ScanRequest(
        located=locate([inputs] if isinstance(inputs, str) else list(inputs), format),
        plan=build_plan(
            detectors,
            options,
            tier,
            sample,
            seed,
            max_pixels,
            image_timeout,
            thumbnails,
            digest,
            keep_embeddings,
        ),
        store=Store(output.rstrip("/")),
        given=[inputs] if isinstance(inputs, str) else list(inputs),
        part=(shard_index, num_shards),
        retry_failed=retry_failed,
        format=format,
    )
    return _run(request, engine, workers, is_quiet=quiet)


def _run(
    request: ScanRequest, engine: str | None, workers: int | None, *, is_quiet: bool
) -> ScanResult:
    from madaudit.commands.progress import ScanProgress
    from madaudit.scanning.embedding_files import ENCODER_PATH, about, space_to_keep
    from madaudit.scanning.encoding import spaces_of
    from madaudit.scanning.engines import build_engine
    from madaudit.scanning.engines.pool import default_workers
    from madaudit.scanning.resume import find_pending, write_manifest

    began = time.monotonic()
    mine = request.own_tasks()
    fingerprint = request.plan.fingerprint()
    pending = find_pending(mine, request.store, fingerprint, retries_failed=request.retry_failed)
    sizes = {task.shard.name: task.shard.size_bytes for task in pending.tasks}
    n_workers = default_workers() if workers is None else workers
    if engine is None:
        engine = _choose_engine(n_workers, list(sizes.values()))
    runner = build_engine(engine, workers=n_workers)
    # Last, since a wrong request must leave the store as it was.
    write_manifest(request.store, request.manifest())
    if request.plan.keep_embeddings:
        spaces = spaces_of(request.plan.build_detectors())
        request.store.write_json(ENCODER_PATH, about(space_to_keep(spaces)))
    request.store.sweep()
    for shard in pending.stale:
        request.store.forget(shard)
    n_done, interrupted = 0, False
    with ScanProgress(list(sizes.values()), is_quiet=is_quiet) as progress:
        events = runner.run(request.plan, pending.tasks, request.store)
        try:
            for event in events:
                finished = event.finished
                n_done += finished is not None and finished.is_done
                progress.show(event, sizes[finished.shard] if finished else 0)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            events.close()
    return _result(
        request.store,
        seconds=time.monotonic() - began,
        n_done=n_done,
        n_skipped=pending.n_skipped,
        n_stale=len(pending.stale),
        interrupted=interrupted,
    )


def _choose_engine(n_workers: int, sizes: list[int]) -> str:
    """The engine that pays for shards of these lengths."""
    from madaudit.scanning.engines.pool import POOL_PAYS_BYTES

    is_large = sum(sizes) > POOL_PAYS_BYTES
    return "pool" if is_large or (n_workers > 1 and len(sizes) > 1) else "serial"


def _result(
    store: Store,
    *,
    seconds: float,
    n_done: int,
    n_skipped: int,
    n_stale: int,
    interrupted: bool,
) -> ScanResult:
    """Totals over all finished shards of the store."""
    from madaudit.scanning.reasons import summed

    survey = store.survey()
    status: Counter[str] = Counter()
    states: dict[str, Counter[str]] = {name: Counter() for name in survey.detectors}
    samples = rows = 0
    for marker in survey.markers:
        samples += marker["n_samples"]
        rows += marker["n_rows"]
        status.update(marker["status"])
        for name, counts in marker["states"].items():
            states[name].update(counts)
    return ScanResult(
        samples=samples,
        rows=rows,
        status=dict(status),
        shards={
            "total": len(survey.manifest["shards"]),
            "done": n_done,
            "skipped": n_skipped,
            "quarantined": len(survey.quarantine),
        },
        detectors={
            name: {state: counts.get(state, 0) for state in STATES}
            for name, counts in states.items()
        },
        fingerprint=survey.manifest["fingerprint"],
        seconds=seconds,
        interrupted=interrupted,
        stale=n_stale,
        unscored=summed(marker.get("unscored", {}) for marker in survey.markers),
        problems=survey.problems(),
    )


@click.command("scan", no_args_is_help=True)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT…")
@click.option("-o", "--output", required=True, metavar="STORE", help="Folder or URL to write.")
@click.option("--detectors", metavar="A,B", help="Default: every mark that the tier can see.")
@click.option(
    "--option",
    "option_pairs",
    multiple=True,
    metavar="DETECTOR.OPTION=VALUE",
    help="An option of a detector; may be repeated.",
)
@click.option(
    "--tier",
    type=click.Choice(TIERS),
    default="headers",
    show_default=True,
    help="headers reads no pixel; pixels decodes every image once.",
)
@click.option("--engine", type=click.Choice(("serial", "pool", "ray")), help="Default: what pays.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Default: processors.")
@click.option("--shard-index", type=int, default=0, metavar="I", help="Number of this job.")
@click.option("--num-shards", type=click.IntRange(1), default=1, metavar="N", help="Of N jobs.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Draw N samples.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="S")
@click.option("--dry-run", is_flag=True, help="Print counts, time and bytes; scan nothing.")
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=DEFAULT_MAX_PIXELS,
    show_default=True,
    help="Larger images are recorded as too_large.",
)
@click.option(
    "--image-timeout",
    type=click.FloatRange(0, min_open=True),
    default=DEFAULT_IMAGE_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
)
@click.option("--retry-failed", is_flag=True, help="Scan quarantined shards again.")
@click.option(
    "--thumbnails",
    type=click.Choice(THUMBNAILS),
    default="blurred",
    show_default=True,
    help="Small pictures of hits for the report.",
)
@click.option(
    "--digest",
    type=click.Choice(("headers", "full")),
    default="headers",
    show_default=True,
    help="What identifies a shard's content: headers walked, or all bytes.",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="What the inputs are; auto tells by names and columns.",
)
@click.option(
    "--keep-embeddings",
    is_flag=True,
    help="Keep the features of the detectors' encoder in STORE/embeddings.",
)
@common_options
@guarded
def command(
    inputs: tuple[str, ...],
    output: str,
    detectors: str | None,
    option_pairs: tuple[str, ...],
    tier: Tier,
    engine: str | None,
    workers: int | None,
    shard_index: int,
    num_shards: int,
    sample: int | None,
    seed: int,
    dry_run: bool,
    max_pixels: int,
    image_timeout: float,
    retry_failed: bool,
    thumbnails: Thumbnails,
    digest: str,
    format: str,
    keep_embeddings: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Scan shards or folders of images into a store, one row per sample.

    \b
    INPUT is a .tar shard, a table (.parquet, .arrow) of images, of image metadata or of documents,
    documents (.jsonl, .jsonl.gz, .jsonl.zst), clip-retrieval embeddings, a folder, a glob, a
    brace pattern, an fsspec URL or a Hugging Face data set (hf:NAME):
      madaudit scan shards/ -o store
      madaudit scan shards/ -o store --tier pixels          watermarks and copies, too
      madaudit scan 'shards/{00000..00099}.tar' photos/ -o store --workers 8
      madaudit scan s3://bucket/laion -o store --sample 100000
      madaudit scan 'hf:org/name?split=train' -o store

    Run the same command again after an interruption, a crash or new shards: what is done is kept.
    """
    from madaudit.commands.scan_dry_run import measure_dry_run
    from madaudit.commands.scan_summary import print_summary
    from madaudit.scanning.store import Store

    plan = build_plan(
        split_names(detectors),
        parse_options(option_pairs),
        tier,
        sample,
        seed,
        max_pixels,
        image_timeout,
        thumbnails,
        digest,
        keep_embeddings,
    )
    request = ScanRequest(
        locate(inputs, format),
        plan,
        Store(output.rstrip("/")),
        list(inputs),
        (shard_index, num_shards),
        retry_failed,
        format,
    )
    if dry_run:
        estimate = measure_dry_run(request, workers)
        if as_json:
            print_json(estimate.to_dict())
        else:
            click.echo(estimate.in_words())
        return 0
    result = _run(request, engine, workers, is_quiet=quiet)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        print_summary(result, output)
    return 0 if result.is_complete else EXIT_INCOMPLETE
