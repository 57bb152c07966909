#!/usr/bin/env bash
# OpenTelemetry's own instrumentation of OpenAI installs beside the newest `openai` without a
# conflict, and `opentelemetry-instrument` then runs the application without one span and without
# one line in the log.
#
# Versions: opentelemetry-instrumentation-openai-v2 2.4b0, opentelemetry-util-genai 1.3b0 and 0.4b0,
#           opentelemetry-distro 0.66b2, opentelemetry-sdk 1.45.2, openai 3.57.0, httpx 0.28.1.
# Seen:     2026-11-30, Linux x86-64, Python 3.11.
#
# What happens: the instrumentation requires `opentelemetry-util-genai>=0.4b0.dev`. pip installs
# 1.3b0, which does not have one of the modules that the instrumentation imports. It also imports
# `httpx`, which it does not require: `openai` 2 brings that package, `openai` 3.57 brings `httpx2`
# instead. `opentelemetry-instrument` takes a missing module as an instrumented library that is not
# installed. It skips the instrumentation, and `OTEL_LOG_LEVEL=debug` does not show that either. The
# call is traced only if `httpx` and an old `opentelemetry-util-genai` are installed by hand.
#
# Output seen:
#   as pip resolves it: pip check 0, spans 0, lines logged 0
#     No module named 'httpx'
#   with httpx: pip check 0, spans 0, lines logged 0
#     No module named 'opentelemetry.util.genai.instruments'
#   with httpx and the old util-genai: pip check 0, spans 1, lines logged 0
#     imported
#
# Why it matters: an update of dependencies ends the traces of model calls, and the only sign is
# that they are missing. A test has to import `opentelemetry.instrumentation.openai_v2` or count the
# spans.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
install() {
    venv/bin/pip install --quiet --disable-pip-version-check "$@"
}

cat > call.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import openai
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": "Paris."}
        body = json.dumps({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
# `opentelemetry-instrument` has set the provider.
spans = InMemorySpanExporter()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))
client = openai.OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0)
client.chat.completions.create(model="test-model", messages=[{"role": "user", "content": "Which city?"}])
print(len(spans.get_finished_spans()))
PYTHON

cat > try_import.py <<'PYTHON'
try:
    import opentelemetry.instrumentation.openai_v2
    print("  imported")
except ImportError as error:
    print(f"  {error}")
PYTHON

observe() {
    local check=0 spans
    venv/bin/pip check --disable-pip-version-check > /dev/null 2>&1 || check=$?
    spans=$(venv/bin/opentelemetry-instrument venv/bin/python call.py 2> log.txt) || cat log.txt >&2
    echo "$1: pip check $check, spans $spans, lines logged $(wc -l < log.txt)"
    venv/bin/python try_import.py
}

unset "${!OTEL_@}" "${!OPENAI_@}"
export OTEL_TRACES_EXPORTER=none OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none OTEL_LOG_LEVEL=debug
# pip resolves util-genai to 1.3b0; the pin keeps the script at the versions of its header.
install opentelemetry-instrumentation-openai-v2==2.4b0 opentelemetry-util-genai==1.3b0 \
    opentelemetry-distro==0.66b2 opentelemetry-sdk==1.45.2 openai==3.57.0
observe "as pip resolves it" > seen.txt
install httpx==0.28.1
observe "with httpx" >> seen.txt
install opentelemetry-util-genai==0.4b0
observe "with httpx and the old util-genai" >> seen.txt
cat > expected.txt <<'TEXT'
as pip resolves it: pip check 0, spans 0, lines logged 0
  No module named 'httpx'
with httpx: pip check 0, spans 0, lines logged 0
  No module named 'opentelemetry.util.genai.instruments'
with httpx and the old util-genai: pip check 0, spans 1, lines logged 0
  imported
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the instrumentation is installed or skipped in another way than described here" >&2
    exit 1
fi
