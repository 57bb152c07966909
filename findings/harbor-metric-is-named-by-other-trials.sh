#!/usr/bin/env bash
# The names in the metrics of a Harbor job depend on how many reward names its trials have together.
# With one, the metric's name replaces it ("mean"); with two, the rewards' names replace the
# metric's, and trials without one of the rewards count as 0 for it.
#
# Versions: harbor 0.26.0, Python 3.12 or newer.
# Seen:     2026-11-30, Linux x86-64, Python 3.12.
#
# What happens: when a job runs, Harbor computes each metric of its configuration (by default the
# mean) over the rewards of the trials so far, and writes the results to `stats` in the job's
# `result.json`. Two trials with the reward "accuracy" have `{"mean": 0.5}`. As soon as one of them
# has a second reward, the same average is named "accuracy", and nothing names the metric: the sum
# and the mean of one job are two objects with the same names. A reward that one trial of two has is
# averaged over both, and the largest "penalty" is a 0 that no trial has. This script calls the
# metrics with the rewards of made-up trials; it runs no job.
#
# Output seen:
#   accuracy 1 | accuracy 0
#     mean: {"mean": 0.5}
#   accuracy 1 | accuracy 0, style 1
#     mean: {"accuracy": 0.5, "style": 0.5}
#     sum: {"accuracy": 1, "style": 1}
#   accuracy 1 | speed 4
#     mean: {"accuracy": 0.5, "speed": 2.0}
#   accuracy 1 | accuracy 0, penalty -2
#     max: {"accuracy": 1, "penalty": 0}
#
# Why it matters: a program that reads the mean from a job's file finds it under another name after
# a further trial, and cannot compare jobs by name. The trials' own files have the rewards' names
# and values.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in "${PYTHON:-python3}" python3.14 python3.13 python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9].*/bin/python3; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2> /dev/null; then
        break
    fi
    python=
done
if [[ -z $python ]]; then
    echo "no Python 3.12 or newer was found (set PYTHON to one)" >&2
    exit 2
fi
cd "$folder"
"$python" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check harbor==0.26.0

cat > observe.py <<'PYTHON'
import json

from harbor.metrics.factory import MetricFactory
from harbor.models.metric.type import MetricType
from harbor.models.verifier.result import VerifierResult

JOBS = [
    (["mean"], [{"accuracy": 1}, {"accuracy": 0}]),
    (["mean", "sum"], [{"accuracy": 1}, {"accuracy": 0, "style": 1}]),
    (["mean"], [{"accuracy": 1}, {"speed": 4}]),
    (["max"], [{"accuracy": 1}, {"accuracy": 0, "penalty": -2}]),
]
for metrics, trials in JOBS:
    rewards = [VerifierResult(rewards=trial).rewards for trial in trials]
    print(" | ".join(", ".join(f"{name} {value}" for name, value in trial.items()) for trial in trials))
    for name in metrics:
        metric = MetricFactory.create_metric(MetricType(name))
        print(f"  {name}: {json.dumps(metric.compute(rewards))}")
PYTHON

HOME="$folder" venv/bin/python observe.py > seen.txt || true
cat > expected.txt <<'TEXT'
accuracy 1 | accuracy 0
  mean: {"mean": 0.5}
accuracy 1 | accuracy 0, style 1
  mean: {"accuracy": 0.5, "style": 0.5}
  sum: {"accuracy": 1, "style": 1}
accuracy 1 | speed 4
  mean: {"accuracy": 0.5, "speed": 2.0}
accuracy 1 | accuracy 0, penalty -2
  max: {"accuracy": 1, "penalty": 0}
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: a job's metrics are named or computed in another way than described here" >&2
    exit 1
fi
