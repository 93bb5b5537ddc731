"""Our manifest parser against expected files and c2pa-python, an independent reader."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from madaudit.detectors.provenance import c2pa_validation
from madaudit.detectors.provenance.manifest_store import Manifest, read_store
from tests.detectors.image_building import parsed
from tests.detectors.shared_data import DATA, needs_data, stores

pytestmark = needs_data

# Each looked at by hand; docs/provenance.md lists them.
_GENERATORS = {
    "C.jpg": "claim_generator_info names program and library; we give the program alone",
    "XCA.jpg": "claim_generator_info names program and library; we give the program alone",
}
_UNREADABLE = {"no_alg.jpg": "c2pa-python refuses an unknown algorithm; we read the claim"}
_SPACED = {"C_with_CAWG_data.jpg": "its source type begins with a space, which we strip"}


def _pairs() -> list[Any]:
    public = DATA / "provenance" / "c2pa-public-expected"
    own = DATA / "provenance" / "c2pa-rs-expected"
    pairs = []
    for expected in sorted(public.glob("*__manifest_store.json")):
        name = expected.name.split("manifests__")[1].split("__")[0]
        pairs.append(
            (DATA / f"provenance/c2pa-public-testfiles/image__jpeg__{name}.jpg", expected)
        )
    for expected in sorted(own.glob("*.json")):
        name = expected.stem.split("known_good__")[1]
        pairs.append((DATA / f"provenance/c2pa-rs/sdk__tests__fixtures__{name}.jpg", expected))
    return [pytest.param(*pair, id=pair[0].name) for pair in pairs if pair[0].is_file()]


def _store(image: bytes) -> tuple[Manifest, ...]:
    return read_store(parsed(image).of_kind("c2pa")[0].data)


def _actions(manifest: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [
        (action["action"], action.get("digitalSourceType"))
        for assertion in manifest.get("assertions", [])
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"]["actions"]
    ]


def _ingredients(manifest: dict[str, Any]) -> list[tuple[str | None, str | None, str | None]]:
    return [
        (one.get("title"), one.get("relationship"), one.get("active_manifest"))
        for one in manifest.get("ingredients", [])
    ]


def _ours(manifest: Manifest) -> tuple[list[Any], list[Any]]:
    actions = [(one.name, one.source_type) for one in manifest.actions]
    return actions, [(one.title, one.relationship, one.manifest) for one in manifest.ingredients]


def test_a_good_share_of_the_expected_files_has_its_image_here():
    assert len(_pairs()) == 14


@pytest.mark.parametrize(("image", "expected"), _pairs())
def test_the_active_manifest_is_the_expected_one(image, expected):
    active = _store(image.read_bytes())[-1]
    store = json.loads(expected.read_text())
    wanted = store["manifests"][store["active_manifest"]]
    assert active.label == store["active_manifest"]
    assert _ours(active) == (_actions(wanted), _ingredients(wanted))


@pytest.mark.parametrize(("image", "expected"), _pairs())
def test_the_claim_generator_is_the_expected_one(image, expected):
    active = _store(image.read_bytes())[-1]
    store = json.loads(expected.read_text())
    wanted = store["manifests"][store["active_manifest"]]
    if image.name.removeprefix("sdk__tests__fixtures__") in _GENERATORS:
        first = wanted["claim_generator_info"][0]
        assert active.generator == f"{first['name']} {first['version']}"
    else:
        assert active.generator == wanted["claim_generator"]


@pytest.mark.parametrize(("image", "expected"), _pairs())
def test_every_manifest_of_the_store_is_the_expected_one(image, expected):
    wanted = json.loads(expected.read_text())["manifests"]
    for manifest in _store(image.read_bytes()):
        one = wanted[manifest.label]
        assert _ours(manifest) == (_actions(one), _ingredients(one))


def test_the_image_without_a_summary_agrees_with_its_detailed_file():
    folder = DATA / "provenance"
    name = "image__jpeg__manifests__adobe-20220124-XCA__detailed.json"
    store = json.loads((folder / "c2pa-public-expected" / name).read_text())
    image = folder / "c2pa-public-testfiles" / "image__jpeg__adobe-20220124-XCA.jpg"
    active = _store(image.read_bytes())[-1]
    wanted = store["manifests"][active.label]
    assert active.generator == wanted["claim"]["claim_generator"]
    listed = wanted["assertion_store"]["c2pa.actions"]["actions"]
    assert [one.name for one in active.actions] == [one["action"] for one in listed]
    assert active.ingredients[0].title == wanted["assertion_store"]["c2pa.ingredient"]["dc:title"]


def test_every_store_is_read_as_c2pa_python_reads_it():
    c2pa = pytest.importorskip("c2pa", reason="the extra madaudit[c2pa] is not installed")
    settings = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    kinds = c2pa_validation._MIME
    n_stores, unreadable, spaced = 0, set(), set()
    for row, look, data in stores():
        n_stores += 1
        name = row["path"].rpartition("__")[2]
        stream = io.BytesIO((DATA / row["path"]).read_bytes())
        try:
            with (
                c2pa.Context.from_dict(settings) as context,
                c2pa.Reader(kinds[look.container.format], stream, context=context) as reader,
            ):
                theirs = json.loads(reader.json())
        except c2pa.C2paError:
            unreadable.add(name)
            continue
        ours = read_store(data)
        assert ours[-1].label == theirs["active_manifest"]
        for manifest in ours:
            one = theirs["manifests"][manifest.label]
            if _ours(manifest) != (_actions(one), _ingredients(one)):
                spaced.add(name)
    assert n_stores == 51
    assert (unreadable, spaced) == (set(_UNREADABLE), set(_SPACED))


def test_every_difference_is_explained_in_the_docs():
    page = (Path(__file__).parents[3] / "docs" / "provenance.md").read_text(encoding="utf-8")
    for name in (*_GENERATORS, *_UNREADABLE, *_SPACED):
        assert name in page
