"""The compact index against a dictionary."""

from __future__ import annotations

import random
from contextlib import contextmanager

import numpy as np
import pytest

from madaudit.hooks.key_index import (
    KeyIndex,
    KeyIndexBuilder,
    Layout,
    hash_keys,
    key_bytes,
    namespace_of,
)


def built(folder, lots, *, n_rows=None):
    """An index of lots of (hashes, rows)."""

    @contextmanager
    def create(name):
        with (folder / name).open("wb") as file:
            yield file

    n_rows = sum(len(hashes) for hashes, _ in lots) if n_rows is None else n_rows
    with KeyIndexBuilder() as builder:
        for hashes, rows in lots:
            builder.add(hashes, np.asarray(rows))
        layout = builder.write(create, "key", n_rows)
    return KeyIndex(str(folder), "key", layout), layout


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 1000, 20_000])
def test_every_key_is_found_with_its_row_and_no_other(tmp_path, n):
    rng = random.Random(n)
    keys = [f"{rng.getrandbits(40):x}" for _ in range(n)]
    expected = {}
    for row, key in enumerate(keys):
        expected.setdefault(key, []).append(row)
    half = n // 2
    index, layout = built(
        tmp_path,
        [
            (hash_keys(namespace_of("s"), keys[:half]), range(half)),
            (hash_keys(namespace_of("s"), keys[half:]), range(half, n)),
        ],
    )
    assert {key: list(index.rows(namespace_of("s"), key)) for key in expected} == expected
    assert not any(len(index.rows(namespace_of("t"), key)) for key in keys)
    assert not any(len(index.rows(namespace_of("s"), f"absent{i}")) for i in range(1000))
    assert layout.n_entries == n


def test_one_key_in_two_shards_is_two_keys(tmp_path):
    lots = [(hash_keys(namespace_of("a"), ["k"]), [0]), (hash_keys(namespace_of("b"), ["k"]), [1])]
    index, _ = built(tmp_path, lots)
    assert list(index.rows(namespace_of("a"), "k")) == [0]
    assert list(index.rows(namespace_of("b"), "k")) == [1]


def test_keys_with_one_hash_share_all_their_rows(tmp_path):
    keys = [f"k{i}" for i in range(500)]
    hashes = hash_keys(namespace_of(""), keys)
    hashes[7] = hashes[400]  # as two keys that collide would have it
    index, layout = built(tmp_path, [(hashes, range(500))])
    assert list(index.rows(namespace_of(""), "k400")) == [7, 400]
    assert layout.n_repeated == 2


def test_hashes_that_begin_alike_are_told_apart(tmp_path):
    hashes = (np.arange(4096, dtype=np.uint64) * np.uint64(0x0101)) | np.uint64(1 << 63)
    hashes = np.concatenate([hashes, hash_keys(namespace_of(""), ["x"])])
    index, layout = built(tmp_path, [(hashes, range(len(hashes)))])
    assert list(index.rows(namespace_of(""), "x")) == [4096]
    assert layout.n_repeated == 0


def test_an_entry_that_ends_alike_in_the_next_bucket_is_another_key(tmp_path):
    (mine,) = hash_keys(namespace_of(""), ["x"])
    others = np.arange(1100, dtype=np.uint64) << np.uint64(20)
    hashes = np.concatenate([others, others[:1], [mine, mine + np.uint64(1 << 56)]])
    index, layout = built(tmp_path, [(hashes, range(len(hashes)))])
    assert (layout.bucket_bits, layout.hash_bytes, layout.n_repeated) == (8, 7, 2)
    assert list(index.rows(namespace_of(""), "x")) == [1101]


def test_at_a_hundred_million_keys_it_takes_under_twelve_bytes_with_the_decision():
    layout = Layout.of(100_000_000, 100_000_000)
    assert layout.size_bytes / 1e8 + 1 < 12


def test_more_rows_than_four_bytes_number_take_eight():
    assert Layout.of(5, 1 << 32).row_bytes == 8


def test_a_key_that_is_no_utf8_is_hashed_as_the_store_has_it():
    assert key_bytes(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\ufffd".encode()
