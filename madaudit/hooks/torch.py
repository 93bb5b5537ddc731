"""PyTorch: the kept part of a data set, or a sampler over it.

    keep = madaudit.hooks.torch.Keep(store)
    loader = DataLoader(keep.dataset(ImageFolder(folder)), num_workers=4)
    loader = DataLoader(dataset, sampler=keep.sampler(dataset))
    loader = DataLoader(keep.iterable(stream))              # samples with __key__ and __url__

A map-style data set is matched by its image files (`samples`, as ImageFolder has them), by what
`identify` says of each index, or else row by row, if it is as long as the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Any, cast

from madaudit.errors import InputError, MissingExtraError
from madaudit.hooks.base import AuditHook, LookupHook

try:
    from torch.utils.data import Dataset, IterableDataset, Sampler, Subset
    from torch.utils.data import SubsetRandomSampler as _Shuffled
except ImportError as error:
    raise MissingExtraError("use the hook", package="torch", extra="loops") from error

#: Of an index: a row's number, an image file, or a shard and the place in it.
Identity = int | str | tuple[str, int]


class Keep(LookupHook):
    """The part of a data set that the store lets stay."""

    def indices(
        self, dataset: Dataset[Any], identify: Callable[[int], Identity] | None = None
    ) -> list[int]:
        """Indices that stay, ascending, each counted once.

        Args:
            dataset: map-style.
            identify: what the store knows each index by.

        Raises:
            InputError: nothing tells which row an index is.
        """
        n = len(cast(Sized, dataset))
        identify = identify or self._identify(dataset, n)
        return [index for index in range(n) if self._keeps(identify(index))]

    def dataset(
        self, dataset: Dataset[Any], identify: Callable[[int], Identity] | None = None
    ) -> Subset[Any]:
        """The kept part as a data set of its own."""
        return Subset(dataset, self.indices(dataset, identify))

    def sampler(
        self,
        dataset: Dataset[Any],
        identify: Callable[[int], Identity] | None = None,
        *,
        shuffle: bool = True,
        generator: Any = None,
    ) -> Sampler[int]:
        """A sampler of the kept indices, for a data set that stays as it is."""
        kept = self.indices(dataset, identify)
        return _Shuffled(kept, generator) if shuffle else _InOrder(kept)

    def iterable(self, stream: IterableDataset[Any]) -> IterableDataset[Any]:
        """A stream of webdataset-shaped samples without those that go."""
        return _Filtered(stream, self.keeps_record)

    def _identify(self, dataset: Dataset[Any], n: int) -> Callable[[int], Identity]:
        samples = getattr(dataset, "samples", None) or getattr(dataset, "imgs", None)
        if samples and isinstance(samples[0][0], str):
            return lambda index: str(samples[index][0])
        if n == self.lookup.n_rows:
            return lambda index: index
        raise InputError(
            f"cannot tell which rows the data set's {n} samples are: the store has "
            f"{self.lookup.n_rows}; give identify=, from index to (shard, ordinal) or file"
        )

    def _keeps(self, identity: Identity) -> bool:
        if isinstance(identity, int):
            return self.lookup.keeps_row(identity)
        if isinstance(identity, str):
            return self.lookup.keeps_row(self.lookup.row_of_file(identity))
        return self.lookup.keeps_ordinal(*identity)


class Audit(AuditHook):
    """A stream without what is found to be synthetic."""

    def iterable(self, stream: IterableDataset[Any]) -> IterableDataset[Any]:
        """A stream of webdataset-shaped samples, looked at before anything decodes them."""
        return _Filtered(stream, self._keeps)

    def _keeps(self, sample: Mapping[str, Any]) -> bool:
        return self.finding(sample).keeps


class _InOrder(Sampler[int]):
    def __init__(self, indices: list[int]) -> None:
        self._indices = indices

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices)

    def __len__(self) -> int:
        return len(self._indices)


class _Filtered(IterableDataset[Any]):
    def __init__(
        self, stream: IterableDataset[Any], keeps: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        self._stream = stream
        self._keeps = keeps

    def __iter__(self) -> Iterator[Any]:
        return filter(self._keeps, self._stream)
