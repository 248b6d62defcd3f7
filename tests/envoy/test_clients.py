"""What people build with works through a real Envoy on a Claude model on Bedrock Converse and on models of OpenAI's on mantle, told
nothing but a base URL and a key.

Each client takes two turns with a tool; what the simulator then says shows that the results have reached it.
"""

import asyncio
import inspect
import json
import os
import pathlib
import subprocess
import sys

import agents
import langchain_core.tools
import openai
import pydantic
import pydantic_ai
import pytest
import run
import turns
from conftest import Gateway
from langchain_openai import ChatOpenAI
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

NODE = pathlib.Path(__file__).parent / "node"
QUESTION = "Where is it warmer, in Oslo or in Rome?"
CITIES = ["Oslo", "Rome"]
DEGREES = {"Oslo": 7, "Rome": 21}
# Which models a client reaches by which of OpenAI's APIs.
BY_CHAT = ["claude", "gpt-chat", "gpt-responses"]  # The last knows only responses.
BY_RESPONSES = ["claude", "gpt-responses"]
EITHER = [("chat", model) for model in BY_CHAT] + [("responses", model) for model in BY_RESPONSES]


class City(pydantic.BaseModel):
    name: str
    inhabitants: int


def weather(city: str) -> str:
    """The weather in a city."""
    return f"{DEGREES[city]} degrees in {city}"


@pytest.fixture(scope="module", params=["single", "split"])
def gateway(request, directory, simulator, running):
    gateway = Gateway(directory, simulator, request.param, change=turns.add_mantle(simulator))
    running.append(gateway)
    yield gateway.ready()
    gateway.stop()
    running.remove(gateway)


def two_tool_turns(simulator, model):
    """The model asks for one city, then for the other, and says what it was told by itself."""
    turns.script(simulator, model, [(f"I look at {city}.", "weather", {"city": city}) for city in CITIES])


def check_two_tool_turns(simulator, model, said):
    """Three requests, the last with both calls and their results, each under its id, and the text that the model wrote before each."""
    assert said == "The tools answered: 21 degrees in Rome"
    first, second, third = turns.told(simulator, model)
    assert first == ([], [], [])
    calls, results, texts = third
    assert calls == [(f"call_{number}", "weather", {"city": city}) for number, city in enumerate(CITIES)]
    assert results == [(f"call_{number}", weather(city)) for number, city in enumerate(CITIES)]
    assert texts == [f"I look at {city}." for city in CITIES]
    assert second == (calls[:1], results[:1], texts[:1])


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("api", "model"), EITHER)
def test_openai_agents(gateway, simulator, api, model, is_stream):
    two_tool_turns(simulator, model)
    form = {"chat": agents.OpenAIChatCompletionsModel, "responses": agents.OpenAIResponsesModel}[api]

    async def answer():
        async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=run.DEMO_KEY) as client:
            agent = agents.Agent(name="Weather", model=form(model, client), tools=[agents.function_tool(weather)])
            # What it traces would go to OpenAI.
            config = agents.RunConfig(tracing_disabled=True)
            if not is_stream:
                return await agents.Runner.run(agent, QUESTION, run_config=config)
            result = agents.Runner.run_streamed(agent, QUESTION, run_config=config)
            async for _event in result.stream_events():
                pass
            return result

    result = asyncio.run(answer())
    check_two_tool_turns(simulator, model, result.final_output)
    # Of a server that is not OpenAI's own it does not ask for the usage of streamed chat completions.
    is_usage_asked = not is_stream or api == "responses"
    assert (result.context_wrapper.usage.total_tokens > 30) == is_usage_asked


def chat_openai(gateway, model="claude", **options):
    return ChatOpenAI(model=model, base_url=gateway.base_url, api_key=run.DEMO_KEY, **options)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("api", "model"), EITHER)
