"""What every verb promises; a new one is tested by standing in the command line's table."""

from __future__ import annotations

import importlib
import inspect

import click
import pytest

import madaudit
from madaudit.cli import main
from tests.commands.invoking import invoke

_VERBS = main.list_commands(click.Context(main))
_COMMON = {"--json", "-q", "--quiet", "-v", "--verbose", "--config"}
# `madaudit.detectors` is a package of plug-ins, so the verb's twin has another name.
_TWINS = {"detectors": "list_detectors"}
# Flags without an argument of that name: `option` gathers into `options`, and a dry run returns
# something else than a scan, so it is asked for at the shell alone.
_APART = {
    "calibrate": {"option", "licence"},
    "scan": {"option", "dry_run"},
    "simulate": {"set", "option"},
}

every_verb = pytest.mark.parametrize("verb", _VERBS)


def command_of(verb):
    return main.get_command(click.Context(main), verb)


def twin_of(verb):
    return getattr(madaudit, _TWINS.get(verb, verb.replace("-", "_")))


def flag_names(verb):
    """Arguments and long flags as Python names, the common ones left out."""
    names = set()
    for parameter in command_of(verb).params:
        long = [opt for opt in parameter.opts if opt.startswith("--")] or [parameter.name]
        names |= {opt for opt in long if opt not in _COMMON}
    return {name.removeprefix("--").replace("-", "_") for name in names}


@every_verb
def test_it_has_the_common_flags(verb):
    flags = {flag for parameter in command_of(verb).params for flag in parameter.opts}
    assert flags >= _COMMON


@every_verb
def test_its_help_is_shown_and_every_option_is_in_it(verb):
    run = invoke(verb, "--help")
    flags = {flag for parameter in command_of(verb).params for flag in parameter.opts}
    assert run.code == 0
    assert all(flag in run.out for flag in flags if flag.startswith("--"))


@every_verb
def test_it_has_a_python_twin_with_a_docstring(verb):
    twin = twin_of(verb)
    assert inspect.isfunction(twin)
    assert twin.__module__ == f"madaudit.commands.{verb.replace('-', '_')}"
    assert inspect.getdoc(twin)


@every_verb
def test_its_twin_takes_the_same_arguments(verb):
    taken = set(inspect.signature(twin_of(verb)).parameters)
    assert flag_names(verb) - _APART.get(verb, set()) <= taken


@every_verb
def test_its_twin_and_its_flags_have_the_same_defaults(verb):
    taken = inspect.signature(twin_of(verb)).parameters
    for parameter in command_of(verb).params:
        if parameter.name in taken and isinstance(parameter.default, (int, float, str)):
            assert taken[parameter.name].default in (parameter.default, inspect.Parameter.empty)


@every_verb
def test_its_twin_returns_something_with_a_to_dict(verb):
    module = importlib.import_module(f"madaudit.commands.{verb.replace('-', '_')}")
    returned = getattr(module, inspect.signature(twin_of(verb)).return_annotation)
    assert callable(returned.to_dict)


@every_verb
def test_an_unknown_flag_is_refused_without_a_stack(verb):
    run = invoke(verb, "--no-such-flag")
    assert (run.code, run.out) == (2, "")
    assert "No such option" in run.err


@every_verb
def test_a_config_with_an_unknown_name_is_refused(verb, tmp_path):
    (tmp_path / "c.toml").write_text("no_such_flag = 1\n")
    run = invoke(verb, "--config", tmp_path / "c.toml")
    assert (run.code, run.out) == (2, "")
    assert "'no_such_flag' is no flag of this command" in run.err
