"""Names to plug-ins: what is unknown is refused with what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

import pytest

from madaudit import registry
from madaudit.errors import MissingExtraError, OptionError

_TABLE = {"sieve": f"{__name__}:Sieve", "filter": f"{__name__}:Sieve"}


@dataclass(frozen=True)
class Sieve:
    """A plug-in."""

    width: int = 3
    mesh: str = "fine"
    derived: int = field(default=0, init=False)


def with_entry_points(monkeypatch, *pairs):
    entries = [EntryPoint(name, value, "madaudit.tools") for name, value in pairs]
    monkeypatch.setattr(registry, "third_party", lambda family: entries)


def test_a_name_is_built_with_its_options():
    assert registry.build("tools", _TABLE, "sieve", {"width": 5}) == Sieve(width=5)


def test_an_unknown_name_lists_the_known_ones_and_the_likeliest():
    with pytest.raises(OptionError) as caught:
        registry.load("tools", _TABLE, "seive")
    assert str(caught.value) == (
        "tool 'seive' does not exist (known: filter, sieve); did you mean 'sieve'?"
    )


def test_a_name_like_no_other_gets_no_suggestion():
    with pytest.raises(OptionError, match=r"\(known: filter, sieve\)$"):
        registry.load("tools", _TABLE, "quartz")


def test_a_family_without_members_says_so():
    with pytest.raises(OptionError, match=r"\(known: none\)$"):
        registry.load("tools", {}, "sieve")


def test_an_unknown_option_lists_the_known_ones_and_the_likeliest():
    with pytest.raises(OptionError) as caught:
        registry.build("tools", _TABLE, "sieve", {"widht": 5})
    assert str(caught.value) == (
        "tool 'sieve' has no option 'widht' (known: width, mesh); did you mean 'width'?"
    )


def test_a_field_that_is_computed_is_no_option():
    with pytest.raises(OptionError, match="has no option 'derived'"):
        registry.build("tools", _TABLE, "sieve", {"derived": 1})


def test_a_third_partys_member_is_found(monkeypatch):
    with_entry_points(monkeypatch, ("riddle", f"{__name__}:Sieve"))
    assert registry.known_names("tools", _TABLE)["riddle"] == f"{__name__}:Sieve"
    assert registry.build("tools", _TABLE, "riddle", {"mesh": "coarse"}) == Sieve(mesh="coarse")


def test_names_are_sorted_whoever_brings_them(monkeypatch):
    with_entry_points(monkeypatch, ("riddle", "r:R"), ("auger", "a:A"))
    assert list(registry.known_names("tools", _TABLE)) == ["auger", "filter", "riddle", "sieve"]


def test_a_name_that_two_packages_claim_is_refused_by_naming_both(monkeypatch):
    with_entry_points(monkeypatch, ("riddle", "one:Riddle"), ("riddle", "other:Riddle"))
    with pytest.raises(OptionError) as caught:
        registry.known_names("tools", _TABLE)
    assert "the name 'riddle' is claimed by 'one:Riddle' and 'other:Riddle'" in str(caught.value)
    assert "uninstall one of the two packages" in str(caught.value)


def test_nobody_can_take_a_name_of_ours(monkeypatch):
    with_entry_points(monkeypatch, ("sieve", "evil:Sieve"))
    with pytest.raises(OptionError, match=rf"'{__name__}:Sieve' and 'evil:Sieve'"):
        registry.load("tools", _TABLE, "sieve")


def test_the_same_member_listed_twice_is_one(monkeypatch):
    with_entry_points(monkeypatch, ("riddle", "one:Riddle"), ("riddle", "one:Riddle"))
    assert registry.known_names("tools", {}) == {"riddle": "one:Riddle"}


def test_naming_members_loads_none_of_them(monkeypatch):
    with_entry_points(monkeypatch, ("broken", "no_such_module:Nothing"))
    assert "broken" in registry.known_names("tools", _TABLE)


def test_a_missing_extra_says_what_fails_and_what_to_run():
    error = MissingExtraError("score with CLIP", package="open_clip", extra="clip")
    assert str(error) == (
        "cannot score with CLIP: the package 'open_clip' is not installed; "
        "run: pip install 'madaudit[clip]'"
    )
    assert (error.package, error.extra) == ("open_clip", "clip")
