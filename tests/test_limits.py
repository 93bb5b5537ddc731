"""Limits stand in one place, with a reason each, and the document shows them as they are."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

import madaudit
from madaudit import limits

_REPOSITORY = Path(__file__).parents[1]
_ROOT = Path(madaudit.__file__).parent
# Rooms that read no file; their bounds are of iterations and bins.
_PURE = {"assessment", "estimation", "reports", "simulation"}
_SOURCES = [
    path
    for path in sorted(_ROOT.rglob("*.py"))
    if path.name != "limits.py" and path.relative_to(_ROOT).parts[0] not in _PURE
]
_NAME = re.compile(r"^_?(?:[A-Z_]*_)?(?:MAX|LIMIT|MOST|BATCH)(?:_[A-Z_]+)?$")


def limits_in(source: str) -> list[str]:
    """Names of constants of a module that look like limits of what is read."""
    return [
        target.id
        for node in ast.parse(source).body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and _NAME.match(target.id)
        if isinstance(node.value, (ast.BinOp, ast.Constant))
    ]


def test_a_limit_is_seen_in_each_form():
    source = "MAX_X = 3\n_MAX_Y: int = 1 << 20\nSIDE_PX = 4\n_TEXT_LIMIT = 7\nMAX = other\n"
    assert limits_in(source) == ["MAX_X", "_MAX_Y", "_TEXT_LIMIT"]


@pytest.mark.parametrize("path", _SOURCES, ids=lambda path: str(path.relative_to(_ROOT)))
def test_no_other_module_defines_a_limit(path):
    found = limits_in(path.read_text(encoding="utf-8"))
    assert found == [], f"move {found} to madaudit/limits.py, with a reason"


def test_every_limit_is_a_positive_number_with_a_reason():
    source = (_ROOT / "limits.py").read_text(encoding="utf-8")
    names = re.findall(r"^([A-Z_]+) = ", source, re.MULTILINE)
    assert len(names) > 30
    for name in names:
        assert getattr(limits, name) > 0
        assert re.search(rf"^#(?! ----).*\n(?:[A-Z_]+ = .*\n)?{name} = ", source, re.MULTILINE)


def test_the_documents_table_is_that_of_the_module():
    script = runpy.run_path(str(_REPOSITORY / "scripts" / "limits_table"))
    page = (_REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    assert script["table"]() in page, "run scripts/limits_table --write"
