"""First and last bytes that are said to suffice give the structure of the whole file."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from madaudit.detectors.provenance.containers import Container, parse
from madaudit.detectors.provenance.containers.parts import first_unknown
from tests.detectors.shared_data import DATA, needs_data, rows

_PIXELS = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)


def _saved(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_PIXELS).save(buffer, form, **options)
    return buffer.getvalue()


def _files() -> dict[str, bytes]:
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler a")
    exif = Image.Exif()
    exif[0x0131] = "Midjourney"
    return {
        "jpeg": _saved("JPEG", exif=exif, comment=b"made by hand"),
        "progressive jpeg": _saved("JPEG", progressive=True),
        "png": _saved("PNG", pnginfo=text),
        "webp": _saved("WEBP", exif=exif, xmp=b"<x:xmpmeta/>"),
        "lossless webp": _saved("WEBP", lossless=True),
        "gif": _saved("GIF"),
        "bmp": _saved("BMP"),
        "tiff": _saved("TIFF"),
    }


def _with_zeros(data: bytes, head: int, tail: int) -> bytes:
    return data[:head] + bytes(len(data) - head - tail) + data[len(data) - tail :]


def _as_told(container: Container | None) -> object:
    if container is None:
        return None
    return {name: value for name, value in vars(container).items() if name != "_exif"}


def _check(data: bytes, head: int, tail: int) -> bool:
    """Whether the parts were said to suffice; if so they must."""
    view = memoryview(data)
    if first_unknown(view[:head], view[len(data) - tail :], len(data)) is not None:
        return False
    parts = memoryview(_with_zeros(data, head, tail))
    assert _as_told(parse(parts)) == _as_told(parse(view))
    return True


@pytest.mark.parametrize("name", ["jpeg", "progressive jpeg", "png", "webp", "lossless webp"])
def test_photos_need_their_ends_alone(name: str) -> None:
    assert _check(_files()[name], 1000, 300)


@pytest.mark.parametrize("name", ["gif", "bmp", "tiff"])
def test_other_formats_are_wanted_whole(name: str) -> None:
    data = memoryview(_files()[name])
    assert first_unknown(data[:1000], data[-300:], len(data)) == 1000


def _damaged(data: bytes, dice: random.Random) -> Iterator[bytes]:
    """The file, cut, and with bytes of its first and last part changed."""
    yield data
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(dice.randrange(1, 4)):
            place = dice.choice([dice.randrange(700), -1 - dice.randrange(200)])
            changed[place] = dice.randrange(256)
        yield bytes(changed[: dice.choice([len(data), len(data), dice.randrange(600, len(data))])])


@pytest.mark.parametrize("name", list(_files()))
def test_damage_never_makes_the_parts_say_something_else(name: str) -> None:
    dice = random.Random(name)
    for data in _damaged(_files()[name], dice):
        for _ in range(4):
            head = dice.randrange(16, min(2000, len(data) - 1))
            _check(data, head, dice.randrange(min(400, len(data) - head)))


@pytest.mark.parametrize(
    ("chunk", "data"),
    [(b"caBX", b"x" * 50), (b"iTXt", b"k\0\0\0\0\0" + b"t" * 5000)],
)
def test_a_png_with_a_manifest_or_a_mark_in_its_middle_is_wanted_whole(
    chunk: bytes, data: bytes
) -> None:
    import zlib

    plain = _files()["png"]
    packed = len(data).to_bytes(4, "big") + chunk + data
    packed += zlib.crc32(chunk + data).to_bytes(4, "big")
    image = memoryview(plain[:33] + packed + plain[33:])
    assert first_unknown(image[:1000], image[-300:], len(image)) is not None


@needs_data
def test_genuine_files_give_the_same_by_parts() -> None:
    n_by_parts = 0
    for row in rows():
        data = (DATA / row["path"]).read_bytes()
        if len(data) > 100_000:
            n_by_parts += _check(data, 1 << 16, 1 << 14)
    assert n_by_parts > 0
