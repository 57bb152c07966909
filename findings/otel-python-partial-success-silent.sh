#!/usr/bin/env bash
# When an OTLP receiver reports in its answer that it has refused spans (`partial_success`),
# OpenTelemetry's Python exporter over HTTP does not report it: the export is a success, and no line
# is logged, at any level.
#
# Versions: opentelemetry-exporter-otlp-proto-http 1.45.2, opentelemetry-sdk 1.45.2.
# Seen:     2026-11-29, Linux x86-64, Python 3.11.
#
# What happens: OTLP has a member for spans that are refused permanently: status 200, with their
# number and a message. The exporter does not parse the body of an answer with status 200. Here the
# receiver refuses the only span.
#
# Output seen:
#   the receiver refused 1 span: "attribute too long"
#   outcome of the export: SUCCESS
#   lines logged by opentelemetry: 0
#
# Why it matters: a receiver that answers as the specification defines it does not reach the sender.
# Refusals have to be visible at the receiver.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    opentelemetry-exporter-otlp-proto-http==1.45.2 opentelemetry-sdk==1.45.2

cat > observe.py <<'PYTHON'
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

logged = []


class Keep(logging.Handler):
    def emit(self, record):
        if record.name.startswith("opentelemetry"):
            logged.append(record.getMessage())


logging.basicConfig(level=logging.NOTSET, handlers=[Keep()])


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = 1
        answer.partial_success.error_message = "attribute too long"
        body = answer.SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        print(f'the receiver refused 1 span: "{answer.partial_success.error_message}"', flush=True)

    def log_message(self, *args):
        pass


class Observed(SpanExporter):
    """Passes spans on, and shows what came of it."""

    def __init__(self, exporter):
        self.exporter = exporter

    def export(self, spans):
        outcome = self.exporter.export(spans)
        print(f"outcome of the export: {outcome.name}")
        return outcome


server = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{server.server_port}/v1/traces")
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Observed(exporter)))
provider.get_tracer("observe").start_span("work").end()
provider.shutdown()
print(f"lines logged by opentelemetry: {len(logged)}", *logged)
PYTHON

unset "${!OTEL_@}"
venv/bin/python observe.py > seen.txt || true
cat > expected.txt <<'TEXT'
the receiver refused 1 span: "attribute too long"
outcome of the export: SUCCESS
lines logged by opentelemetry: 0
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: the exporter shows a partial success in another way than described here" >&2
    exit 1
fi
