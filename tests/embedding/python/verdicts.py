"""Prints the verdict on each document of a file, one per line: verdicts.py COMPONENT DOCUMENTS."""

import sys

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker

engine = Engine()
component = Component.from_file(engine, sys.argv[1])  # compiled once, for all threads
store = Store(engine)
instance = Linker(engine).instantiate(store, component)  # the component has no imports
extraction = instance.get_export_index(store, "arc:recording/extraction@0.1.0")


def function(name):
    return instance.get_func(store, instance.get_export_index(store, name, extraction))


extract_json, extract_outcome = function("extract-json"), function("extract-outcome")

with open(sys.argv[2], encoding="utf-8", newline="\n") as documents:
    for document in documents:
        sys.stdout.write(extract_json(store, document.rstrip("\n")) + "\n")

# The same as a record. The Python type distinguishes the cases of a variant: `violations` is a list.
outcome = extract_outcome(store, '{"scenario": {"id": "greet"}, "reliability_score": 0.85}')
assert getattr(outcome, "execution-time-ms") == 0
assert (outcome.scores[0].name, outcome.scores[0].value) == ("reliability_score", 0.85)
violations = extract_outcome(store, '{"scenario": {"id": "greet"}, "reliability_score": "0.85"}')
assert violations[0].code == "wrong_type"
