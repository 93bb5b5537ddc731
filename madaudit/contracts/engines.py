"""What every engine promises: the rows of `serial`, bit for bit, at any number of workers."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from madaudit.contracts.base import Checked, require, require_named, run_checks
from madaudit.contracts.images import plain_images, sample_images
from madaudit.scanning.engines import Engine, build_engine
from madaudit.scanning.plan import Plan
from madaudit.scanning.shard_scan import ShardSummary
from madaudit.scanning.store import Store
from madaudit.scanning.tasks import plan_tasks
from madaudit.shards.locate import locate

_DETECTORS = ("a1111", "iptc")
_WORKERS = (1, 3)
_OUTPUTS = ("scores", "sketches", "thumbnails")
_SAID = ("shard", "n_samples", "n_rows", "status", "states", "n_hits", "problems", "is_done")


class EngineCase(NamedTuple):
    """An engine, and a place to work in.

    Attributes:
        name: that it is registered by.
        build: the engine with a number of workers.
        folder: empty; data and stores go into it.
    """

    name: str
    build: Callable[[int], Engine]
    folder: Path


def check_engine(name: str) -> list[Checked]:
    """Every promise of the family, checked on one engine."""
    with tempfile.TemporaryDirectory(prefix="madaudit-contract-") as folder:

        def build(workers: int) -> Engine:
            return build_engine(name, workers=workers)

        return run_checks(CHECKS, EngineCase(name, build, Path(folder)))


def rows_equal_those_of_serial(case: EngineCase) -> None:
    expected, _ = _scanned(case, build_engine("serial", workers=1), "serial")
    for workers in _WORKERS:
        found, _ = _scanned(case, case.build(workers), f"rows-{workers}")
        missing = sorted(expected.keys() ^ found.keys())
        require(not missing, f"{missing[:3]} is there with one of the two engines only")
        differ = [path for path in expected if expected[path] != found[path]]
        require(not differ, f"{differ[:3]} differs from serial's with {workers} workers")


def what_it_says_of_shards_equals_what_serial_says(case: EngineCase) -> None:
    _, expected = _scanned(case, build_engine("serial", workers=1), "serial")
    for workers in _WORKERS:
        _, found = _scanned(case, case.build(workers), f"said-{workers}")
        require(found == expected, f"summaries differ from serial's with {workers} workers")


def every_task_ends_in_one_summary(case: EngineCase) -> None:
    _, said = _scanned(case, case.build(2), "tasks")
    n_shards = len(locate([str(_data(case.folder))]).shards)
    require(len(said) == n_shards, f"{len(said)} summaries of {n_shards} shards")


def a_drawn_sample_is_the_same(case: EngineCase) -> None:
    expected, _ = _scanned(case, build_engine("serial", workers=1), "drawn-serial", n_sample=20)
    found, _ = _scanned(case, case.build(2), "drawn", n_sample=20)
    require(found == expected, "a sample of 20 differs from the one that serial draws")


def it_names_itself_as_the_registry_does(case: EngineCase) -> None:
    require_named(case.build(1), case.name, has_version=False)


CHECKS: tuple[Callable[[EngineCase], None], ...] = (
    rows_equal_those_of_serial,
    what_it_says_of_shards_equals_what_serial_says,
    every_task_ends_in_one_summary,
    a_drawn_sample_is_the_same,
    it_names_itself_as_the_registry_does,
)


def _scanned(
    case: EngineCase, engine: Engine, name: str, *, n_sample: int | None = None
) -> tuple[dict[str, bytes], list[str]]:
    """The files that a scan leaves, by path, and what it says of each shard, sorted."""
    plan = Plan(_DETECTORS, n_sample=n_sample, seed=3)
    tasks = plan_tasks(
        locate([str(_data(case.folder))]).shards, n_sample=plan.n_sample, seed=plan.seed
    )
    store = case.folder / name
    events = list(engine.run(plan, tasks, Store(str(store))))
    found = {
        str(path.relative_to(store)): path.read_bytes()
        for folder in _OUTPUTS
        for path in sorted((store / folder).rglob("*"))
        if path.is_file() and not path.name.endswith(".partial")
    }
    return found, _said([event.finished for event in events if event.finished is not None])


def _said(summaries: Sequence[ShardSummary]) -> list[str]:
    return sorted(repr([getattr(summary, name) for name in _SAID]) for summary in summaries)


def _data(folder: Path) -> Path:
    """Shards with every kind of trouble, and a folder of photos; made once."""
    data = folder / "data"
    if data.is_dir():
        return data
    (data / "photos").mkdir(parents=True)
    for number in range(4):
        (data / f"{number:05d}.tar").write_bytes(_tar(sample_images()[number:]))
    (data / "cut.tar").write_bytes(_tar(sample_images())[:-20_000])
    (data / "empty.tar").write_bytes(_tar(()))
    (data / "zip.tar").write_bytes(b"\x1f\x8b" + bytes(100))
    for number, image in enumerate(plain_images()):
        (data / "photos" / f"{number}.jpg").write_bytes(image)
    return data


def _tar(images: Sequence[bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, image in enumerate(images):
            member = tarfile.TarInfo(f"{number:06d}.jpg")
            member.size = len(image)
            archive.addfile(member, io.BytesIO(image))
    return buffer.getvalue()
