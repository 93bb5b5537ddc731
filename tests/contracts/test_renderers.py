"""What every renderer promises; a new one is tested by standing in RENDERERS."""

from __future__ import annotations

import re

import pytest

from madaudit.errors import OptionError
from madaudit.reports import RENDERERS, Renderer, build_renderer
from tests.reports.report_building import HOSTILE, bare_report, report_of

every_renderer = pytest.mark.parametrize("name", RENDERERS)


@every_renderer
def test_it_is_a_renderer_of_that_name(name):
    renderer = build_renderer(name)
    assert isinstance(renderer, Renderer)
    assert renderer.name == name


def test_no_two_write_the_same_file():
    files = [build_renderer(name).file_name for name in RENDERERS]
    assert len(set(files)) == len(files)
    assert all("/" not in file and "." in file for file in files)


@every_renderer
@pytest.mark.parametrize("report", [report_of(), bare_report()], ids=["full", "bare"])
def test_it_gives_bytes_of_utf8_text(name, report):
    rendered = build_renderer(name).render(report)
    assert isinstance(rendered, bytes)
    assert rendered.decode("utf-8")


@every_renderer
def test_the_same_report_gives_the_same_bytes(name):
    assert build_renderer(name).render(report_of()) == build_renderer(name).render(report_of())


@every_renderer
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_neither_breaks_it_nor_is_lost(name, text):
    rendered = build_renderer(name).render(report_of(text)).decode("utf-8")
    words = re.findall("[A-Za-z]+", text[:200])
    assert not set("\0\x1b\x07") & set(rendered)
    assert all(word in rendered for word in words)


@every_renderer
def test_it_does_not_change_the_report(name):
    report = report_of()
    before = report.to_dict()
    build_renderer(name).render(report)
    assert report.to_dict() == before


def test_an_unknown_renderer_is_refused_with_the_known_ones():
    with pytest.raises(OptionError, match=r"'htm' does not exist \(known: .*html.*'html'\?"):
        build_renderer("htm")
