from __future__ import annotations

import io
import random
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madaudit.limits import WINDOW_BYTES
from madaudit.shards.windows import BLOCK
from tests.shards.tar_building import (
    END_MARK,
    FORMATS,
    by_tarfile,
    header,
    pack,
    padded,
    patched,
    special,
    walk,
    walk_file,
    with_pax,
)

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "laion"

segments = st.text("abXY09._- éß日\U0001f600", min_size=1, max_size=25)
paths = st.lists(segments, min_size=1, max_size=9).map("/".join)
archived = st.lists(st.tuples(paths, st.binary(max_size=1300)), max_size=6)


def packed_or_none(entries: list[tuple[str, bytes]], form: str) -> bytes | None:
    """None where ustar has no room for a name."""
    try:
        return pack(*entries, form=form)
    except ValueError:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=80, deadline=None, derandomize=True)
@given(entries=archived)
def test_members_are_those_that_tarfile_finds(form: str, entries: list[tuple[str, bytes]]) -> None:
    data = packed_or_none(entries, form)
    if data is None:
        return

    walked = walk(data)

    assert walked.files == by_tarfile(data)
    assert walked.problems == []


@settings(max_examples=30, deadline=None, derandomize=True)
@given(entries=archived)
def test_a_local_file_gives_the_same_members_as_a_stream(entries: list[tuple[str, bytes]]) -> None:
    data = pack(*entries, form="pax")
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)

        walked = walk_file(file, len(data))

    assert walked == walk(data)


@pytest.mark.parametrize("form", FORMATS)
def test_names_of_more_than_100_bytes_are_read_whole(form: str) -> None:
    name = "folder/" * 18 + "image-" * 12 + ".jpg"

    walked = walk(pack((name, b"content"), ("next.jpg", b"n"), form=form))

    assert walked.files == [(name, 7, b"content"), ("next.jpg", 1, b"n")]


def test_a_ustar_prefix_comes_before_the_name() -> None:
    data = pack(("p" * 120 + "/" + "n" * 90 + ".jpg", b"x"), form="ustar")
    assert data[345:465] == b"p" * 120

    assert walk(data).members[0].name == "p" * 120 + "/" + "n" * 90 + ".jpg"


@pytest.mark.parametrize("form", FORMATS)
def test_names_outside_ascii_are_read_as_utf8(form: str) -> None:
    assert walk(pack(("bücher/日本.jpg", b"x"), form=form)).members[0].name == "bücher/日本.jpg"


def test_names_that_are_not_utf8_do_not_stop_the_walk() -> None:
    block = patched(header("x.jpg", 0), 0, b"\xe9t\xe9.jpg")

    walked = walk(block + END_MARK)

    assert [m.name for m in walked.members] == ["�t�.jpg"]
    assert walked.problems == []


def test_gnu_long_link_target_does_not_become_a_name() -> None:
    link = special("short.jpg", tarfile.SYMTYPE, linkname="t" * 300)

    walked = walk(pack(link, ("after.jpg", b"x"), form="gnu"))

    assert [m.name for m in walked.members] == ["short.jpg", "after.jpg"]


def test_gnu_long_name_ends_at_its_first_zero_byte() -> None:
    long = header("././@LongLink", 600, kind=tarfile.GNUTYPE_LONGNAME, form="gnu")
    data = long + padded(b"a.jpg\0" + b"z" * 594) + header("cut", 0, form="gnu") + END_MARK

    assert [m.name for m in walk(data).members] == ["a.jpg"]
    assert by_tarfile(data)[0][0] == "a.jpg"


def test_a_pax_record_overrides_the_size_in_the_header() -> None:
    blocks = with_pax("a.jpg", 3, {"size": "1000"})
    data = blocks + padded(b"s" * 1000) + pack(("b.jpg", b"b"))

    assert walk(data).files == by_tarfile(data)
    assert walk(data).members[0].size == 1000


