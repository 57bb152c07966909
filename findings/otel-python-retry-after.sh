#!/usr/bin/env bash
# OpenTelemetry's Python exporter over HTTP takes a Retry-After as given: 0 makes it use up its six
# tries within a moment, and one that is longer than its timeout of 10 s makes it drop the batch
# without any retry.
#
# Versions: opentelemetry-exporter-otlp-proto-http 1.45.2, opentelemetry-sdk 1.45.2.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: a receiver answers every request with 503. Without Retry-After the exporter waits
# about 1, 2 and 4 s with a random part. With `Retry-After: 0` it asks six times without a pause;
# with `Retry-After: 1` it gives up after 5 s of its 10; with `Retry-After: 20` it never asks again.
# In each case the spans are lost; the program sees a line in the log.
#
# Output seen:
#   Retry-After: 0 -> 6 requests within 1 s, FAILURE
#   Retry-After: 1 -> 6 requests within 6 s, FAILURE
#   Retry-After: 20 -> 1 request within 1 s, FAILURE
#   no Retry-After -> 4 requests within 11 s, FAILURE
#
# Why it matters: a receiver that is overloaded and honest about it ("come back in 20 s") loses data
# that a shorter value would have saved. With 2 s the exporter asks five times over 8 s; no value
# bridges more than its 10 s.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    opentelemetry-exporter-otlp-proto-http==1.45.2 opentelemetry-sdk==1.45.2

cat > observe.py <<'PYTHON'
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SimpleSpanProcessor


class Receiver(BaseHTTPRequestHandler):
    retry_after = None
    requests = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.requests += 1
        self.send_response(503)
        if Receiver.retry_after is not None:
            self.send_header("Retry-After", Receiver.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class Observed(SpanExporter):
    """Passes spans on, and keeps what came of it."""

    def __init__(self, exporter):
        self.exporter = exporter
        self.outcome = None

    def export(self, spans):
        self.outcome = self.exporter.export(spans)
        return self.outcome


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = f"http://127.0.0.1:{server.server_port}/v1/traces"

# The bound on the time is generous, as the machine may be busy.
for retry_after, bound in (("0", 1), ("1", 6), ("20", 1), (None, 11)):
    Receiver.retry_after, Receiver.requests = retry_after, 0
    observed = Observed(OTLPSpanExporter(endpoint=endpoint))
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(observed))
    begin = time.monotonic()
    provider.get_tracer("observe").start_span("work").end()
    took = time.monotonic() - begin
    label = "no Retry-After" if retry_after is None else f"Retry-After: {retry_after}"
    within = f"within {bound} s" if took < bound else f"in {took:.1f} s"
    plural = "s" if Receiver.requests != 1 else ""
    print(f"{label} -> {Receiver.requests} request{plural} {within}, {observed.outcome.name}", flush=True)
PYTHON

unset "${!OTEL_@}"
venv/bin/python observe.py > seen.txt 2> log.txt || cat log.txt >&2
cat > expected.txt <<'TEXT'
Retry-After: 0 -> 6 requests within 1 s, FAILURE
Retry-After: 1 -> 6 requests within 6 s, FAILURE
Retry-After: 20 -> 1 request within 1 s, FAILURE
no Retry-After -> 4 requests within 11 s, FAILURE
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    cat log.txt >&2
    echo "changed: the exporter treats Retry-After in another way than described here (or the machine is very busy)" >&2
    exit 1
fi
