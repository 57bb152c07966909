#!/usr/bin/env bash
# When the model refuses a request, the trace of the OpenAI Agents SDK has a root span with status
# OK. The span of the failed call has the prompt with the Chat Completions API, but with the
# Responses API, the default, neither the prompt nor the model.
#
# Versions: openai-agents 0.24.0, openinference-instrumentation-openai-agents 2.6.0, openai 3.57.0,
#           opentelemetry-sdk 1.45.2.
# Seen:     2026-11-30, Linux x86-64, Python 3.11.
#
# What happens: the model server answers with status 400 and `Runner.run_sync` raises. The SDK
# records the error in the span of the call and in that of the agent. The turn between them and the
# two spans above them end as OK, like those of a run that succeeds. The SDK sets the input of
# a `response` span together with the response, so that a call without one has no input; that of a
# `generation` span is set before the call. No other span has the prompt.
#
# Output seen, root first:
#   Responses API
#     Agent workflow: OK
#     Agent workflow: OK
#     agent: ERROR
#     turn: OK
#     response: ERROR, prompt False, model False
#   Chat Completions API
#     Agent workflow: OK
#     Agent workflow: OK
#     agent: ERROR
#     turn: OK
#     generation: ERROR, prompt True, model True
#
# Why it matters: a search by the status of root spans finds no failed run, and a failed run cannot
# be matched with its test case by the prompt. The caller has to record the prompt and the failure.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openai-agents==0.24.0 openai==3.57.0 \
    openinference-instrumentation-openai-agents==2.6.0 opentelemetry-sdk==1.45.2

cat > observe.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import openai
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

PROMPT = "Which city has the tower?"


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        error = {"message": "the prompt is too long", "type": "invalid_request_error", "code": "too_long"}
        body = json.dumps({"error": error}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openai.AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0)
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)

for api, model in [("Responses", OpenAIResponsesModel), ("Chat Completions", OpenAIChatCompletionsModel)]:
    print(f"{api} API")
    spans.clear()
    try:
        Runner.run_sync(Agent(name="agent", model=model("test-model", client)), PROMPT)
        print("  the run succeeded")
    except openai.BadRequestError:
        pass
    children = {span.parent and span.parent.span_id: span for span in spans.get_finished_spans()}
    span = children.get(None)
    while span:
        line = f"  {span.name}: {span.status.status_code.name}"
        if span.attributes["openinference.span.kind"] == "LLM":
            values = [str(value) for value in span.attributes.values()]
            line += f", prompt {any(PROMPT in value for value in values)}, model {'test-model' in values}"
        elif any(PROMPT in str(value) for value in span.attributes.values()):
            line += ", prompt True"
        print(line)
        span = children.get(span.context.span_id)
PYTHON

unset "${!OTEL_@}" "${!OPENAI_@}" "${!OPENINFERENCE_@}"
venv/bin/python observe.py > seen.txt 2> log.txt || cat log.txt >&2
cat > expected.txt <<'TEXT'
Responses API
  Agent workflow: OK
  Agent workflow: OK
  agent: ERROR
  turn: OK
  response: ERROR, prompt False, model False
Chat Completions API
  Agent workflow: OK
  Agent workflow: OK
  agent: ERROR
  turn: OK
  generation: ERROR, prompt True, model True
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: a failed run is traced in another way than described here" >&2
    exit 1
fi
