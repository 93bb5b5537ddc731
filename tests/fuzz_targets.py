"""What `scripts/fuzz` throws bytes at: one target for each parser of strangers' bytes.

A target returns for every input, or raises MalformedError (a shard: ShardError), which scanning
turns into a row's status. Whatever else comes out of it is a bug. Replayed on kept findings by
tests/detectors/provenance/test_regressions.py, without atheris.
"""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from madaudit.detectors import DEFAULTS, Detector, build_detector
from madaudit.detectors.base import Batch, Look
from madaudit.detectors.provenance import cbor, photoshop, tiff, xmp
from madaudit.detectors.provenance.containers import parse
from madaudit.detectors.provenance.manifest_store import read_store
from madaudit.detectors.provenance.marks.c2pa import judge
from madaudit.errors import MalformedError, ShardError
from madaudit.limits import MAX_TEXT_BYTES
from madaudit.shards import files, load_reader, sidecar
from madaudit.types import STATES, STATUSES, Sample, Shard, Sidecar
from tests.detectors import image_building as build
from tests.detectors.provenance.test_fuzz import _VALID
from tests.shards import tar_building
from tests.shards.table_building import document_lines, image_columns, metadata_columns
from tests.shards.tar_building import open_over

#: Where findings are kept as tests, one tiny file each, named PARSER-WHAT.
REGRESSIONS = Path(__file__).parent / "detectors" / "provenance" / "regressions"
_DETECTORS: dict[str, Detector] = {
    name: build_detector(name, {"validate": False} if name == "c2pa" else {}) for name in DEFAULTS
}
_PNG_START = b"\x89PNG\r\n\x1a\n"


