"""Converts the data that a test attaches to JSON."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any, cast


def as_result(value: object) -> dict[str, Any]:
    """Returns the attached trajectory or result as a result."""
    if value is None:
        return {}
    if isinstance(value, (str, bytes, bytearray)):
        value = json.loads(value)
    result = members(value)
    if "trajectory" not in result and "reliability_score" not in result:
        return {"trajectory": result}
    result.pop("database_tracking", None)
    return result


def members(value: object) -> dict[str, Any]:
    """Returns a part of a result as a dict, which is empty if the part is absent."""
    if value is None:
        return {}
    mapping = plain(value)
    if not isinstance(mapping, Mapping):
        raise TypeError(f"expected a mapping or an object, not {type(value).__name__}")
    return dict(cast("Mapping[str, Any]", mapping))


def plain(value: Any) -> object:
    """Converts a value that JSON does not have to one that it has."""
    if isinstance(value, type):
        return str(value)
    for method in ("to_dict", "model_dump", "tolist", "isoformat"):
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if isinstance(value, (set, frozenset)) or inspect.isgenerator(value):
        return list(cast("Iterable[object]", value))
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return str(value)


def to_json(value: object, replaced: set[str] | None = None) -> str:
    """Returns a value as JSON text: NaN and infinities become null, and lone surrogates stay escaped.

    The names of the numbers that became null are added to `replaced`.
    """

    def note(name: str) -> None:
        if replaced is not None:
            replaced.add(name)

    text = json.dumps(value, ensure_ascii=False, default=plain)
    if "NaN" in text or "Infinity" in text:
        text = json.dumps(json.loads(text, parse_constant=note), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text))
    return text
