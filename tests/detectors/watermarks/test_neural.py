"""RivaGAN on its own weights, the others on miniatures in their published formats."""

from __future__ import annotations

import hashlib
import warnings
from math import comb

import numpy as np
import pytest
from PIL import Image

from madaudit.detectors import build_detector
from madaudit.detectors.base import Batch, Raster
from madaudit.errors import OptionError
from tests.detectors.image_building import look_at, pillow_bytes
from tests.detectors.shared_data import DATA, needs_data
from tests.detectors.watermarks.onnx_building import linear_model
from tests.detectors.watermarks.picture_building import picture

WEIGHTS = DATA / "weights" / "invisible-watermark"
NAMES = ("rivagan", "stable_signature", "trustmark")
N_BITS = {"rivagan": 32, "stable_signature": 48, "trustmark": 100}


def bits_for(name, seed=3):
    return np.random.default_rng(seed).integers(0, 2, N_BITS[name])


def messages_file(folder, name, bits):
    path = folder / f"{name}.toml"
    path.write_text(
        f'[[message]]\nname = "mine"\nbits = "{"".join(map(str, bits))}"\ntool = "Mine"\n'
        f'source = "here"\nchecks = ["{name}"]\n'
    )
    return str(path)


def detect(detector, pixels):
    batch = Batch(
        [look_at(pillow_bytes("PNG"))], lambda _: pixels if pixels is None else Raster(pixels)
    )
    (evidence,) = detector.detect(batch)
    return evidence


@pytest.mark.parametrize("name", NAMES)
def test_without_weights_it_refuses_and_says_what_to_do(name, tmp_path):
    assert f"give {name}.weights=PATH" in build_detector(name).why_unavailable()
    gone = build_detector(name, {"weights": str(tmp_path / "gone.onnx")})
    assert "are not there" in gone.why_unavailable()


@pytest.mark.parametrize("name", ["rivagan", "trustmark"])
def test_without_a_message_it_refuses(name, tmp_path):
    (tmp_path / "w.onnx").write_bytes(b"")
    why = build_detector(name, {"weights": str(tmp_path / "w.onnx")}).why_unavailable()
    assert f"a message of {N_BITS[name]} bits and checks = ['{name}']" in why


