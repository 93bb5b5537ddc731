"""Copies of one another, within and across shards, by hash and by kept embeddings."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

import madaudit
from madaudit.commands.cluster_rows import clusters_of, open_clusters
from madaudit.errors import OptionError, StoreError
from madaudit.scanning.store import Store
from tests.commands.invoking import invoke
from tests.commands.store_building import Item, edit_json, page, scan_into, write_shards


def picture(seed: int, side_px: int = 96) -> Image.Image:
    """A picture with structure: large random patches, smoothly joined."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((side_px, side_px), Image.Resampling.BICUBIC)


def stored(image: Image.Image, form: str = "PNG", **options: int) -> Item:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return Item(buffer.getvalue(), ending=form.lower())


def original(seed: int) -> Item:
    return stored(picture(seed))


def make_store(folder: Path, tier: str = "pixels", **shards: list[Item]) -> str:
    return scan_into(folder, write_shards(folder, **shards), tier=tier, detectors=["constant"])


def labels(store: str, *shards: str) -> list[int]:
    return [n for shard in shards for n in clusters_of(Store(store), shard).tolist()]


def keep(store: str, shard: str, number: int, vectors: list[list[float]]) -> None:
    """Embeddings beside a store's rows, one a row, as a scan keeps them."""
    for name in ("img_emb", "metadata"):
        (Path(store) / "embeddings" / name).mkdir(parents=True, exist_ok=True)
    array = np.array(vectors, dtype=np.float16)
    np.save(Path(store) / f"embeddings/img_emb/img_emb_{number}.npy", array)
    table = pa.table({"shard": [shard] * len(array), "ordinal": list(range(len(array)))})
    pq.write_table(table, Path(store) / f"embeddings/metadata/metadata_{number}.parquet")


# --- by hash --------------------------------------------------------------------------------


def test_copies_are_found_across_shards_and_numbered_by_their_first_sample(tmp_path):
    small = stored(picture(1).resize((48, 48)), "JPEG", quality=60)
    store = make_store(tmp_path, a=[original(1), original(2)], b=[original(3), small])
    result = madaudit.duplicates(store).to_dict()
    assert labels(store, "a.tar", "b.tar") == [0, 1, 2, 0]
    assert (result["n"], result["n_clusters"], result["n_copies"]) == (4, 3, 1)
    assert result["sizes"] == {"1": 2, "2": 1}
    assert result["n_identical"] == 0
    assert result["n_effective"] == pytest.approx(16 / 6)


def test_a_mirrored_copy_is_found_unless_told_otherwise(tmp_path):
    mirror = stored(ImageOps.mirror(picture(1)))
    store = make_store(tmp_path, a=[original(1), mirror, original(2)])
    madaudit.duplicates(store)
    assert labels(store, "a.tar") == [0, 0, 1]
    madaudit.duplicates(store, mirrored=False)
    assert labels(store, "a.tar") == [0, 1, 2]


def test_the_same_pixels_in_another_file_are_counted_as_identical(tmp_path):
    repacked = stored(picture(1), "PNG", compress_level=1)
    store = make_store(tmp_path, a=[original(1), repacked])
    assert madaudit.duplicates(store).to_dict()["n_identical"] == 1


def test_what_has_no_hash_is_a_cluster_of_its_own(tmp_path):
    store = make_store(tmp_path, a=[page(), page(), original(1)])
    result = madaudit.duplicates(store).to_dict()
    assert labels(store, "a.tar") == [0, 1, 2]
    assert (result["n"], result["n_hashed"]) == (3, 1)


def test_the_largest_clusters_are_told_with_their_first_sample(tmp_path):
    store = make_store(tmp_path, a=[original(1)], b=[original(2), original(1), original(1)])
    (largest,) = madaudit.duplicates(store).to_dict()["largest"]
    assert (largest["size"], largest["n_shards"]) == (3, 2)
    assert (largest["shard"], largest["ordinal"]) == ("a.tar", 0)


def test_the_order_of_shards_changes_numbers_and_not_clusters(tmp_path):
    one, other = [original(1), original(2)], [original(2), original(3)]
    first = make_store(tmp_path / "1", a=one, b=other)
    second = make_store(tmp_path / "2", a=other, b=one)
    told = [madaudit.duplicates(store).to_dict() for store in (first, second)]
    assert told[0]["sizes"] == told[1]["sizes"] == {"1": 2, "2": 1}


# --- by embeddings --------------------------------------------------------------------------


