"""A predicate in SQL over a store's rows, answered by DuckDB.

The expression is the user's own, but what it is asked of may come from strangers: DuckDB runs in
memory, without files, network, extensions or a way to turn them on. It sees some thousand rows at
a time, so an expression speaks of one row: windows and aggregates are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from madaudit.errors import MissingExtraError, OptionError

#: Columns besides the store's own: the strongest mark's label, and what an estimate left.
DERIVED = {
    "verdict": pa.string(),
    "log_ratio": pa.float32(),
    "p_synthetic": pa.float32(),
}
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    # One thread keeps the rows' order without sorting, and workers of a loader share the cores.
    "threads": "1",
}


class Predicate:
    """An SQL expression that says of each row whether it is kept.

    Attributes:
        text: the expression.
        columns: those of the schema that it may need.
    """

    def __init__(self, text: str, schema: pa.Schema) -> None:
        """Check an expression.

        Args:
            text: SQL, for example "width >= 256 AND verdict IS NULL".
            schema: of the rows that it will be asked of.

        Raises:
            OptionError: no SQL expression of a row; the message is DuckDB's.
            MissingExtraError: DuckDB is not installed.
        """
        self.text = text
        self._connection = _connect()
        names = [name for name in schema.names if name.lower() in text.lower()]
        self.columns: Sequence[str] = schema.names if "*" in text or not names else names
        empty = pa.schema([schema.field(name) for name in self.columns]).empty_table()
        # Under WHERE, for DuckDB to refuse windows and aggregates there.
        self._run("SELECT 1 FROM rows WHERE (", empty, schema.names)
        if len(self._run("SELECT (", empty, schema.names)) != 1:
            raise OptionError(f"--where {text!r} is not one expression; join parts with AND or OR")

    def holds(self, rows: pa.Table) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Whether it holds for each row (n,), and whether it says nothing of it (n,)."""
        (answer,) = self._run("SELECT CAST((", rows, rows.column_names).values()
        values = np.ma.filled(answer, False).astype(bool)
        return values, np.ma.getmaskarray(answer)

    def _run(self, head: str, rows: pa.Table, known: Sequence[str]) -> dict[str, Any]:
        import duckdb  # noqa: PLC0415 — an extra's, and only a predicate needs it

        # A line break ends a comment that the expression may close with.
        tails = {"SELECT CAST((": "\n) AS BOOLEAN) FROM rows", "SELECT (": "\n) FROM rows"}
        query = f"{head}{self.text}{tails.get(head, chr(10) + ')')}"
        self._connection.register("rows", rows)
        try:
            if len(self._connection.extract_statements(query)) != 1:
                raise OptionError(f"--where {self.text!r} is more than one statement; give one")
            answer: dict[str, Any] = self._connection.execute(query).fetchnumpy()
        except duckdb.Error as error:
            first = str(error).strip().split("\n")[0]
            raise OptionError(
                f"cannot use --where {self.text!r}: {first} (columns: {', '.join(known)})"
            ) from error
        finally:
            self._connection.unregister("rows")
        return answer


def _connect() -> Any:
    try:
        import duckdb  # noqa: PLC0415 — an extra's, and only a predicate needs it
    except ImportError as error:
        raise MissingExtraError("use --where", package="duckdb", extra="filter") from error
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    connection.execute("SET lock_configuration = true")
    return connection
