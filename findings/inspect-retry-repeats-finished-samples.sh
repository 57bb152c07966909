#!/usr/bin/env bash
# After Inspect AI's `eval_retry`, the samples that had finished are in two logs, with the same
# `uuid`; the second log has another `eval_id` and `run_id`, and contains samples that are older
# than itself.
#
# Versions: inspect-ai 0.3.285.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: in the first run one sample finishes and one raises an error, so the log has the
# status "error". The retry writes a further log beside it and leaves the first. It runs only what
# failed (under a new `uuid`), and copies the finished sample as it was, `started_at` included. Of
# the ids in the header only `task_id` shows that both are one run.
#
# Output seen:
#   first log: status error, samples finished ok, flaky failed
#   second log: status success, samples finished ok, flaky ok
#   same in both: task_id
#   another: eval_id, run_id
#   uuid of "finished": same in both
#   uuid of "flaky": another
#   "finished" in the second log started before that log was created: True
#
# Why it matters: a program that loads a log folder into a table counts finished samples twice, with
# their tokens and costs, unless the key is the sample's `uuid`. Grouping by `eval_id` makes two
# runs of one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check inspect-ai==0.3.285

cat > observe.py <<'PYTHON'
import time
from datetime import datetime
from pathlib import Path

from inspect_ai import Task, eval, eval_retry, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import includes
from inspect_ai.solver import solver


@solver
def answer():
    async def solve(state, generate):
        if state.sample_id == "flaky" and not Path("second-run").exists():
            raise ValueError("the first try of this sample fails")
        state.output = ModelOutput.from_content("mockllm/model", "yes")
        return state

    return solve


@task
def two_samples():
    samples = [Sample(id=id, input="q", target="yes") for id in ("finished", "flaky")]
    return Task(dataset=samples, solver=answer(), scorer=includes())


def describe(label, log):
    samples = [f"{sample.id} {'failed' if sample.error else 'ok'}" for sample in log.samples]
    print(f"{label} log: status {log.status}, samples {', '.join(samples)}")


def uuid(log, id):
    return next(sample.uuid for sample in log.samples if sample.id == id)


# The retry imports this file again.
if __name__ == "__main__":
    settings = {"display": "none", "log_dir": "logs"}
    first = eval(two_samples(), model="mockllm/model", max_samples=1, **settings)[0]
    # Times of creation have whole seconds.
    time.sleep(1.1)
    Path("second-run").touch()
    second = eval_retry(first, **settings)[0]
    describe("first", first)
    describe("second", second)
    ids = ("task_id", "eval_id", "run_id")
    same = [name for name in ids if getattr(first.eval, name) == getattr(second.eval, name)]
    print("same in both:", *same)
    print("another:", ", ".join(name for name in ids if name not in same))
    for id in ("finished", "flaky"):
        print(f'uuid of "{id}":', "same in both" if uuid(first, id) == uuid(second, id) else "another")
    started = next(sample.started_at for sample in second.samples if sample.id == "finished")
    older = datetime.fromisoformat(str(started)) < datetime.fromisoformat(str(second.eval.created))
    print(f'"finished" in the second log started before that log was created: {older}')
PYTHON

HOME="$folder" venv/bin/python observe.py > seen.txt 2> log.txt || cat log.txt >&2
cat > expected.txt <<'TEXT'
first log: status error, samples finished ok, flaky failed
second log: status success, samples finished ok, flaky ok
same in both: task_id
another: eval_id, run_id
uuid of "finished": same in both
uuid of "flaky": another
"finished" in the second log started before that log was created: True
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the log of a retry is related to the first in another way than described here" >&2
    exit 1
fi