class Target(NamedTuple):
    """One parser under fire.

    Attributes:
        run: takes any bytes.
        seeds: valid inputs to begin from.
        tokens: words of the format, for libFuzzer's dictionary.
        endings: files of ../shared/data that are seeds as well, by the format in its list.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    tokens: tuple[bytes, ...] = ()
    endings: tuple[str, ...] = ()


# --- containers, and every detector behind them --------------------------------------------------


def _examine(image: bytes, side: Sidecar = build.NO_SIDECAR) -> None:
    """Parse an image file and ask all detectors about it."""
    view = memoryview(image)
    container = parse(view)
    if container is not None:
        n_bytes = sum(len(block.data) + len(block.text) for block in container.blocks)
        assert n_bytes <= 2 * len(image) + MAX_TEXT_BYTES
        for side_px in (container.width, container.height):
            assert side_px is None or 0 <= side_px < 1 << 32
    look = Look(Sample(0, "key", 0, len(image), view, side), container)
    for detector in _DETECTORS.values():
        with contextlib.suppress(MalformedError):
            (evidence,) = detector.detect(Batch([look]))
            assert evidence.state in STATES


def _begun(start: bytes) -> Callable[[bytes], None]:
    """A target of files that begin as their format does."""

    def run(data: bytes) -> None:
        _examine(start + data[len(start) :])

    return run


def _png(data: bytes) -> None:
    image = _PNG_START + data[8:]
    _examine(image)
    _examine(_PNG_START + b"".join(_with_crc(image)))


def _with_crc(image: bytes) -> Iterator[bytes]:
    """Chunks with their CRC made right, since few mutations would do that."""
    at = 8
    while at + 8 <= len(image):
        length = int.from_bytes(image[at : at + 4], "big")
        body = image[at + 4 : at + 8 + length]
        yield image[at : at + 4] + body
        if at + 12 + length <= len(image):
            yield zlib.crc32(body).to_bytes(4, "big")
        at += 12 + length


def _webp(data: bytes) -> None:
    _examine(b"RIFF" + data[4:8].ljust(4, b"\0") + b"WEBP" + data[12:])


def _bmff(data: bytes) -> None:
    _examine(data[:4].ljust(4, b"\0") + b"ftypavif" + data[12:])


_OTHERS = (b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"\xff\x0a")


def _others(data: bytes) -> None:
    if data:
        _examine(_OTHERS[data[0] % len(_OTHERS)] + data[1:])


_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0")


def _tiff_file(data: bytes) -> None:
    if data:
        start = _TIFF_STARTS[data[0] % len(_TIFF_STARTS)]
        _examine(start + data[1 + len(start) :])


def _jxl(data: bytes) -> None:
    start = build.jxl()[:12]
    _examine(start + data[len(start) :])


def _text(data: bytes) -> None:
    """Generation parameters and graphs, in each place that a text may stand in."""
    if not data:
        return
    place, text = data[0], data[1:]
    keywords = (
        "parameters",
        "prompt",
        "workflow",
        "Comment",
        "Description",
        "generation_data",
        "invokeai_metadata",
        "invokeai_graph",
        "sd-metadata",
        "Dream",
        "smproj",
        "AIGC",
    )
    keyword = keywords[place % len(keywords)].encode()
    chunks = [build.chunk(b"tEXt", keyword + b"\0" + text)]
    if place & 64:
        tag = (build.MAKE, build.SOFTWARE, build.ARTIST, build.DESCRIPTION)[place & 3]
        chunks.append(build.chunk(b"eXIf", build.exif_block({tag: text})))
    if place & 128:
        comment = {build.USER_COMMENT: b"ASCII\0\0\0" + text}
        chunks.append(build.chunk(b"eXIf", build.exif_block(comment)))
    _examine(build.png(*chunks))


# --- what containers hold ------------------------------------------------------------------------


def _tiff(data: bytes) -> None:
    tags = tiff.read_tags(data)
    assert all(isinstance(text, str) for text in tags.values())


def _xmp(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        xmp.read_properties(data)


def _photoshop(data: bytes) -> None:
    found = photoshop.iptc_resource(data)
    assert found is None or found in data
    _examine(build.jpeg_with_iim(data))


def _c2pa(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        claim = judge(read_store(data))
        assert len(claim.says) < 1000


def _cbor(data: bytes) -> None:
    with contextlib.suppress(MalformedError):
        cbor.decode(data)


# --- shards and records --------------------------------------------------------------------------


def _tar(data: bytes) -> None:
    counted = None
    with contextlib.suppress(ShardError):
        counted = open_over(io.BytesIO(data)).count()
    source = open_over(io.BytesIO(data))
    try:
        samples = list(source.samples())
    except ShardError:
        return
    assert [sample.ordinal for sample in samples] == list(range(counted or 0))
    for sample in samples:
        assert sample.status in STATUSES
        assert sample.size < 1 << 63
        assert sample.offset < 1 << 63
        assert sample.image is None or len(sample.image) <= len(data)
    assert all((problem.offset or 0) <= len(data) for problem in source.problems)
    source.header_digest()


def _read_as(reader: str, name: str, *paths: str) -> Callable[[bytes], None]:
    """A target of shards that one reader reads, on fsspec's file system in memory.

    Args:
        reader: its name.
        name: of the file, or of the folder where `paths` are given.
        paths: files of a virtual shard; the first gets the bytes.
    """
    uri = f"memory://fuzz/{name}"
    fs, path = files.filesystem("/".join((uri, *paths[:1])))

    def run(data: bytes) -> None:
        fs.pipe_file(path, data)
        try:
            with load_reader(reader).open(
                Shard(name, uri, reader, len(data), "", paths)
            ) as source:
                for number, sample in enumerate(source.samples()):
                    assert sample.ordinal == number
                    assert sample.status in STATUSES
                source.header_digest()
        except ShardError:
            return

    return run


def _record(data: bytes) -> None:
    for record in (sidecar.from_json(data, None), sidecar.from_json(data, "caption")):
        for value in record[:5]:
            assert value is None or isinstance(value.encode(), bytes)
    sidecar.n_successes(data)
    _examine(b"", Sidecar(exif=data.decode("utf-8", "replace"), reencoded=True))


# --- seeds ---------------------------------------------------------------------------------------


def _valid(*names: str) -> Callable[[], list[bytes]]:
    return lambda: [_VALID[name] for name in names]


def _text_seeds() -> list[bytes]:
    graph = b'{"1": {"class_type": "KSampler", "inputs": {"ckpt_name": "x"}}}'
    flow = b'{"nodes": [{"type": "LoadImage"}], "links": []}'
    return [
        b"\0" + build.INFOTEXT.encode(),
        b"\x81" + graph,
        b"\2" + flow,
        b"\x80" + build.INFOTEXT.encode(),
        b"\x41AI generated;txt2img;flux",
    ]


def _tiff_seeds() -> list[bytes]:
    tags = {build.MAKE: "maker", build.USER_COMMENT: build.user_comment(build.INFOTEXT)}
    return [build.exif_block(tags, order=order, thumbnail=tags) for order in "<>"]


def _tiff_file_seeds() -> list[bytes]:
    entries = {700: build.source_type_xmp(), 33723: build.iim((2, 110, b"Made with Google AI"))}
    return [
        bytes([number]) + build.tiff(entries, order=order, is_big=is_big)
        for number, (order, is_big) in enumerate(
            (("<", False), (">", False), ("<", True), (">", True))
        )
    ]


def _table_seed(columns: dict[str, object]) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns), buffer, row_group_size=2)
        return [buffer.getvalue()]

    return seeds


def _npy_seeds() -> list[bytes]:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, 8), dtype=np.float16))
    return [buffer.getvalue()]


def _c2pa_seeds() -> list[bytes]:
    manifests = [
        build.manifest("urn:a", actions=[build.action("c2pa.created", build.IPTC_SYNTHETIC)]),
        build.manifest("urn:b", ingredients=[("parentOf", "urn:a"), ("componentOf", "urn:b")]),
    ]
    return [build.SYNTHETIC_STORE, build.store(*manifests)]


def _cbor_seeds() -> list[bytes]:
    value = {"a": [1, -2, 1.5, None, True, b"x", "text"], "b": {"c": [[], {}]}, "d": 1 << 40}
    return [build.cbor(value), b"\x9f\x01\xff", b"\xbf\x61a\x01\xff", b"\x7f\x61a\x61b\xff"]


def _tar_seeds() -> list[bytes]:
    special = [
        tar_building.special("l.jpg", kind, linkname="a.jpg") for kind in (b"1", b"2", b"3", b"S")
    ]
    return [
        tar_building.THREE,
        tar_building.numbered(3),
        tar_building.pack(*special, ("a.json", b"{}"), ("a.txt", b"caption")),
        tar_building.pack(("d/" * 120 + "a.jpg", b"x"), form="gnu"),
        tar_building.pack(("é" * 150 + ".jpg", b"x"), form="pax"),
        tar_building.with_pax("s.jpg", 1, {"size": "1", "GNU.sparse.major": "1"}) + bytes(512),
    ]


def _record_seeds() -> list[bytes]:
    return [
        b'{"url": "u", "caption": "c", "status": "success", "width": 1, "original_width": 2}',
        b'{"exif": "{\\"Image Software\\": \\"x\\"}", "sha256": "0", "uid": "1"}',
        b'{"URL": "u", "TEXT": "\\ud800", "n": NaN}',
        b'{"successes": 3}',
        b'{"Image Make": "x", "EXIF UserComment": "Steps: 1, Sampler: x"}',
    ]


_JUMBF = (b"jumb", b"jumd", b"cbor", b"json", b"c2pa", b"c2ma", b"c2as", b"c2cl", b"c2pa.claim")
_EXIF = (b"II*\0", b"MM\0*", b"\x69\x87", b"\x87\x69", b"UNICODE\0", b"ASCII\0\0\0")
TARGETS: dict[str, Target] = {
    "jpeg": Target(
        _begun(b"\xff\xd8\xff"),
        _valid("jpeg"),
        (b"\xff\xe1", b"\xff\xeb", b"\xff\xed", b"Exif\0\0", b"JP", b"8BIM", *_JUMBF),
        ("jpeg",),
    ),
    "png": Target(
        _png,
        _valid("png"),
        (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"caBX", b"IEND", b"Raw profile type exif", *_EXIF),
        ("png",),
    ),
    "webp": Target(
        _webp, _valid("webp"), (b"VP8X", b"VP8L", b"VP8 ", b"EXIF", b"XMP ", b"C2PA"), ("webp",)
    ),
    "bmff": Target(
        _bmff,
        _valid("avif", "avif-idat"),
        (b"meta", b"iinf", b"infe", b"iloc", b"iprp", b"ipco", b"ispe", b"idat", b"uuid", b"mime"),
        ("avif", "heif"),
    ),
    "others": Target(
        _others,
        lambda: [bytes([n]) + build.pillow_bytes(k) for n, k in enumerate(("GIF", "BMP", "TIFF"))],
    ),
    "tiff_file": Target(_tiff_file, _tiff_file_seeds, _EXIF, ("tiff",)),
    "gif": Target(
        _begun(b"GIF89a"),
        lambda: [
            build.gif(build.gif_xmp(build.source_type_xmp()), build.gif_comment("x")),
            build.gif(build.gif_manifest(build.SYNTHETIC_STORE)),
        ],
        (b"!\xff\x0bXMP DataXMP", b"!\xff\x0bC2PA_GIF", b"!\xfe", b"!\xf9", b"NETSCAPE2.0"),
    ),
    "jxl": Target(
        _jxl,
        lambda: [
            build.jxl(
                build.box(b"Exif", bytes(4) + build.exif_block({build.MAKE: "maker"})),
                build.box(b"xml ", build.source_type_xmp()),
                build.box(b"jumb", build.SYNTHETIC_STORE[8:]),
            )
        ],
        (b"jxlc", b"jxlp", b"Exif", b"xml ", b"jumb", b"brob"),
    ),
    "text": Target(
        _text, _text_seeds, (b"Steps: ", b"class_type", b"nodes", b"prompt", b"inputs")
    ),
    "tiff": Target(_tiff, _tiff_seeds, _EXIF),
    "xmp": Target(
        _xmp,
        lambda: [
            build.source_type_xmp(),
            build.xmp_packet("<xmp:CreatorTool>x</xmp:CreatorTool>"),
        ],
        (
            b"<!DOCTYPE",
            b"<!ENTITY",
            b"&amp;",
            b"rdf:Description",
            b"rdf:RDF",
            b"rdf:li",
            b"xmlns:",
        ),
    ),
    "photoshop": Target(
        _photoshop, lambda: [build.image_resource(0x0404, b"\x1c\2\x05", b"name")], (b"8BIM",)
    ),
    "c2pa": Target(_c2pa, _c2pa_seeds, (*_JUMBF, b"c2pa.actions.v2", b"c2pa.ingredient.v3")),
    "cbor": Target(_cbor, _cbor_seeds),
    "tar": Target(
        _tar, _tar_seeds, (b"ustar", b"GNU.sparse.name=", b" path=", b" size=", b".jpg")
    ),
    "documents": Target(
        _read_as("documents", "fuzz.jsonl"),
        lambda: [b"".join(line + b"\n" for line in document_lines(3)), b'{"text": 1}\n\n{"te'],
        (b'"text"', b'"url"', b"\\ud800", b"NaN"),
    ),
    "embeddings": Target(
        _read_as("embeddings", "vectors", "img_emb/img_emb_0.npy"),
        _npy_seeds,
        (b"\x93NUMPY\x01\x00", b"'descr'", b"'<f2'", b"'fortran_order'", b"'shape'"),
    ),
    "parquet": Target(
        _read_as("parquet", "fuzz.parquet"), _table_seed(image_columns([b"one", b"two", None]))
    ),
    "metadata": Target(
        _read_as("metadata", "fuzz_metadata.parquet"), _table_seed(metadata_columns(3))
    ),
    "record": Target(_record, _record_seeds, (b"caption", b"exif", b"original_width", b"\\ud800")),
}
