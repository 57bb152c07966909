"""The common part of the scripts that make logs; they run in the environments of the tools."""

import hashlib
import json
import math
import sys
from pathlib import Path


def summed(calls):
    """Returns the sums of lists of tokens by name, from pairs of a name and a list."""
    sums = {}
    for name, kinds in calls:
        sums[name] = [one + other for one, other in zip(sums.get(name, [0] * len(kinds)), kinds, strict=True)]
    return {name: kinds for name, kinds in sums.items() if kinds[-1]}


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
    the folder as `log`, with the figures of the tool's own library: `status`, `results`, `failed`, `tokens`
    and `cost` of the agent and the ids of the results' `scenarios` (absent ones are not compared),
    `metrics` with the values of the results, `figures`, each with its metric, its name and its value, and
    `usage`: the tokens by `model` and by `role`, as a list of uncached input, read from a cache, written
    to one, output with reasoning, and all."""
    folder, count, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with open(folder / "expected.jsonl", "w") as expected:
        for seed in range(first, first + count):
            print(json.dumps(make(folder, seed)), file=expected, flush=True)
