"""Data sets in: one file per reader; a new reader is one file and one line in READERS."""

from __future__ import annotations

from typing import cast

from madaudit import registry
from madaudit.shards.base import OpenShard, Problem, Reader

__all__ = ["READERS", "OpenShard", "Problem", "Reader", "load_reader"]

READERS: dict[str, str] = {
    "documents": "madaudit.shards.documents:DocumentsReader",
    "embeddings": "madaudit.shards.embeddings:EmbeddingsReader",
    "folder": "madaudit.shards.folder:FolderReader",
    "huggingface": "madaudit.shards.huggingface:HuggingFaceReader",
    "memory": "madaudit.shards.memory:MemoryReader",
    "metadata": "madaudit.shards.metadata:MetadataReader",
    "parquet": "madaudit.shards.parquet:ParquetReader",
    "tar": "madaudit.shards.tar:TarReader",
}


def load_reader(name: str) -> Reader:
    """The reader of that name, with its default options.

    Raises:
        OptionError: no such reader.
    """
    return cast(Reader, registry.build("readers", READERS, name, {}))
