"""`madaudit doctor`: what is installed, what is missing, and what that means."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import click

from madaudit.commands.shell import common_options, guarded, print_json

_BASE = ("click", "defusedxml", "fsspec", "jinja2", "numpy", "pillow", "pyarrow", "scipy")
# Package to the extra that installs it and what is not possible without it.
_OPTIONAL = {
    "c2pa-python": ("c2pa", "C2PA claims are read, but their signatures are not checked"),
    "s3fs": ("s3", "s3:// URLs cannot be read or written"),
}


@dataclass(frozen=True)
class Diagnosis:
    """The machine and its packages.

    Attributes:
        python, platform, processors: of this machine.
        packages: name to version, None where missing.
        notes: what is not possible here, and what to install for it.
    """

    python: str
    platform: str
    processors: int
    packages: dict[str, str | None]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def doctor() -> Diagnosis:
    """Look at the machine; loads no heavy package."""
    from madaudit.scanning.engines.pool import default_workers

    packages = {name: _version(name) for name in ("madaudit", *_BASE, *_OPTIONAL)}
    notes = [
        f"{package} is not installed: {meaning}; pip install 'madaudit[{extra}]'"
        for package, (extra, meaning) in _OPTIONAL.items()
        if packages[package] is None
    ]
    return Diagnosis(
        platform.python_version(),
        f"{platform.system()} {platform.machine()}",
        default_workers(),
        packages,
        notes,
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@click.command("doctor")
@common_options
@guarded
def command(as_json: bool, quiet: bool, verbose: bool) -> int:
    """Say what is installed, what is missing, and what that means.

    \b
      madaudit doctor
    """
    result = doctor()
    if as_json:
        print_json(result.to_dict())
        return 0
    click.echo(f"Python {result.python} ({sys.executable}), {result.platform}")
    click.echo(f"{result.processors} processors for the pool engine")
    for name, version in result.packages.items():
        mark = click.style("✓", fg="green") if version else click.style("–", fg="yellow")
        click.echo(f"  {mark} {name} {version or 'not installed'}")
    for note in result.notes:
        click.echo(note)
    return 0