def test_global_pax_records_hold_until_a_local_one_overrides_them() -> None:
    shared = tarfile.TarInfo.create_pax_global_header({"path": "shared.jpg", "comment": "c"})
    data = shared + header("a.jpg", 0) + with_pax("b.jpg", 0, {"path": "own.jpg"}) + END_MARK

    assert [m.name for m in walk(data).members] == ["shared.jpg", "own.jpg"]


def test_pax_records_of_one_member_do_not_reach_the_next() -> None:
    data = with_pax("a.jpg", 0, {"path": "long.jpg"}) + pack(("b.jpg", b"b"))

    assert [m.name for m in walk(data).members] == ["long.jpg", "b.jpg"]


@pytest.mark.parametrize("size", ["9" * 5000, "-512", "1e3", "", "x"])
def test_a_pax_size_that_is_no_size_does_not_raise(size: str) -> None:
    data = with_pax("a.jpg", 3, {"size": size}) + padded(b"abc") + END_MARK

    assert walk(data).members[0].name == "a.jpg"


@pytest.mark.parametrize(
    "records",
    [b"", b"0 a=b\n", b"3 a", b"99 path=x\n", b"5 a=b", b"x path=x\n", b"7 pathx\n", b"\xff" * 40],
)
def test_pax_records_that_break_their_format_are_left_alone(records: bytes) -> None:
    extension = header("x", len(records), kind=tarfile.XHDTYPE) + padded(records)

    walked = walk(extension + pack(("a.jpg", b"content")))

    assert walked.files == [("a.jpg", 7, b"content")]


def test_a_base_256_size_is_read() -> None:
    block = patched(header("a.jpg", 0), 124, b"\x80" + (600).to_bytes(11, "big"))
    data = block + padded(b"s" * 600) + pack(("b.jpg", b"b"))

    assert walk(data).files == by_tarfile(data)


def test_a_signed_checksum_is_accepted() -> None:
    block = patched(header("x.jpg", 1), 0, "é.jpg".encode(), signed=True)
    data = block + padded(b"x") + END_MARK

    assert walk(data).files == by_tarfile(data) == [("é.jpg", 1, b"x")]
    assert walk(data).problems == []


def test_the_sum_of_a_header_full_of_high_bytes_is_still_compared() -> None:
    name = "ü" * 45 + ".jpg"
    data = pack(("ü" * 70 + "/" + name, b"x"), form="ustar")

    assert walk(data).files == by_tarfile(data)


@pytest.mark.parametrize("field", [b"0000001\0junk", b"    12 \0\0\0\0\0", b"\0" * 12])
def test_sizes_are_read_up_to_their_first_zero_byte(field: bytes) -> None:
    data = patched(header("a.jpg", 0), 124, field) + padded(b"content...") + END_MARK

    walked = walk(data)

    assert walked.files == by_tarfile(data)


def test_empty_members_are_members() -> None:
    walked = walk(pack(("a.txt", b""), ("b.txt", b"")))

    assert walked.files == [("a.txt", 0, b""), ("b.txt", 0, b"")]


def test_a_member_larger_than_the_window_is_read_whole() -> None:
    content = random.Random(1).randbytes(3 * WINDOW_BYTES + 7)

    walked = walk(pack(("big.jpg", content), ("next.jpg", b"n")))

    assert walked.files == [("big.jpg", len(content), content), ("next.jpg", 1, b"n")]


@pytest.mark.parametrize("shift", [-BLOCK, -1, 0, 1, BLOCK])
@pytest.mark.parametrize("n_blocks", [1, 2, 3])
def test_members_on_the_borders_of_the_window_are_read_whole(shift: int, n_blocks: int) -> None:
    first = random.Random(2).randbytes(WINDOW_BYTES - n_blocks * BLOCK + shift)
    data = pack(("a.jpg", first), ("b.jpg", b"b" * 600), ("c.jpg", b"c"))

    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)

        assert walk_file(file, len(data)).files == walk(data).files == by_tarfile(data)


