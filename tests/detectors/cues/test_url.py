"""Addresses of generators, and those that only contain their names."""

from __future__ import annotations

import socket
import sys
import time

import pytest

pytest.importorskip("tldextract", reason="the extra madaudit[cues] is not installed")

from madaudit.detectors import build_detector
from madaudit.detectors.cues.patterns import load_cues
from madaudit.detectors.cues.url import CueUrl
from madaudit.errors import MissingExtraError
from tests.detectors.cues.looking import evidence_on

_UUID = "01234567-89ab-cdef-0123-456789abcdef"
_CUES = {
    "https://cdn.midjourney.com/abc/0_0.png": "midjourney.com",
    "https://IMAGE.LEXICA.ART/full/a.jpg": "lexica.art",
    "https://user:pass@image.civitai.com:443/a.jpeg": "civitai.com",
    "civitai.com/images/1": "civitai.com",
    "https://oaidalleapiprodscus.blob.core.windows.net/private/a.png": (
        "oaidalleapiprodscus.blob.core.windows.net"
    ),
    "https://image.pollinations.ai/prompt/a%20cat": "pollinations.ai",
    f"https://cdn.discordapp.com/attachments/1/2/user_a_cat_{_UUID}.png?ex=1": (
        "discord-midjourney"
    ),
    "https://x.example/wp-content/uploads/ComfyUI_00012_.png": "file-named-by-a-tool",
    "https://x.example/uploads/DALL%C2%B7E-2023-10-01.png": "file-named-by-a-tool",
    "https://x.example/midjourney_cat.webp": "file-named-by-a-tool",
    "https://firefly.adobe.com/gallery/a.jpg": "firefly-of-adobe",
    "https://stock.adobe.com/images/cat-generative-ai/123": "stock-generative-id",
}
_NO_CUES = (
    "https://midjourney.com.example.org/a.png",
    "https://example.org/midjourney.com/a",
    "https://notmidjourney.com/a.png",
    "https://other.blob.core.windows.net/a.png",
    "https://windows.net/a.png",
    "https://cdn.discordapp.com/attachments/1/2/holiday.png",
    "https://example.org/dallas-skyline.jpg",
    "https://example.org/auto-generated/firefly.jpg",
    "https://example.org/a.jpg?utm=midjourney",
    "https://[::1",
    "//",
    "not an address",
)


@pytest.mark.parametrize(("url", "name"), _CUES.items())
def test_a_generators_address_is_told(url, name):
    (evidence,) = evidence_on(CueUrl(), url=url)
    assert evidence.state == "present"
    assert name in evidence.detail.message.split(", ")
    assert not evidence.is_hit
    assert evidence.detail.label is None


@pytest.mark.parametrize("url", _NO_CUES)
def test_an_address_that_only_contains_a_name_is_absent(url):
    assert [e.state for e in evidence_on(CueUrl(), url=url)] == ["absent"]


def test_without_an_address_it_is_unobservable():
    assert [e.state for e in evidence_on(CueUrl(), caption="midjourney")] == ["unobservable"]


def test_every_site_is_told_at_its_own_address_and_below():
    for cue in load_cues("site", "").cues:
        urls = [f"https://{cue.name}/a.png", f"https://cdn.{cue.name}/a.png"]
        said = [evidence.detail.message for evidence in evidence_on(CueUrl(), url=urls)]
        assert said == [cue.name, cue.name]


def test_no_domain_is_listed_twice():
    names = [cue.name for cue in load_cues("site", "").cues]
    assert len(names) == len(set(names))


def test_the_network_is_not_asked(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a cue asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    from madaudit.detectors.cues import url

    url._extract.cache_clear()
    assert evidence_on(CueUrl(), url="https://cdn.midjourney.com/a")[0].state == "present"


@pytest.mark.parametrize("piece", ["a.", "midjourney", "/attachments/1/2/", "@", ":", "dalle-"])
def test_a_hostile_address_costs_no_time(piece):
    began = time.perf_counter()
    evidence_on(CueUrl(), url="https://cdn.discordapp.com/" + piece * 100_000)
    evidence_on(CueUrl(), url=piece * 100_000 + ".midjourney.com")
    assert time.perf_counter() - began < 0.5


def test_without_tldextract_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tldextract", None)
    monkeypatch.delitem(sys.modules, "madaudit.detectors.cues.url")
    with pytest.raises(MissingExtraError, match=r"madaudit\[cues\]"):
        build_detector("cue_url")
