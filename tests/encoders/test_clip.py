"""CLIP by open_clip: the model's own features from weights in a file, and never from chance."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra clip)")
pytest.importorskip("open_clip", reason="open_clip is not installed (extra clip)")

import huggingface_hub  # noqa: E402
import open_clip  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from madaudit.encoders import build_encoder, hub, weights  # noqa: E402
from madaudit.errors import RequestError  # noqa: E402
from tests.commands.invoking import invoke  # noqa: E402
from tests.encoders.clip_building import CONFIG, miniature  # noqa: E402

pytestmark = pytest.mark.torch

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
_STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return miniature(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def _crops(n: int) -> list[np.ndarray]:
    return list(np.random.default_rng(2).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8))


def _of_model(model, crops) -> np.ndarray:
    planes = np.array([((crop / 255 - _MEAN) / _STD).transpose(2, 0, 1) for crop in crops])
    with torch.no_grad():
        return model.encode_image(torch.from_numpy(planes.astype(np.float32))).numpy()


def test_features_are_those_of_the_model_whose_weights_the_file_holds(small):
    folder, model = small
    encoder = build_encoder("clip", {"model": f"local-dir:{folder}", "precision": "fp32"})
    crops = _crops(3)
    np.testing.assert_allclose(encoder.project(crops), _of_model(model, crops), atol=1e-5)
    assert (encoder.side_px, encoder.dimension) == (32, 16)
    file = folder / "open_clip_model.safetensors"
    assert encoder.digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_half_the_bits_give_nearly_the_same_features(small):
    folder, model = small
    encoder = build_encoder("clip", {"model": f"local-dir:{folder}", "precision": "bf16"})
    crops = _crops(4)
    exact = _of_model(model, crops)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    assert ((encoder.encode(crops) * exact).sum(axis=1) > 0.999).all()
    assert encoder.arithmetic == "bf16"


@pytest.mark.parametrize("form", ["safetensors", "pt"])
def test_weights_by_path_belong_to_a_model_by_name(small, tmp_path, form):
    model = small[1]
    config = tmp_path / "miniature-clip.json"
    config.write_text(json.dumps(CONFIG))
    open_clip.add_model_config(config)
    path = tmp_path / f"weights.{form}"
    if form == "pt":
        torch.save({"state_dict": model.state_dict()}, path)
    else:
        save_file(model.state_dict(), path)
    options = {"model": "miniature-clip", "weights": str(path), "precision": "fp32"}
    crops = _crops(2)
    features = build_encoder("clip", options).project(crops)
    np.testing.assert_allclose(features, _of_model(model, crops), atol=1e-5)


def test_a_file_that_leaves_a_weight_to_chance_is_refused(small, tmp_path):
    folder, _ = small
    state = load_file(folder / "open_clip_model.safetensors")
    del state["visual.proj"]
    cut = tmp_path / "cut"
    cut.mkdir()
    save_file(state, cut / "open_clip_model.safetensors")
    (cut / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    with pytest.raises(RequestError, match=r"visual\.proj"):
        build_encoder("clip", {"model": f"local-dir:{cut}"}).load()


class _Code:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": {"visual.proj": _Code(tmp_path / "ran")}}, path)
    with pytest.raises(RequestError, match=r"cannot use .*weights\.pt as weights"):
        build_encoder("clip", {"model": "ViT-B-32", "weights": str(path)}).load()
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickle.dumps(_Code(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_without_weights_it_names_the_command_that_gets_them(empty_cache):
    with pytest.raises(RequestError, match="weights fetch ViT-L-14-quickgelu:openai"):
        build_encoder("clip")
    with pytest.raises(RequestError, match="weights fetch ViT-B-32:laion2b_s34b_b79k"):
        build_encoder("clip", {"model": "ViT-B-32", "weights": "laion2b_s34b_b79k"})


def test_weights_of_a_tag_are_found_in_the_hubs_cache(empty_cache):
    repository = empty_cache / "models--timm--vit_large_patch14_clip_224.openai"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_model.safetensors").write_bytes(b"weights")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    assert build_encoder("clip").digest == hashlib.sha256(b"weights").hexdigest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ViT-L-14", "weights": "openai"}, "give the model ViT-L-14-quickgelu"),
        ({"model": "ViT-L-15"}, "open_clip has no model 'ViT-L-15'; did you mean"),
        ({"weights": "opeani"}, "did you mean 'openai'"),
        ({"model": "hf-hub:a/b"}, "looks for no model in the net"),
        ({"model": "local-dir:/none"}, "has no open_clip_config.json"),
        ({"precision": "fp8"}, "no precision 'fp8'"),
        ({"weights": "none.safetensors"}, "no such file"),
    ],
)
def test_what_does_not_exist_is_refused(options, message):
    with pytest.raises(RequestError, match=message):
        build_encoder("clip", options)


def test_torch_has_its_threads_back_afterwards(small):
    folder, _ = small
    before = torch.get_num_threads()
    build_encoder("clip", {"model": f"local-dir:{folder}", "threads": before + 1}).project(
        _crops(1)
    )
    assert torch.get_num_threads() == before


def _hub_that_gives(data: bytes, name: str, cache: Path):
    """A Hub whose download puts a file into the cache, under a name of its own choice."""

    def download(repository: str, file: str) -> str:
        blob = cache / "blobs" / name
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link = cache / file
        link.symlink_to(blob)
        return str(link)

    return download


def test_what_the_hub_gives_is_held_to_its_digest(empty_cache, monkeypatch):
    digest = hashlib.sha256(b"weights").hexdigest()
    for data, is_right in ((b"forgery", False), (b"weights", True)):
        cache = empty_cache / data.decode()
        give = _hub_that_gives(data, digest, cache)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", give)
        if is_right:
            assert weights.fetch("ViT-B-32:laion2b_s34b_b79k").repository
        else:
            with pytest.raises(RequestError, match="nothing was kept"):
                weights.fetch("ViT-B-32:laion2b_s34b_b79k")
            assert not (cache / "blobs" / digest).exists()


def test_an_unreachable_hub_is_one_clear_error(empty_cache, monkeypatch):
    def fail(repository: str, file: str) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    run = invoke("weights", "fetch", "ViT-L-14-quickgelu:openai")
    assert run.code == 2
    assert "the Hub did not give timm/vit_large_patch14_clip_224.openai (no network)" in run.err


def test_the_hubs_weights_are_listed_with_licence_and_source(empty_cache):
    by_name = {one["name"]: one for one in invoke("weights", "list", "--json").json}
    one = by_name["ViT-L-14-quickgelu:openai"]
    assert one["licence"].startswith("MIT")
    assert one["source"] == "the Hub, timm/vit_large_patch14_clip_224.openai"
    assert one["here"] is False
    assert hub.FILES[0].endswith(".safetensors")
