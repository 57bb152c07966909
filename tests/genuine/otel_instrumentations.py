"""Runs agents and calls under an instrumentation of OpenTelemetry, on models of a server on this machine, and
writes their traces with OpenTelemetry's SDK: `otel_instrumentations.py INSTRUMENTATION FOLDER COUNT SEED`; see
`making.py`."""

import asyncio
import os
import random
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.json.file import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from making import main
from model_server import REFUSED, ModelServer

os.environ |= {
    "OPENAI_API_KEY": "none", "ANTHROPIC_API_KEY": "none", "LANGFUSE_PUBLIC_KEY": "none", "LANGFUSE_SECRET_KEY": "none",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only", "TRACELOOP_TRACE_CONTENT": "true",
    "OPENAI_AGENTS_DISABLE_TRACING": "0", "AGNO_TELEMETRY": "false", "LITELLM_LOCAL_MODEL_COST_MAP": "true",
}

MODEL = "gpt-4o-mini"


class CurrentLog(SpanExporter):
    """Exports to the file of the current log: an instrumentation is installed once for all."""

    exporter = None

    def export(self, spans):
        return self.exporter.export(spans) if self.exporter else SpanExportResult.SUCCESS


LOG = CurrentLog()
PROVIDER = TracerProvider(resource=Resource({"service.name": "check"}))
PROVIDER.add_span_processor(SimpleSpanProcessor(LOG))
trace.set_tracer_provider(PROVIDER)
TRACER = trace.get_tracer("app")


def get_weather(city: str) -> str:
    """Returns the weather.

    Args:
        city: The city.
    """
    return "21 degrees"


FUNCTION = {"name": "get_weather", "description": "Returns the weather.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


def openai_calls(url):
    """Two calls of a model, the first of which calls a tool, under a span of the application."""
    import openai
    client = openai.OpenAI(base_url=f"{url}/v1", max_retries=0)

    def run(prompt):
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}]
        tools = [{"type": "function", "function": FUNCTION}]
        with TRACER.start_as_current_span("answer"):
            message = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
            called = {"role": "assistant", "tool_calls": [call.model_dump() for call in message.tool_calls]}
            result = {"role": "tool", "tool_call_id": "call_1", "content": get_weather("Paris")}
            client.chat.completions.create(model=MODEL, messages=[*messages, called, result], tools=tools)
    return run


def anthropic_calls(url):
    import anthropic
    client = anthropic.Anthropic(base_url=url, max_retries=0)

    def run(prompt):
        messages = [{"role": "user", "content": prompt}]
        client.messages.create(model="claude-sonnet-4-5", max_tokens=100, system="Be brief.", messages=messages)
    return run


def openai_v2(url):
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    OpenAIInstrumentor().instrument()
    return openai_calls(url)


def openllmetry(url):
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument()
    return openai_calls(url)


def openllmetry_anthropic(url):
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
    AnthropicInstrumentor().instrument()
    return anthropic_calls(url)


def openinference(url):
    from openinference.instrumentation.openai import OpenAIInstrumentor
    OpenAIInstrumentor().instrument()
    return openai_calls(url)


def openinference_anthropic(url):
    from openinference.instrumentation.anthropic import AnthropicInstrumentor
    AnthropicInstrumentor().instrument()
    return anthropic_calls(url)


def langchain(url):
    """LangChain's spans around those of the client of the provider: each call is traced twice."""
    from langchain_openai import ChatOpenAI
    from openinference.instrumentation.langchain import LangChainInstrumentor
    from openinference.instrumentation.openai import OpenAIInstrumentor
    LangChainInstrumentor().instrument()
    OpenAIInstrumentor().instrument()
    model = ChatOpenAI(model=MODEL, base_url=f"{url}/v1", max_retries=0)
    return lambda prompt: model.invoke([("system", "Be brief."), ("human", prompt)])


def litellm(url):
    import litellm
    from openinference.instrumentation.litellm import LiteLLMInstrumentor
    LiteLLMInstrumentor().instrument()
    return lambda prompt: litellm.completion(
        model=f"openai/{MODEL}", api_base=f"{url}/v1", messages=[{"role": "user", "content": prompt}])


