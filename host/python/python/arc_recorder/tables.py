"""Outcomes as Arrow tables."""

from __future__ import annotations

from datetime import datetime
from html import escape
from importlib import import_module
from typing import Any, Optional

from . import _native

#: The most rows that a table shows of itself.
_SHOWN_ROWS = 20

#: The columns that a table shows as text; a notebook shows all columns.
_TEXT_COLUMNS = (
    "scenario_id",
    "trial",
    "attempt",
    "status",
    "reliability_score",
    "execution_time_ms",
    "cost_usd",
    "failure_class",
    "error_category",
)

#: The most characters of a value that are shown, as text and in a notebook.
_TEXT_CELL = 32
_HTML_CELL = 100


class OutcomeTable:
    """Outcomes as Arrow columns in this process's memory.

    Libraries that read Arrow use it without a copy: `polars.DataFrame(table)`, `pyarrow.table(table)`,
    `pandas.DataFrame.from_arrow(table)`, DuckDB. None of them is required otherwise.

    The columns are `simulation_id` and the fields of an outcome. Ids are text; `execution_time` and
    `received_at` are times in UTC with microseconds; `scores`, `invalidation`, `annotations`, `metrics` and
    `warnings` are JSON as text; a field that an outcome does not have is null.

    A table that is printed, or is the last value of a notebook's cell, shows its first 20 rows.
    """

    def __init__(self, table: _native.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __repr__(self) -> str:
        lines = [f"OutcomeTable: {self._size()}"]
        names = self.column_names
        rows = self._first_rows(_TEXT_CELL)
        if rows:
            columns = [
                self._text_column(name, [row[names.index(name)] for row in rows])
                for name in _TEXT_COLUMNS
            ]
            lines += ["  ".join(cells).rstrip() for cells in zip(*columns)]
            lines += self._more(len(rows))
            names = [name for name in names if name not in _TEXT_COLUMNS]
        label = "other columns" if rows else "columns"
        return "\n".join([*lines, f"{label}: {', '.join(names)}"])

    def _repr_html_(self) -> str:
        """Returns the first rows as HTML, which notebooks show."""
        names = self.column_names
        rows = self._first_rows(_HTML_CELL)
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(value, _HTML_CELL))}</td>" for value in row) + "</tr>"
            for row in rows
        )
        more = "".join(f"<p>{line}</p>" for line in self._more(len(rows)))
        return (
            f'<div style="overflow-x: auto"><p>OutcomeTable: {self._size()}</p>'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}</div>"
        )

    def _first_rows(self, characters: int) -> list[list[Any]]:
        """Returns the first rows. A text that is longer than this has at least one more character."""
        try:
            from ._arrow import first_rows
        except ImportError:
            # A Python that was built without ctypes.
            return []
        # A character has at most 4 bytes.
        return first_rows(self, _SHOWN_ROWS, 4 * (characters + 1))

    def _size(self) -> str:
        return f"{_counted(len(self), 'outcome')}, {len(self.column_names)} columns"

    def _more(self, shown: int) -> list[str]:
        """Returns a line with the number of rows that are not shown, if there are any."""
        return [f"… {_counted(len(self) - shown, 'more outcome')}"] if 0 < shown < len(self) else []

    @staticmethod
    def _text_column(name: str, values: list[Any]) -> list[str]:
        """Returns the name and the values with the same width; numbers are aligned at their end."""
        cells = [name, *(_shown(value, _TEXT_CELL) for value in values)]
        width = max(len(cell) for cell in cells)
        is_number = all(value is None or isinstance(value, (int, float)) for value in values)
        return [cell.rjust(width) if is_number else cell.ljust(width) for cell in cells]

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


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shown(value: Any, most: int) -> str:
    """Returns a value as text of a single line, of at most this many characters; a null is empty."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"
    # Line breaks, and characters that control a terminal, are shown as their escape sequences.
    text = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(value)
    )
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        needed = "polars" if name == "polars" else "pandas pyarrow"
        raise ImportError(
            f"this needs {name}, which is not installed: pip install {needed}"
        ) from error
