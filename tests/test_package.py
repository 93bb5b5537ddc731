"""The package as a whole: its public names, and rules that a linter cannot hold."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import madaudit
from madaudit.errors import MissingExtraError, RequestError

_ROOT = Path(madaudit.__file__).parent
_SOURCES = sorted(_ROOT.rglob("*.py"))
_FROM_ROOT = re.compile(r"^\s*from madaudit import (?P<names>\([^)]*\)|[^\n]*)", re.MULTILINE)
_LAZY = set(madaudit.__all__)
_PICKLES = re.compile(r"^\s*(?:import|from) (?:pickle|dill|cloudpickle|joblib|shelve|marshal)\b")
_TRUSTS = re.compile(r"allow_pickle\s*=\s*True|weights_only\s*=\s*False|\b(?:eval|exec)\(")


def names_from_root(source):
    """Names that a source imports from the root package."""
    found = [match["names"].strip("()") for match in _FROM_ROOT.finditer(source)]
    parts = [part.split("#")[0] for names in found for part in names.split(",")]
    return {part.split(" as ")[0].strip() for part in parts if part.strip()}


def parts_of(path):
    return path.relative_to(_ROOT).with_suffix("").parts


def test_every_public_name_is_callable_after_all_submodules_were_imported():
    for module in pkgutil.walk_packages(madaudit.__path__, "madaudit."):
        if module.name != "madaudit.__main__":
            # A plug-in's package or a hook's host may be absent; asked for, it says so.
            with contextlib.suppress(MissingExtraError, RequestError):
                _import_without_torch(module.name)
    assert {name for name in madaudit.__all__ if not callable(getattr(madaudit, name))} == set()


def _import_without_torch(name):
    """Import a module; generators and their networks need torch, which may be absent."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "torch" or not name.startswith("madaudit.simulation.generators"):
            raise


def test_no_public_name_is_that_of_a_module_at_the_root():
    modules = {module.name for module in pkgutil.iter_modules(madaudit.__path__)}
    assert _LAZY & modules == set()


def test_dir_lists_every_public_name():
    assert set(dir(madaudit)) >= {*madaudit.__all__, "__version__"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'madaudit' has no attribute 'scam'"):
        madaudit.scam  # noqa: B018


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from madaudit import scan", {"scan"}),
        ("    from madaudit import registry, scan as s\n", {"registry", "scan"}),
        ("from madaudit import (\n    registry,\n    scan,  # why\n)\n", {"registry", "scan"}),
        ("from madaudit.commands.scan import scan", set()),
    ],
)
def test_imports_from_the_root_are_seen_in_every_form(source, names):
    assert names_from_root(source) == names


@pytest.mark.parametrize("path", _SOURCES, ids=lambda path: "/".join(parts_of(path)))
def test_nothing_inside_takes_a_public_name_from_the_root(path):
    modules = {module.name for module in pkgutil.iter_modules(madaudit.__path__)}
    assert names_from_root(path.read_text()) <= {*modules, "__version__"}


@pytest.mark.parametrize("path", _SOURCES, ids=lambda path: "/".join(parts_of(path)))
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def test_no_module_has_a_name_that_says_nothing():
    names = {part for path in _SOURCES for part in parts_of(path)}
    assert names & {"utils", "util", "helpers", "helper", "common", "core", "misc"} == set()


@pytest.mark.parametrize("path", _SOURCES, ids=lambda path: "/".join(parts_of(path)))
def test_nothing_unpickles_or_runs_what_a_file_holds(path):
    lines = path.read_text().splitlines()
    assert [line for line in lines if _PICKLES.search(line) or _TRUSTS.search(line)] == []