def pydantic_ai(url):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    Agent.instrument_all()
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{url}/v1"))
    agent = Agent(model, name="weather", instructions="Be brief.", tools=[get_weather])
    return agent.run_sync


def strands(url):
    from strands import Agent, tool
    from strands.models.openai import OpenAIModel
    model = OpenAIModel(client_args={"base_url": f"{url}/v1", "max_retries": 0}, model_id=MODEL)
    return lambda prompt: Agent(
        model=model, name="weather", system_prompt="Be brief.", tools=[tool(get_weather)], callback_handler=None)(prompt)


def langfuse(url):
    from langfuse import Langfuse
    from langfuse.openai import OpenAI
    Langfuse(tracer_provider=PROVIDER, host=url)
    client = OpenAI(base_url=f"{url}/v1", max_retries=0)
    return lambda prompt: client.chat.completions.create(
        model=MODEL, messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}])


def smolagents(url):
    from openinference.instrumentation.smolagents import SmolagentsInstrumentor
    from smolagents import OpenAIModel, ToolCallingAgent
    SmolagentsInstrumentor().instrument()
    model = OpenAIModel(model_id=MODEL, api_base=f"{url}/v1")
    return lambda prompt: ToolCallingAgent(tools=[], model=model, max_steps=2).run(prompt)


def openai_agents(url):
    import agents
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
    OpenAIAgentsInstrumentor().instrument()
    import openai
    agents.set_default_openai_client(openai.AsyncOpenAI(base_url=f"{url}/v1", max_retries=0), use_for_tracing=False)
    agent = agents.Agent(
        name="weather", instructions="Be brief.", model=MODEL, tools=[agents.function_tool(get_weather)])
    return lambda prompt: agents.Runner.run_sync(agent, prompt)


def agno(url):
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat
    from openinference.instrumentation.agno import AgnoInstrumentor
    AgnoInstrumentor().instrument()

    def run(prompt):
        model = OpenAIChat(id=MODEL, base_url=f"{url}/v1", max_retries=0)
        answer = Agent(name="weather", model=model, instructions="Be brief.", tools=[get_weather]).run(prompt)
        if str(answer.status).lower().endswith("error"):
            raise RuntimeError(answer.content)
    return run


def adk(url):
    from google.adk.agents import LlmAgent
    from google.adk.models.lite_llm import LiteLlm
    from google.adk.runners import InMemoryRunner
    from google.genai import types
    model = LiteLlm(model=f"openai/{MODEL}", api_base=f"{url}/v1", num_retries=0)
    agent = LlmAgent(name="weather", model=model, instruction="Be brief.", tools=[get_weather])

    async def answer(prompt):
        runner = InMemoryRunner(agent=agent, app_name="check")
        session = await runner.session_service.create_session(app_name="check", user_id="user")
        message = types.Content(role="user", parts=[types.Part(text=prompt)])
        async for event in runner.run_async(user_id="user", session_id=session.id, new_message=message):
            if event.error_code:
                raise RuntimeError(event.error_message)
    return lambda prompt: asyncio.run(answer(prompt))


INSTRUMENTATION = sys.argv.pop(1)
SERVER = ModelServer(INSTRUMENTATION)
RUN = globals()[INSTRUMENTATION](SERVER.url)


def make(folder, seed):
    source, log = random.Random(seed), f"{INSTRUMENTATION}-{seed}.jsonl"
    LOG.exporter = FileSpanExporter(path=folder / log)
    before, prompts, failed = SERVER.tokens, [], 0
    for number in range(source.randrange(1, 4)):
        prompt = f"How warm is it in city {source.randrange(3)}?"
        # The first succeeds, so that a log without its usage is seen.
        if number > 0 and source.random() < 0.4:
            prompt += f" And {REFUSED}."
        prompts.append(prompt)
        try:
            RUN(prompt)
        except Exception:
            failed += 1
    PROVIDER.force_flush()
    return {"log": log, "status": "completed", "results": len(prompts), "failed": failed, "tokens": SERVER.tokens - before,
            "prompts": sorted(prompts), "metrics": {}, "figures": []}


main(make)
