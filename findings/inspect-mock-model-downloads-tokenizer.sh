#!/usr/bin/env bash
# Inspect AI's mock model needs the internet: without it, an evaluation with `mockllm/model` ends
# with the status "error".
#
# Versions: inspect-ai 0.3.285, tiktoken 0.14.0.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: the mock model estimates the usage of its answers with tiktoken, whose wheel does
# not contain its encodings and downloads `o200k_base` at first use (into a cache in the temporary
# folder). If that download fails, the sample fails with the exception of the HTTP library. Outputs
# that have a `usage` of their own are not counted, and work. Here a proxy at a closed port of this
# machine stands for the missing internet.
#
# Output seen:
#   default output: status error, ProxyError
#   output with usage: status success
#
# Why it matters: tests of log readers use the mock model, because it needs no key and no network.
# In a sandboxed CI they fail, or pass only because another job has filled the cache.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check inspect-ai==0.3.285 tiktoken==0.14.0

cat > observe.py <<'PYTHON'
import sys

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


def with_usage():
    while True:
        output = ModelOutput.from_content("mockllm/model", "yes")
        output.usage = ModelUsage(input_tokens=3, output_tokens=1, total_tokens=4)
        yield output


models = {
    "default output": get_model("mockllm/model"),
    "output with usage": get_model("mockllm/model", custom_outputs=with_usage(), memoize=False),
}
for label, model in models.items():
    task = Task(dataset=[Sample(input="Is it so?", target="yes")], solver=generate(), scorer=includes())
    log = eval(task, model=model, display="none", log_dir="logs")[0]
    reason = f", {log.error.message.split('(')[0]}" if log.error else ""
    print(f"{label}: status {log.status}{reason}")
    if log.error and "tiktoken" not in log.error.message:
        print(log.error.message, file=sys.stderr)
PYTHON

unset ALL_PROXY all_proxy NO_PROXY no_proxy https_proxy
export HTTPS_PROXY=http://127.0.0.1:9 TIKTOKEN_CACHE_DIR="$folder/encodings"
HOME="$folder" venv/bin/python observe.py > seen.txt 2> log.txt || cat log.txt >&2
cat > expected.txt <<'TEXT'
default output: status error, ProxyError
output with usage: status success
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    cat log.txt >&2
    echo "changed: without the internet the mock model behaves in another way than described here" >&2
    exit 1
fi
