"""Dirty data sets made from a seed: every image format, broken in every way that shards are.

Used by the tests, by scripts/soak and by scripts/side_by_side_dirty.
"""

from __future__ import annotations

import functools
import io
import random
import tarfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tests.detectors import image_building as build
from tests.scanning.data_building import jpeg, marked_png
from tests.shards.tar_building import END_MARK, header, pack, padded, special, with_pax

Entry = tuple[str, bytes] | tarfile.TarInfo


class DirtyShard(NamedTuple):
    """An archive and what is known of it.

    Attributes:
        data: its bytes.
        n_samples: samples in it; None where the archive itself is damaged.
    """

    data: bytes
    n_samples: int | None


# --- images --------------------------------------------------------------------------------------


def picture(mode: str = "RGB", side_px: int = 16, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sixteen_bit_png() -> bytes:
    return saved(Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257), "PNG")


def animated(kind: str) -> bytes:
    frames = [picture(seed=seed) for seed in range(3)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)


def bomb_png(side_px: int = 30_000) -> bytes:
    """A PNG that claims side_px² pixels and holds a few bytes of them."""
    image = build.png(size=(2, 3))
    claim = build.chunk(b"IHDR", side_px.to_bytes(4, "big") * 2 + b"\x08\2\0\0\0")
    return image[:8] + claim + image[8 + 25 :]


def swollen_png(n_bytes: int = 2 << 30) -> bytes:
    """A PNG with a zTXt chunk that inflates to n_bytes of zeros; 2 MB of file for 2 GB."""
    step = 1 << 24
    packer = zlib.compressobj(9, wbits=-15)
    # A block that ends flushed can stand many times, so it is packed once.
    block = packer.compress(b"\0" * step) + packer.flush(zlib.Z_FULL_FLUSH)
    adler = (n_bytes % 65521) << 16 | 1
    packed = b"\x78\x9c" + block * (n_bytes // step) + b"\3\0" + adler.to_bytes(4, "big")
    return build.png(build.chunk(b"zTXt", b"parameters\0\0" + packed))


def xmp_with_entities() -> bytes:
    """Billion laughs: nine entities, each ten times the one before."""
    entities = '<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)
    )
    doctype = f"<!DOCTYPE x [{entities}]>".encode()
    return doctype + build.source_type_xmp("&a9;")


def xmp_with_external_entity() -> bytes:
    doctype = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    return doctype + build.source_type_xmp("&e;")


def cyclic_exif() -> bytes:
    """IFD 0 whose EXIF IFD and whose next IFD are IFD 0."""
    block = bytearray(build.exif_block({build.MAKE: "maker", build.USER_COMMENT: b"x" * 20}))
    at = block.index(b"\x69\x87\x04\0") + 8
    block[at : at + 4] = (8).to_bytes(4, "little")
    n_entries = int.from_bytes(block[8:10], "little")
    next_at = 10 + 12 * n_entries
    block[next_at : next_at + 4] = (8).to_bytes(4, "little")
    return bytes(block)


def endless_manifest() -> bytes:
    """A C2PA store whose box says 2**63 bytes."""
    store = build.SYNTHETIC_STORE
    return b"\0\0\0\1jumb" + (1 << 63).to_bytes(8, "big") + store[8:]


@functools.cache
def images() -> tuple[tuple[str, bytes], ...]:
    """(ending, bytes) of small whole files of many kinds."""
    manifest = build.SYNTHETIC_STORE
    exif = build.exif_block({build.MAKE: "flux", build.USER_COMMENT: b"ASCII\0\0\0x"})
    xmp = build.source_type_xmp()
    return (
        ("jpg", jpeg(1, 32)),
        ("jpg", saved(picture("CMYK"), "JPEG")),
        ("jpg", build.jpeg_with_manifest(manifest)),
        ("jpeg", build.jpeg_with_xmp(xmp)),
        ("jpg", build.jpeg_with_exif(exif)),
        ("png", marked_png(2, 16)),
        ("png", sixteen_bit_png()),
        ("png", animated("PNG")),
        ("png", saved(picture("P"), "PNG")),
        ("webp", build.webp(build.riff_chunk(b"C2PA", manifest))),
        ("webp", animated("WEBP")),
        ("gif", animated("GIF")),
        ("bmp", saved(picture(), "BMP")),
        ("tif", saved(picture(), "TIFF")),
        ("avif", build.avif(exif=exif, xmp=xmp, manifest=manifest)),
    )


