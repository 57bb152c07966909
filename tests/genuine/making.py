"""The common part of the scripts that make logs; they run in the environments of the tools."""

import hashlib
import json
import math
import sys
from pathlib import Path


def finite(value):
    """Returns a number, or `None` for one that JSON does not have."""
    return None if value is None or not math.isfinite(value) else float(value)


def scenario(name, prompt):
    """Returns the id of a scenario that is derived from its name and prompt."""
    texts = [text.encode() for text in (name, prompt)]
    hashed = hashlib.sha256(b"".join(len(text).to_bytes(8, "big") + text for text in texts))
    return f"scenario-{hashed.hexdigest()[:20]}"


def main(make):
    """Makes logs: `SCRIPT FOLDER COUNT SEED`. `make(folder, seed)` writes one, and returns its path in
    the folder as `log`, with the figures of the tool's own library: `status`, `results`, `failed`, `tokens`,
    `cost` and the ids of the results' `scenarios` (absent ones are not compared), `metrics` with the values of the results, and `figures`, each
    with its metric, its name and its value."""
    folder, count, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with open(folder / "expected.jsonl", "w") as expected:
        for seed in range(first, first + count):
            print(json.dumps(make(folder, seed)), file=expected, flush=True)
