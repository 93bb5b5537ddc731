"""`madaudit check-plugin`: a family's contract, checked on one plug-in, a stranger's too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.errors import OptionError, RequestError

if TYPE_CHECKING:
    from madaudit.contracts.base import Checked

EXIT_BROKEN = 3
Options = dict[str, Any]


@dataclass(frozen=True)
class PluginCheck:
    """What a plug-in does of what its family promises.

    Attributes:
        name: of the plug-in.
        family: that it belongs to.
        checks: each promise, with what was seen where it does not hold.
    """

    name: str
    family: str
    checks: list[Checked]

    @property
    def passed(self) -> bool:
        return all(check.problem is None for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        checks = [check.to_dict() for check in self.checks]
        return {
            "name": self.name,
            "family": self.family,
            "passed": self.passed,
            "checks": checks,
        }


def check_plugin(
    name: str,
    *,
    family: str = "detectors",
    option: Mapping[str, Any] | None = None,
    input: str | None = None,
) -> PluginCheck:
    """Check a plug-in against its family's contract.

    Args:
        name: as it is registered, by madaudit or by a package's entry point.
        family: "detectors", "encoders", "engines", "generators", "readers" or "renderers".
        option: options of a detector, an encoder (its weights) or a generator (small ones).
        input: for a reader, a shard of its format.

    Raises:
        OptionError: an unknown name, option or family, or a reader without a shard.
        RequestError: the plug-in cannot run here.
    """
    if family not in _CHECKED:
        raise OptionError(f"--family is {family!r}; allowed: {', '.join(_CHECKED)}")
    if input is not None and family != "readers":
        raise OptionError(f"--input goes with --family readers, not with --family {family}")
    if option and family not in _WITH_OPTIONS:
        raise OptionError(f"--option goes with --family {', '.join(_WITH_OPTIONS)}")
    return PluginCheck(name, family, _CHECKED[family](name, dict(option or {}), input))


def _detector(name: str, option: Options, path: str | None) -> list[Checked]:
    from madaudit.contracts.detectors import check_detector
    from madaudit.detectors import build_detector

    detector = build_detector(name, option)
    reason = detector.why_unavailable()
    if reason is not None:
        raise RequestError(f"detector {name!r} cannot run here: {reason}")
    return check_detector(name, detector)


def _encoder(name: str, option: Options, path: str | None) -> list[Checked]:
    from madaudit.contracts.encoders import check_encoder
    from madaudit.encoders import build_encoder

    return check_encoder(name, build_encoder(name, option))


def _engine(name: str, option: Options, path: str | None) -> list[Checked]:
    from madaudit.contracts.engines import check_engine
    from madaudit.scanning.engines import build_engine

    build_engine(name, workers=1)  # an unknown or unusable one is a wrong request
    return check_engine(name)


def _generator(name: str, option: Options, path: str | None) -> list[Checked]:
    from madaudit.contracts.generators import check_generator
    from madaudit.simulation.generators import build_generator

    return check_generator(name, build_generator(name, option))


def _reader(name: str, option: Options, path: str | None) -> list[Checked]:
    from madaudit.contracts.readers import check_reader
    from madaudit.shards import files, load_reader
    from madaudit.types import Shard

    if path is None:
        raise OptionError("a reader is checked on a shard of its format; give --input FILE")
    info = files.current_version(path)
    if info is None:
        raise OptionError(f"--input {path!r} does not exist")
    shard = Shard(path.rpartition("/")[2], info.uri, name, info.size_bytes, info.version)
    return check_reader(name, load_reader(name), shard)


def _renderer(name: str, option: Options, path: str | None) -> list[Checked]:
    from madaudit.contracts.renderers import check_renderer
    from madaudit.reports import build_renderer

    return check_renderer(name, build_renderer(name))


_CHECKED: dict[str, Callable[[str, Options, str | None], list[Checked]]] = {
    "detectors": _detector,
    "encoders": _encoder,
    "engines": _engine,
    "generators": _generator,
    "readers": _reader,
    "renderers": _renderer,
}
_WITH_OPTIONS = ("detectors", "encoders", "generators")


def _print(result: PluginCheck) -> None:
    from madaudit.reports.wording import visible

    for check in result.checks:
        mark = "✓" if check.problem is None else click.style("✗", fg="red")
        click.echo(f"  {mark} {check.promise}")
        if check.problem is not None:
            click.echo(f"      {visible(check.problem)}")
    n_broken = sum(check.problem is not None for check in result.checks)
    verdict = "keeps its promises" if result.passed else f"breaks {n_broken} of them"
    click.echo(f"{result.family[:-1]} {result.name} {verdict}")


@click.command("check-plugin", no_args_is_help=True)
@click.argument("name", metavar="NAME")
@click.option(
    "--family", type=click.Choice(list(_CHECKED)), default="detectors", show_default=True
)
@click.option(
    "--option", "option_pairs", multiple=True, metavar="OPTION=VALUE", help="May be repeated."
)
@click.option("--input", metavar="FILE", help="A shard of a reader's format.")
@common_options
@guarded
def command(
    name: str,
    family: str,
    option_pairs: tuple[str, ...],
    input: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Check a plug-in, yours or ours, against its family's contract.

    \b
      madaudit check-plugin example_gen
      madaudit check-plugin my_reader --family readers --input shard.xyz
      madaudit check-plugin clip-onnx --family encoders --option weights=FILE

    Exit code 3: it breaks a promise.
    """
    from madaudit.commands.scan_request import parse_options

    pairs = tuple(f"{name}.{pair}" for pair in option_pairs)
    option = parse_options(pairs).get(name)
    result = check_plugin(name, family=family, option=option, input=input)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        _print(result)
    return 0 if result.passed else EXIT_BROKEN
