#!/usr/bin/env bash
# The Anthropic client traces its calls by itself since 1.14. Beside OpenLLMetry's instrumentation,
# each call is in two spans, both with the usage, that are in two traces, and the trace's context is
# sent to the API.
#
# Versions: anthropic 1.13.0 and 2.14.0, opentelemetry-instrumentation-anthropic 0.62.4,
#           opentelemetry-sdk 1.45.2.
# Seen:     2026-11-30, Linux x86-64, Python 3.11.
#
# What happens: one call is made with OpenLLMetry's instrumentation, and with no span of the
# application around it. With the older client it is one span. The newer one also takes the global
# tracer provider, without any option or import. Neither span is the parent of the other, so each
# begins a trace; a span of the application around the call joins them as siblings. Their tokens
# have the same attributes, so that a sum over the spans is twice the usage. Both have the same
# `gen_ai.response.id`. With `ANTHROPIC_OPEN_TELEMETRY=false` the newer client behaves as the older.
#
# Output seen:
#   anthropic 1.13.0: 1 span in 1 trace, 50 output tokens, 1 response id, traceparent sent: False
#     under a span of the application: 1 span in 1 trace, traceparent sent: False
#     with ANTHROPIC_OPEN_TELEMETRY=false: 1 span in 1 trace, traceparent sent: False
#   anthropic 2.14.0: 2 spans in 2 traces, 100 output tokens, 1 response id, traceparent sent: True
#     under a span of the application: 2 spans in 1 trace, traceparent sent: True
#     with ANTHROPIC_OPEN_TELEMETRY=false: 1 span in 1 trace, traceparent sent: False
#
# Why it matters: an update of the client doubles the tokens and the costs of every report that adds
# up spans. A reader of traces has to count each response id once, in all traces together.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for version in 1.13.0 2.14.0; do
    python3 -m venv "venv-$version"
    "venv-$version/bin/pip" install --quiet --disable-pip-version-check anthropic=="$version" \
        opentelemetry-instrumentation-anthropic==0.62.4 opentelemetry-sdk==1.45.2
done

cat > observe.py <<'PYTHON'
import contextlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import anthropic
from opentelemetry import trace
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

sent = []


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        sent.append("traceparent" in self.headers)
        body = json.dumps({
            "id": "msg_1", "type": "message", "role": "assistant", "model": request["model"],
            "content": [{"type": "text", "text": "Paris."}], "stop_reason": "end_turn", "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 50},
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def count(number, noun):
    return f"{number} {noun}" + "s" * (number != 1)


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
AnthropicInstrumentor().instrument()
application = trace.get_tracer("application")


def call(around=None):
    """Returns the spans of one call but the application's, in words, and whether a traceparent was sent."""
    spans.clear()
    sent.clear()
    with around or contextlib.nullcontext():
        client = anthropic.Anthropic(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}", max_retries=0)
        client.messages.create(
            model="claude-test", max_tokens=100, messages=[{"role": "user", "content": "Which city?"}])
    found = [span for span in spans.get_finished_spans() if span.instrumentation_scope.name != "application"]
    [was_sent] = sent
    where = f"{count(len(found), 'span')} in {count(len({span.context.trace_id for span in found}), 'trace')}"
    return found, where, f"traceparent sent: {was_sent}"


found, where, traceparent = call()
tokens = sum(span.attributes["gen_ai.usage.output_tokens"] for span in found)
ids = count(len({span.attributes["gen_ai.response.id"] for span in found}), "response id")
print(f"anthropic {anthropic.__version__}: {where}, {tokens} output tokens, {ids}, {traceparent}")
_, where, traceparent = call(application.start_as_current_span("answer"))
print(f"  under a span of the application: {where}, {traceparent}")
os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "false"
_, where, traceparent = call(application.start_as_current_span("answer"))
print(f"  with ANTHROPIC_OPEN_TELEMETRY=false: {where}, {traceparent}")
PYTHON

unset "${!OTEL_@}" "${!ANTHROPIC_@}" "${!TRACELOOP_@}"
for version in 1.13.0 2.14.0; do
    "venv-$version/bin/python" observe.py >> seen.txt || true
done
cat > expected.txt <<'TEXT'
anthropic 1.13.0: 1 span in 1 trace, 50 output tokens, 1 response id, traceparent sent: False
  under a span of the application: 1 span in 1 trace, traceparent sent: False
  with ANTHROPIC_OPEN_TELEMETRY=false: 1 span in 1 trace, traceparent sent: False
anthropic 2.14.0: 2 spans in 2 traces, 100 output tokens, 1 response id, traceparent sent: True
  under a span of the application: 2 spans in 1 trace, traceparent sent: True
  with ANTHROPIC_OPEN_TELEMETRY=false: 1 span in 1 trace, traceparent sent: False
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the client's calls are traced in another way than described here" >&2
    exit 1
fi
