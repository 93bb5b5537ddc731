"""The file of patterns: its form, its sources, and files that users bring."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files

import pytest

from madaudit.detectors.cues.caption import CueCaption
from madaudit.detectors.cues.patterns import load_cues
from madaudit.errors import OptionError
from tests.detectors.cues.looking import evidence_on

_OWN = tomllib.loads((files("madaudit.detectors.cues") / "patterns.toml").read_text("utf-8"))
_ENTRY = """[[caption]]
name = "house-style"
hints = ["made at acme"]
pattern = 'made at acme\\b'
source = "our own captions"
why = "our generator's name"
"""


@pytest.mark.parametrize("kind", ["caption", "path", "site"])
def test_every_entry_says_where_it_was_read_and_why_it_is_a_cue(kind):
    for entry in _OWN[kind]:
        assert len(entry["source"]) > 7, entry
        assert len(entry["why"]) > 7, entry


@pytest.mark.parametrize("kind", ["caption", "path"])
def test_no_pattern_repeats_without_a_bound(kind):
    """So a hostile text costs at most its length times a constant."""
    for entry in _OWN[kind]:
        bare = re.sub(r"\\.|\[[^\]]*\]", "x", entry["pattern"])
        assert not re.search(r"[*+]", bare), entry["name"]


def test_a_file_of_ones_own_replaces_the_packages(tmp_path):
    path = tmp_path / "cues.toml"
    path.write_text(_ENTRY)
    detector = CueCaption(patterns=str(path))
    captions = ["photo made at ACME", "midjourney"]
    said = evidence_on(detector, caption=captions)
    assert [e.state for e in said] == ["present", "absent"]
    assert said[0].detail.message == "house-style"


def test_a_changed_file_changes_the_fingerprint(tmp_path):
    path = tmp_path / "cues.toml"
    path.write_text(_ENTRY)
    before = CueCaption(patterns=str(path)).fingerprint()
    path.write_text(_ENTRY + "\n# a note")
    assert CueCaption(patterns=str(path)).fingerprint() != before
    assert CueCaption().fingerprint() == CueCaption().fingerprint()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not toml [", "no TOML"),
        ("[[captions]]\n", "unknown table 'captions'"),
        ("caption = 3\n", "no list of tables"),
        ("[[caption]]\nname = 'a'\n", "needs hints, name, pattern, source, why"),
        (_ENTRY + "labels = 'x'\n", "nothing else is allowed"),
        (_ENTRY.replace("'made at acme\\b'", "'('"), "is no regular expression"),
        (_ENTRY.replace('["made at acme"]', "[]"), "hints of 'house-style'"),
        (_ENTRY.replace('"made at acme"', '"Made"'), "hints of 'house-style'"),
    ],
)
def test_a_file_that_breaks_the_form_is_refused_with_the_reason(tmp_path, text, reason):
    path = tmp_path / "cues.toml"
    path.write_text(text)
    with pytest.raises(OptionError, match=re.escape(reason)) as caught:
        load_cues("caption", str(path))
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(OptionError, match="cannot read cues from"):
        load_cues("caption", "no/such/file.toml")


@pytest.mark.parametrize("kind", ["caption", "path"])
def test_re2_finds_the_same(kind):
    """An independent engine, and the one in which others evaluate the patterns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from tests.detectors.cues import test_caption, test_url

    module = test_caption if kind == "caption" else test_url
    texts = [text.lower() for text in (*module._CUES, *module._NO_CUES)]
    for cue in load_cues(kind, "").cues:
        theirs = pc.match_substring_regex(pa.array(texts), cue.pattern.pattern).to_pylist()
        assert theirs == [cue.pattern.search(text) is not None for text in texts], cue.name


@pytest.mark.parametrize("kind", ["caption", "path"])
def test_no_match_lacks_a_hint(kind):
    """A pattern is only tried where one of its hints stands."""
    from tests.detectors.cues import test_caption, test_url

    module = test_caption if kind == "caption" else test_url
    texts = [text.lower() for text in (*module._CUES, *module._NO_CUES)]
    for cue in load_cues(kind, "").cues:
        for text in texts:
            if cue.pattern.search(text):
                assert any(hint in text for hint in cue.hints), (cue.name, text)
