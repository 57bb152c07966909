#!/usr/bin/env bash
# A sample that a scorer of Inspect AI leaves unscored makes the log invalid JSON: its value is
# written as the bare word NaN, in `.eval` and in `.json` logs. The mean leaves it out, and one
# scored sample of three has a standard error of 0.
#
# Versions: inspect-ai 0.3.285.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: `Score.unscored()` is the way to say that no score can be given. The sample's entry
# and the summaries of the `.eval` archive, and the whole `.json` log, then contain `"value":NaN`,
# which RFC 8259 does not allow. Python reads it; a strict parser (JavaScript's JSON.parse,
# serde_json, PostgreSQL's jsonb) refuses the document.
#
# Output seen:
#   .eval: NaN in samples/1_epoch_1.json, samples/2_epoch_1.json, summaries.json; not in header.json
#   .json: NaN in the log
#   mean 1.0 and stderr 0.0 of 1 scored sample, 2 unscored
#
# Why it matters: one unscored sample is enough for a strict reader to lose the log, although the
# header, with the figures in it, stays valid. And the figures look certain: the number of unscored
# samples is in another member.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check inspect-ai==0.3.285

cat > observe.py <<'PYTHON'
import json
import zipfile
from pathlib import Path

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score, mean, scorer, stderr
from inspect_ai.solver import solver


@solver
def answer():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("mockllm/model", "yes")
        return state

    return solve


@scorer(metrics=[mean(), stderr()])
def undecided():
    async def score(state, target):
        return Score(value=1.0) if state.sample_id == 3 else Score.unscored()

    return score


def strict(text):
    """Whether a parser that follows RFC 8259 would read the text."""

    def refuse(word):
        raise ValueError(word)

    try:
        json.loads(text, parse_constant=refuse)
        return True
    except ValueError as word:
        assert str(word) == "NaN", word
        return False


for log_format in ("eval", "json"):
    task = Task(dataset=[Sample(input="q") for _ in range(3)], solver=answer(), scorer=undecided())
    log = eval(task, model="mockllm/model", display="none", log_dir="logs", log_format=log_format)[0]
    if log_format == "json":
        print(".json:", "valid" if strict(Path(log.location).read_text()) else "NaN in the log")
        continue
    with zipfile.ZipFile(log.location) as archive:
        names = [name for name in archive.namelist() if name[0] != "_" and name != "reductions.json"]
        invalid = sorted(name for name in names if not strict(archive.read(name)))
    valid_header = "not in header.json" if "header.json" not in invalid else "the header, too"
    print(f".eval: NaN in {', '.join(invalid)}; {valid_header}")

result = log.results.scores[0]
mean_value, error = (result.metrics[name].value for name in ("mean", "stderr"))
counts = f"{result.scored_samples} scored sample, {result.unscored_samples} unscored"
print(f"mean {mean_value} and stderr {error} of {counts}")
PYTHON

HOME="$folder" venv/bin/python observe.py > seen.txt || true
cat > expected.txt <<'TEXT'
.eval: NaN in samples/1_epoch_1.json, samples/2_epoch_1.json, summaries.json; not in header.json
.json: NaN in the log
mean 1.0 and stderr 0.0 of 1 scored sample, 2 unscored
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: an unscored sample is written, or counted, in another way than described here" >&2
    exit 1
fi
