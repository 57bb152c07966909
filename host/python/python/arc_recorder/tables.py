"""Outcomes as tables."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Optional

from . import _native


class OutcomeTable:
    """Outcomes as columns of Arrow, in this process's memory.

    Whatever reads Arrow takes it as it is, without a copy: `polars.DataFrame(table)`,
    `pyarrow.table(table)`, `pandas.DataFrame.from_arrow(table)`, DuckDB. None of them is needed for
    anything else.

    The columns are those of an outcome, after `simulation_id`. Ids are texts; `execution_time` and
    `received_at` are times in UTC with microseconds; `metrics` and `warnings` are JSON as text; what
    an outcome has not is null.
    """

    def __init__(self, table: _native.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __repr__(self) -> str:
        return f"<OutcomeTable of {len(self)} outcomes>"

    @property
    def column_names(self) -> list[str]:
        """The columns' names, in order."""
        return self._table.column_names

    def __arrow_c_schema__(self) -> object:
        return self._table.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Optional[object] = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`.

        Raises:
            ImportError: where pyarrow is not installed.
        """
        return _library("pyarrow").table(self)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, made through pyarrow.

        Raises:
            ImportError: where pandas or pyarrow is not installed.
        """
        _library("pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """A `polars.DataFrame`.

        Raises:
            ImportError: where polars is not installed.
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
