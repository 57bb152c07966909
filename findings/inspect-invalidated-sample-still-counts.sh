#!/usr/bin/env bash
# A sample that Inspect AI's `invalidate_samples` has marked still counts in the log's accuracy,
# also after `recompute_metrics`, and the summaries do not show the mark. Undoing it restores the
# old bytes of the sample.
#
# Versions: inspect-ai 0.3.285.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: of two samples one is right. Invalidating the wrong one sets `invalidated` in the
# log's header and `invalidation` (time, author, reason) in the sample. The accuracy stays 0.5 of 2
# scored samples, and stays so when the metrics are computed again; the entries of `summaries.json`,
# from which viewers and scripts take their lists, stay the same. `uninvalidate_samples` leaves no
# history: the sample's entry in the archive is, byte for byte, what it was before.
#
# Output seen:
#   before: invalidated False, accuracy 0.5 of 2 scored samples
#   after invalidate_samples: invalidated True, accuracy 0.5 of 2 scored samples
#   after recompute_metrics: accuracy 0.5 of 2 scored samples
#   summaries.json: same entries as before
#   sample: 1 changed member (invalidation)
#   sample after uninvalidate_samples: same bytes as before
#
# Why it matters: a reader of such logs has to look into each sample and leave the marked ones out,
# because the log's own figures do not. And a reader that knows samples by a hash of their bytes
# meets the first state again after the second, in a newer file.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check inspect-ai==0.3.285

cat > observe.py <<'PYTHON'
import json
import zipfile

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.log import (
    ProvenanceData,
    invalidate_samples,
    read_eval_log,
    recompute_metrics,
    uninvalidate_samples,
    write_eval_log,
)
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import includes
from inspect_ai.solver import solver


@solver
def answer():
    async def solve(state, generate):
        state.output = ModelOutput.from_content("mockllm/model", "yes")
        return state

    return solve


def entries():
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def accuracy(log):
    score = log.results.scores[0]
    return f"accuracy {score.metrics['accuracy'].value} of {score.scored_samples} scored samples"


def summaries(archive):
    """The summaries in an order that does not depend on which sample was written first."""
    return sorted(json.loads(archive["summaries.json"]), key=lambda summary: summary["id"])


def same(one, other):
    return "same bytes as before" if one == other else "other bytes than before"


samples = [Sample(id="wrong", input="q", target="no"), Sample(id="right", input="q", target="yes")]
task = Task(dataset=samples, solver=answer(), scorer=includes())
path = eval(task, model="mockllm/model", display="none", log_dir="logs", log_format="eval")[0].location

before, first = read_eval_log(path), entries()
wrong = next(sample.uuid for sample in before.samples if sample.id == "wrong")
print(f"before: invalidated {before.invalidated}, {accuracy(before)}")

reason = ProvenanceData(author="reviewer", reason="the question is ambiguous")
write_eval_log(invalidate_samples(before, [wrong], reason), path)
marked, second = read_eval_log(path), entries()
print(f"after invalidate_samples: invalidated {marked.invalidated}, {accuracy(marked)}")
recompute_metrics(marked)
print(f"after recompute_metrics: {accuracy(marked)}")
print(f"summaries.json: {'same' if summaries(first) == summaries(second) else 'other'} entries as before")

name = "samples/wrong_epoch_1.json"
one, two = json.loads(first[name]), json.loads(second[name])
changed = sorted(key for key in one.keys() | two.keys() if one.get(key) != two.get(key))
print(f"sample: {len(changed)} changed member ({', '.join(changed)})")

write_eval_log(uninvalidate_samples(read_eval_log(path), [wrong]), path)
print(f"sample after uninvalidate_samples: {same(first[name], entries()[name])}")
PYTHON

HOME="$folder" venv/bin/python observe.py > seen.txt || true
cat > expected.txt <<'TEXT'
before: invalidated False, accuracy 0.5 of 2 scored samples
after invalidate_samples: invalidated True, accuracy 0.5 of 2 scored samples
after recompute_metrics: accuracy 0.5 of 2 scored samples
summaries.json: same entries as before
sample: 1 changed member (invalidation)
sample after uninvalidate_samples: same bytes as before
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: an invalidated sample shows in another way than described here" >&2
    exit 1
fi
