"""Shards for the demonstration: photos from scikit-image, and marks that are made here.

Everything a curator meets in one small data set: original files with marks of five kinds, copies
that lost them to re-encoding, photos, broken files, a table of images, and a shard that is cut in
half.
"""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps, PngImagePlugin

from madaudit.commands.demo_signing import sign_as_generated
from madaudit.detectors.watermarks import encode
from madaudit.errors import MissingExtraError

_PHOTOS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
    "camera.png",
    "coins.png",
)
_SIDE_PX = 384
_INFOTEXT = (
    "a lighthouse at dusk, oil painting\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, "
    "CFG scale: 7, Seed: 1234, Size: 384x384, Model: demo_model, Version: v1.10.1"
)
_GRAPH = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "demo.safetensors"}},
    "2": {"class_type": "KSampler", "inputs": {"model": ["1", 0]}},
}
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Demo Generator"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{kind}"/>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


class DemoSample(NamedTuple):
    """An image file of the demonstration.

    Attributes:
        data: its bytes.
        ending: of its name.
        caption: of its .txt member.
        host: of its URL.
        exif: what img2dataset would have kept of the downloaded file's EXIF.
    """

    data: bytes
    ending: str
    caption: str
    host: str
    exif: str = "{}"


def make_demo_shards(folder: Path) -> None:
    """Write the demonstration's shards below `folder`; what is there is overwritten.

    Raises:
        MissingExtraError: scikit-image, c2pa-python or cryptography is not installed.
    """
    photos = _photos()
    originals = list(_originals(photos))
    shards = folder / "shards"
    shards.mkdir(parents=True, exist_ok=True)
    _write_shard(shards / "00000.tar", originals, is_reencoded=False)
    copies = [_reencoded(sample) for sample in originals if _is_whole(sample)]
    copies.append(_reencoded(_signed_in_exif(photos[1]), exif=_FLUX_EXIF))
    _write_shard(shards / "00001.tar", copies, is_reencoded=True)
    plain = [DemoSample(_jpeg(p), "jpg", "a photo", "photos.example.org") for p in photos]
    _write_shard(shards / "00002.tar", plain, is_reencoded=False)
    cut = shards / "00003.tar"
    _write_shard(cut, plain, is_reencoded=False)
    data = cut.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    tables = folder / "tables"
    tables.mkdir(exist_ok=True)
    _write_table(tables / "images.parquet", [originals[0], *plain[:3]])
    pictures = folder / "photos"
    pictures.mkdir(exist_ok=True)
    for number, photo in enumerate(photos):
        (pictures / f"photo-{number:02d}.jpg").write_bytes(_jpeg(photo, exif=_camera()))


def _photos() -> list[Image.Image]:
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "make the demonstration's photos", package="scikit-image", extra="demo"
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    found = []
    for name in _PHOTOS:
        with Image.open(folder / name) as picture:
            found.append(ImageOps.fit(picture.convert("RGB"), (_SIDE_PX, _SIDE_PX)))
    return found


def _originals(photos: list[Image.Image]) -> Iterator[DemoSample]:
    """Files as they were downloaded, marks and faults included."""
    yield DemoSample(_png(photos[0], parameters=_INFOTEXT), "png", "a lighthouse", "gen.example")
    yield DemoSample(_png(photos[1], prompt=json.dumps(_GRAPH)), "png", "a cat", "gen.example")
    yield DemoSample(
        _jpeg(photos[2], xmp=_XMP.format(kind="trainedAlgorithmicMedia")),
        "jpg",
        "coffee <script>alert('a caption is data, never code')</script>",
        "gen.example",
    )
    yield DemoSample(
        _jpeg(photos[3], xmp=_XMP.format(kind="compositeWithTrainedAlgorithmicMedia")),
        "jpg",
        "galaxies, one of them added",
        "stock.example.com",
    )
    signed = sign_as_generated(_jpeg(photos[4]))
    yield DemoSample(signed, "jpg", "a motorcycle", "stock.example.com")
    yield _signed_in_exif(photos[5])
    marked = encode(np.asarray(photos[6]), b"StableDiffusionV1")
    yield DemoSample(_png(Image.fromarray(marked)), "png", "an eye", "gen.example")
    for photo in photos[7:]:
        yield DemoSample(_jpeg(photo, exif=_camera()), "jpg", "a photo", "photos.example.org")
    whole = _jpeg(photos[0])
    yield DemoSample(whole[: len(whole) // 2], "jpg", "half a file", "photos.example.org")
    yield DemoSample(b"<html>404 not found</html>", "jpg", "an error page", "gone.example.net")


_FLUX_EXIF = json.dumps({"Image Software": "AI generated;txt2img;flux", "Image Model": "flux-dev"})


def _signed_in_exif(photo: Image.Image) -> DemoSample:
    exif = Image.Exif()
    exif[0x0131] = "AI generated;txt2img;flux"
    exif[0x0110] = "flux-dev"
    return DemoSample(_jpeg(photo, exif=exif), "jpg", "a machine", "gen.example")


def _camera() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Demo Camera"
    exif[0x0131] = "Demo Firmware 1.0"
    return exif


def _is_whole(sample: DemoSample) -> bool:
    return sample.caption not in ("half a file", "an error page")


def _reencoded(sample: DemoSample, exif: str = "{}") -> DemoSample:
    """The copy that img2dataset keeps: new pixels at quality 95, no metadata."""
    with Image.open(io.BytesIO(sample.data)) as picture:
        small = picture.convert("RGB").resize((256, 256))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=95)
    return sample._replace(data=buffer.getvalue(), ending="jpg", exif=exif)


def _jpeg(photo: Image.Image, *, exif: Image.Exif | None = None, xmp: str | None = None) -> bytes:
    buffer = io.BytesIO()
    extra = {"xmp": xmp.encode()} if xmp else {}
    photo.save(buffer, "JPEG", quality=90, exif=exif or Image.Exif(), **extra)
    return buffer.getvalue()


def _png(photo: Image.Image, **texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    buffer = io.BytesIO()
    photo.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _write_table(path: Path, samples: list[DemoSample]) -> None:
    """Images in a Parquet file, as Hugging Face's data sets have them."""
    images = [{"bytes": sample.data, "path": None} for sample in samples]
    captions = [sample.caption for sample in samples]
    pq.write_table(pa.table({"image": images, "caption": captions}), path)


def _write_shard(path: Path, samples: list[DemoSample], *, is_reencoded: bool) -> None:
    """A tar shard with img2dataset's records and `_stats.json`."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for number, sample in enumerate(samples):
            key = f"{path.stem}{number:04d}"
            record = {
                "url": f"https://{sample.host}/{key}.{sample.ending}",
                "caption": sample.caption,
                "key": key,
                "status": "success",
                "error_message": None,
                "width": 256 if is_reencoded else None,
                "height": 256 if is_reencoded else None,
                "original_width": _SIDE_PX if is_reencoded else None,
                "original_height": _SIDE_PX if is_reencoded else None,
                "exif": sample.exif,
            }
            for ending, data in (
                (sample.ending, sample.data),
                ("json", json.dumps(record, indent=4).encode()),
                ("txt", sample.caption.encode()),
            ):
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    stats = {"count": len(samples), "successes": len(samples), "failed_to_download": 0}
    path.with_name(f"{path.stem}_stats.json").write_text(json.dumps(stats))
