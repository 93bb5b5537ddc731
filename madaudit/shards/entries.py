"""What the files of an input are, by their names, and which of them are sidecars of others.

A sidecar is no data set of its own: the table that img2dataset writes beside an archive or a
folder of the same stem, and clip-retrieval's metadata beside its embeddings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from madaudit.shards.files import FileInfo
from madaudit.shards.grouping import is_image, split_name

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_TABLE = (".parquet", ".arrow")
# A .json.gz is one object a line by custom (C4); a plain .json is more often a single record.
_JSON = (".jsonl", ".ndjson", ".json")
_LINES = (
    *(".jsonl", ".ndjson"),
    *(name + packing for name in _JSON for packing in (".gz", ".zst")),
)
_SEPARATED = (".tsv", ".tsv.gz")
_EMBEDDING = re.compile(r"(?:^|/)img_emb/img_emb_(\d+)\.npy$")
#: Where clean shards keep their request and their rejects, which are no samples.
OWN_FOLDER = "_madaudit"
#: Says which encoder and crops the arrays of a folder of embeddings are of.
ENCODER_FILE = "encoder.json"
_METADATA = re.compile(r"(?:^|/)metadata/metadata_\d+\.parquet$")


@dataclass
class Entries:
    """The files behind one input.

    Attributes:
        given: the input as typed.
        folder: the folder that was given; "" where files were.
        tars, tables, lines, separated, embeddings, images: files by what they are.
        ignored: the others.
    """

    given: str
    folder: str
    tars: list[FileInfo] = field(default_factory=list)
    tables: list[FileInfo] = field(default_factory=list)
    lines: list[FileInfo] = field(default_factory=list)
    separated: list[FileInfo] = field(default_factory=list)
    embeddings: list[FileInfo] = field(default_factory=list)
    images: list[FileInfo] = field(default_factory=list)
    ignored: list[FileInfo] = field(default_factory=list)

    def add(self, info: FileInfo) -> None:
        """Put a file where its name says that it belongs."""
        name = info.uri
        base = name.rpartition("/")[2]
        if f"/{OWN_FOLDER}/" in name:
            self.ignored.append(info)
        elif name.endswith(_TAR):
            self.tars.append(info)
        elif name.endswith(_TABLE) and not base.startswith((".", "cache-")):
            self.tables.append(info)  # `datasets` keeps what it has computed as cache-….arrow
        elif name.endswith(_LINES):
            self.lines.append(info)
        elif name.endswith(_SEPARATED):
            self.separated.append(info)
        elif _EMBEDDING.search(name):
            self.embeddings.append(info)
        elif is_image(split_name(name)[1]):
            self.images.append(info)
        else:
            self.ignored.append(info)

    @property
    def files(self) -> list[FileInfo]:
        """All files that are, or belong to, shards."""
        found = [*self.tars, *self.tables, *self.lines, *self.separated]
        return [*found, *self.embeddings, *self.images]

    def keep_only(self, kind: str) -> None:
        """Leave only the files that a reader takes, since the user named it."""
        kept = {
            "tar": ("tars",),
            "folder": ("images",),
            "parquet": ("tables",),
            "metadata": ("tables", "separated"),
            "documents": ("tables", "lines"),
            "embeddings": ("embeddings",),
        }[kind]
        for name in ("tars", "tables", "lines", "separated", "embeddings", "images"):
            if name not in kept:
                self.ignored += getattr(self, name)
                setattr(self, name, [])


def drop_sidecars(all_entries: Iterable[Entries]) -> None:
    """Move tables that belong to other files of any input to the ignored ones."""
    inputs = list(all_entries)
    owners = {info.uri.removesuffix(".tar") for part in inputs for info in part.tars}
    owners |= {folder for part in inputs for folder in numbered_folders(part)}
    has_embeddings = {
        info.uri.rpartition("/img_emb/")[0] for part in inputs for info in part.embeddings
    }

    def is_sidecar(info: FileInfo) -> bool:
        if info.uri.removesuffix(".parquet") in owners:
            return True
        root = info.uri.rpartition("/metadata/")[0]
        return _METADATA.search(info.uri) is not None and root in has_embeddings

    for part in inputs:
        part.ignored += filter(is_sidecar, part.tables)
        part.tables = [info for info in part.tables if not is_sidecar(info)]


def numbered_folders(part: Entries) -> set[str]:
    """Folders that img2dataset wrote: 00000/ with 00000.parquet or 00000_stats.json beside it."""
    beside = {
        info.uri.removesuffix(".parquet").removesuffix("_stats.json")
        for info in (*part.tables, *part.ignored)
    }
    folders = {info.uri.rpartition("/")[0] for info in part.images}
    return {
        folder
        for folder in folders & beside
        if folder.rpartition("/")[2].isdigit() and folder != part.folder
    }
