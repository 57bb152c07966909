#!/usr/bin/env bash
# Passing bytes to a component as `list<u8>` costs a thousand times as much as passing a `string` of
# the same length, through wasmtime's Python package.
#
# Versions: wasmtime 50.0.1 (PyPI).
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: the canonical ABI copies both parameters in the same way, as one block of bytes. The
# C API under the Python package has no form for "a list of bytes", so Python makes a tagged value
# of 32 bytes for each byte, in a loop. Both calls below take 57,000 bytes and return their number;
# the component does nothing else.
#
# Output seen (the times differ between machines, the ratio stays in the hundreds to thousands):
#   string: 15 microseconds, list<u8>: 34829 microseconds, ratio 2297
#
# Why it matters: in an interface that embedders in Python call, text belongs into `string`,
# although `list<u8>` looks like the cheaper, unchecked choice.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check wasmtime==50.0.1

cat > observe.py <<'PYTHON'
import sys
import time

from wasmtime import Engine, Store, component, wat2wasm

COMPONENT = """
(component
  (core module $code
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "length") (param i32 i32) (result i32) (local.get 1)))
  (core instance $instance (instantiate $code))
  (func (export "of-string") (param "text" string) (result u32)
    (canon lift (core func $instance "length")
      (memory (core memory $instance "memory")) (realloc (core func $instance "realloc"))))
  (func (export "of-list") (param "bytes" (list u8)) (result u32)
    (canon lift (core func $instance "length")
      (memory (core memory $instance "memory")) (realloc (core func $instance "realloc")))))
"""
LENGTH = 57_000

engine = Engine()
store = Store(engine)
built = component.Component(engine, wat2wasm(COMPONENT))
instance = component.Linker(engine).instantiate(store, built)


def fastest(name, value, calls):
    """The shortest time of several calls, in seconds."""
    function = instance.get_func(store, name)
    times = []
    for _ in range(calls):
        begin = time.perf_counter()
        length = function(store, value)
        times.append(time.perf_counter() - begin)
        function.post_return(store)
        assert length == LENGTH, length
    return min(times)


string = fastest("of-string", "x" * LENGTH, 50)
bytes_ = fastest("of-list", b"x" * LENGTH, 5)
ratio = bytes_ / string
print(f"string: {string * 1e6:.0f} microseconds, list<u8>: {bytes_ * 1e6:.0f} microseconds, ratio {ratio:.0f}")
sys.exit(0 if ratio > 50 else 1)
PYTHON

if ! venv/bin/python observe.py; then
    echo "changed: list<u8> is less than 50 times as slow as string, or the call does not work as described here" >&2
    exit 1
fi
