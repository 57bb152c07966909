#!/usr/bin/env bash
# Inspect AI's `.eval` logs are zip archives that Python's own `zipfile` cannot read before Python
# 3.14: their entries are compressed with Zstandard (method 93). It works once `inspect_ai.log` is
# imported, because the import changes the standard library's module.
#
# Versions: inspect-ai 0.3.285, zipfile-zstd 0.0.4, Python 3.10 to 3.13.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: `zipfile` opens the archive and lists its entries, and raises NotImplementedError
# when one of them is read. `import inspect_ai.log` imports `zipfile_zstd`, which adds the method to
# `zipfile` for the whole process. So the same three lines of a script work or fail by what was
# imported before them.
#
# Output seen:
#   methods of the log's entries: 93
#   zipfile alone: NotImplementedError: That compression method is not supported
#   zipfile after `import inspect_ai.log`: read, keys eval, plan, results, stats, status, version and others
#
# Why it matters: a program that reads `.eval` files without the package needs a zip reader with
# method 93. A test that runs in the process that wrote the log does not notice.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Python 3.14 has Zstandard in its own zipfile.
for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[0-3].*/bin/python3; do
    if "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2> /dev/null; then
        break
    fi
    python=
done
if [[ -z $python ]]; then
    echo "no Python from 3.10 to 3.13 was found (set PYTHON to one)" >&2
    exit 2
fi
cd "$folder"
"$python" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check inspect-ai==0.3.285 zipfile-zstd==0.0.4

cat > write.py <<'PYTHON'
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import includes
from inspect_ai.solver import solver


@solver
def answer():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("mockllm/model", "yes")
        return state

    return solve


task = Task(dataset=[Sample(input="Is it so?", target="yes")], solver=answer(), scorer=includes())
log = eval(task, model="mockllm/model", display="none", log_dir="logs", log_format="eval")[0]
assert log.status == "success", log.error
PYTHON

cat > read.py <<'PYTHON'
import json
import sys
import zipfile
from pathlib import Path

if sys.argv[1] == "after":
    import inspect_ai.log  # noqa: F401  (changes zipfile)

path = next(Path("logs").glob("*.eval"))
with zipfile.ZipFile(path) as archive:
    if sys.argv[1] == "alone":
        methods = sorted({entry.compress_type for entry in archive.infolist()})
        print("methods of the log's entries:", *methods)
    label = "zipfile alone" if sys.argv[1] == "alone" else "zipfile after `import inspect_ai.log`"
    try:
        header = json.loads(archive.read("header.json"))
        known = sorted({"version", "status", "eval", "plan", "results", "stats"} & set(header))
        print(f"{label}: read, keys {', '.join(known)} and others")
    except NotImplementedError as error:
        print(f"{label}: NotImplementedError: {error}")
PYTHON

HOME="$folder" venv/bin/python write.py
{
    venv/bin/python read.py alone
    HOME="$folder" venv/bin/python read.py after
} > seen.txt || true
cat > expected.txt <<'TEXT'
methods of the log's entries: 93
zipfile alone: NotImplementedError: That compression method is not supported
zipfile after `import inspect_ai.log`: read, keys eval, plan, results, stats, status, version and others
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the log's compression, or what zipfile reads of it, is another than described here" >&2
    exit 1
fi
