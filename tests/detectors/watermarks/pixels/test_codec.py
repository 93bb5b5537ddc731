"""Our encoder and decoder give the library's bytes and bits.

GOLDEN was written by invisible-watermark 0.2.0 with opencv-python 5.0.0 and PyWavelets
1.8.0, so the comparison stands where neither is installed; where they are, it is made anew.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from madaudit.detectors.watermarks import decode, encode
from madaudit.detectors.watermarks.pixels.blocks import METHODS
from madaudit.detectors.watermarks.pixels.codec import message_bits
from madaudit.errors import OptionError, RequestError
from tests.detectors.watermarks.picture_building import (
    flat,
    library_decode,
    library_encode,
    picture,
)

PICTURES = {
    "even": picture(512, 512),
    "odd": picture(331, 307, seed=1),
    "flat": flat((126, 126, 120)),
    "on an edge": flat((100, 100, 96)),
    "grey": flat((128, 128, 128)),
}
TEXT = "StableDiffusionV1"
# SHA-256 of the marked picture (16 digits), and what is read from the plain one as hexadecimals.
GOLDEN: dict[tuple[str, str], tuple[str, str]] = {
    ("dwt_dct", "even"): (
        "73f9157157ab715b",
        "0b410fdcce26cfffef86233fff0c53ef9f",
    ),
    ("dwt_dct", "flat"): (
        "d4473fe58eb936c2",
        "0000000000000000000000000000000000",
    ),
    ("dwt_dct", "grey"): (
        "ff4437b7e3df6f03",
        "0000000000000000000000000000000000",
    ),
    ("dwt_dct", "odd"): (
        "7f8fc4297653b759",
        "fbd248a0dfffc620193fcf9fd0202db9df",
    ),
    ("dwt_dct", "on an edge"): (
        "4fa1137e1a53a2ab",
        "0000000000000000000000000000000000",
    ),
    ("dwt_dct_svd", "even"): (
        "049fb9c8515b1600",
        "9922dc62b06ffb7eef39b69bf726890348",
    ),
    ("dwt_dct_svd", "flat"): (
        "3a2c56a97749cfcd",
        "0000000000000000000000000000000000",
    ),
    ("dwt_dct_svd", "grey"): (
        "bbc35585e56fc60a",
        "0000000000000000000000000000000000",
    ),
    ("dwt_dct_svd", "odd"): (
        "715a2c957951034c",
        "49f14ecf977ee489b908e915a782578e01",
    ),
    ("dwt_dct_svd", "on an edge"): (
        "785f754f289d7ce5",
        "0000000000000000000000000000000000",
    ),
}

every_method = pytest.mark.parametrize("method", sorted(METHODS))
every_picture = pytest.mark.parametrize("name", sorted(PICTURES))


def digest(image):
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()[:16]


def as_hex(bits):
    return np.packbits(np.asarray(bits, dtype=np.uint8)).tobytes().hex()


@every_method
@every_picture
def test_marked_bytes_and_read_bits_are_the_librarys(method, name):
    marked, read = GOLDEN[method, name]
    assert digest(encode(PICTURES[name], TEXT, method=method)) == marked
    assert as_hex(decode(PICTURES[name], n_bits=136, method=method)) == read


@every_method
@every_picture
def test_it_agrees_with_the_library_installed_here(method, name):
    pytest.importorskip("imwatermark", reason="invisible-watermark is not installed")
    library = METHODS[method].library_name
    rng = np.random.default_rng(5)
    for n_bits in (1, 32, 46, 136):
        bits = rng.integers(0, 2, n_bits).tolist()
        theirs = library_encode(PICTURES[name], bits, library)
        assert np.array_equal(encode(PICTURES[name], bits, method=method), theirs)
        for image in (PICTURES[name], theirs):
            ours = decode(image, n_bits=n_bits, method=method)
            assert ours.tolist() == library_decode(image, n_bits, library)


@every_method
def test_a_message_comes_back(method):
    bits = message_bits(TEXT)
    read = decode(encode(picture(512, 512), TEXT, method=method), n_bits=136, method=method)
    # 109 of 136 bits by chance: 1e-12. DWT-DCT is noisy by nature, which the golden bits hold too.
    assert (read == bits).sum() >= 109


@every_method
def test_decoding_only_looks_at_whole_blocks(method):
    image = picture(519, 263)
    cut = image[:256, :512]
    read = [decode(part, n_bits=64, method=method).tolist() for part in (image[:263], cut)]
    assert read[0] == read[1]


def test_text_bytes_and_bits_are_one_message():
    bits = [int(digit) for byte in TEXT.encode() for digit in f"{byte:08b}"]
    assert message_bits(TEXT).tolist() == message_bits(TEXT.encode()).tolist() == bits


@pytest.mark.parametrize("message", ["", b"", [], [0, 2], [[0, 1]]])
def test_what_is_no_message_is_refused(message):
    with pytest.raises(OptionError, match="cannot use a message of shape"):
        encode(picture(256, 256), message)


@pytest.mark.parametrize(
    "image",
    [
        picture(255, 256),
        picture(256, 256)[..., 0],
        picture(256, 256).astype(np.float64),
        np.zeros((256, 256, 4), np.uint8),
    ],
)
def test_what_cannot_carry_a_mark_is_refused(image):
    with pytest.raises(RequestError, match="cannot"):
        encode(image, "SDV2")
    with pytest.raises(RequestError, match="cannot"):
        decode(image, n_bits=32)


def test_more_bits_than_blocks_are_refused():
    with pytest.raises(RequestError, match="cannot read 33 bits from 0 blocks"):
        decode(picture(16384, 4), n_bits=33)
    with pytest.raises(RequestError, match="cannot read 1025 bits from 1024 blocks"):
        decode(picture(256, 256), n_bits=1025)


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(OptionError, match="did you mean 'dwt_dct'"):
        decode(picture(256, 256), n_bits=8, method="dwtdct")