@pytest.mark.parametrize("name", ["rivagan", "trustmark"])
def test_weights_that_are_no_model_or_another_one_are_refused(name, tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = {"messages": messages_file(tmp_path, name, bits_for(name))}
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    (tmp_path / "other.onnx").write_bytes(linear_model("x", (1, 3, 2, 2), np.ones((12, 5))))
    for file, says in (("broken.onnx", "as an ONNX model"), ("other.onnx", "is another model")):
        built = build_detector(name, {**options, "weights": str(tmp_path / file)})
        assert says in built.why_unavailable()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_checked_on_real_weights_says_so(name):
    assert build_detector(name).verified.startswith("unverified") == (name != "rivagan")


# --- RivaGAN ---------------------------------------------------------------------------------


def rivagan(tmp_path, bits):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = {
        "weights": str(WEIGHTS / "imwatermark__rivagan_decoder.onnx"),
        "messages": messages_file(tmp_path, "rivagan", bits),
    }
    return build_detector("rivagan", options)


def rivagan_encode(image, bits):
    """As the library's class RivaWatermark does it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(WEIGHTS / "imwatermark__rivagan_encoder.onnx"))
    frame = image[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None, :, None] / 127.5 - 1.0
    data = np.asarray([bits], dtype=np.float32)
    (output,) = session.run(None, {"frame": frame.astype(np.float32), "data": data})
    marked = (np.clip(output[0, :, 0], -1, 1).transpose(1, 2, 0) + 1.0) * 127.5
    return np.ascontiguousarray(marked.astype(np.uint8)[..., ::-1])


def peppers():
    path = WEIGHTS / "test_vectors__peppers.png"
    return np.asarray(Image.open(path).convert("RGB").resize((256, 256)))


@needs_data
@pytest.mark.slow
def test_rivagan_finds_its_message_and_nothing_without_it(tmp_path):
    bits = bits_for("rivagan")
    detector = rivagan(tmp_path, bits)
    assert detector.why_unavailable() is None
    found = detect(detector, rivagan_encode(peppers(), bits))
    assert found.is_hit
    assert found.detail.message == "mine"
    assert found.detail.hypotheses == 1
    missed = detect(detector, peppers())
    assert missed.state == "absent"
    assert missed.detail.p_value > 1e-4


@needs_data
@pytest.mark.slow
def test_rivagan_reads_the_librarys_bits(tmp_path):
    pytest.importorskip("imwatermark", reason="invisible-watermark is not installed")
    from imwatermark import WatermarkDecoder

    detector = rivagan(tmp_path, bits_for("rivagan"))
    WatermarkDecoder.loadModel()
    decoder = WatermarkDecoder("bits", 32)
    for image in (peppers(), picture(280, 240)):
        theirs = decoder.decode(np.ascontiguousarray(image[..., ::-1]), "rivaGan")
        assert detector.read_bits(image).tolist() == np.asarray(theirs).astype(bool).tolist()


@needs_data
def test_rivagan_cannot_see_a_mark_in_a_small_image(tmp_path):
    detector = rivagan(tmp_path, bits_for("rivagan"))
    assert detect(detector, picture(255, 256)).state == "unobservable"
    assert detect(detector, None).state == "missing"


# --- TrustMark -------------------------------------------------------------------------------


def planted(bits, weights, side):
    """An image (side, side, 3) to which a linear layer answers with these bits."""
    pattern = np.sign(weights @ (2.0 * np.asarray(bits) - 1.0)).reshape(3, side, side)
    return (128 + 40 * pattern).astype(np.uint8).transpose(1, 2, 0)


def miniature_trustmark(tmp_path, bits, side=224):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    weights = np.random.default_rng(8).choice([-1.0, 1.0], (3 * (side // 8) ** 2, 100))
    model = linear_model("image", (1, 3, side, side), weights, pool=8)
    (tmp_path / "decoder_P.onnx").write_bytes(model)
    options = {
        "weights": str(tmp_path / "decoder_P.onnx"),
        "messages": messages_file(tmp_path, "trustmark", bits),
        "variant": "P",
    }
    coarse = planted(bits, weights, side // 8)
    return build_detector("trustmark", options), coarse.repeat(8, axis=0).repeat(8, axis=1)


def test_a_miniature_trustmark_is_read_the_whole_way(tmp_path):
    detector, marked = miniature_trustmark(tmp_path, bits_for("trustmark"))
    assert detector.why_unavailable() is None
    assert detect(detector, marked).is_hit
    assert detect(detector, picture(224, 224)).state == "absent"
    assert detect(detector, picture(100, 100)).state == "unobservable"


def test_variant_p_sees_the_middle_square(tmp_path):
    detector, marked = miniature_trustmark(tmp_path, bits_for("trustmark"))
    wide = np.zeros((224, 324, 3), np.uint8)
    wide[:, 50:274] = marked
    assert detect(detector, wide).is_hit


def test_another_variants_weights_are_refused(tmp_path):
    detector, _ = miniature_trustmark(tmp_path, bits_for("trustmark"))
    other = build_detector(
        "trustmark", {"weights": detector.weights, "messages": detector.messages, "variant": "Q"}
    )
    assert "is another model" in other.why_unavailable()
    with pytest.raises(OptionError, match="variant 'X' does not exist"):
        build_detector("trustmark", {"variant": "X"})


def test_trustmarks_own_validity_passes_two_random_words_in_a_hundred():
    # Schema (4 bits) to bits corrected and bits of error correction, of 96: datalayer.py.
    schemes = {0: (5, 35), 1: (5, 35), 2: (4, 28), 3: (3, 21), 4: (2, 14), 5: (8, 56)}
    share = sum(
        sum(comb(96, errors) for errors in range(t + 1)) / 2**ecc / 16
        for t, ecc in schemes.values()
    )
    assert share == pytest.approx(0.023, abs=0.001)


# --- Stable Signature ------------------------------------------------------------------------


def test_stable_signature_runs_no_code_unasked(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"code")
    weights = {"weights": str(tmp_path / "w.pt")}
    assert "allow_code=true" in build_detector("stable_signature", weights).why_unavailable()
    unpinned = build_detector("stable_signature", {**weights, "allow_code": True})
    assert "pinned is none" in unpinned.why_unavailable()
    wrong = build_detector("stable_signature", {**weights, "allow_code": True, "digest": "0" * 64})
    assert hashlib.sha256(b"code").hexdigest() in wrong.why_unavailable()


@pytest.mark.torch
def test_a_miniature_stable_signature_is_read_the_whole_way(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")

    class Miniature(torch.nn.Module):
        def __init__(self, weights):
            super().__init__()
            self.register_buffer("weights", weights)

        def forward(self, x):
            return x.flatten(1) @ self.weights

    bits = [int(digit) for digit in "111010110101000001010111010011010100010000100111"]
    weights = np.random.default_rng(8).choice([-1.0, 1.0], (3 * 128 * 128, 48))
    path = tmp_path / "dec_48b_whit.torchscript.pt"
    with warnings.catch_warnings():
        # torch means to drop TorchScript one day; the published weights are in it.
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.jit.script(Miniature(torch.tensor(weights, dtype=torch.float32)))
        torch.jit.save(program, str(path))
    detector = build_detector(
        "stable_signature",
        {
            "weights": str(path),
            "digest": hashlib.sha256(path.read_bytes()).hexdigest(),
            "allow_code": True,
        },
    )
    assert detector.why_unavailable() is None
    assert detect(detector, planted(bits, weights, 128)).detail.message == "StableSignature-SD2"
    assert detect(detector, picture(128, 128)).state == "absent"
