"""Reads the first rows of Arrow columns without a library.

The structures are those of Arrow's C data interface and C stream interface, as far as the columns of outcomes use
them: text, integers, floating-point numbers, and times in UTC.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

#: Pointers to the values of fixed width, by the format of the column.
_NUMBERS: dict[bytes, Any] = {
    b"i": ctypes.POINTER(ctypes.c_int32),
    b"l": ctypes.POINTER(ctypes.c_int64),
    b"g": ctypes.POINTER(ctypes.c_double),
    b"tsu:UTC": ctypes.POINTER(ctypes.c_int64),
}


class Stream(Protocol):
    """Columns that can be exported."""

    def __arrow_c_schema__(self) -> object: ...

    def __arrow_c_stream__(self) -> object: ...


class _Schema(ctypes.Structure):
    format: bytes
    n_children: int
    children: Any


class _Array(ctypes.Structure):
    length: int
    offset: int
    buffers: Any
    children: Any
    release: Any


class _Stream(ctypes.Structure):
    get_next: Any


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))),
    ("private_data", ctypes.c_void_p),
]
_Stream._fields_ = [
    ("get_schema", ctypes.c_void_p),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))),
    ("get_last_error", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]

# With its own prototype: `ctypes.pythonapi` is shared by all modules of the process.
_capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def first_rows(columns: Stream, count: int, text_bytes: int) -> list[list[Any]]:
    """Returns the first rows, each with a value for each column.

    Args:
        columns: the columns.
        count: the largest number of rows.
        text_bytes: how many bytes of a text are read; the rest is left out.
    """
    # A capsule releases its structure, which is used in place, when it is deleted.
    schema_capsule, stream_capsule = columns.__arrow_c_schema__(), columns.__arrow_c_stream__()
    schema = _Schema.from_address(_capsule_pointer(schema_capsule, b"arrow_schema"))
    stream = _Stream.from_address(_capsule_pointer(stream_capsule, b"arrow_array_stream"))
    formats: list[bytes] = [schema.children[at].contents.format for at in range(schema.n_children)]
    rows: list[list[Any]] = []
    while len(rows) < count:
        batch = _Array()
        if stream.get_next(ctypes.byref(stream), ctypes.byref(batch)):
            raise RuntimeError("the columns could not be exported")
        if not batch.release:
            break
        try:
            readers = [
                _reader(batch.children[at].contents, format, text_bytes)
                for at, format in enumerate(formats)
            ]
            for at in range(batch.offset, batch.offset + min(batch.length, count - len(rows))):
                rows.append([read(at) for read in readers])
        finally:
            batch.release(ctypes.byref(batch))
    return rows


def _reader(column: _Array, format: bytes, text_bytes: int) -> Callable[[int], Any]:
    """Returns a function that reads the value of a row."""
    # The first buffer has a bit for each value, which is 0 if the value is null.
    valid = ctypes.cast(column.buffers[0], ctypes.POINTER(ctypes.c_uint8))
    offset = column.offset

    def is_null(at: int) -> bool:
        return bool(valid) and not valid[at >> 3] >> (at & 7) & 1

    if format == b"u":
        ends = ctypes.cast(column.buffers[1], ctypes.POINTER(ctypes.c_int32))
        text = column.buffers[2]

        def read_text(row: int) -> Any:
            at = row + offset
            if is_null(at):
                return None
            begin, end = ends[at], ends[at + 1]
            # Texts can be empty in a column that has no buffer for them.
            read = ctypes.string_at(text + begin, min(end - begin, text_bytes)) if end > begin else b""
            return read.decode(errors="ignore")

        return read_text

    numbers: Any = ctypes.cast(column.buffers[1], _NUMBERS[format])
    is_time = format.startswith(b"ts")

    def read_number(row: int) -> Any:
        at = row + offset
        if is_null(at):
            return None
        value = numbers[at]
        if is_time:
            try:
                return _EPOCH + timedelta(microseconds=value)
            except OverflowError:
                # A year that Python does not support.
                return value
        return value

    return read_number
