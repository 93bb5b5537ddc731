"""What all commands share at the shell: --json, -q, -v, --config, and exit codes.

Exit codes: 0 done; 1 a bug; 2 a wrong request; 3 a policy broken; 4 incomplete.
"""

from __future__ import annotations

import functools
import json
import sys
import tomllib
import traceback
from collections.abc import Callable
from typing import Any

import click

from madaudit.errors import MadauditError
from madaudit.registry import suggest

EXIT_BUG, EXIT_REQUEST, EXIT_POLICY, EXIT_INCOMPLETE = 1, 2, 3, 4


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json, -q, -v and --config to a click command."""
    options = (
        click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
        click.option("-q", "--quiet", is_flag=True, help="No progress, no summary."),
        click.option("-v", "--verbose", is_flag=True, help="Stack traces with errors."),
        click.option(
            "--config",
            type=click.Path(exists=True, dir_okay=False),
            is_eager=True,
            expose_value=False,
            callback=_read_config,
            help="TOML file; its names are the flags' names.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """Turn what a command raises into one clear line and an exit code."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            code = command(*args, **kwargs)
        except KeyboardInterrupt:
            click.echo("interrupted; run the same command again to go on", err=True)
            code = EXIT_INCOMPLETE
        except BrokenPipeError:
            sys.stderr.close()
            code = 0
        except (MadauditError, OSError) as error:
            if kwargs.get("verbose"):
                traceback.print_exc()
            from madaudit.reports.wording import visible

            # File names and what stands in files come from strangers.
            click.echo(f"{click.style('error:', fg='red')} {visible(str(error))}", err=True)
            code = EXIT_REQUEST
        except click.exceptions.ClickException:
            raise
        except Exception:  # noqa: BLE001 — the last line of defence reports what nobody foresaw
            traceback.print_exc()
            click.echo("this is a bug in madaudit; please report the lines above", err=True)
            code = EXIT_BUG
        sys.exit(code or 0)

    return run


def print_json(content: Any) -> None:
    """One JSON object on stdout; NaN is not JSON and never gets here."""
    click.echo(json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2))


def _read_config(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    """Make the file's values the defaults of this command's flags."""
    if value is None:
        return None
    try:
        with open(value, "rb") as file:
            content = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise click.UsageError(f"cannot read {value}: {error}") from error
    section = content.get(context.info_name or "", {})
    flat = {name: item for name, item in content.items() if not isinstance(item, dict)}
    wanted = {**flat, **section} if isinstance(section, dict) else flat
    known = {name.replace("-", "_"): name for name in _flag_names(context)}
    defaults = {}
    for name, item in wanted.items():
        plain = name.replace("-", "_")
        if plain not in known:
            raise click.UsageError(
                f"{value}: {name!r} is no flag of this command{suggest(plain, sorted(known))}"
            )
        defaults[known[plain].replace("-", "_")] = item
    context.default_map = {**(context.default_map or {}), **_by_parameter(context, defaults)}
    return value


def _flag_names(context: click.Context) -> list[str]:
    return [
        option.removeprefix("--")
        for parameter in context.command.params
        for option in parameter.opts
        if option.startswith("--")
    ]


def _by_parameter(context: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """Values by the parameter's Python name, which need not be the flag's."""
    result = {}
    for parameter in context.command.params:
        for option in parameter.opts:
            plain = option.removeprefix("--").replace("-", "_")
            if plain in values and parameter.name:
                value = values[plain]
                # Flags that take "a,b" may be lists in TOML.
                is_list = isinstance(value, list) and not parameter.multiple
                result[parameter.name] = ",".join(map(str, value)) if is_list else value
    return result
