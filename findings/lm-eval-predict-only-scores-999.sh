#!/usr/bin/env bash
# lm-evaluation-harness' `--predict_only` writes a score of 999 for tasks that generate text, and
# for multiple-choice tasks 0 evaluated samples, although both have all their answers.
#
# Versions: lm-eval 0.4.13.
# Seen:     2026-11-30, Linux x86-64, Python 3.11.
#
# What happens: with `--predict_only` the metrics of a task are replaced by one that is named
# `bypass`. For each sample it has the value null, and its aggregate is the constant 999, in the
# results file and in the printed table, with `higher_is_better` true. A multiple-choice task does
# not compute that metric: it has none, the table leaves it out, and its `n-samples` has 0 as
# `effective`, while its samples file has all lines with the model's answers.
#
# Output seen:
#   generated: {"bypass,none": 999, "bypass_stderr,none": "N/A"}, higher is better: True
#   generated: effective 2 of 2, 2 lines of samples, values [null, null]
#   choices: {}, higher is better: True
#   choices: effective 0 of 2, 2 lines of samples, values []
#   tasks in the printed table: generated
#
# Why it matters: a program that loads results files takes 999 for a score. And a check that a run
# evaluated at least one sample fails for a run that is complete.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check lm-eval==0.4.13

mkdir tasks
cat > tasks/questions.jsonl <<'JSON'
{"question": "Is water wet?", "answer": "yes", "choices": ["yes", "no"], "label": 0}
{"question": "Is fire cold?", "answer": "no", "choices": ["yes", "no"], "label": 1}
JSON
cat > tasks/generated.yaml <<YAML
task: generated
dataset_path: json
dataset_kwargs: {data_files: {test: $folder/tasks/questions.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\n"]}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
YAML
cat > tasks/choices.yaml <<YAML
task: choices
dataset_path: json
dataset_kwargs: {data_files: {test: $folder/tasks/questions.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: label
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
YAML

cat > show.py <<'PYTHON'
import json
import re
from pathlib import Path

[path] = Path("output").rglob("results_*.json")
results = json.loads(path.read_text())
for task in ("generated", "choices"):
    metrics = {name: value for name, value in results["results"][task].items() if "," in name}
    higher = results["higher_is_better"][task].get("bypass")
    print(f"{task}: {json.dumps(metrics)}, higher is better: {higher}")
    [samples] = Path("output").rglob(f"samples_{task}_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    assert all(line["resps"] for line in lines)
    values = json.dumps([line[name] for line in lines for name in line["metrics"]])
    counts = results["n-samples"][task]
    print(f"{task}: effective {counts['effective']} of {counts['original']}, "
          f"{len(lines)} lines of samples, values {values}")

tasks = re.findall(r"^\| *(generated|choices) *\|", Path("table.txt").read_text(), re.MULTILINE)
print(f"tasks in the printed table: {', '.join(tasks)}")
PYTHON

export HOME="$folder" HF_HOME="$folder/huggingface" HF_HUB_OFFLINE=1
venv/bin/lm_eval --model dummy --include_path tasks --tasks generated,choices --predict_only \
    --output_path output > table.txt 2> log.txt || cat log.txt >&2
venv/bin/python show.py > seen.txt || true
cat > expected.txt <<'TEXT'
generated: {"bypass,none": 999, "bypass_stderr,none": "N/A"}, higher is better: True
generated: effective 2 of 2, 2 lines of samples, values [null, null]
choices: {}, higher is better: True
choices: effective 0 of 2, 2 lines of samples, values []
tasks in the printed table: generated
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the results of --predict_only are other than described here" >&2
    exit 1
fi
