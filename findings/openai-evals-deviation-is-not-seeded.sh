#!/usr/bin/env bash
# OpenAI's evals reports another standard deviation of the accuracy each time the same evaluation
# runs with the same seed and the same answers, and NaN, which is not valid JSON, for a single sample.
#
# Versions: evals 3.0.1.post1, Python 3.11 or newer.
# Seen:     2026-11-30, Linux x86-64, Python 3.11.
#
# What happens: the evals `Match` and `Includes` report `accuracy` and `boostrap_std` (the member is
# spelled that way). The latter is the deviation over 1000 random halves of the samples, taken from
# Python's global random generator, which `--seed` does not set. With `--max_samples 1` half of the
# samples is none, and the line with the final report contains `"boostrap_std": NaN`.
#
# Output seen:
#   three runs with --seed 1: same matches, accuracy 0.5 in all
#   boostrap_std: another in each
#   --max_samples 1: exit code 0, final report is not valid JSON: NaN
#
# Why it matters: equal runs cannot be recognised by their reports, and a strict JSON parser refuses
# the report of a trial run with one sample, and with it the accuracy.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    backoff==2.2.1 blobfile==3.3.0 filelock==4.3.1 lz4==4.4.5 numpy==2.4.6 openai==1.109.1 pandas==3.1.1 \
    pydantic==2.14.4 PyYAML==6.0.4 requests==2.34.2 snowflake-connector-python==5.2.0 tiktoken==0.14.0 \
    tqdm==4.70.1 zstandard==0.25.0
# Most of what evals requires belongs to evaluations that do not run here.
venv/bin/pip install --quiet --disable-pip-version-check --no-deps evals==3.0.1.post1

mkdir -p registry/evals registry/data
cat > registry/evals/runs.yaml <<'YAML'
questions: {id: questions.dev.v0, metrics: [accuracy]}
questions.dev.v0:
  class: evals.elsuite.basic.includes:Includes
  args: {samples_jsonl: questions.jsonl}
YAML
cat > samples.py <<'PYTHON'
import json

with open("registry/data/questions.jsonl", "w") as file:
    for number in range(100):
        # The completion function "dummy" answers "This is a dummy response."
        ideal = ["dummy", "other"][number % 2]
        print(json.dumps({"input": f"Question {number}?", "ideal": ideal}), file=file)
PYTHON
venv/bin/python samples.py

cat > show.py <<'PYTHON'
import json
import sys


def refuse(word):
    raise ValueError(word)


reports, matches = [], []
for number in (1, 2, 3):
    lines = [json.loads(line) for line in open(f"log-{number}.jsonl")]
    reports += [line["final_report"] for line in lines if "final_report" in line]
    matches.append([(line["sample_id"], line["data"]) for line in lines if line.get("type") == "match"])
same = "same" if matches[0] == matches[1] == matches[2] and len(matches[0]) == 100 else "other"
accuracies = {report["accuracy"] for report in reports}
print(f"three runs with --seed 1: {same} matches, accuracy {', '.join(map(str, accuracies))} in all")
different = len({report["boostrap_std"] for report in reports})
print(f"boostrap_std: {'another in each' if different == 3 else f'{different} values'}")

[line] = [line for line in open("log-single.jsonl") if "final_report" in line]
try:
    json.loads(line, parse_constant=refuse)
    valid = "valid JSON"
except ValueError as word:
    valid = f"not valid JSON: {word}"
print(f"--max_samples 1: exit code {sys.argv[1]}, final report is {valid}")
PYTHON

# The package needs a key to be imported. The completion function "dummy" makes no request.
export HOME="$folder" OPENAI_API_KEY=unused EVALS_SEQUENTIAL=1
run() {
    venv/bin/oaieval dummy questions --registry_path registry "$@" >> log.txt 2>&1
}
for number in 1 2 3; do
    run --seed 1 --record_path "log-$number.jsonl" || cat log.txt >&2
done
code=0
run --seed 1 --max_samples 1 --record_path log-single.jsonl || code=$?
venv/bin/python show.py "$code" > seen.txt || true
cat > expected.txt <<'TEXT'
three runs with --seed 1: same matches, accuracy 0.5 in all
boostrap_std: another in each
--max_samples 1: exit code 0, final report is not valid JSON: NaN
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    cat log.txt >&2
    echo "changed: the standard deviation is computed or written in another way than described here" >&2
    exit 1
fi
