"""Names of plug-ins to code, loaded on use.

A family's table maps a name to "module:object". Third parties add members through entry points of
the group "madaudit.<family>". Unknown names and options are refused with the known ones; a name
that two packages claim is refused by naming both.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from madaudit.errors import OptionError


def known_names(family: str, table: Mapping[str, str]) -> dict[str, str]:
    """All members of a family: the package's own and those of third parties.

    Args:
        family: for example "detectors".
        table: the package's own members, name to "module:object".

    Raises:
        OptionError: two packages claim one name.
    """
    names = dict(table)
    for entry in third_party(family):
        if entry.name in names and names[entry.name] != entry.value:
            raise OptionError(
                f"cannot load the {family}: the name {entry.name!r} is claimed by "
                f"{names[entry.name]!r} and {entry.value!r}; uninstall one of the two packages"
            )
        names[entry.name] = entry.value
    return dict(sorted(names.items()))


def load(family: str, table: Mapping[str, str], name: str) -> Any:
    """The object behind a name.

    Raises:
        OptionError: no such name; the message lists the known ones.
    """
    names = known_names(family, table)
    if name not in names:
        raise OptionError(f"{_singular(family)} {name!r} does not exist{suggest(name, names)}")
    module, _, attribute = names[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def build(family: str, table: Mapping[str, str], name: str, options: Mapping[str, Any]) -> Any:
    """An instance of a plug-in; its dataclass fields are its options.

    Raises:
        OptionError: unknown name, or an option that the plug-in does not have.
    """
    plugin = load(family, table, name)
    allowed = [field.name for field in dataclasses.fields(plugin) if field.init]
    for option in options:
        if option not in allowed:
            raise OptionError(
                f"{_singular(family)} {name!r} has no option {option!r}{suggest(option, allowed)}"
            )
    return plugin(**options)


def suggest(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """The tail of an error message: what is allowed, and the likeliest meaning."""
    near = difflib.get_close_matches(word, list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f" (known: {', '.join(known) or 'none'}){hint}"


@cache
def third_party(family: str) -> list[EntryPoint]:
    """Entry points of other packages; looking through all installed ones takes 20 ms, once."""
    return list(entry_points(group=f"madaudit.{family}"))


def _singular(family: str) -> str:
    return family[:-1] if family.endswith("s") else family
