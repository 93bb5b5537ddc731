"""What every renderer promises."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from madaudit.contracts.base import Checked, require, require_named, run_checks
from madaudit.contracts.made_reports import HOSTILE, bare_report, report_of
from madaudit.reports import Renderer

# No renderer may pass these on: a terminal or a browser acts on them.
_CONTROLS = {"\0", "\x1b", "\x07"}


class RendererCase(NamedTuple):
    """A renderer.

    Attributes:
        name: that it is registered by.
        renderer: itself.
    """

    name: str
    renderer: Renderer


def check_renderer(name: str, renderer: Renderer) -> list[Checked]:
    """Every promise of the family, checked on one renderer."""
    return run_checks(CHECKS, RendererCase(name, renderer))


def it_gives_bytes_of_utf8_text(case: RendererCase) -> None:
    for report in (report_of(), bare_report()):
        rendered = case.renderer.render(report)
        require(isinstance(rendered, bytes), f"it gives {type(rendered).__name__}")
        require(bool(rendered.decode("utf-8")), "it gives nothing")


def the_same_report_gives_the_same_bytes(case: RendererCase) -> None:
    first, second = (case.renderer.render(report_of()) for _ in range(2))
    require(first == second, "two renderings of one report differ")


def hostile_text_neither_breaks_it_nor_is_lost(case: RendererCase) -> None:
    for kind, text in HOSTILE.items():
        rendered = case.renderer.render(report_of(text)).decode("utf-8")
        passed_on = sorted(_CONTROLS & set(rendered))
        require(not passed_on, f"control characters {passed_on} are passed on ({kind})")
        lost = [word for word in re.findall("[A-Za-z]+", text[:200]) if word not in rendered]
        require(not lost, f"{lost[:3]} is lost ({kind})")


def it_does_not_change_the_report(case: RendererCase) -> None:
    report = report_of()
    before = report.to_dict()
    case.renderer.render(report)
    require(report.to_dict() == before, "the report is another after rendering")


def its_file_has_a_name_and_an_ending(case: RendererCase) -> None:
    name = case.renderer.file_name
    require("/" not in name and "." in name, f"file_name is {name!r}")


def it_names_itself_as_the_registry_does(case: RendererCase) -> None:
    require_named(case.renderer, case.name, has_version=False)


CHECKS: tuple[Callable[[RendererCase], None], ...] = (
    it_gives_bytes_of_utf8_text,
    the_same_report_gives_the_same_bytes,
    hostile_text_neither_breaks_it_nor_is_lost,
    it_does_not_change_the_report,
    its_file_has_a_name_and_an_ending,
    it_names_itself_as_the_registry_does,
)