def test_embeddings_join_what_hashes_do_not(tmp_path):
    store = make_store(tmp_path, a=[original(1), original(2)], b=[original(3)])
    keep(store, "a.tar", 0, [[1, 0, 0], [0, 1, 0]])
    keep(store, "b.tar", 1, [[0.99, 0.1, 0]])
    result = madaudit.duplicates(store).to_dict()
    assert labels(store, "a.tar", "b.tar") == [0, 1, 0]
    assert (result["method"]["by"], result["method"]["embedded"]) == (["hash", "embedding"], 3)
    madaudit.duplicates(store, by=["hash"])
    assert labels(store, "a.tar", "b.tar") == [0, 1, 2]


def test_a_store_without_pixels_is_clustered_by_its_embeddings(tmp_path):
    store = make_store(tmp_path, tier="headers", a=[original(1), original(2)])
    keep(store, "a.tar", 0, [[1, 0], [1, 0.01]])
    assert madaudit.duplicates(store).to_dict()["method"]["by"] == ["embedding"]
    assert labels(store, "a.tar") == [0, 0]


def test_an_embedding_of_nothing_has_no_copies(tmp_path):
    store = make_store(tmp_path, a=[original(1), original(2), original(3)])
    keep(store, "a.tar", 0, [[0, 0], [0, 0], [float("nan"), 1]])
    madaudit.duplicates(store, by=["embedding"])
    assert labels(store, "a.tar") == [0, 1, 2]


def test_pickled_embeddings_are_refused(tmp_path):
    store = make_store(tmp_path, a=[original(1)])
    keep(store, "a.tar", 0, [[1, 0]])
    path = Path(store) / "embeddings/img_emb/img_emb_0.npy"
    np.save(path, np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(StoreError, match=r"cannot read embeddings/img_emb/img_emb_0\.npy"):
        madaudit.duplicates(store)


# --- refusals -------------------------------------------------------------------------------


def test_a_store_scanned_without_pixels_is_refused_saying_how_to_rescan(tmp_path):
    store = make_store(tmp_path, tier="headers", a=[original(1)])
    run = invoke("duplicates", store)
    assert run.code == 2
    assert "scanned at tier 'headers'" in run.err
    assert "madaudit scan INPUT -o NEW --tier pixels" in run.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 16}, "--radius is 16; allowed: 0 to 15"),
        ({"cosine": 0.0}, "--cosine is 0; it must be above 0"),
        ({"by": ["hush"]}, "--by 'hush' does not exist; allowed: hash, embedding"),
        ({"by": ["embedding"]}, "keeps no embeddings"),
    ],
)
def test_wrong_requests_are_refused_before_any_work(tmp_path, options, message):
    store = make_store(tmp_path, a=[original(1)])
    with pytest.raises(OptionError, match=message):
        madaudit.duplicates(store, **options)
    assert not (Path(store) / "clusters").exists()


# --- reading them back ----------------------------------------------------------------------


def test_without_clusters_there_are_none(tmp_path):
    store = Store(make_store(tmp_path, a=[original(1)]))
    assert clusters_of(store, "a.tar") is None


def test_clusters_of_another_scan_are_refused(tmp_path):
    store = make_store(tmp_path, a=[original(1)])
    madaudit.duplicates(store)
    edit_json(Path(store) / "clusters/clusters.json", scan="another")
    with pytest.raises(StoreError, match="of a scan with other options; run again: madaudit dupl"):
        open_clusters(Store(store))


def test_a_shard_scanned_after_them_is_refused(tmp_path):
    store = make_store(tmp_path, a=[original(1)])
    madaudit.duplicates(store)
    with pytest.raises(StoreError, match=r"'b\.tar' was scanned after them"):
        clusters_of(Store(store), "b.tar")


@pytest.mark.parametrize(
    "content", ["[]", '{"format": 1}', '{"format": 9}', '{"shards": {"a": -1}}']
)
def test_a_summary_that_is_none_is_refused(tmp_path, content):
    store = make_store(tmp_path, a=[original(1)])
    madaudit.duplicates(store)
    (Path(store) / "clusters/clusters.json").write_text(content)
    with pytest.raises(StoreError, match="it is no summary of clusters"):
        open_clusters(Store(store))


def test_damaged_rows_are_refused(tmp_path):
    store = make_store(tmp_path, a=[original(1)])
    madaudit.duplicates(store)
    path = Path(store) / "clusters/duplicates.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StoreError, match=r"cannot read clusters/duplicates\.parquet"):
        clusters_of(Store(store), "a.tar")


def test_json_is_one_object_and_the_twin_says_the_same(tmp_path):
    store = make_store(tmp_path, a=[original(1), original(1)])
    run = invoke("duplicates", store, "--json")
    assert run.code == 0
    assert json.loads(run.out) == madaudit.duplicates(store).to_dict()
    assert "shards" not in json.loads(run.out)
