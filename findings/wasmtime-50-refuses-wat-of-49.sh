#!/usr/bin/env bash
# wasmtime 50 refuses component text that wasmtime 49 compiles: inside `canon lift` an export of a
# core instance can no longer be named by `(memory $instance "memory")`.
#
# Versions: wasmtime 49.0.0 and 50.0.1 (PyPI).
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: the short form, which older examples and tests of components use, is a syntax error
# in 50. Both versions take the long form `(memory (core memory $instance "memory"))`. The message
# names the environment variable WAST_STRICT_COMPONENT_INDICES, whose value 0 brings the short form
# back.
#
# Output seen:
#   wasmtime 49.0.0, short form: compiled
#   wasmtime 49.0.0, long form: compiled
#   wasmtime 50.0.1, short form: WasmtimeError: an export name must be written inside a nested reference
#   wasmtime 50.0.1, long form: compiled
#   wasmtime 50.0.1, short form, WAST_STRICT_COMPONENT_INDICES=0: compiled
#
# Why it matters: text components are common in tests. The long form is the one to write, as it
# works on both sides of the change.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > observe.py <<'PYTHON'
import sys
from importlib.metadata import version

from wasmtime import WasmtimeError, wat2wasm

COMPONENT = """
(component
  (core module $code (memory (export "memory") 1) (func (export "nothing")))
  (core instance $instance (instantiate $code))
  (func (export "nothing") (canon lift (core func $instance "nothing") MEMORY)))
"""
FORMS = {
    "short form": '(memory $instance "memory")',
    "long form": '(memory (core memory $instance "memory"))',
}

for form in sys.argv[2:]:
    try:
        wat2wasm(COMPONENT.replace("MEMORY", FORMS[form]))
        outcome = "compiled"
    except WasmtimeError as error:
        outcome = "WasmtimeError: " + str(error).split(":")[0]
    print(f"wasmtime {version('wasmtime')}, {form}{sys.argv[1]}: {outcome}")
PYTHON

for version in 49.0.0 50.0.1; do
    python3 -m venv "venv-$version"
    "venv-$version/bin/pip" install --quiet --disable-pip-version-check "wasmtime==$version"
done
{
    venv-49.0.0/bin/python observe.py "" "short form" "long form"
    venv-50.0.1/bin/python observe.py "" "short form" "long form"
    WAST_STRICT_COMPONENT_INDICES=0 venv-50.0.1/bin/python observe.py ", WAST_STRICT_COMPONENT_INDICES=0" "short form"
} > seen.txt || true
cat > expected.txt <<'TEXT'
wasmtime 49.0.0, short form: compiled
wasmtime 49.0.0, long form: compiled
wasmtime 50.0.1, short form: WasmtimeError: an export name must be written inside a nested reference
wasmtime 50.0.1, long form: compiled
wasmtime 50.0.1, short form, WAST_STRICT_COMPONENT_INDICES=0: compiled
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the two versions treat the two forms in another way than described here" >&2
    exit 1
fi
