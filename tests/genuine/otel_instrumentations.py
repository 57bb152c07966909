"""Runs agents and calls under an instrumentation of OpenTelemetry, on models of a server on this machine, and
writes their traces with OpenTelemetry's SDK: `otel_instrumentations.py INSTRUMENTATION FOLDER COUNT SEED`; see
`making.py`."""

import asyncio
import os
import random
import re
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.json.file import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from making import main, scenario
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
            client.embeddings.create(model="text-embedding-3-small", input=prompt)
    return run


def anthropic_calls(url):
    import anthropic
    client = anthropic.Anthropic(base_url=url, max_retries=0)

    def run(prompt):
        messages = [{"role": "user", "content": prompt}]
        # The client traces its calls, too; some instrumentations are beside these traces, not around them.
        with TRACER.start_as_current_span("answer"):
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
    from langchain_openai import ChatOpenAI
    from openinference.instrumentation.langchain import LangChainInstrumentor
    LangChainInstrumentor().instrument()
    model = ChatOpenAI(model=MODEL, base_url=f"{url}/v1", max_retries=0)
    return lambda prompt: model.invoke([("system", "Be brief."), ("human", prompt)])


def langgraph(url):
    """An agent as a graph: the spans of its steps are named `agent`, too."""
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.prebuilt import create_react_agent
    from openinference.instrumentation.langchain import LangChainInstrumentor
    LangChainInstrumentor().instrument()
    model = ChatOpenAI(model=MODEL, base_url=f"{url}/v1", max_retries=0)
    graph = create_react_agent(model, [tool(get_weather)])
    return lambda prompt: graph.invoke({"messages": [("system", "Be brief."), ("human", prompt)]})


def litellm(url):
    import litellm
    from openinference.instrumentation.litellm import LiteLLMInstrumentor
    LiteLLMInstrumentor().instrument()
    return lambda prompt: litellm.completion(
        model=f"openai/{MODEL}", api_base=f"{url}/v1", messages=[{"role": "user", "content": prompt}])


def pydantic_evals(url):
    """Two cases in a trace, which a judge evaluates with a model of its own."""
    import logfire
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_evals import Case, Dataset
    from pydantic_evals.evaluators import Contains, LLMJudge
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(LOG)])
    logfire.instrument_pydantic_ai()
    judge = LLMJudge(rubric="It is polite.", model=OpenAIChatModel("judge", provider=OpenAIProvider(base_url=f"{url}/v1")))
    agent = pydantic_agent(url)

    async def task(prompt):
        return (await agent.run(prompt)).output

    def run(prompts):
        cases = [Case(name=f"case {number}", inputs=prompt) for number, prompt in enumerate(prompts)]
        Dataset(name="weather", cases=cases, evaluators=[Contains("21"), judge]).evaluate_sync(task, progress=False)
    return run


def pydantic_agent(url):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{url}/v1"))
    return Agent(model, name="weather", instructions="Be brief.", tools=[get_weather])


def pydantic_ai(url):
    agent = pydantic_agent(url)
    type(agent).instrument_all()
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


#: The instrumentations whose spans name the agent.
AGENTS = {"pydantic_ai", "strands", "openai_agents", "agno", "adk"}

#: These write no prompt of a call that fails.
NO_PROMPT_OF_FAILURES = {"openai_agents"}

INSTRUMENTATION = sys.argv.pop(1)
# ADK adds the tokens of reasoning to those of the completion, which include them in this API.
SERVER = ModelServer(INSTRUMENTATION, reasons=INSTRUMENTATION != "adk")
RUN = globals()[INSTRUMENTATION](SERVER.url)


def prompts(source):
    """Returns prompts, of which the first is not refused, so that each log has usage."""
    for number in range(source.randrange(1, 4)):
        prompt = f"How warm is it in city {source.randrange(3)}?"
        yield prompt + (f" And {REFUSED}." if number > 0 and source.random() < 0.4 else "")


def make(folder, seed):
    source, log = random.Random(seed), f"{INSTRUMENTATION}-{seed}.jsonl"
    LOG.exporter = FileSpanExporter(path=folder / log)
    SERVER.tokens.clear()
    if INSTRUMENTATION == "pydantic_evals":
        all_prompts = [prompt.split(" And")[0] for prompt in prompts(source)]
        RUN(all_prompts)
        passed = [1.0] * len(all_prompts)
        made = {"scenarios": sorted(f"case {number}" for number in range(len(all_prompts))), "failed": 0,
                "tokens": SERVER.tokens[MODEL], "metrics": {"Contains": passed, "LLMJudge": passed}}
    else:
        made = {"scenarios": [], "failed": 0, "metrics": {}}
        for prompt in prompts(source):
            is_known = True
            try:
                RUN(prompt)
            except Exception:
                made["failed"] += 1
                is_known = INSTRUMENTATION not in NO_PROMPT_OF_FAILURES
            prefix = "New task:\n" if INSTRUMENTATION == "smolagents" else ""
            name = "weather" if INSTRUMENTATION in AGENTS else ""
            made["scenarios"].append(scenario(name, prefix + prompt) if is_known else None)
        made |= {"tokens": SERVER.tokens.total(), "scenarios": sorted(made["scenarios"], key=str)}
    PROVIDER.force_flush()
    # Resources name this machine, and exceptions its folders.
    text = re.sub(r'("key": ?"host\.(id|name)", ?"value": ?{"stringValue": ?")[^"]*', r"\1none", (folder / log).read_text())
    for path in (sys.prefix, sys.base_prefix, os.path.dirname(os.path.abspath(__file__))):
        text = text.replace(path, "/folder")
    (folder / log).write_text(text)
    return made | {"log": log, "status": "completed", "results": len(made["scenarios"]), "figures": []}


main(make)
