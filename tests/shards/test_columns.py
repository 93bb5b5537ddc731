"""What a table holds, by its columns."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from madaudit.errors import InputError, OptionError, ShardError
from madaudit.shards.columns import recognise
from madaudit.shards.locate import locate
from tests.scanning.data_building import jpeg, samples, write_tar
from tests.shards.table_building import (
    document_columns,
    image_columns,
    metadata_columns,
    write_embeddings,
    write_lines,
    write_table,
)

TEXT, WHOLE = pa.string(), pa.int64()
# Published data sets' columns, as far as they matter, and what the tables hold.
PUBLISHED = {
    "LAION-400M": ("SAMPLE_ID URL TEXT HEIGHT WIDTH LICENSE NSFW similarity", "metadata"),
    "LAION-5B": ("URL TEXT WIDTH HEIGHT similarity LANGUAGE hash pwatermark punsafe", "metadata"),
    "LAION, two columns": ("URL TEXT", "metadata"),
    "DataComp": ("uid url text original_width clip_b32_similarity_score", "metadata"),
    "COYO-700M": ("id url text width height image_phash aesthetic_score_laion_v2", "metadata"),
    "CC12M": ("url caption", "metadata"),
    "img2dataset's record": ("url txt key status error_message width height", "metadata"),
    "C4": ("text timestamp url", "documents"),
    "FineWeb": (
        "text id dump url date file_path language language_score token_count",
        "documents",
    ),
    "Dolma": ("added created id metadata source text version", "documents"),
    "RefinedWeb": ("content url timestamp dump segment", "documents"),
    "Alpaca-like": ("instruction text", "documents"),
}


def schema(names: str) -> pa.Schema:
    numbers = {"width", "height", "original_width", "hash", "sample_id"}
    return pa.schema(
        [(name, WHOLE if name.lower() in numbers else TEXT) for name in names.split()]
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_data_sets_are_known(name: str) -> None:
    columns, kind = PUBLISHED[name]
    assert recognise(schema(columns)).kind == kind


@pytest.mark.parametrize("form", ["img2dataset", "hugging face", "image_bytes", "data-juicer"])
def test_tables_of_images_are_known(form: str) -> None:
    layout = recognise(pa.table(image_columns([jpeg()], form)).schema)
    assert layout.kind == "parquet"


def test_names_are_compared_without_case() -> None:
    layout = recognise(schema("Url Text WIDTH Height"))
    assert (layout.url, layout.caption, layout.width, layout.height) == (
        "Url",
        "Text",
        "WIDTH",
        "Height",
    )


def test_a_column_of_another_type_does_not_count() -> None:
    with pytest.raises(ShardError, match=r"jpg \(int64\).*looked for"):
        recognise(pa.schema([("jpg", WHOLE), ("key", TEXT)]))
    layout = recognise(pa.schema([("url", TEXT), ("caption", WHOLE), ("width", TEXT)]))
    assert (layout.caption, layout.width) == (None, None)


def test_a_column_that_comes_twice_does_not_count() -> None:
    with pytest.raises(ShardError):
        recognise(pa.schema([("url", TEXT), ("URL", TEXT), ("width", WHOLE)]))


def test_a_url_and_a_text_alone_are_for_the_user_to_tell(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", {"url": ["https://a/"], "text": ["x"]})

    with pytest.raises(InputError, match=r"url \(string\), text \(string\).*--format metadata or"):
        locate([str(tmp_path)])

    assert locate([str(tmp_path)], "documents").shards[0].reader == "documents"
    assert locate([str(tmp_path)], "metadata").shards[0].reader == "metadata"


def test_an_unknown_table_is_one_error_with_its_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", {"x": [1], "y": [2.0]})

    with pytest.raises(
        InputError, match=r"'a.parquet'.*x \(int64\), y \(double\); looked for: an i"
    ):
        locate([str(tmp_path)])


def test_a_format_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="did you mean 'metadata'"):
        locate([str(tmp_path)], "metadat")


def test_a_format_leaves_other_files_out(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", samples(1))
    write_lines(tmp_path / "a.jsonl", [b"{}"])
    (tmp_path / "a.jpg").write_bytes(jpeg())

    def readers(name: str) -> list[str]:
        return [shard.reader for shard in locate([str(tmp_path)], name).shards]

    assert readers("auto") == ["tar", "documents", "folder"]
    assert (readers("tar"), readers("documents")) == (["tar"], ["documents"])
    with pytest.raises(InputError, match="no file in it fits --format embeddings"):
        locate([str(tmp_path)], "embeddings")


def test_a_folder_is_known_by_its_first_table_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.parquet").write_bytes(b"PAR1 cut")
    write_table(tmp_path / "a" / "1.parquet", metadata_columns(2))
    write_table(tmp_path / "b" / "0.parquet", document_columns(2))

    shards = {shard.name: shard.reader for shard in locate([str(tmp_path)]).shards}

    assert shards == {
        "a/0.parquet": "metadata",
        "a/1.parquet": "metadata",
        "b/0.parquet": "documents",
    }


def test_tables_beside_archives_and_embeddings_are_sidecars(tmp_path: Path) -> None:
    write_tar(tmp_path / "00000.tar", samples(1))
    write_table(tmp_path / "00000.parquet", metadata_columns(1))
    write_embeddings(tmp_path / "clip", 3)
    write_table(tmp_path / "own.parquet", metadata_columns(1))

    names = [shard.name for shard in locate([str(tmp_path)]).shards]
    by_name = locate([str(tmp_path / "*.tar"), str(tmp_path / "*.parquet")]).shards

    assert names == ["00000.tar", "clip/img_emb/img_emb_0.npy", "own.parquet"]
    assert [shard.name for shard in by_name] == ["00000.tar", "own.parquet"]
