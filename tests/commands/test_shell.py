"""What all commands share: exit codes, one line for what went wrong, --config."""

from __future__ import annotations

import sys

import click
import pytest
from click.testing import CliRunner

from madaudit.commands.shell import common_options, guarded
from madaudit.errors import MissingExtraError, RequestError
from tests.commands.invoking import invoke
from tests.commands.store_building import generated, make_store, photo, write_shards


def run_that(action, *words):
    """A command that does one thing, run with some words."""

    @click.command()
    @common_options
    @guarded
    def command(as_json, quiet, verbose):
        return action()

    return CliRunner().invoke(command, words)


def fail_with(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RequestError("that cannot be"), 2),
        (MissingExtraError("fly", package="wings", extra="air"), 2),
        (FileNotFoundError(2, "No such file", "x.parquet"), 2),
        (PermissionError(13, "Permission denied", "x"), 2),
        (KeyboardInterrupt(), 4),
        (ZeroDivisionError("a bug"), 1),
        (AssertionError(), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_kind_of_failure_has_its_exit_code(error, code):
    assert run_that(fail_with(error)).exit_code == code


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3), (4, 4)])
def test_what_a_command_returns_is_the_exit_code(returned, code):
    assert run_that(lambda: returned).exit_code == code


@pytest.mark.parametrize("error", [RequestError("that cannot be"), OSError("disk full")])
def test_a_wrong_request_is_one_line_and_no_stack(error):
    result = run_that(fail_with(error))
    assert result.stderr == f"error: {error}\n"
    assert result.stdout == ""


@pytest.mark.parametrize("error", [RequestError("that cannot be"), OSError("disk full")])
def test_verbose_adds_the_stack(error):
    result = run_that(fail_with(error), "-v")
    assert "Traceback" in result.stderr
    assert result.stderr.endswith(f"error: {error}\n")


def test_a_bug_shows_its_stack_and_asks_for_a_report():
    result = run_that(fail_with(ZeroDivisionError("a bug")))
    assert "ZeroDivisionError: a bug" in result.stderr
    assert "please report" in result.stderr


def test_a_reader_that_goes_away_is_no_error(monkeypatch):
    monkeypatch.setattr(sys.stderr, "close", lambda: None)
    assert run_that(fail_with(BrokenPipeError())).exit_code == 0


# --- --config -------------------------------------------------------------------------------


def config(folder, text):
    path = folder / "madaudit.toml"
    path.write_text(text)
    return path


def test_a_config_gives_the_flags_their_values(tmp_path):
    inputs = write_shards(tmp_path, a=[photo()])
    path = config(tmp_path, 'detectors = "a1111"\nengine = "serial"\njson = true\n')
    run = invoke("scan", inputs, "-o", tmp_path / "store", "--config", path)
    assert list(run.json["detectors"]) == ["a1111"]


def test_a_section_counts_for_its_command_alone_and_wins_over_flat_names(tmp_path):
    store = make_store(tmp_path, a=[photo(), generated()])
    path = config(tmp_path, "level = 0.5\n[estimate]\nlevel = 0.9\n[scan]\ndetectors = 'a1111'\n")
    run = invoke("estimate", store, "--config", path, "--json")
    assert run.json["p"]["level"] == 0.9


def test_a_flag_wins_over_the_config(tmp_path):
    store = make_store(tmp_path, a=[photo()])
    path = config(tmp_path, "[estimate]\nlevel = 0.9\n")
    run = invoke("estimate", store, "--config", path, "--level", "0.8", "--json")
    assert run.json["p"]["level"] == 0.8


@pytest.mark.parametrize("name", ["shard-index", "shard_index"])
def test_names_take_dashes_or_underscores(tmp_path, name):
    inputs = write_shards(tmp_path, a=[photo()], b=[photo()])
    path = config(tmp_path, f'{name} = 1\nnum-shards = 2\nengine = "serial"\njson = true\n')
    run = invoke("scan", inputs, "-o", tmp_path / "store", "--config", path)
    assert run.json["shards"] == {"total": 2, "done": 1, "skipped": 0, "quarantined": 0}


def test_an_option_that_may_be_repeated_is_a_list(tmp_path):
    inputs = write_shards(tmp_path, a=[photo()])
    text = 'detectors = "constant"\noption = ["constant.score=2.5"]\nengine = "serial"\n'
    run = invoke("scan", inputs, "-o", tmp_path / "store", "--config", config(tmp_path, text))
    explained = invoke("explain", tmp_path / "store", "--key", "000000000", "--json").json
    assert run.code == 0
    assert explained["rows"][0]["evidence"]["constant"]["score"] == 2.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1\n", "'colour' is no flag of this command (known: by, calibration, "),
        ("[estimate]\ncolour = 1\n", "'colour' is no flag of this command"),
        ("estimate = 1\n", "'estimate' is no flag of this command"),
        ("level = \n", "cannot read"),
        ("level = 2\n", "is not in the range"),
        ("composite = 'half'\n", "'half' is not one of"),
    ],
)
def test_a_config_that_cannot_be_is_refused(tmp_path, text, message):
    store = make_store(tmp_path, a=[photo()])
    run = invoke("estimate", store, "--config", config(tmp_path, text))
    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert "Traceback" not in run.err


def test_a_config_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "c.toml").write_bytes(b'by = "\xff"')
    run = invoke("estimate", tmp_path, "--config", tmp_path / "c.toml")
    assert run.code == 2
    assert "cannot read" in run.err


def test_a_config_that_does_not_exist_is_refused(tmp_path):
    run = invoke("estimate", tmp_path, "--config", tmp_path / "none.toml")
    assert run.code == 2
    assert "does not exist" in run.err


def test_a_list_in_the_config_stands_for_a_flag_with_commas(tmp_path):
    write_shards(tmp_path, a=[photo()])
    config = tmp_path / "scan.toml"
    config.write_text('detectors = ["a1111", "c2pa"]\n')
    store = str(tmp_path / "store")
    run = invoke("scan", str(tmp_path / "shards"), "-o", store, "--config", str(config), "--json")
    assert list(run.json["detectors"]) == ["a1111", "c2pa"]
