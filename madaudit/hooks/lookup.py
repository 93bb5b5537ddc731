"""Decisions by look-up, shared by every host's `Keep`.

What is known of a sample decides, in this order: shard and key, shard and ordinal, the row's
number, uid or URL. A sample that the store does not know is kept, unless asked otherwise.
"""

from __future__ import annotations

import bisect
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from madaudit.assessment.policy import Policy
from madaudit.errors import OptionError
from madaudit.hooks.key_index import KeyIndex, Namespace, map_file
from madaudit.hooks.ledger import Ledger
from madaudit.hooks.selection import Rule, Selection
from madaudit.hooks.shared_sums import scratch_folder
from madaudit.hooks.store_index import (
    BY,
    FOLDER,
    By,
    IndexedShard,
    IndexInfo,
    build_index,
    decisions_name,
    fetch,
    has_decisions,
    key_namespace,
    read_info,
    write_decisions,
)
from madaudit.registry import suggest
from madaudit.scanning.store import Store
from madaudit.shards import files

Unknown = Literal["keep", "drop"]
_UNKNOWN = "not in the store"


@dataclass(frozen=True)
class Question:
    """What is asked about samples.

    Attributes:
        policy: its cut drops.
        where: SQL of the rows to keep.
        by: what samples are known by: "key" (with its shard), "uid" or "url".
        unknown: what becomes of samples that the store does not know.

    Raises:
        OptionError: an option that is none.
    """

    policy: Policy | None = None
    where: str | None = None
    by: By = "key"
    unknown: Unknown = "keep"

    def __post_init__(self) -> None:
        if self.by not in BY:
            raise OptionError(f"by is {self.by!r}{suggest(self.by, list(BY))}")
        if self.unknown not in get_args(Unknown):
            raise OptionError(f"unknown is {self.unknown!r}; allowed: 'keep', 'drop'")


