"""UniversalFakeDetect's published head: its arithmetic, its file, and the way to its encoder."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Raster
from madaudit.detectors.probes.files import read_linear_head
from madaudit.errors import InputError
from tests.detectors.image_building import look_at, pillow_bytes
from tests.detectors.probes.probe_building import write_head
from tests.detectors.shared_data import DATA, needs_data

_HEAD = DATA / "weights" / "UniversalFakeDetect" / "pretrained_weights__fc_weights.pth"


def _plain_product(path: Path, features: np.ndarray) -> np.ndarray:
    """w·x + b by hand, from the zip's bytes."""
    with zipfile.ZipFile(path) as archive:
        weights = struct.unpack("<768f", archive.read("fc_weights/data/0"))
        (bias,) = struct.unpack("<f", archive.read("fc_weights/data/1"))
    return np.array(
        [sum(w * float(x) for w, x in zip(weights, row, strict=True)) + bias for row in features]
    )


@needs_data
def test_the_published_head_weighs_given_features_to_one_part_in_a_million():
    features = np.random.default_rng(0).normal(size=(20, 768)).astype(np.float32)
    head = read_linear_head(str(_HEAD))
    np.testing.assert_allclose(head.scores(features), _plain_product(_HEAD, features), atol=1e-6)
    assert len(head.weights) == 768
    assert head.intercept == pytest.approx(-0.5167, abs=1e-4)


@pytest.mark.torch
@needs_data
def test_the_published_head_is_the_one_that_torch_reads():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra clip)")
    layer = torch.nn.Linear(768, 1).double()
    layer.load_state_dict(torch.load(_HEAD, weights_only=True, map_location="cpu"))
    features = np.random.default_rng(1).normal(size=(20, 768))
    with torch.no_grad():
        expected = layer(torch.from_numpy(features)).numpy()[:, 0]
    np.testing.assert_allclose(read_linear_head(str(_HEAD)).scores(features), expected, atol=1e-6)


def test_features_keep_their_length(tmp_path):
    head = read_linear_head(str(write_head(tmp_path / "fc.pth", [1.0, 2.0, -1.0], 0.5)))
    np.testing.assert_allclose(head.scores([[10.0, 0, 0], [0, 10, 20]]), [10.5, 0.5])


def _files(folder: Path) -> dict[str, Path]:
    whole = write_head(folder / "whole.pth", [1.0] * 8, 0.0)
    cut = folder / "cut.pth"
    cut.write_bytes(whole.read_bytes()[:-30])
    with zipfile.ZipFile(folder / "three.pth", "w") as archive:
        for name in "012":
            archive.writestr(f"x/data/{name}", b"\0" * 8)
    (folder / "pickle.pth").write_bytes(b"\x80\x04.")
    (folder / "long.pth").write_bytes(b"\0" * (1 << 21))
    return {name: folder / f"{name}.pth" for name in ("cut", "three", "pickle", "long", "none")}


@pytest.mark.parametrize("name", ["cut", "three", "pickle", "long", "none"])
def test_what_is_no_linear_head_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="cannot read"):
        read_linear_head(str(_files(tmp_path)[name]))


def test_without_its_head_it_says_where_to_get_it():
    detector = build_detector("universal_fake_detect")
    assert "fc_weights.pth" in detector.why_unavailable()
    assert detector.verified.startswith("unverified:")
    assert "weights fetch ViT-L-14-quickgelu:openai" in detector.weights_source


@pytest.mark.torch
def test_an_image_goes_the_published_way_from_its_centre_to_the_score(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra clip)")
    pytest.importorskip("open_clip", reason="open_clip is not installed (extra clip)")
    from tests.encoders.clip_building import miniature

    folder, model = miniature(tmp_path)
    weights = np.random.default_rng(3).normal(size=16).astype(np.float32)
    head = write_head(tmp_path / "fc.pth", weights.tolist(), 0.5)
    pixels = np.random.default_rng(4).integers(0, 256, (75, 47, 3), dtype=np.uint8)

    # By torchvision, as the published code has it: int(round((75 − 32) / 2)), halves to even.
    transforms = pytest.importorskip("torchvision.transforms", reason="torchvision is absent")
    from PIL import Image

    published = transforms.Compose(
        [
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize(
                (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
            ),
        ]
    )
    with torch.no_grad():
        features = model.encode_image(published(Image.fromarray(pixels))[None])
        expected = float(features[0] @ torch.from_numpy(weights) + 0.5)

    options = {"head": str(head), "model": f"local-dir:{folder}", "precision": "fp32"}
    detector = build_detector("universal_fake_detect", options)
    assert detector.why_unavailable() is None
    look = look_at(pillow_bytes("PNG", (16, 16)))
    (evidence,) = detector.detect(Batch([look], lambda _: Raster(pixels)))
    assert evidence.score == pytest.approx(expected, abs=1e-5)


@pytest.mark.torch
def test_a_head_of_another_width_is_refused(tmp_path):
    pytest.importorskip("open_clip", reason="open_clip is not installed (extra clip)")
    from tests.encoders.clip_building import miniature

    folder, _ = miniature(tmp_path)
    head = write_head(tmp_path / "fc.pth", [1.0] * 8, 0.5)
    options = {"head": str(head), "model": f"local-dir:{folder}"}
    why = build_detector("universal_fake_detect", options).why_unavailable()
    assert "weighs 8 features, its encoder gives 16" in why
