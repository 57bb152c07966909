#!/usr/bin/env bash
# Harbor's comparison of jobs orders them by each job's mean over the tasks that it has itself: a
# job that skipped the hard task comes before one that was better at every task both have.
#
# Versions: harbor 0.26.0, Python 3.12 or newer.
# Seen:     2026-11-29, Linux x86-64, Python 3.12.
#
# What happens: `harbor view` compares jobs in a grid of tasks and agents, which `build_comparison`
# makes. Its columns come in the order of the mean reward, and each mean is over the column's own
# cells. A task that a job does not have is left out of its mean; a task that it has, without a
# reward (all trials ended in an error), counts as 0. Here the job "thorough" has 0.9 against 0.6 at
# the common task and comes second; "lost-one" has 0.6 as well, and one task that got no reward, and
# comes last.
#
# Output seen:
#   at the common task: thorough 0.9, easy-only 0.6, lost-one 0.6
#   order of the columns: easy-only, thorough, lost-one
#
# Why it matters: the first column reads as the best agent. Runs over different tasks have to be
# compared by the tasks they share, with the others named.
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
from harbor.viewer.comparison import build_comparison
from harbor.viewer.models import TaskSummary


def task(name, reward):
    completed = 0 if reward is None else 1
    return TaskSummary(
        task_name=name, source="made-up", agent_name="agent", model_provider="provider", model_name="model",
        n_trials=1, n_completed=completed, n_errors=1 - completed, avg_reward=reward,
    )


jobs = {
    "thorough": [task("easy", 0.9), task("hard", 0.1)],
    "easy-only": [task("easy", 0.6)],
    "lost-one": [task("easy", 0.6), task("hard", None)],
}
grid = build_comparison(jobs)
common = [f"{name} {tasks[0].avg_reward}" for name, tasks in jobs.items()]
print(f"at the common task: {', '.join(common)}")
print(f"order of the columns: {', '.join(column.job_name for column in grid.agent_models)}")
PYTHON

HOME="$folder" venv/bin/python observe.py > seen.txt || true
cat > expected.txt <<'TEXT'
at the common task: thorough 0.9, easy-only 0.6, lost-one 0.6
order of the columns: easy-only, thorough, lost-one
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the comparison orders jobs in another way than described here" >&2
    exit 1
fi
