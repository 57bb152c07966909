#!/usr/bin/env bash
# Inspect AI's hidden command `inspect log convert-chunked` writes logs whose samples `inspect_ai.log`
# of the same release cannot read: `read_eval_log` raises an error, and `read_eval_log_samples` with
# `all_samples_required=False` returns no samples and no error. The format's version stays the same.
#
# Versions: inspect-ai 0.3.285.
# Seen:     2026-11-30, Linux x86-64, Python 3.11.
#
# What happens: the converted log stores each sample in several entries (`sample.json`,
# `skeleton.json`, `messages/0.json` and others below `samples/1_epoch_1/`) instead of the single entry
# `samples/1_epoch_1.json`. The header still has version 2, the status "success" and both samples in
# its results, and the name still ends in `.eval`. `read_eval_log` reads each entry below `samples/`
# as a whole sample, and fails at the first that is only a part of one; the functions that look for
# one sample by its name do not find it. The header and the summaries can be read. The command is
# not in the output of `inspect log --help`, and its help text calls it internal.
#
# Output seen:
#   version in header.json: 2 before, 2 after
#   entries of one sample: 1 before, 6 after
#   read_eval_log, header_only: status success, accuracy 0.5 of 2 completed samples
#   read_eval_log_sample_summaries: 2 summaries
#   read_eval_log: ValidationError, missing: epoch, id, input, target
#   read_eval_log_sample: IndexError
#   read_eval_log_samples_by_id: IndexError
#   read_eval_log_samples: IndexError
#   read_eval_log_samples, all_samples_required=False: 0 samples
#
# Why it matters: a program cannot know from the name or the version which of the two forms a log
# has, only from the names of the archive's entries. If it skips samples that it does not find, it
# reads a successful run as one without samples.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check inspect-ai==0.3.285

cat > write.py <<'PYTHON'
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import accuracy, includes
from inspect_ai.solver import solver


@solver
def answer():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("mockllm/model", "yes")
        return state

    return solve


samples = [Sample(id=1, input="q", target="yes"), Sample(id=2, input="q", target="no")]
task = Task(dataset=samples, solver=answer(), scorer=includes())
log = eval(task, model="mockllm/model", display="none", log_dir="logs", log_format="eval")[0]
assert log.status == "success", log.error
PYTHON

cat > observe.py <<'PYTHON'
import json
import zipfile
from pathlib import Path

from inspect_ai.log import (
    read_eval_log,
    read_eval_log_sample,
    read_eval_log_sample_summaries,
    read_eval_log_samples,
    read_eval_log_samples_by_id,
)
from pydantic import ValidationError


def parts(path):
    """The format's version, and how many entries have the sample with the id 1."""
    with zipfile.ZipFile(path) as archive:
        entries = [name for name in archive.namelist() if name.startswith("samples/1_epoch_1")]
        return json.loads(archive.read("header.json"))["version"], len(entries)


def header(path):
    log = read_eval_log(path, header_only=True)
    value = log.results.scores[0].metrics["accuracy"].value
    return f"status {log.status}, accuracy {value} of {log.results.completed_samples} completed samples"


def count(items, name):
    return f"{len(list(items))} {name}"


[before], [after] = Path("logs").glob("*.eval"), Path("chunked").glob("*.eval")
(version, entries), (new_version, new_entries) = parts(before), parts(after)
print(f"version in header.json: {version} before, {new_version} after")
print(f"entries of one sample: {entries} before, {new_entries} after")

readers = {
    "read_eval_log, header_only": header,
    "read_eval_log_sample_summaries": lambda path: count(read_eval_log_sample_summaries(path), "summaries"),
    "read_eval_log": lambda path: count(read_eval_log(path).samples, "samples"),
    "read_eval_log_sample": lambda path: f"sample {read_eval_log_sample(path, id=1, epoch=1).id}",
    "read_eval_log_samples_by_id": lambda path: count(
        read_eval_log_samples_by_id(path, [(1, 1), (2, 1)]), "samples"),
    "read_eval_log_samples": lambda path: count(read_eval_log_samples(path), "samples"),
    "read_eval_log_samples, all_samples_required=False": lambda path: count(
        read_eval_log_samples(path, all_samples_required=False), "samples"),
}
for name, read in readers.items():
    read(str(before))  # Each of them reads the log that was not converted.
    try:
        seen = read(str(after))
    except ValidationError as error:
        missing = sorted(str(one["loc"][0]) for one in error.errors() if one["type"] == "missing")
        seen = f"ValidationError, missing: {', '.join(missing)}"
    except IndexError:
        seen = "IndexError"
    print(f"{name}: {seen}")
PYTHON

export HOME="$folder"
venv/bin/python write.py
venv/bin/inspect log convert-chunked logs --output-dir chunked > log.txt 2>&1 || cat log.txt >&2
venv/bin/python observe.py > seen.txt || true
cat > expected.txt <<'TEXT'
version in header.json: 2 before, 2 after
entries of one sample: 1 before, 6 after
read_eval_log, header_only: status success, accuracy 0.5 of 2 completed samples
read_eval_log_sample_summaries: 2 summaries
read_eval_log: ValidationError, missing: epoch, id, input, target
read_eval_log_sample: IndexError
read_eval_log_samples_by_id: IndexError
read_eval_log_samples: IndexError
read_eval_log_samples, all_samples_required=False: 0 samples
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: a log with chunked samples is written or read in another way than described here" >&2
    exit 1
fi
