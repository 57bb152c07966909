#!/usr/bin/env bash
# `nel compare` calls two runs identical of which one passes 20 % and the other 100 % of its trials,
# if every problem passes at least once in both.
#
# Versions: nemo-evaluator 0.3.0, Python 3.12 or newer.
# Seen:     2026-11-29, Linux x86-64, Python 3.12.
#
# What happens: 50 problems have 5 trials each; in the first run one trial of each passes, in the
# second all five. The command takes the mean over a problem's trials, and then counts a problem as
# correct if that mean is above 0 (`--correct-above`). So all 50 are "stable correct", nothing is
# discordant, and the verdict is derived from that count, although the same report shows the mean
# reward of both runs. With `--correct-above 0.5` the 50 improvements are seen.
#
# Output seen:
#   mean_reward: 0.2 -> 1.0
#   default: stable correct 50, regressions 0, improvements 0
#   default: no discordant pairs; baseline and candidate produced identical per-sample results
#   --correct-above 0.5: stable correct 0, regressions 0, improvements 50
#
# Why it matters: with several trials, "above 0" is pass@k, the figure that moves least. A
# comparison of runs with trials has to say what it does with them before it counts; here it needs
# the option.
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
venv/bin/pip install --quiet --disable-pip-version-check nemo-evaluator==0.3.0

cat > write.py <<'PYTHON'
import json
from pathlib import Path

for name, passing in (("first", 1), ("second", 5)):
    run = Path(name)
    run.mkdir()
    rows = [
        {"problem_idx": problem, "repeat": trial, "reward": 1.0 if trial < passing else 0.0}
        for problem in range(50)
        for trial in range(5)
    ]
    (run / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    scores = {"mean_reward": {"value": sum(row["reward"] for row in rows) / len(rows)}}
    benchmark = {"name": "made-up", "samples": 50, "repeats": 5, "scores": scores}
    bundle = {"run_id": name, "config": {}, "benchmark": benchmark}
    (run / f"eval-{name}.json").write_text(json.dumps(bundle))
PYTHON

cat > show.py <<'PYTHON'
import json

for label, path in (("default", "default.json"), ("--correct-above 0.5", "half.json")):
    with open(path) as file:
        report = json.load(file)
    if label == "default":
        delta = report["score_deltas"]["mean_reward"]
        print(f"mean_reward: {delta['baseline']} -> {delta['candidate']}")
    flips = report["flip_report"]["summary"]
    counts = f"regressions {flips['n_regressions']}, improvements {flips['n_improvements']}"
    print(f"{label}: stable correct {flips['n_stable_correct']}, {counts}")
    if label == "default":
        print(f"{label}:", *report["verdict_reasons"])
PYTHON

export HOME="$folder"
venv/bin/python write.py
venv/bin/nel compare --no-strict --no-report --output default.json first second > log.txt 2>&1 || cat log.txt >&2
venv/bin/nel compare --no-strict --no-report --correct-above 0.5 --output half.json first second > log.txt 2>&1 || cat log.txt >&2
venv/bin/python show.py > seen.txt || true
cat > expected.txt <<'TEXT'
mean_reward: 0.2 -> 1.0
default: stable correct 50, regressions 0, improvements 0
default: no discordant pairs; baseline and candidate produced identical per-sample results
--correct-above 0.5: stable correct 0, regressions 0, improvements 50
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: nel compare counts problems with several trials in another way than described here" >&2
    exit 1
fi
