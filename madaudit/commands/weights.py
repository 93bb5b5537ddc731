"""`madaudit weights`: what weights exist, under which licence, and fetching them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import click

from madaudit.commands.shell import common_options, guarded, print_json
from madaudit.encoders import weights as kept
from madaudit.errors import OptionError

Action = Literal["list", "fetch"]
_ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True)
class WeightsList:
    """One dictionary per file: name, what, licence, used_by, size_bytes, sha256, source, here."""

    weights: list[dict[str, Any]]

    def to_dict(self) -> list[dict[str, Any]]:
        return self.weights


def weights(action: Action = "list", name: str | None = None) -> WeightsList:
    """List the weights that madaudit knows, or fetch one of them.

    Args:
        action: "list" looks only; "fetch" downloads what is not here.
        name: which, or MODEL:TAG of open_clip; None for all when listing.

    Raises:
        OptionError: an unknown action or name, or none to fetch.
        RequestError: the source cannot be reached, or gave other bytes than published.
    """
    if action not in _ACTIONS:
        raise OptionError(f"cannot {action!r} weights; allowed: {', '.join(_ACTIONS)}")
    if action == "fetch":
        if name is None:
            raise OptionError("cannot fetch without a name; see them with: madaudit weights list")
        return WeightsList([_describe(kept.fetch(name))])
    chosen = kept.known_weights().values() if name is None else [kept.look_up(name)]
    return WeightsList([_describe(one) for one in chosen])


def _describe(one: kept.Weights) -> dict[str, Any]:
    return {
        "name": one.name,
        "what": one.what,
        "licence": one.licence,
        "used_by": one.used_by,
        "size_bytes": one.size_bytes,
        "sha256": one.sha256 or None,
        "source": one.source,
        "path": None if one.path is None else str(one.path),
        "here": one.is_here,
    }


@click.command("weights", no_args_is_help=True)
@click.argument("action", type=click.Choice(_ACTIONS))
@click.argument("name", required=False)
@common_options
@guarded
def command(action: Action, name: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """List or fetch the weights of encoders; nothing is fetched unless asked.

    \b
      madaudit weights list
      madaudit weights fetch clip-vit-b16-int8
      madaudit weights fetch ViT-B-32:laion2b_s34b_b79k      any model and tag of open_clip
    """
    result = weights(action, name)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        for one in result.weights:
            here = click.style("✓", fg="green") if one["here"] else click.style("–", fg="yellow")
            size = f", {one['size_bytes'] / 1e6:.0f} MB" if one["size_bytes"] else ""
            place = one["path"] or "the Hub's cache"
            click.echo(f"{here} {one['name']}: {one['what']}{size}")
            click.echo(f"    licence  {one['licence']}")
            click.echo(f"    source   {one['source']}")
            click.echo(
                f"    sha256   {one['sha256'] or 'as the Hub keeps it, checked on fetching'}"
            )
            click.echo(f"    place    {place}{'' if one['here'] else ' (not here)'}")
    return 0
