"""What every host's hook promises; a new one is tested by standing in HOOKS."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

import madaudit.hooks
from madaudit.errors import MissingExtraError, RequestError
from madaudit.hooks import HOOKS

every_hook = pytest.mark.parametrize("name", HOOKS)


def module_of(name):
    try:
        return importlib.import_module(HOOKS[name])
    except (MissingExtraError, RequestError) as error:
        pytest.skip(str(error))


@every_hook
def test_an_absent_host_is_told_with_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, HOOKS[name], raising=False)
    try:
        importlib.import_module(HOOKS[name])
    except (MissingExtraError, RequestError) as error:
        assert "pip install" in str(error)  # noqa: PT017 — some need no import of their host
    finally:
        sys.modules.pop(HOOKS[name], None)


@every_hook
def test_it_looks_up_by_the_arguments_of_the_interface(name):
    taken = inspect.signature(module_of(name).Keep).parameters
    assert list(taken)[:3] == ["store", "policy", "where"]
    assert taken["policy"].kind is taken["where"].kind is inspect.Parameter.KEYWORD_ONLY
    assert taken["policy"].default is taken["where"].default is None


@every_hook
def test_it_looks_now_by_the_arguments_of_the_interface(name):
    taken = inspect.signature(module_of(name).Audit).parameters
    assert list(taken)[:2] == ["plan", "policy"]


@every_hook
def test_it_says_at_the_end_what_it_dropped(name):
    module = module_of(name)
    for kind in ("Keep", "Audit"):
        if hasattr(module, kind):
            assert callable(getattr(module, kind).report)


@every_hook
def test_it_is_short(name):
    path = madaudit.hooks.__path__[0]
    with open(f"{path}/{HOOKS[name].rpartition('.')[2]}.py", encoding="utf-8") as file:
        code = [line for line in file if line.strip() and not line.strip().startswith(("#", '"'))]
    assert len(code) <= 150


def test_importing_the_hooks_loads_no_host():
    code = "import sys, madaudit.hooks; print(sorted(set(sys.modules) & set(sys.argv[1:])))"
    hosts = [*HOOKS, "torch", "datasets", "scipy"]
    done = subprocess.run(
        [sys.executable, "-c", code, *hosts], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_host_is_an_attribute_that_is_loaded_on_use():
    assert madaudit.hooks.webdataset.Keep
    with pytest.raises(AttributeError, match="no attribute 'spark'"):
        madaudit.hooks.spark  # noqa: B018
