"""Runs agents of Pydantic AI on models that answer at random, and writes their traces with OpenTelemetry's
SDK; see `making.py`."""

import asyncio
import random

from opentelemetry.exporter.otlp.json.file import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from pydantic_ai import Agent, RunContext
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.usage import RequestUsage

from making import main


def agent(source, name, is_failing):
    def answer(messages, info):
        if is_failing and source.random() < 0.3:
            raise ModelHTTPError(503, "random-1")
        usage = RequestUsage(input_tokens=source.randrange(1, 2_000), output_tokens=source.randrange(1, 300))
        calls = [ToolCallPart(tool.name, {"n": source.randrange(9)}) for tool in info.function_tools]
        parts = calls if calls and source.random() < 0.5 else [TextPart("done")]
        return ModelResponse(parts=parts, usage=usage)

    return Agent(FunctionModel(answer, model_name="random-1"), name=name)


async def run(source, is_failing):
    """Runs an agent with a tool, which can be another agent, and returns its tokens."""
    main_agent = agent(source, "main", is_failing)
    inner = agent(source, "inner", False) if source.random() < 0.5 else None

    @main_agent.tool
    async def look_up(context: RunContext, n: int) -> str:
        if inner is None:
            return str(n)
        # The usage of the inner agent is a part of the outer one's.
        return (await inner.run(f"Look up {n}.", usage=context.usage)).output

    usage = (await main_agent.run(f"Question {source.random()}?")).usage
    usage = usage() if callable(usage) else usage
    return usage.input_tokens + usage.output_tokens


def make(folder, seed):
    source = random.Random(seed)
    log = f"traces-{seed}.jsonl"
    provider = TracerProvider(resource=Resource.create({"service.name": f"check-{seed}"}))
    provider.add_span_processor(SimpleSpanProcessor(FileSpanExporter(path=folder / log)))
    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    runs, is_failing = source.randrange(1, 6), source.random() < 0.3
    tokens = 0
    for _ in range(runs):
        try:
            tokens += asyncio.run(run(source, is_failing))
        except ModelHTTPError:
            # The error has no usage of the calls before it.
            tokens = None
            break
    provider.shutdown()
    return {"log": log, "status": "completed", "tokens": tokens, "metrics": {}, "figures": []}


main(make)
