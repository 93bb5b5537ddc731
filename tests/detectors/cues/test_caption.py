"""Captions that read like a prompt, and those that only look it."""

from __future__ import annotations

import time

import pytest

from madaudit.detectors.cues.caption import CueCaption
from madaudit.limits import MAX_CUE_CHARS
from tests.detectors.cues.looking import evidence_on

_CUES = {
    "a lighthouse --ar 16:9 --v 5": "midjourney-parameters",
    "a lighthouse --ar 3:2 --s 750 --niji 6": "midjourney-parameters",
    "a lighthouse —ar 16:9": "midjourney-parameters",
    "portrait --style raw --seed 1234": "midjourney-parameters",
    "a cat Negative prompt: blurry": "a1111-infotext",
    "a cat Steps: 20, Sampler: Euler a": "a1111-infotext",
    "(red hair:1.3), smiling": "attention-weight",
    "1girl <lora:add_detail:0.8>": "extra-network",
    "masterpiece, best quality, 1girl": "danbooru-quality-tags",
    "a castle, trending on ArtStation": "trending-on-artstation",
    "a castle by Greg Rutkowski": "prompt-boosters",
    "a castle, octane render, 8k": "prompt-boosters",
    "Portrait made in Midjourney": "names-midjourney",
    "Stable Diffusion sample": "names-stable-diffusion",
    "DALL·E 2 drew this": "names-dall-e",
    "Dalle-3 output": "names-dall-e",
    "adobe firefly image": "names-firefly",
    "by NovelAI": "names-other-generators",
    "AI-generated image of a cat": "says-generated",
    "Sunset over hills. Generative AI": "says-generated",
}
_NO_CUES = (
    "the lighthouse -- v 5 of the series",
    "a man — s 5 apples",
    "options --arch and --version",
    "screen ratio (16:9)",
    "John (3:2) and (3:16)",
    "Dallas Cowboys at Dalles dam",
    "a firefly in a jar",
    "journey to the west",
    "diffusion of gases",
    "user-generated content, next generation",
    "masterpiece of the museum",
    "render of octane rating",
)


@pytest.mark.parametrize(("caption", "name"), _CUES.items())
def test_a_prompt_is_told(caption, name):
    (evidence,) = evidence_on(CueCaption(), caption=caption)
    assert evidence.state == "present"
    assert name in evidence.detail.message.split(", ")
    assert evidence.detail.field == "caption"


@pytest.mark.parametrize("caption", _NO_CUES)
def test_what_only_looks_like_one_is_absent(caption):
    assert [e.state for e in evidence_on(CueCaption(), caption=caption)] == ["absent"]


def test_every_cue_of_the_package_has_a_caption_here():
    from madaudit.detectors.cues.patterns import load_cues

    assert {cue.name for cue in load_cues("caption", "").cues} == set(_CUES.values())


def test_a_cue_claims_nothing():
    (evidence,) = evidence_on(CueCaption(), caption="a cat, Midjourney --v 5")
    assert not evidence.is_hit
    assert evidence.detail.label is None
    assert evidence.score != evidence.score
    assert evidence.detail.tool == "Midjourney"
    assert "proves nothing" in evidence.detail.says


def test_several_cues_are_all_named():
    (evidence,) = evidence_on(CueCaption(), caption="stable diffusion, trending on artstation")
    assert evidence.detail.message == "trending-on-artstation, names-stable-diffusion"


@pytest.mark.parametrize("caption", [None, ""])
def test_without_a_caption_it_is_unobservable(caption):
    assert [e.state for e in evidence_on(CueCaption(), caption=caption)] == ["unobservable"]


def test_a_line_break_hides_nothing_and_joins_nothing():
    (split,) = evidence_on(CueCaption(), caption="trending on\nartstation")
    assert split.state == "present"
    neighbours = evidence_on(CueCaption(), caption=["trending on", "artstation"])
    assert [e.state for e in neighbours] == ["absent", "absent"]


def test_what_stands_beyond_the_limit_is_not_read():
    near = "x" * (MAX_CUE_CHARS - 20) + " midjourney"
    far = "x" * MAX_CUE_CHARS + " midjourney"
    states = [e.state for e in evidence_on(CueCaption(), caption=[near, far])]
    assert states == ["present", "absent"]


@pytest.mark.parametrize(
    "piece", ["octane render ", "(a:1.", "<lora:", "-- ", "unreal engine ", "generated with ", "("]
)
def test_a_hostile_caption_costs_no_time(piece):
    began = time.perf_counter()
    evidence_on(CueCaption(), caption=piece * 100_000)
    assert time.perf_counter() - began < 0.5
