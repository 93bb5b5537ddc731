"""Data sets other than archives and folders, written small: one function for each format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: What nobody may use as a path, nor choke on.
HOSTILE_KEYS = ("../../x", "/etc/passwd", "a\0b", "", "C:\\x", "ключ", "a/../../b", "x" * 4000)


def write_table(path: Path, columns: dict[str, Any], *, row_group_size: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def image_columns(images: Sequence[bytes | None], form: str = "img2dataset") -> dict[str, Any]:
    """A table of images in one of the forms that are met."""
    n = len(images)
    if form == "img2dataset":
        failed = [image is None for image in images]
        return {
            "jpg": pa.array(images, pa.binary()),
            "key": [f"{i:09d}" for i in range(n)],
            "txt": [f"photo {i}" for i in range(n)],
            "url": [f"https://a.example/{i}.jpg" for i in range(n)],
            "uid": [f"{i:032x}" for i in range(n)],
            "status": ["failed_to_download" if bad else "success" for bad in failed],
            "error_message": ["HTTP Error 404" if bad else None for bad in failed],
            "width": pa.array([None if bad else 64 for bad in failed], pa.int32()),
            "height": pa.array([None if bad else 64 for bad in failed], pa.int32()),
            "original_width": pa.array([None if bad else 640 for bad in failed], pa.int32()),
            "original_height": pa.array([None if bad else 640 for bad in failed], pa.int32()),
            "exif": ["{}"] * n,
            "sha256": ["0" * 64] * n,
        }
    if form == "hugging face":
        cells = [{"bytes": image, "path": f"cats/{i}.jpg"} for i, image in enumerate(images)]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        return {"image": pa.array(cells, kind), "label": list(range(n))}
    if form == "image_bytes":
        return {"image_bytes": pa.array(images, pa.large_binary()), "id": list(range(n))}
    if form == "data-juicer":
        lists = [[] if image is None else [image, image] for image in images]
        return {"images": [["../x.png"]] * n, "text": ["<__dj__image> A bed."] * n} | {
            "image_bytes": pa.array(lists, pa.list_(pa.binary()))
        }
    raise ValueError(form)


def metadata_columns(n: int, *, style: str = "laion") -> dict[str, Any]:
    """LAION-400M's columns, or DataComp's."""
    urls = [f"https://b.example/{i}.jpg" for i in range(n)]
    texts = [f"a picture of {i}" for i in range(n)]
    if style == "laion":
        return {
            "SAMPLE_ID": list(range(1000, 1000 + n)),
            "URL": urls,
            "TEXT": texts,
            "HEIGHT": pa.array([300.0 + i for i in range(n)], pa.float64()),
            "WIDTH": pa.array([400 + i for i in range(n)], pa.int32()),
            "LICENSE": ["?"] * n,
            "NSFW": ["UNLIKELY"] * n,
            "similarity": [0.3] * n,
        }
    return {
        "uid": [f"{i:032x}" for i in range(n)],
        "url": urls,
        "text": texts,
        "original_width": list(range(100, 100 + n)),
        "original_height": list(range(200, 200 + n)),
        "clip_b32_similarity_score": [0.2] * n,
    }


def document_columns(n: int) -> dict[str, Any]:
    """FineWeb's columns, in part."""
    return {
        "text": [f"Once there was a page, number {i}." for i in range(n)],
        "id": [f"<urn:uuid:{i}>" for i in range(n)],
        "url": [f"https://c.example/{i}" for i in range(n)],
        "language": ["en"] * n,
    }


def document_lines(n: int) -> list[bytes]:
    """The same documents as JSON, one a line."""
    columns = document_columns(n)
    return [
        json.dumps({name: values[i] for name, values in columns.items()}).encode()
        for i in range(n)
    ]


def write_lines(path: Path, lines: Sequence[bytes]) -> Path:
    """Lines, packed as the file's name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"".join(line + b"\n" for line in lines)
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = pa.compress(data, "zstd", asbytes=True)
    path.write_bytes(data)
    return path


def write_embeddings(folder: Path, n: int, *, number: str = "0", rows: int | None = None) -> Path:
    """clip-retrieval's layout: n vectors, and metadata for them or for `rows`."""
    vectors = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float16)
    (folder / "img_emb").mkdir(parents=True, exist_ok=True)
    np.save(folder / "img_emb" / f"img_emb_{number}.npy", vectors)
    m = n if rows is None else rows
    write_table(
        folder / "metadata" / f"metadata_{number}.parquet",
        {
            "image_path": [f"{i:09d}" for i in range(m)],
            "caption": [f"vector {i}" for i in range(m)],
            "url": [f"https://d.example/{i}" for i in range(m)],
        },
    )
    return folder
