"""Tiny shards of real image files, and stores scanned from them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin

import madaudit

INFOTEXT = (
    "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 24x24, Model: {model}, "
)
INFOTEXT += "Version: v1.10.1"
COMFYUI = json.dumps(
    {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "m.safetensors"}},
        "2": {"class_type": "KSampler", "inputs": {"model": ["1", 0]}},
    }
)
XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{kind}"/>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


class Item(NamedTuple):
    """One sample of a shard.

    Attributes:
        data: bytes of its image file.
        key: of its members; None for its number in nine digits.
        ending: of its image's name.
        caption: of its .txt member, None for no such member.
        url: of its .json member, None for no such member.
        is_reencoded: whether its record says that img2dataset wrote new bytes.
    """

    data: bytes
    key: str | None = None
    ending: str = "jpg"
    caption: str | None = None
    url: str | None = None
    is_reencoded: bool = False


# --- images ---------------------------------------------------------------------------------


def noise(seed: int = 0, side_px: int = 24) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def jpeg(seed: int = 0, **options: Any) -> bytes:
    buffer = io.BytesIO()
    noise(seed).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def png(seed: int = 0, side_px: int = 24, **texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    buffer = io.BytesIO()
    noise(seed, side_px).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


# --- samples --------------------------------------------------------------------------------


def photo(seed: int = 0, **about: Any) -> Item:
    """A photo with a camera's EXIF, so a mark could have been seen."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    return Item(jpeg(seed, exif=exif), **about)


def generated(seed: int = 0, *, model: str = "demo", **about: Any) -> Item:
    """A PNG with Automatic1111's parameters."""
    return Item(png(seed, parameters=INFOTEXT.format(model=model)), ending="png", **about)


def composite(seed: int = 0, **about: Any) -> Item:
    xmp = XMP.format(kind="compositeWithTrainedAlgorithmicMedia")
    return Item(jpeg(seed, xmp=xmp.encode()), **about)


def page(**about: Any) -> Item:
    """What a crawler gets instead of an image."""
    return Item(b"<html>404 not found</html>", **about)


# --- shards and stores ----------------------------------------------------------------------


def write_shard(path: Path, items: list[Item]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for number, item in enumerate(items):
            key = f"{number:09d}" if item.key is None else item.key
            _add(archive, f"{key}.{item.ending}", item.data)
            if item.url is not None or item.is_reencoded:
                _add(archive, f"{key}.json", json.dumps(_record(item)).encode())
            if item.caption is not None:
                _add(archive, f"{key}.txt", item.caption.encode())
    return path


def _record(item: Item) -> dict[str, Any]:
    width = 24 if item.is_reencoded else None
    return {"url": item.url, "status": "success", "width": width, "original_width": width}


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def write_shards(folder: Path, **shards: list[Item]) -> str:
    """Shards below `folder`, each named by its argument; the inputs of a scan."""
    for name, items in shards.items():
        write_shard(folder / "shards" / f"{name}.tar", items)
    return str(folder / "shards")


def scan_into(folder: Path, inputs: str, **options: Any) -> str:
    """Scan into `folder`/store, in this process."""
    store = str(folder / "store")
    madaudit.scan(inputs, store, **{"engine": "serial", **options})
    return store


def make_store(folder: Path, **shards: list[Item]) -> str:
    """A store of a census of these shards."""
    return scan_into(folder, write_shards(folder, **shards))


def edit_json(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def stored_files(store: str | Path) -> dict[str, bytes]:
    """Bytes of all files below a folder, by relative path."""
    root = Path(store)
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
