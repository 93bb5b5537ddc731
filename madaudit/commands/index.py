"""`madaudit index`: what hooks map to look samples up in microseconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from madaudit.commands.shell import common_options, guarded, print_json

if TYPE_CHECKING:
    from madaudit.assessment.policy import Policy


@dataclass(frozen=True)
class Indexed:
    """An index that was made.

    Attributes:
        rows: in the store.
        by: kind of key to `keys`, `repeated` (keys that another row has too) and `bytes`.
        bytes_per_row: of all files, decisions included; null without rows.
        kept: rows that the rule leaves.
        fingerprint: of the rows.
        seconds: that it took.
    """

    rows: int
    by: dict[str, dict[str, int]]
    bytes_per_row: float | None
    kept: int
    fingerprint: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


def index(
    store: str,
    *,
    by: Sequence[str] | str = "key",
    policy: Policy | str | None = None,
    where: str | None = None,
) -> Indexed:
    """Build the index that hooks look samples up in, and the decisions of one rule.

    A hook without an index makes one for itself, which takes seconds a million rows each time.
    Run it again for another rule: keys that are indexed already are not gathered again.

    Args:
        store: folder or URL of the store; the index goes into its folder `index`.
        by: kinds of keys, "key" (with its shard), "uid" and "url"; several by commas.
        policy: or the file of one; whose decisions are kept with the index.
        where: likewise SQL of the rows to keep.

    Raises:
        StoreError: no store, or one that cannot be written.
        OptionError: a kind of key that is none, or an expression that is no predicate.
    """
    from typing import cast

    from madaudit.hooks.policy_file import as_policy
    from madaudit.hooks.selection import Rule, Selection
    from madaudit.hooks.store_index import By, build_index, read_info, write_decisions
    from madaudit.scanning.store import Store

    began = time.monotonic()
    kinds = [name.strip() for name in by.split(",")] if isinstance(by, str) else list(by)
    opened = Store(store.rstrip("/"))
    selection = Selection(opened, Rule(as_policy(policy), where))
    info = read_info(opened, selection.survey)
    if info is None or not set(kinds) <= set(info.layouts):
        wanted = list(dict.fromkeys([*([] if info is None else info.layouts), *kinds]))
        info = build_index(opened, selection.survey, cast(list[By], wanted), opened)
    kept = write_decisions(selection, opened)
    n_bytes = sum(layout.size_bytes for layout in info.layouts.values()) + info.n_rows
    return Indexed(
        rows=info.n_rows,
        by={
            kind: {
                "keys": layout.n_entries,
                "repeated": layout.n_repeated,
                "bytes": layout.size_bytes,
            }
            for kind, layout in info.layouts.items()
        },
        bytes_per_row=n_bytes / info.n_rows if info.n_rows else None,
        kept=kept,
        fingerprint=info.fingerprint,
        seconds=time.monotonic() - began,
    )


@click.command("index", no_args_is_help=True)
@click.argument("store", metavar="STORE")
@click.option(
    "--by",
    default="key",
    show_default=True,
    metavar="KEY,…",
    help="What samples are looked up by: key, uid, url.",
)
@click.option("--policy", metavar="FILE", help="YAML; its cut drops samples.")
@click.option("--where", metavar="SQL", help="Keep the rows that match.")
@common_options
@guarded
def command(
    store: str,
    by: str,
    policy: str | None,
    where: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Build the index that the hooks of training pipelines map.

    \b
      madaudit index store
      madaudit index store --by key,url --policy policy.yaml
    """
    from madaudit.reports.wording import count

    result = index(store, by=by, policy=policy, where=where)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        names = ", ".join(f"{count(one['keys'])} by {kind}" for kind, one in result.by.items())
        click.echo(f"{count(result.rows)} rows ({names}), {count(result.kept)} kept")
    return 0
