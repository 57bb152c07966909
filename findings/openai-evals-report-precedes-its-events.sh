#!/usr/bin/env bash
# OpenAI's evals writes the final report of a run before the events that it is computed from: it is
# the second line of a short run's log, and somewhere in the middle of a longer one's.
#
# Versions: evals 3.0.1.post1, Python 3.11 or newer.
# Seen:     2026-11-30, Linux x86-64, Python 3.11.
#
# What happens: `LocalRecorder`, which `oaieval` uses, keeps events in memory. It writes them when at
# least 100 are waiting and 10 seconds have passed since the last time, and at the end of the
# process. The final report is written at once. So a run of 4 samples has its report in line 2 and
# all its events after that. The second run has 130 samples of 0.1 seconds each: about 100 events
# are written after 10 seconds, then the report, then the others.
#
# Output seen:
#   short run: lines 6, report in line 2, events before it 0, after it 4
#   long run: lines 132, report not the last line, events before it and after it
#   accuracy of the long run: 0.5 in the report, 0.5 of all events
#   exit codes: 0, 0
#
# Why it matters: a program that follows the log and stops at the final report misses events, all of
# them if the run was short. A final report does not show that the log is complete.
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
short: {id: short.dev.v0, metrics: [accuracy]}
short.dev.v0:
  class: evals.elsuite.basic.includes:Includes
  args: {samples_jsonl: short.jsonl}
long: {id: long.dev.v0, metrics: [accuracy]}
long.dev.v0:
  class: slow:SlowIncludes
  args: {samples_jsonl: long.jsonl}
YAML
cat > slow.py <<'PYTHON'
import time

from evals.elsuite.basic.includes import Includes


class SlowIncludes(Includes):
    """Takes a tenth of a second for a sample, as if the model were slow."""

    def eval_sample(self, sample, *args):
        time.sleep(0.1)
        return super().eval_sample(sample, *args)
PYTHON
cat > samples.py <<'PYTHON'
import json

for name, count in (("short", 4), ("long", 130)):
    with open(f"registry/data/{name}.jsonl", "w") as file:
        for number in range(count):
            # The completion function "dummy" answers "This is a dummy response."
            ideal = ["dummy", "other"][number % 2]
            print(json.dumps({"input": f"Question {number}?", "ideal": ideal}), file=file)
PYTHON
venv/bin/python samples.py

cat > show.py <<'PYTHON'
import json

for name in ("short", "long"):
    lines = [json.loads(line) for line in open(f"log-{name}.jsonl")]
    [report] = [index for index, line in enumerate(lines) if "final_report" in line]
    before, after = (sum("event_id" in line for line in part) for part in (lines[:report], lines[report:]))
    if name == "short":
        place = f"report in line {report + 1}, events before it {before}, after it {after}"
        print(f"short run: lines {len(lines)}, {place}")
        continue
    place = "the last line" if report == len(lines) - 1 else "not the last line"
    where = " and ".join(text for text, count in (("before it", before), ("after it", after)) if count)
    print(f"long run: lines {len(lines)}, report {place}, events {where}")
    matches = [line["data"]["correct"] for line in lines if line.get("type") == "match"]
    reported = lines[report]["final_report"]["accuracy"]
    print(f"accuracy of the long run: {reported} in the report, {sum(matches) / len(matches)} of all events")
PYTHON

# The package needs a key to be imported. The completion function "dummy" makes no request.
export HOME="$folder" OPENAI_API_KEY=unused EVALS_SEQUENTIAL=1 PYTHONPATH="$folder"
codes=()
for name in short long; do
    code=0
    venv/bin/oaieval dummy "$name" --registry_path registry --record_path "log-$name.jsonl" \
        > "$name.txt" 2>&1 || code=$?
    codes+=("$code")
done
{
    venv/bin/python show.py
    echo "exit codes: ${codes[0]}, ${codes[1]}"
} > seen.txt || true
cat > expected.txt <<'TEXT'
short run: lines 6, report in line 2, events before it 0, after it 4
long run: lines 132, report not the last line, events before it and after it
accuracy of the long run: 0.5 in the report, 0.5 of all events
exit codes: 0, 0
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    cat short.txt long.txt >&2
    echo "changed: the final report is in another place than described here" >&2
    exit 1
fi
