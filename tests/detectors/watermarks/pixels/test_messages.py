from __future__ import annotations

import pytest

from madaudit.detectors.watermarks.pixels.messages import load
from madaudit.errors import OptionError

MINE = '[[message]]\nname = "mine"\nbits = "0101"\ntool = "My generator"\nsource = "here"\n'


def written(tmp_path, text):
    path = tmp_path / "messages.toml"
    path.write_text(text)
    return str(path)


def test_the_built_in_messages_have_the_published_lengths():
    lengths = {message.name: message.n_bits for message in load().messages}
    assert lengths == {
        "StableDiffusionV1": 136,
        "SDV2": 32,
        "SDXL": 48,
        "FLUX": 46,
        "InvokeAI": 64,
        "StableSignature-SD2": 48,
    }
    assert all(message.source for message in load().messages)


def test_flux_lost_its_leading_zeros():
    (flux,) = [message for message in load().messages if message.name == "FLUX"]
    assert flux.digits == bin(0b001010101111111010000111100111001111010100101110)[2:]


def test_sdxl_is_the_published_number():
    (sdxl,) = [message for message in load().messages if message.name == "SDXL"]
    assert int(sdxl.digits, 2) == 0xB3EC907BB19E


def test_a_users_file_adds_its_messages(tmp_path):
    catalogue = load(written(tmp_path, MINE))
    assert [message.name for message in catalogue.messages][-1] == "mine"
    assert len(catalogue.messages) == len(load().messages) + 1
    assert catalogue.digest != load().digest


def test_a_users_null_is_charged(tmp_path):
    text = MINE.replace('"0101"', f'"{"01" * 24}"')
    text += "[message.null]\ndwt_dct = {mean = 0.6, correlation = 0.02}\n"
    message = load(written(tmp_path, text)).messages[-1]
    assert message.tail("dwt_dct")[40] > 100 * message.tail("dwt_dct_svd")[40]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[message", "cannot read"),
        ("x = 1\n", "must hold \\[\\[message\\]\\] tables"),
        (MINE.replace("bits", "bit"), r"\['bit'\] are not known"),
        (MINE.replace('bits = "0101"\n', ""), "give either text or bits"),
        (MINE.replace("0101", "012"), "allowed: 1 to 4096 of 0 and 1"),
        (MINE.replace('source = "here"\n', ""), "source must be given"),
        (MINE + 'label = "fake"\n', "allowed: synthetic, composite, real"),
        (MINE.replace("mine", "SDV2"), "two messages are named 'SDV2'"),
        (MINE + "checks = 'dwt_dct'\n", "allowed: a list of detectors' names"),
        (MINE + "null = 3\n", "one table for each method"),
        (MINE + "[message.null]\ndwt_dct = {mean = 1.5}\n", "allowed: mean in"),
    ],
)
def test_what_breaks_the_form_is_refused_with_what_is_allowed(tmp_path, text, says):
    with pytest.raises(OptionError, match=says):
        load(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OptionError, match="cannot read the messages' file"):
        load(str(tmp_path / "none.toml"))
