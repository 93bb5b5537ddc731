"""Markdown: complete, short, and inert whatever a data set is called."""

from __future__ import annotations

import re

import pytest

from madaudit.reports import build_renderer
from madaudit.reports.markdown import code, plain
from tests.reports.full_report import full_report
from tests.reports.report_building import HOSTILE, bare_report, report_of

_TRICKS = {
    **HOSTILE,
    "backticks": "a`b``c```d",
    "only backticks": "````",
    "table": "a | b | c",
    "heading": "\n# heading\n\n- list\n> quote",
    "mention": "@octocat and #12",
    "link": "[x](https://evil.example) ![y](z) <https://evil.example>",
    "bare link": "https://evil.example www.evil.example",
    "emphasis": "**bold** _it_ ~~gone~~",
}


def rendered(report):
    return build_renderer("markdown").render(report).decode()


def test_it_tells_answer_risk_cut_and_where_to_look():
    text = rendered(full_report(answer="The one sentence."))
    for words in (
        "**The one sentence.**",
        "**MAD risk: low to critical.**",
        "**Cut.** text",
        "70\u202f% (60\u202f% to 75\u202f%)",
        "### Who made it",
        "### Where to look first",
    ):
        assert words in text


def test_a_data_set_without_marks_has_no_empty_tables():
    text = rendered(bare_report(shards=()))
    assert "No mark was found." in text
    assert "Where to look first" not in text
    assert "Errors" not in text


@pytest.mark.parametrize("text", _TRICKS.values(), ids=_TRICKS)
def test_data_does_not_change_the_documents_shape(text):
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    parser = markdown_it.MarkdownIt("gfm-like", {"linkify": False, "html": True})
    hostile, simple = (
        parser.parse(rendered(full_report(word)).encode("utf-8", "replace").decode())
        for word in (text, "text")
    )
    assert [token.type for token in hostile] == [token.type for token in simple]
    kinds = {child.type for token in hostile if token.type == "inline" for child in token.children}
    assert kinds <= {"text", "code_inline", "strong_open", "strong_close", "text_special"}


@pytest.mark.parametrize("text", _TRICKS.values(), ids=_TRICKS)
def test_every_table_row_has_as_many_cells_as_its_header(text):
    widths = {
        len(re.findall(r"(?<!\\)\|", line))
        for line in rendered(report_of(text)).split("\n")
        if line.startswith("|")
    }
    assert widths <= {3, 4, 5, 6}


@pytest.mark.parametrize(
    ("text", "span"),
    [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("a|b", "`a\\|b`"), ("", "` `")],
)
def test_a_code_span_takes_any_text(text, span):
    assert code(text) == span


def test_words_cannot_mention_anybody():
    assert "@octocat" not in plain("@octocat")


def test_a_long_name_is_cut():
    assert len(code("x" * 5000)) < 310
