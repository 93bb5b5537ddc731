"""Progress on stderr: of a scan, with hits and errors so far, and of work on a store's rows."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NoReturn, Self

import click
from tqdm import tqdm

from madaudit.reports.wording import count
from madaudit.scanning.engines import Event

_LINE_EVERY_S = 15.0


class ClosedAtTheEnd:
    """What has a bar, which goes when the work ends or fails."""

    _bar: tqdm[NoReturn]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()


class ScanProgress(ClosedAtTheEnd):
    """A bar over bytes on a terminal; elsewhere a line every 15 s."""

    def __init__(self, sizes: Sequence[int], *, is_quiet: bool) -> None:
        self._is_line = not sys.stderr.isatty()
        self._total = sum(sizes)
        self._began = self._said = time.monotonic()
        self._bytes = self._rows = self._hits = self._errors = 0
        self._is_quiet = is_quiet
        self._bar = tqdm(
            total=self._total,
            unit="B",
            unit_scale=True,
            disable=is_quiet or self._is_line,
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def show(self, event: Event, size_bytes: int) -> None:
        """Take in news.

        Args:
            event: from the engine.
            size_bytes: length of the shard that finished, 0 where none did.
        """
        if event.finished is not None:
            summary = event.finished
            self._bytes += size_bytes
            self._rows += summary.n_rows
            self._hits += summary.n_hits
            self._errors += sum(summary.status.values()) - summary.status.get("ok", 0)
        n_bytes = min(self._bytes + sum(p.bytes_read for p in event.running), self._total)
        rows = self._rows + sum(p.rows for p in event.running)
        hits = self._hits + sum(p.hits for p in event.running)
        errors = self._errors + sum(p.errors for p in event.running)
        if self._is_line:
            self._line(n_bytes, rows, hits, errors)
            return
        rate = rows / max(time.monotonic() - self._began, 1e-9)
        self._bar.set_postfix_str(
            f"{count(rate)} samples/s, {count(hits)} hits, {count(errors)} errors", refresh=False
        )
        self._bar.n = n_bytes
        self._bar.refresh()

    def _line(self, n_bytes: int, rows: int, hits: int, errors: int) -> None:
        now = time.monotonic()
        if self._is_quiet or now - self._said < _LINE_EVERY_S:
            return
        self._said = now
        seconds = now - self._began
        left_s = seconds * (self._total - n_bytes) / n_bytes if n_bytes else float("nan")
        click.echo(
            f"{n_bytes / max(self._total, 1):.1%} of {self._total / 1e9:.2f} GB, "
            f"{count(rows)} samples ({count(rows / seconds)}/s), {count(hits)} hits, "
            f"{count(errors)} errors, about {left_s / 60:.1f} min left",
            err=True,
        )


class RowProgress(ClosedAtTheEnd):
    """A bar over rows on a terminal; elsewhere a line every 15 s."""

    def __init__(self, n_rows: int, *, is_quiet: bool) -> None:
        self._n_rows = n_rows
        self._speaks = not is_quiet and not sys.stderr.isatty()
        self._began = self._said = time.monotonic()
        self._bar = tqdm(
            total=n_rows,
            unit="row",
            unit_scale=True,
            disable=is_quiet or self._speaks,
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def show(self, n_done: int) -> None:
        """So many rows are behind us; news of fewer than before is late and passed over."""
        self._bar.update(max(0, n_done - self._bar.n))
        now = time.monotonic()
        if self._speaks and now - self._said >= _LINE_EVERY_S and n_done:
            self._said = now
            seconds = now - self._began
            left_s = seconds * (self._n_rows - n_done) / n_done
            click.echo(
                f"{n_done / self._n_rows:.1%} of {count(self._n_rows)} rows "
                f"({count(n_done / seconds)}/s), about {left_s / 60:.1f} min left",
                err=True,
            )
