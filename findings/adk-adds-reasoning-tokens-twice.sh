#!/usr/bin/env bash
# With LiteLLM, Google's ADK reports more output tokens in spans and metrics than the model's API:
# it adds the tokens of reasoning to those of the completion, which already include them.
#
# Versions: google-adk 2.13.0, litellm 1.110.2, opentelemetry-sdk 1.44.0.
# Seen:     2026-11-30, Linux x86-64, Python 3.11.
#
# What happens: ADK keeps the usage of every model in Gemini's form, in which "thoughts" and
# "candidates" do not overlap, and adds the two for `gen_ai.usage.output_tokens` of the span and for
# its metrics. In the usage of LiteLLM, as in OpenAI's API, reasoning is a part of the completion,
# and ADK's class for LiteLLM copies both numbers. Here the model answers with 50 tokens, of which
# 40 are reasoning. The event of the same call has the right total.
#
# Output seen:
#   the provider: 100 input, 50 output (40 of them reasoning), 150 in all
#   ADK's event: 100 input, 50 output, 150 in all
#   ADK's span: 100 input, 90 output, 40 reasoning
#   ADK's metric gen_ai.client.token.usage: 100 input, 90 output
#
# Why it matters: on a dashboard of spans or metrics, a reasoning model appears with up to twice its
# output tokens. The span has no total that shows it, and the same sum is right for models whose
# usage does not overlap.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
    google-adk==2.13.0 litellm==1.110.2 opentelemetry-sdk==1.44.0

cat > observe.py <<'PYTHON'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([reader]))

from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai.types import Content, Part

USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
         "completion_tokens_details": {"reasoning_tokens": 40}}


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": "Paris."}
        body = json.dumps({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}], "usage": USAGE,
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


async def run(url):
    model = LiteLlm(model="openai/reasoner", api_base=url, api_key="none")
    runner = InMemoryRunner(agent=LlmAgent(name="agent", model=model), app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="user")
    message = Content(role="user", parts=[Part(text="Which city?")])
    async for event in runner.run_async(user_id="user", session_id=session.id, new_message=message):
        usage = event.usage_metadata
        print(f"ADK's event: {usage.prompt_token_count} input, {usage.candidates_token_count} output, "
              f"{usage.total_token_count} in all")


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"the provider: {USAGE['prompt_tokens']} input, {USAGE['completion_tokens']} output "
      f"({USAGE['completion_tokens_details']['reasoning_tokens']} of them reasoning), {USAGE['total_tokens']} in all")
asyncio.run(run(f"http://127.0.0.1:{server.server_port}/v1"))

for span in spans.get_finished_spans():
    if span.attributes.get("gen_ai.operation.name") == "generate_content":
        counts = [f"{span.attributes[f'gen_ai.usage.{name}_tokens']} {word}" for name, word in
                  [("input", "input"), ("output", "output"), ("reasoning.output", "reasoning")]]
        print(f"ADK's span: {', '.join(counts)}")
for resource in reader.get_metrics_data().resource_metrics:
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            if metric.name == "gen_ai.client.token.usage":
                points = sorted((point.attributes["gen_ai.token.type"], point.sum) for point in metric.data.data_points)
                print(f"ADK's metric {metric.name}: {', '.join(f'{total} {kind}' for kind, total in points)}")
PYTHON

unset "${!OTEL_@}" "${!ADK_@}"
HOME="$folder" LITELLM_LOCAL_MODEL_COST_MAP=true venv/bin/python observe.py > seen.txt || true
cat > expected.txt <<'TEXT'
the provider: 100 input, 50 output (40 of them reasoning), 150 in all
ADK's event: 100 input, 50 output, 150 in all
ADK's span: 100 input, 90 output, 40 reasoning
ADK's metric gen_ai.client.token.usage: 100 input, 90 output
TEXT

cat seen.txt
if ! diff expected.txt seen.txt; then
    echo "changed: ADK reports the tokens of reasoning in another way than described here" >&2
    exit 1
fi
