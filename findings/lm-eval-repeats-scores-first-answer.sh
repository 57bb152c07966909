#!/usr/bin/env bash
# lm-evaluation-harness asks the model as often as a task's `repeats` asks for, and scores the first
# answer only.
#
# Versions: lm-eval 0.4.13.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: a task with `repeats: 4` and no filters of its own gets the default filter
# `take_first`. The model below answers wrong, right, right, right to each question. It is called
# four times a question, all four answers are in the sample's `resps`, and the score is 0 of 2:
# three quarters of the answers, and of the cost, have no part in it. Nothing is logged about it.
# With a filter that votes (`majority_vote`, then `take_first`) the same answers score 1.
#
# Output seen:
#   calls of the model: 8 for 2 questions
#   answers of the first question: wrong, right, right, right
#   exact_match with the default filter: 0
#   exact_match with majority_vote: 1
#
# Why it matters: "repeats" reads as trials whose mean is the score. A program that reads trials
# from the samples file finds four answers and one score, which is the score of the first answer,
# not of each.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check lm-eval==0.4.13

mkdir tasks
cat > tasks/questions.jsonl <<'JSON'
{"question": "one?", "answer": "right"}
{"question": "two?", "answer": "right"}
JSON
cat > tasks/plain.yaml <<YAML
task: plain
dataset_path: json
dataset_kwargs: {data_files: {test: $folder/tasks/questions.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\n"]}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
repeats: 4
YAML
cat > tasks/voted.yaml <<'YAML'
include: plain.yaml
task: voted
filter_list: [{name: vote, filter: [{function: majority_vote}, {function: take_first}]}]
YAML

cat > observe.py <<'PYTHON'
import itertools

import lm_eval
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager


class Model(LM):
    """Answers wrong once, then right three times."""

    calls = 0

    def generate_until(self, requests, disable_tqdm=False):
        Model.calls += len(requests)
        return list(itertools.islice(itertools.cycle(["wrong", "right", "right", "right"]), len(requests)))

    def loglikelihood(self, requests, disable_tqdm=False):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


manager = TaskManager(include_path="tasks", include_defaults=False)
for task, filter in (("plain", "none"), ("voted", "vote")):
    Model.calls = 0
    found = lm_eval.simple_evaluate(model=Model(), tasks=[task], task_manager=manager, bootstrap_iters=0)
    if task == "plain":
        samples = found["samples"][task]
        print(f"calls of the model: {Model.calls} for {len(samples)} questions")
        print(f"answers of the first question: {', '.join(samples[0]['resps'][0])}")
    name = {"plain": "the default filter", "voted": "majority_vote"}[task]
    print(f"exact_match with {name}: {found['results'][task][f'exact_match,{filter}']:g}")
PYTHON

export HOME="$folder" HF_HOME="$folder/huggingface" HF_HUB_OFFLINE=1
venv/bin/python observe.py > seen.txt 2> log.txt || cat log.txt >&2
cat > expected.txt <<'TEXT'
calls of the model: 8 for 2 questions
answers of the first question: wrong, right, right, right
exact_match with the default filter: 0
exact_match with majority_vote: 1
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    cat log.txt >&2
    echo "changed: repeated answers are scored in another way than described here" >&2
    exit 1
fi
