"""Generators that really train; a new one is one file and one line in GENERATORS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from madaudit import registry
from madaudit.errors import MissingExtraError
from madaudit.simulation.generators.base import DivergenceError, Fitted, Generator, Samples

__all__ = ["GENERATORS", "DivergenceError", "Fitted", "Generator", "Samples", "build_generator"]

_HERE = "madaudit.simulation.generators"
GENERATORS: dict[str, str] = {
    "ddpm": f"{_HERE}.ddpm:Ddpm",
    "flow": f"{_HERE}.flow:Flow",
    "normal": f"{_HERE}.normal:Normal",
    "stylegan": f"{_HERE}.stylegan:StyleGan",
    "wgan": f"{_HERE}.wgan:WganGp",
}


def build_generator(name: str, options: Mapping[str, Any] | None = None) -> Generator:
    """A generator with its options.

    Raises:
        OptionError: unknown name or option; the message lists the known ones.
        MissingExtraError: torch is not installed.
    """
    try:
        return cast(Generator, registry.build("generators", GENERATORS, name, options or {}))
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError(
            f"train a {name!r} generator", package="torch", extra="loops"
        ) from error
