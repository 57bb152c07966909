"""The scenario of a test."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from typing import Any

import pytest

from .documents import to_json

#: The longest id of a scenario, in bytes of UTF-8.
_MAX_ID_BYTES = 512


def _parameters(item: pytest.Item) -> dict[str, object]:
    return dict(getattr(getattr(item, "callspec", None), "params", {}))


def without_trial(name: str) -> tuple[str, int]:
    """Returns a test's name or id without the part that --arc-trials added, and the trial."""
    head, _, number = name.removesuffix("]").rpartition("trial=")
    if name.endswith("]") and number.isdecimal() and head.endswith(("[", "-")):
        return (head[:-1] if head.endswith("[") else head[:-1] + "]"), int(number)
    return name, 1


def test_id(item: pytest.Item) -> tuple[str, int]:
    """Returns the test's id without the group of workers and the trial, and the trial."""
    nodeid = item.nodeid
    # pytest-xdist appends the group if it distributes tests by group.
    if item.config.getoption("loadgroup", False) and item.get_closest_marker("xdist_group"):
        nodeid = nodeid.rpartition("@")[0] or nodeid
    return without_trial(nodeid) if "arc_trial" in _parameters(item) else (nodeid, 1)


def scenario_of(item: pytest.Item, taken: Mapping[str, object]) -> dict[str, Any]:
    """Returns the scenario of a test. If another test has its id, the id is the test's own."""
    nodeid, _ = test_id(item)
    marker = item.get_closest_marker("arc")
    details: dict[str, Any] = {} if marker is None else dict(marker.kwargs)
    parameters = _parameters(item)
    prompts = [
        details.pop("prompt", None),
        *(() if marker is None else marker.args[:1]),
        details.get("task_prompt"),
        parameters.get("task_prompt"),
        parameters.get("prompt"),
        inspect.cleandoc(getattr(getattr(item, "obj", None), "__doc__", None) or ""),
    ]
    prompt = next((text for text in prompts if isinstance(text, str) and text), None)
    if prompt is not None:
        details["task_prompt"] = prompt
    name = without_trial(item.name)[0] if "arc_trial" in parameters else item.name
    details.setdefault("name", name)
    marked_id = details.get("id")
    if marked_id is not None and nodeid.endswith("]"):
        marked_id = str(marked_id) + nodeid[nodeid.index("[", nodeid.rfind("::")) :]
    scenario_id = shortened(str(marked_id or nodeid))
    details["id"] = shortened(nodeid) if scenario_id in taken else scenario_id
    first = {"id": details["id"], "name": details["name"]}
    try:
        return dict(json.loads(to_json({**first, **details})))
    except Exception:  # objects in the marker that are not JSON
        return {"id": details["id"], "name": name}


def shortened(text: str) -> str:
    """Returns a text as an id. A text that is too long is cut and ends with a hash."""
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) <= _MAX_ID_BYTES:
        return encoded.decode()
    fingerprint = "~" + hashlib.sha256(encoded).hexdigest()[:16]
    return encoded[: _MAX_ID_BYTES - len(fingerprint)].decode("utf-8", "ignore") + fingerprint


def marked_as_skipped(item: pytest.Item) -> bool:
    conditions = [
        condition
        for marker in item.iter_markers("skipif")
        for condition in (*marker.args, marker.kwargs.get("condition", False))
    ]
    return item.get_closest_marker("skip") is not None or any(c is True for c in conditions)