class Lookup:
    """What a rule says of samples, by any of their names.

    Attributes:
        ledger: counts of what was decided.
        fingerprint: of the rule and of what it was asked of.
        reasons: why samples go.
        namespaces: path or URL of a shard to the namespace of its keys, None where it is not
            known: by the longest end of the path that only one shard has, since data may have
            moved. For uids and URLs any text gives theirs.
    """

    _files: dict[str, tuple[str, int]] | None
    _shards: dict[str, IndexedShard]

    def __init__(self, store: str, question: Question | None = None) -> None:
        """Open a store's index, or make one for the time being.

        Args:
            store: folder or URL.
            question: what is asked of it; by default whether a mark says synthetic, by key.

        Raises:
            RequestError: no store, or a rule that it cannot answer.
        """
        self._question = question or Question()
        self._store = store.rstrip("/")
        self._make()

    def _make(self) -> None:
        """Find or make the files, in a folder that goes when this object does."""
        rule = Rule(self._question.policy, self._question.where)
        selection = Selection(Store(self._store), rule)
        scratch = scratch_folder(self)
        self._info, self._folder = _index_at(selection, self._question.by, Store(scratch))
        self._codes_path = _decisions_at(selection, Store(scratch))
        self.fingerprint = selection.fingerprint
        self.reasons = (*selection.reasons, _UNKNOWN)
        self.ledger = Ledger(f"{scratch}/counts", self.reasons)
        self._open()

    def keeps(self, namespace: Namespace | None, key: str | None) -> bool:
        """Whether a sample stays, counted.

        Args:
            namespace: of its shard, from `namespaces`; None where that is not known.
            key: its key, uid or URL; None where it has none.
        """
        if namespace is None or key is None:
            return self._keeps_unknown()
        index = self._index
        entry = index.entry(namespace, key)
        if entry < 0:
            return self._keeps_unknown()
        if index.has_repeated:
            code = self._code_of_all(index.rows_from(entry))
        else:
            code = self._codes[index.row_of[entry]]
        if code:
            self.ledger.drop(code)
            return False
        self.ledger.keep()
        return True

    def rows(self, namespace: Namespace, key: str) -> Sequence[int]:
        """Numbers of a key's rows; nothing is counted."""
        return self._index.rows(namespace, key)

    def keeps_row(self, row: int | None) -> bool:
        """Whether the sample of that number in the store stays, counted; None is not known."""
        if row is None or not 0 <= row < len(self._codes):
            return self._keeps_unknown()
        code = self._codes[row]
        if code:
            self.ledger.drop(code)
            return False
        self.ledger.keep()
        return True

    def keeps_ordinal(self, shard: str, ordinal: int) -> bool:
        """Whether a sample stays, by its shard (path or URL) and its place in it, counted."""
        return self.keeps_row(self.row_of(shard, ordinal))

    def row_of(self, shard: str, ordinal: int) -> int | None:
        """Number of a sample's row; None where the store does not know it."""
        name = self._names.find(shard)
        if name is None:
            return None
        known = self._shards[name]
        if known.is_whole:
            return known.start + ordinal if 0 <= ordinal < known.n_rows else None
        start = self._sampled_starts[name]
        at = bisect.bisect_left(self._ordinals, ordinal, start, start + known.n_rows)
        is_there = at < start + known.n_rows and self._ordinals[at] == ordinal
        return known.start + at - start if is_there else None

    def row_of_file(self, path: str) -> int | None:
        """Number of the row of an image file in a folder that was scanned; None where unknown."""
        if self._files is None:
            self._files = {
                files.join(shard.uri, name): (shard.name, ordinal)
                for shard in self._shards.values()
                for ordinal, name in enumerate(shard.paths)
            }
        place = self._files.get(path) or self._files.get(os.path.abspath(path))
        return None if place is None else self.row_of(*place)

    @property
    def n_rows(self) -> int:
        """Rows of the store."""
        return len(self._codes)

    def _keeps_unknown(self) -> bool:
        self.ledger.note_unknown()
        if self._question.unknown == "drop":
            self.ledger.drop(len(self.reasons))
            return False
        self.ledger.keep()
        return True

    def _code_of_all(self, rows: Sequence[int]) -> int:
        """One code for the rows of one key: the first that drops, if any does."""
        codes = [self._codes[row] for row in rows]
        if 0 in codes and any(codes):
            self.ledger.note_ambiguous()
        return next((code for code in codes if code), 0)

    def _open(self) -> None:
        """Map the files; each process does so once."""
        info = self._info
        by = self._question.by
        self._index = KeyIndex(f"{self._folder}/{FOLDER}", by, info.layouts[by])
        self._codes: mmap.mmap | bytes = map_file(self._codes_path)
        self._ordinals = memoryview(map_file(f"{self._folder}/{FOLDER}/ordinals")).cast("q")
        self._names = _ShardNames(info.shards)
        self.namespaces = _Namespaces(by, self._names)
        self._files = None
        self._shards = {shard.name: shard for shard in info.shards}
        self._sampled_starts: dict[str, int] = {}
        n_sampled = 0
        for shard in info.shards:
            if not shard.is_whole:
                self._sampled_starts[shard.name] = n_sampled
                n_sampled += shard.n_rows

    def __getstate__(self) -> dict[str, Any]:
        made = ("_info", "_folder", "_codes_path", "fingerprint", "reasons", "ledger")
        return {name: self.__dict__[name] for name in ("_question", "_store", *made)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if Path(self._codes_path).exists():
            self._open()
        else:
            self._make()  # on another machine, where the files are not


class _ShardNames:
    """Shards by the paths and URLs that they may have elsewhere."""

    def __init__(self, shards: Sequence[IndexedShard]) -> None:
        self._names = {shard.name for shard in shards}
        self._by_uri = {shard.uri: shard.name for shard in shards}
        self._by_file: dict[str, list[str]] = {}
        for shard in shards:
            self._by_file.setdefault(shard.name.rpartition("/")[2], []).append(shard.name)

    def find(self, url: str) -> str | None:
        """The shard that only the longest end of that path names; None where it is not known."""
        if url in self._names:
            return url
        if url in self._by_uri:
            return self._by_uri[url]
        parts = url.partition("?")[0].replace("::", "/").split("/")
        for first in range(len(parts)):
            name = "/".join(parts[first:])
            if name in self._names:
                return name
        found = self._by_file.get(parts[-1].split(" ")[0], ())
        return found[0] if len(found) == 1 else None


class _Namespaces(dict[str, Namespace | None]):
    """Namespaces by shard, each made when it is first asked for."""

    def __init__(self, by: By, names: _ShardNames) -> None:
        self._by = by
        self._names = names

    def __missing__(self, url: str) -> Namespace | None:
        name = self._names.find(url) if self._by == "key" else ""
        found = self[url] = None if name is None else key_namespace(self._by, name)
        return found


def _index_at(selection: Selection, by: By, scratch: Store) -> tuple[IndexInfo, str]:
    """An index with that kind of key, and the local folder that it is in."""
    store = selection.store
    info = read_info(store, selection.survey)
    if info is not None and by in info.layouts:
        sizes = info.layouts[by].file_sizes()
        names = {f"{FOLDER}/{by}.{part}": size for part, size in sizes.items()}
        folder = files.local_path(store.url) if files.is_local(store.url) else scratch.url
        if folder == scratch.url:
            fetch(store, scratch, [*names, f"{FOLDER}/ordinals"])
        if all(_size(folder, name) == size for name, size in names.items()):
            return info, folder
    return build_index(store, selection.survey, [by], scratch), scratch.url


def _decisions_at(selection: Selection, scratch: Store) -> str:
    """The local file of a rule's decisions."""
    name = f"{decisions_name(selection)}.codes"
    store, folder = selection.store, scratch.url
    if has_decisions(selection, store):
        if files.is_local(store.url):
            folder = files.local_path(store.url)
        else:
            fetch(store, scratch, [name])
    n_rows = sum(marker["n_rows"] for marker in selection.markers)
    if _size(folder, name) != n_rows:
        folder = scratch.url
        write_decisions(selection, scratch)
    return str(Path(folder, name))


def _size(folder: str, name: str) -> int:
    """Length of a file in bytes; −1 where it is not there."""
    path = Path(folder, name)
    return path.stat().st_size if path.is_file() else -1
