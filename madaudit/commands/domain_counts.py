"""Counts by the host of a sample's URL, many rows at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from madaudit.commands.store_rows import MarkRows
from madaudit.estimation import MarkTally
from madaudit.limits import MAX_DOMAINS

# As `store_rows.domain` has it, for RE2; a test holds them together.
_HOST = r"^[a-zA-Z][a-zA-Z0-9+.\-]*://(?:[^/?#@]*@)?(?P<host>[^/?#:]+)"
FURTHER = "(further domains)"
_N_FIELDS = len(fields(MarkTally))


@dataclass
class DomainCounts:
    """Tallies by domain.

    Attributes:
        n_rows: looked at, with and without a URL.
    """

    n_rows: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _sums: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((64, _N_FIELDS)))

    def add(self, rows: MarkRows) -> None:
        """Count the rows of a batch; it needs the column url."""
        column = rows.rows.column("url")
        self.n_rows += len(column)
        if column.null_count == len(column):
            return
        hosts = hosts_of(column)
        numbers = np.array([self._number(host) for host in hosts.dictionary.to_pylist()])
        own = rows.tallies(hosts.indices.to_numpy().astype(np.int64), len(numbers))
        np.add.at(self._sums, numbers, own)

    def merge(self, later: DomainCounts) -> None:
        """Take in what was counted in later shards."""
        self.n_rows += later.n_rows
        if later._numbers:
            numbers = np.array([self._number(host) for host in later._numbers])
            np.add.at(self._sums, numbers, later._sums[: len(numbers)])

    def tallies(self) -> dict[str, MarkTally]:
        """Domain to counts; samples without a URL left out."""
        return {
            host: MarkTally.of(self._sums[number])
            for host, number in self._numbers.items()
            if host
        }

    def _number(self, host: str) -> int:
        if host not in self._numbers:
            if len(self._numbers) >= MAX_DOMAINS and host != FURTHER:
                return self._number(FURTHER)
            self._numbers[host] = len(self._numbers)
            if len(self._numbers) > len(self._sums):
                self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
        return self._numbers[host]


def hosts_of(urls: pa.Array) -> pa.DictionaryArray:
    """The host of each URL in lower case, without "www."; "" where there is none.

    All that decides it stands before the third slash, and few beginnings differ: they alone are
    taken apart. Two entries of the dictionary may be one host.
    """
    pieces = pc.list_slice(pc.split_pattern(urls, "/", max_splits=3), 0, 3)
    beginnings = pc.binary_join(pieces, "/").dictionary_encode()
    found = pc.extract_regex(beginnings.dictionary, _HOST)
    hosts = pc.utf8_lower(pc.struct_field(found, "host")).fill_null("")
    hosts = pc.replace_substring_regex(hosts, r"^www\.", "", max_replacements=1)
    # A last entry for rows without a URL.
    numbers = beginnings.indices.fill_null(len(hosts))
    return pa.DictionaryArray.from_arrays(numbers, pa.concat_arrays([hosts, pa.array([""])]))