def test_langchain(gateway, simulator, api, model, is_stream):
    two_tool_turns(simulator, model)
    tool = langchain_core.tools.tool(weather)
    chain = chat_openai(gateway, model, use_responses_api=api == "responses").bind_tools([tool])
    messages = [("user", QUESTION)]
    for _turn in range(3):
        if is_stream:
            first, *rest = chain.stream(messages)
            message = sum(rest, first)
        else:
            message = chain.invoke(messages)
        messages += [message, *(tool.invoke(call) for call in message.tool_calls)]
    check_two_tool_turns(simulator, model, message.text)
    # Of a server that is not OpenAI's own it does not ask for the usage of streamed chat completions.
    assert (is_stream and api == "chat") or message.usage_metadata["total_tokens"] > 0


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_langchain_structured_output(gateway, method):
    model = chat_openai(gateway).with_structured_output(City, method=method, include_raw=True)
    answer = model.invoke("A city, as JSON.")
    if method == "json_mode":  # No schema reaches the model: it is JSON, and what it holds is the model's affair.
        assert isinstance(json.loads(answer["raw"].text), dict)
    else:
        assert isinstance(answer["parsed"], City)


async def drain(_context, events):
    async for _event in events:
        pass


@pytest.mark.parametrize(("api", "model"), EITHER)
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_pydantic_ai(gateway, simulator, api, model, is_stream):
    two_tool_turns(simulator, model)
    form = {"chat": OpenAIChatModel, "responses": OpenAIResponsesModel}[api]

    async def answer():
        agent = pydantic_ai.Agent(form(model, provider=OpenAIProvider(base_url=gateway.base_url, api_key=run.DEMO_KEY)), tools=[weather])
        # Its `run_stream` would take Claude's first text for the answer. With a handler of events it streams every turn.
        return (await agent.run(QUESTION, event_stream_handler=drain if is_stream else None)).output

    check_two_tool_turns(simulator, model, asyncio.run(answer()))


@pytest.mark.parametrize("form", [OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
@pytest.mark.parametrize("output", [City, pydantic_ai.NativeOutput(City)], ids=["by a tool", "by the schema"])
def test_pydantic_ai_typed_output(gateway, form, output):
    model = form("claude", provider=OpenAIProvider(base_url=gateway.base_url, api_key=run.DEMO_KEY))
    answer = pydantic_ai.Agent(model, output_type=output).run_sync("A city.")
    assert isinstance(answer.output, City)


@pytest.mark.parametrize("model", BY_CHAT)
@pytest.mark.parametrize("options", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_llm_on_the_command_line(gateway, simulator, tmp_path, model, options):
    two_tool_turns(simulator, model)
    known = {"model_id": "tollgate", "model_name": model, "api_base": gateway.base_url, "api_key_name": "tollgate", "supports_tools": True}
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([known]))
    (tmp_path / "keys.json").write_text(json.dumps({"tollgate": run.DEMO_KEY}))
    (tmp_path / "tools.py").write_text(f"DEGREES = {DEGREES}\n\n{inspect.getsource(weather)}")
    command = [pathlib.Path(sys.executable).with_name("llm"), "-m", "tollgate", "--functions", tmp_path / "tools.py", *options, QUESTION]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LLM_USER_PATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    # It shows all that was said, from the first turn on.
    check_two_tool_turns(simulator, model, done.stdout.strip().removeprefix("".join(f"I look at {city}. " for city in CITIES)))


@pytest.mark.parametrize("way", ["generateText", "streamText"])
@pytest.mark.parametrize(("api", "model"), EITHER)
def test_vercels_ai_sdk(gateway, simulator, api, model, way):
    two_tool_turns(simulator, model)
    command = ["node", "vercel.mjs", gateway.base_url, run.DEMO_KEY, model, api, way, QUESTION, json.dumps(DEGREES)]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    check_two_tool_turns(simulator, model, told["text"])
    assert told["finishReason"] == "stop" and told["steps"] == 3
    assert told["totalTokens"] > 30
