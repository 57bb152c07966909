"""Outcomes as Arrow tables."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Optional

from . import _native


class OutcomeTable:
    """Outcomes as Arrow columns in this process's memory.

    Libraries that read Arrow use it without a copy: `polars.DataFrame(table)`, `pyarrow.table(table)`,
    `pandas.DataFrame.from_arrow(table)`, DuckDB. None of them is required otherwise.

    The columns are `simulation_id` and the fields of an outcome. Ids are text; `execution_time` and
    `received_at` are times in UTC with microseconds; `scores`, `invalidation`, `metrics` and `warnings`
    are JSON as text; a field that an outcome does not have is null.
    """

    def __init__(self, table: _native.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __repr__(self) -> str:
        return f"<OutcomeTable of {len(self)} outcomes>"

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return self._table.column_names

    def __arrow_c_schema__(self) -> object:
        return self._table.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Optional[object] = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> Any:
        """Returns a `pyarrow.Table`.

        Raises:
            ImportError: if pyarrow is not installed.
        """
        return _library("pyarrow").table(self)

    def to_pandas(self) -> Any:
        """Returns a `pandas.DataFrame`, converted with pyarrow.

        Raises:
            ImportError: if pandas or pyarrow is not installed.
        """
        _library("pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """Returns a `polars.DataFrame`.

        Raises:
            ImportError: if polars is not installed.
        """
        return _library("polars").DataFrame(self)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        needed = "polars" if name == "polars" else "pandas pyarrow"
        raise ImportError(
            f"this needs {name}, which is not installed: pip install {needed}"
        ) from error
