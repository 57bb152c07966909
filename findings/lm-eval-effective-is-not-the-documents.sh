#!/usr/bin/env bash
# The `effective` number of samples in lm-evaluation-harness' results is not the number of documents
# that it evaluated, but the largest number of values that one metric has: 4 or 3 for the same 5
# documents, depending on what the task's `process_results` returns.
#
# Versions: lm-eval 0.4.13.
# Seen:     2026-11-30, Linux x86-64, Python 3.11.
#
# What happens: both tasks have the same 5 documents, all are asked, and the samples files have 5
# lines each. The task "skips" returns no metric for a document without an answer: `n-samples` has
# 4, the same as in a run with `--limit 4`, and no warning is logged. The task "topics" returns
# `acc_easy` for 3 documents and `acc_hard` for the other 2: `n-samples` has 3, and a warning has
# the counts of both. The results file has no count for each metric. A group that weights its tasks
# by size uses these numbers.
#
# Output seen:
#   skips: original 5, effective 4, 5 lines of samples, 5 requests; acc 0.75
#   topics: original 5, effective 3, 5 lines of samples, 5 requests; acc_easy 1, acc_hard 0
#   skips with --limit 4: original 5, effective 4, 4 lines of samples, 4 requests; acc 0.75
#   logged a warning about the counts: topics
#
# Why it matters: a program that compares `effective` with the lines of the samples file, to see if
# the file is complete, rejects complete files. A standard error or a weight computed from
# `effective` is wrong for each metric that has fewer values.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check lm-eval==0.4.13

mkdir tasks
# The dummy model always answers "lol".
cat > tasks/questions.jsonl <<'JSON'
{"question": "one?", "answer": "lol", "topic": "easy"}
{"question": "two?", "answer": "no", "topic": "hard"}
{"question": "three?", "answer": "lol", "topic": "easy"}
{"question": "four?", "answer": "lol", "topic": "easy"}
{"question": "five?", "answer": "", "topic": "hard"}
JSON
cat > tasks/functions.py <<'PYTHON'
def skips(doc, results):
    return {"acc": float(results[0] == doc["answer"])} if doc["answer"] else {}


def topics(doc, results):
    return {f"acc_{doc['topic']}": float(results[0] == doc["answer"])}
PYTHON
cat > tasks/skips.yaml <<YAML
task: skips
dataset_path: json
dataset_kwargs: {data_files: {test: $folder/tasks/questions.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\n"]}
process_results: !function functions.skips
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
YAML
cat > tasks/topics.yaml <<'YAML'
include: skips.yaml
task: topics
process_results: !function functions.topics
metric_list:
  - {metric: acc_easy, aggregation: mean, higher_is_better: true}
  - {metric: acc_hard, aggregation: mean, higher_is_better: true}
YAML

cat > show.py <<'PYTHON'
import json
import sys
from pathlib import Path

for label, folder in (("", "whole"), (" with --limit 4", "limited")):
    [path] = Path(folder).rglob("results_*.json")
    results = json.loads(path.read_text())
    for task, counts in sorted(results["n-samples"].items()):
        [samples] = Path(folder).rglob(f"samples_{task}_*.jsonl")
        lines = [json.loads(line) for line in samples.read_text().splitlines()]
        requests = sum(len(line["resps"]) for line in lines)
        metrics = [
            f"{name.removesuffix(',none')} {value:g}"
            for name, value in sorted(results["results"][task].items())
            if name.endswith(",none") and "_stderr" not in name
        ]
        print(f"{task}{label}: original {counts['original']}, effective {counts['effective']}, "
              f"{len(lines)} lines of samples, {requests} requests; {', '.join(metrics)}")

warnings = [line for line in Path("log.txt").read_text().splitlines() if "same number of documents" in line]
tasks = [task for task in ("skips", "topics") if any(f"[{task}]" in line for line in warnings)]
print(f"logged a warning about the counts: {', '.join(tasks) or 'none'}")
PYTHON

export HOME="$folder" HF_HOME="$folder/huggingface" HF_HUB_OFFLINE=1
run() {
    venv/bin/lm_eval --model dummy --include_path tasks --log_samples "$@" >> log.txt 2>&1 || cat log.txt >&2
}
run --tasks skips,topics --output_path whole
run --tasks skips --limit 4 --output_path limited
venv/bin/python show.py > seen.txt || true
cat > expected.txt <<'TEXT'
skips: original 5, effective 4, 5 lines of samples, 5 requests; acc 0.75
topics: original 5, effective 3, 5 lines of samples, 5 requests; acc_easy 1, acc_hard 0
skips with --limit 4: original 5, effective 4, 4 lines of samples, 4 requests; acc 0.75
logged a warning about the counts: topics
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the number of samples is another than described here" >&2
    exit 1
fi