def test_many_members_come_in_their_order() -> None:
    entries = [(f"{n:09d}.jpg", b"%d" % n) for n in range(5000)]

    walked = walk(pack(*entries))

    assert [(name, content) for name, _, content in walked.files] == entries


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.CHRTYPE, "character device"),
        (tarfile.BLKTYPE, "block device"),
        (tarfile.FIFOTYPE, "named pipe"),
        (tarfile.GNUTYPE_SPARSE, "sparse file"),
    ],
)
def test_links_devices_and_sparse_files_are_refused_by_name(kind: bytes, what: str) -> None:
    walked = walk(pack(special("x.jpg", kind, linkname="target"), ("after.jpg", b"a")))

    assert [(m.name, m.refused, m.size) for m in walked.members] == [
        ("x.jpg", what, 0),
        ("after.jpg", None, 1),
    ]


def test_a_link_that_states_a_size_has_no_content() -> None:
    data = pack(special("l.jpg", tarfile.LNKTYPE, size=700, linkname="t"), ("after.jpg", b"a"))

    assert [m.name for m in walk(data).members] == ["l.jpg", "after.jpg"]


@pytest.mark.parametrize("n_maps", [0, 1, 3])
def test_data_of_an_old_gnu_sparse_file_are_stepped_over(n_maps: int) -> None:
    block = header("s.jpg", 512, kind=tarfile.GNUTYPE_SPARSE, form="gnu")
    maps = [bytes(504) + bytes([n < n_maps - 1]) + bytes(7) for n in range(n_maps)]
    head = patched(block, 482, bytes([n_maps > 0]))
    data = head + b"".join(maps) + bytes(range(256)) * 2 + pack(("after.jpg", b"a"))

    walked = walk(data)

    assert [(m.name, m.refused) for m in walked.members] == [
        ("s.jpg", "sparse file"),
        ("after.jpg", None),
    ]


@pytest.mark.parametrize(
    "records",
    [
        {"GNU.sparse.size": "9000", "GNU.sparse.numblocks": "0"},
        {"GNU.sparse.map": "0,3", "GNU.sparse.name": "s.jpg"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s.jpg"},
    ],
    ids=["0.0", "0.1", "1.0"],
)
def test_pax_sparse_files_are_refused_under_their_own_name(records: dict[str, str]) -> None:
    stored = "s.jpg" if "GNU.sparse.name" not in records else "GNUSparseFile.7/s.jpg"
    data = with_pax(stored, 3, records) + padded(b"abc") + pack(("after.jpg", b"a"))

    walked = walk(data)

    assert [(m.name, m.refused) for m in walked.members] == [
        ("s.jpg", "sparse file"),
        ("after.jpg", None),
    ]


@pytest.mark.parametrize("size", [0, 700])
def test_directories_are_left_out_and_have_no_content(size: int) -> None:
    data = pack(special("folder", tarfile.DIRTYPE, size=size), ("folder/a.jpg", b"a"))

    walked = walk(data)

    assert walked.files == by_tarfile(data) == [("folder/a.jpg", 1, b"a")]
    assert walked.problems == []


def test_headers_are_collected_with_the_names_that_extend_them() -> None:
    first = walk(pack(("é.jpg", b"x"), form="pax"))
    second = walk(pack(("è.jpg", b"x"), form="pax"))

    assert len(b"".join(first.headers)) >= 2 * BLOCK
    assert first.headers != second.headers


def published_archives() -> list[Path]:
    return sorted(DATA.rglob("*.tar"))


@pytest.mark.skipif(not DATA.exists(), reason="shared/data/laion is not beside the checkout")
def test_published_archives_have_the_members_that_tarfile_finds() -> None:
    archives = {path.name: path.read_bytes() for path in published_archives()}
    assert archives

    for name, data in archives.items():
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            assert not [m for m in archive if not (m.isreg() or m.isdir())], name
        assert walk(data).files == by_tarfile(data), name
        assert walk(data).problems == [], name
