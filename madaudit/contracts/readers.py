"""What every reader promises, checked on a shard of its own format.

A stranger's format cannot be made here, so the caller names a file of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from madaudit.contracts.base import Checked, require, require_named, run_checks, sent_to_a_worker
from madaudit.shards import Reader
from madaudit.types import STATUSES, Sample, Shard


class ReaderCase(NamedTuple):
    """A reader, and a shard to try it on.

    Attributes:
        name: that it is registered by.
        reader: itself.
        shard: sound, of its format, with a sample or more.
    """

    name: str
    reader: Reader
    shard: Shard


def check_reader(name: str, reader: Reader, shard: Shard) -> list[Checked]:
    """Every promise of the family, checked on one reader and one shard."""
    return run_checks(CHECKS, ReaderCase(name, reader, shard))


def ordinals_begin_at_zero_without_gaps(case: ReaderCase) -> None:
    reader, shard = case.reader, case.shard
    found = [sample.ordinal for sample in _samples(reader, shard)]
    require(bool(found), "no sample at all; give a shard that has some")
    require(found == list(range(len(found))), f"ordinals begin {found[:6]}")


def two_passes_give_the_same_samples(case: ReaderCase) -> None:
    reader, shard = case.reader, case.shard
    first, second = (list(map(_content, _samples(reader, shard))) for _ in range(2))
    require(first == second, "two passes over one shard differ")


def chosen_samples_are_those_of_a_full_pass(case: ReaderCase) -> None:
    reader, shard = case.reader, case.shard
    full = {sample.ordinal: _content(sample) for sample in _samples(reader, shard)}
    wanted = set(list(full)[::2])
    with reader.open(shard) as source:
        chosen = {sample.ordinal: _content(sample) for sample in source.samples(wanted)}
    require(chosen.keys() == wanted, f"asked for {len(wanted)} samples, got {len(chosen)}")
    differ = [ordinal for ordinal in wanted if chosen[ordinal] != full[ordinal]]
    require(not differ, f"sample {differ[:1]} differs when it is asked for alone")


def counting_leaves_the_pass_whole(case: ReaderCase) -> None:
    reader, shard = case.reader, case.shard
    with reader.open(shard) as source:
        n_samples = source.count()
        n_read = sum(1 for _ in source.samples())
    require(n_samples == n_read, f"count() says {n_samples}, the pass gives {n_read}")


def an_image_can_be_fetched_again(case: ReaderCase) -> None:
    reader, shard = case.reader, case.shard
    with reader.open(shard) as source:
        seen = [(sample, bytes(sample.image)) for sample in source.samples() if sample.image]
        for sample, image in seen[:100]:
            again = source.fetch(sample._replace(image=None))
            require(again == image, f"sample {sample.ordinal} is fetched with other bytes")


def every_status_is_known(case: ReaderCase) -> None:
    reader, shard = case.reader, case.shard
    odd = {sample.status for sample in _samples(reader, shard)} - set(STATUSES)
    require(not odd, f"status {sorted(odd)}; allowed: {', '.join(STATUSES)}")


def the_digest_is_the_same_for_the_same_shard(case: ReaderCase) -> None:
    reader, shard = case.reader, case.shard
    digests = []
    for _ in range(2):
        with reader.open(shard) as source:
            list(source.samples())
            digests.append(source.header_digest())
    require(digests[0] == digests[1], "two passes give two digests")
    is_digest = len(digests[0]) == 64 and set(digests[0]) <= set("0123456789abcdef")
    require(is_digest, f"{digests[0]!r} is no SHA-256 in hexadecimal digits")


def a_pickled_copy_is_equal(case: ReaderCase) -> None:
    copy = sent_to_a_worker(case.reader)
    require(copy == case.reader, "the copy is not equal to it")


def it_names_itself_as_the_registry_does(case: ReaderCase) -> None:
    require_named(case.reader, case.name)


CHECKS: tuple[Callable[[ReaderCase], None], ...] = (
    ordinals_begin_at_zero_without_gaps,
    two_passes_give_the_same_samples,
    chosen_samples_are_those_of_a_full_pass,
    counting_leaves_the_pass_whole,
    an_image_can_be_fetched_again,
    every_status_is_known,
    the_digest_is_the_same_for_the_same_shard,
    a_pickled_copy_is_equal,
    it_names_itself_as_the_registry_does,
)


def _samples(reader: Reader, shard: Shard) -> list[Sample]:
    with reader.open(shard) as source:
        # Views of the shard's bytes end with it, so they are copied.
        return [s._replace(image=_copied(s.image)) for s in source.samples()]


def _copied(image: memoryview | None) -> memoryview | None:
    return None if image is None else memoryview(bytes(image))


def _content(sample: Sample) -> tuple[Any, ...]:
    """What a sample carries, comparable."""
    vector = None if sample.embedding is None else sample.embedding.tolist()
    image = None if sample.image is None else bytes(sample.image)
    return sample.key, image, sample.sidecar, sample.text, vector, sample.status