@functools.cache
def hostile_images() -> tuple[tuple[str, bytes], ...]:
    """(ending, bytes) of files that are made to hurt; the two large ones are left out."""
    return (
        ("png", bomb_png()),
        ("png", swollen_png(32 << 20)),
        ("jpg", build.jpeg_with_xmp(xmp_with_entities())),
        ("jpg", build.jpeg_with_xmp(xmp_with_external_entity())),
        ("jpg", build.jpeg_with_exif(cyclic_exif())),
        ("jpg", build.jpeg((0xEB, b"JP\0\1\0\0\0\1" + endless_manifest()))),
        ("jpg", b""),
        ("jpg", b"<html><title>404</title></html>"),
        ("png", b"\0" * 3000),
    )


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Cut, with flipped bits, with a stretch gone or twice, or with zeros in it."""
    if not data:
        return data
    at, changed = rng.randrange(len(data)), bytearray(data)
    how = rng.randrange(5)
    if how == 0:
        return data[:at]
    if how == 1:
        for _ in range(rng.randrange(1, 20)):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    length = rng.randrange(1, 1 + min(400, len(data)))
    if how == 2:
        return data[:at] + data[at + length :]
    if how == 3:
        return data[:at] + data[at : at + length] * 2 + data[at + length :]
    changed[at : at + length] = bytes(len(changed[at : at + length]))
    return bytes(changed)


# --- samples -------------------------------------------------------------------------------------


def _sample(number: int, rng: random.Random) -> tuple[list[Entry], int]:  # noqa: PLR0911
    """Members of what counts as so many samples."""
    ending, data = rng.choice(images())
    key = f"{number:06d}"
    how = rng.randrange(14)
    if how < 4:
        return [(f"{key}.{ending}", data), (f"{key}.txt", b"a caption")], 1
    if how < 7:
        return [(f"{key}.{ending}", damaged(data, rng)), (f"{key}.json", b'{"url": "u"}')], 1
    if how == 7:
        ending, data = rng.choice(hostile_images())
        return [(f"{key}.{ending}", data)], 1
    if how == 8:
        twice = [(f"{key}.{ending}", data), (f"{key}.{ending}", data)]
        return list(twice), 2
    if how == 9:
        other = f"{number:06d}x"
        split = [(f"{key}.jpg", jpeg(3, 16)), (f"{other}.png", data), (f"{key}.json", b"{}")]
        return [*split, (f"{other}.txt", b"caption")], 4
    if how == 10:
        wrong_ending = "jpg" if ending != "jpg" else "png"
        return [(f"{key}.v2.{wrong_ending}", data), ("._hidden", b"x"), ("README", b"y")], 1
    if how == 11:
        unsafe = rng.choice([f"../../{key}.jpg", f"/etc/{key}.jpg", f"a\\..\\{key}.jpg"])
        return [(unsafe, data), special(f"{key}.jpg", b"2", linkname="/etc/passwd")], 2
    if how == 12:
        return [(f"{key}.pkl", b"cos\nsystem\n(S'exit 1'\ntR."), (f"{key}.pyd", b"MZ")], 1
    return [(f"{key}.{ending}", data), (f"{key}.json", damaged(b'{"url": "u"}' * 9, rng))], 1


def dirty_shard(seed: int, n_samples: int = 40) -> DirtyShard:
    """A shard of some dirty samples; every second one is damaged as an archive as well."""
    rng = random.Random(seed)
    entries: list[Entry] = []
    n = 0
    for number in range(n_samples):
        more, n_more = _sample(number, rng)
        entries += more
        n += n_more
    data = pack(*entries, form=rng.choice(["ustar", "gnu", "pax"]))
    if rng.random() < 0.5:
        return DirtyShard(data, n)
    return DirtyShard(_damaged_archive(data, rng), None)


def _damaged_archive(data: bytes, rng: random.Random) -> bytes:
    """Cut, bits flipped, blocks exchanged or lost, joined to another, or a header that lies."""
    how = rng.randrange(6)
    if how == 0:
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    if how == 1:
        for _ in range(rng.randrange(1, 60)):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == 2:
        for _ in range(4):
            one, other = (rng.randrange(len(data) // 512) * 512 for _ in range(2))
            first, second = changed[one : one + 512], changed[other : other + 512]
            changed[one : one + 512], changed[other : other + 512] = second, first
    elif how == 3:
        at = rng.randrange(len(data) // 512) * 512
        del changed[at : at + 512 * rng.randrange(1, 4)]
    elif how == 4:
        return data + data
    else:
        lie = header("lie.jpg", rng.choice([1 << 33, 1 << 63, (1 << 63) - 1]), form="gnu")
        sparse = with_pax("s.jpg", 0, {"GNU.sparse.major": "1", "size": "9" * 20})
        return data[: -len(END_MARK)] + rng.choice([lie, sparse]) + padded(b"x" * 700)
    return bytes(changed)


def write_folder(folder: Path, seed: int, n_files: int = 20) -> int:
    """Image files of a folder, some damaged; how many samples they are."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_files):
        ending, data = rng.choice(images() + hostile_images())
        content = damaged(data, rng) if rng.random() < 0.5 else data
        (folder / f"{number:03d}.{ending}").write_bytes(content)
    return n_files
