from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madaudit.limits import MAX_PROBLEMS, MAX_TAR_EXTENSION_BYTES, WINDOW_BYTES
from madaudit.shards.windows import BLOCK
from tests.shards.tar_building import (
    END_MARK,
    FORMATS,
    header,
    pack,
    patched,
    walk,
)

# Two members whose parts all have room for a cut: header 0, content 512, padding 1212,
# header 1536, content 2048, end mark 2560.
TWO = pack(("a.jpg", b"a" * 700), ("b.jpg", b"b" * 512))


@pytest.mark.parametrize("cut", range(1, len(TWO) - BLOCK, 37))
def test_a_cut_is_reported_at_the_byte_where_the_file_ends(cut: int) -> None:
    problems = walk(TWO[:cut]).problems

    assert [problem.offset for problem in problems] == [cut]


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        (100, "cut inside a header: 100 of 512 bytes"),
        (512, "cut inside member 'a.jpg': 0 of 700 bytes"),
        (1211, "cut inside member 'a.jpg': 699 of 700 bytes"),
        (1212, "no end-of-archive mark"),
        (1300, "no end-of-archive mark"),
        (1536, "no end-of-archive mark"),
        (1537, "cut inside a header: 1 of 512 bytes"),
        (2100, "cut inside member 'b.jpg': 52 of 512 bytes"),
        (2560, "no end-of-archive mark"),
    ],
)
def test_a_cut_is_named_for_the_part_it_falls_in(cut: int, says: str) -> None:
    problem = walk(TWO[:cut]).problems[0]

    assert problem.message.startswith(says)
    assert problem.offset == cut


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_a_cut_inside_a_long_name_is_reported_at_its_byte(form: str) -> None:
    data = pack(("n" * 300, b"x"), form=form)

    walked = walk(data[:700])

    assert walked.members == []
    assert [problem.offset for problem in walked.problems] == [700]


def test_a_cut_member_is_reported_under_its_long_name() -> None:
    name = "n" * 150 + ".jpg"

    walked = walk(pack((name, b"x" * 900), form="gnu")[:2100])

    assert [name in problem.message for problem in walked.problems] == [True]


def test_a_corrupt_header_is_reported_and_the_walk_goes_on_behind_it() -> None:
    data = bytearray(pack(*[(f"{n}.jpg", b"%d" % n * 600) for n in range(4)]))
    data[1536 + 3] ^= 0xFF

    walked = walk(bytes(data))

    assert [m.name for m in walked.members] == ["0.jpg", "2.jpg", "3.jpg"]
    assert [(p.offset, "1536 bytes skipped" in p.message) for p in walked.problems] == [
        (1536, True)
    ]


@pytest.mark.parametrize("field", [b"-0000000512\0", b"-1\0", b"00000zz\0", b"\xff" * 12])
def test_a_header_with_an_impossible_size_is_stepped_over(field: bytes) -> None:
    bad = patched(header("bad.jpg", 0), 124, field)

    walked = walk(bad + pack(("good.jpg", b"g")))

    assert [m.name for m in walked.members] == ["good.jpg"]
    assert [problem.offset for problem in walked.problems] == [0]


def test_the_long_name_of_a_lost_member_does_not_pass_to_the_next() -> None:
    blocks = header("n" * 200, 0, form="gnu")
    bad = patched(blocks[1024:], 124, b"-1\0")

    walked = walk(blocks[:1024] + bad + pack(("good.jpg", b"g")))

    assert [m.name for m in walked.members] == ["good.jpg"]


def test_two_archives_joined_end_to_end_are_reported_at_the_second() -> None:
    walked = walk(TWO + pack(("c.jpg", b"c")))

    assert [m.name for m in walked.members] == ["a.jpg", "b.jpg"]
    assert [p.offset for p in walked.problems] == [len(TWO)]
    assert "behind the end-of-archive mark" in walked.problems[0].message


def test_data_far_behind_the_end_mark_are_found() -> None:
    data = TWO + bytes(2 * WINDOW_BYTES) + b"\0\0hidden"

    assert [p.offset for p in walk(data).problems] == [len(data) - len(b"hidden")]


def test_zeros_behind_the_end_mark_are_no_problem() -> None:
    assert walk(TWO + bytes(10240)).problems == []


def test_a_file_of_no_bytes_is_reported() -> None:
    problems = walk(b"").problems

    assert [(p.offset, "empty" in p.message) for p in problems] == [(0, True)]


@pytest.mark.parametrize("data", [END_MARK, bytes(10240), bytes(BLOCK)])
def test_an_archive_of_nothing_has_no_problem(data: bytes) -> None:
    walked = walk(data)

    assert (walked.members, walked.problems) == ([], [])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.binary(min_size=1, max_size=2600))
def test_garbage_is_reported_and_never_raises(data: bytes) -> None:
    walked = walk(data)

    assert walked.members == []
    assert walked.problems or not any(data)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(changes=st.lists(st.tuples(st.integers(0, 511), st.binary(min_size=1, max_size=12))))
def test_a_header_of_any_content_never_raises(form: str, changes: list[tuple[int, bytes]]) -> None:
    block = pack(("n" * 120 if form != "ustar" else "n.jpg", b"x" * 600), form=form)
    for at, field in changes:
        at -= max(at + len(field) - BLOCK, 0)  # noqa: PLW2901
        block = patched(block[:BLOCK], at, field) + block[BLOCK:]

    walked = walk(block)

    assert all(p.offset is not None and 0 <= p.offset <= len(block) for p in walked.problems)


@pytest.mark.parametrize("kind", [b"0", b"x", b"g", b"L", b"K", b"5", b"S"])
def test_a_size_of_2_to_the_63_is_reported_and_takes_no_memory(kind: bytes) -> None:
    data = header("x.jpg", 2**63, kind=kind, form="gnu") + bytes(BLOCK)
    tracemalloc.start()
    try:
        walked = walk(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * WINDOW_BYTES
    assert all(p.offset is not None and p.offset <= len(data) for p in walked.problems)
    assert walked.problems or kind == b"5"


def test_the_end_of_the_walk_is_the_end_mark() -> None:
    assert walk(TWO).end == len(TWO) - len(END_MARK)


def test_a_pax_header_full_of_records_is_read_in_time() -> None:
    content = b"6 a=b\n" * (MAX_TAR_EXTENSION_BYTES // 6)
    data = header("p", len(content), kind=b"x") + content + bytes(-len(content) % BLOCK) + TWO
    began = time.process_time()

    walked = walk(data)

    assert time.process_time() - began < 1
    assert [member.name for member in walked.members] == ["a.jpg", "b.jpg"]


def test_a_size_beyond_63_bits_is_told_as_the_largest_that_fits() -> None:
    (member,) = walk(header("x.jpg", 2**63 + 5, form="gnu") + bytes(BLOCK)).members

    assert member.size == 2**63 - 1


def test_of_a_million_broken_headers_the_first_thousand_are_told() -> None:
    broken = b"?" * BLOCK + header("x.jpg", 0)

    walked = walk(broken * (MAX_PROBLEMS + 50) + END_MARK)

    assert len(walked.members) == MAX_PROBLEMS + 50
    assert len(walked.problems) == MAX_PROBLEMS + 1
    assert walked.problems[-1].message.startswith("more than 1000 things are wrong")
