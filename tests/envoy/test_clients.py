"""What people build with works on a Claude model on Bedrock Converse through a real Envoy, told nothing but a base URL and a key.

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
from langchain_openai import ChatOpenAI
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

QUESTION = "Where is it warmer, in Oslo or in Rome?"
CITIES = ["Oslo", "Rome"]
DEGREES = {"Oslo": 7, "Rome": 21}


class City(pydantic.BaseModel):
    name: str
    inhabitants: int


def weather(city: str) -> str:
    """The weather in a city."""
    return f"{DEGREES[city]} degrees in {city}"


def two_tool_turns(simulator):
    """Claude asks for one city, then for the other, and says what it was told by itself."""
    for number, city in enumerate(CITIES):
        call = {"toolUse": {"toolUseId": f"tooluse_{number}", "name": "weather", "input": {"city": city}}}
        usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
        message = {"role": "assistant", "content": [{"text": f"I look at {city}."}, call]}
        body = {"output": {"message": message}, "stopReason": "tool_use", "usage": usage, "metrics": {"latencyMs": 1}}
        simulator.fault("bedrock", {"kind": "answer", "body": body})


def check_two_tool_turns(simulator, said):
    """Three requests, the last with both calls and their results, each under its id, and the text that Claude wrote before each."""
    assert said == "The tools answered: 21 degrees in Rome"
    first, second, third = (request.body["messages"] for request in simulator.requests())
    assert (len(first), len(second), len(third)) == (1, 3, 5)
    blocks = [block for message in third for block in message["content"]]
    calls = [block["toolUse"] for block in blocks if "toolUse" in block]
    assert [(call["name"], call["input"]) for call in calls] == [("weather", {"city": city}) for city in CITIES]
    results = [block["toolResult"] for block in blocks if "toolResult" in block]
    assert [result["toolUseId"] for result in results] == [call["toolUseId"] for call in calls]
    assert [result["content"] for result in results] == [[{"text": weather(city)}] for city in CITIES]
    assert [block["text"] for block in blocks if "text" in block] == [QUESTION, *(f"I look at {city}." for city in CITIES)]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("form", [agents.OpenAIResponsesModel, agents.OpenAIChatCompletionsModel], ids=["responses", "chat"])
def test_openai_agents(gateway, simulator, form, is_stream):
    two_tool_turns(simulator)

    async def answer():
        async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=run.DEMO_KEY) as client:
            agent = agents.Agent(name="Weather", model=form("claude", client), tools=[agents.function_tool(weather)])
            # What it traces would go to OpenAI.
            config = agents.RunConfig(tracing_disabled=True)
            if not is_stream:
                return await agents.Runner.run(agent, QUESTION, run_config=config)
            result = agents.Runner.run_streamed(agent, QUESTION, run_config=config)
            async for _event in result.stream_events():
                pass
            return result

    result = asyncio.run(answer())
    check_two_tool_turns(simulator, result.final_output)
    # Of a server that is not OpenAI's own it does not ask for the usage of streamed chat completions.
    is_usage_asked = not is_stream or form is agents.OpenAIResponsesModel
    assert (result.context_wrapper.usage.total_tokens > 30) == is_usage_asked


def chat_openai(gateway):
    return ChatOpenAI(model="claude", base_url=gateway.base_url, api_key=run.DEMO_KEY)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_langchain(gateway, simulator, is_stream):
    two_tool_turns(simulator)
    tool = langchain_core.tools.tool(weather)
    model = chat_openai(gateway).bind_tools([tool])
    messages = [("user", QUESTION)]
    for _turn in range(3):
        if is_stream:
            first, *rest = model.stream(messages)
            message = sum(rest, first)
        else:
            message = model.invoke(messages)
        messages += [message, *(tool.invoke(call) for call in message.tool_calls)]
    check_two_tool_turns(simulator, message.text)
    # Of a server that is not OpenAI's own it does not ask for the usage of streams.
    assert is_stream or message.usage_metadata["total_tokens"] > 0


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


@pytest.mark.parametrize("form", [OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_pydantic_ai(gateway, simulator, form, is_stream):
    two_tool_turns(simulator)

    async def answer():
        model = form("claude", provider=OpenAIProvider(base_url=gateway.base_url, api_key=run.DEMO_KEY))
        agent = pydantic_ai.Agent(model, tools=[weather])
        # Its `run_stream` would take Claude's first text for the answer. With a handler of events it streams every turn.
        return (await agent.run(QUESTION, event_stream_handler=drain if is_stream else None)).output

    check_two_tool_turns(simulator, asyncio.run(answer()))


@pytest.mark.parametrize("form", [OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
@pytest.mark.parametrize("output", [City, pydantic_ai.NativeOutput(City)], ids=["by a tool", "by the schema"])
def test_pydantic_ai_typed_output(gateway, form, output):
    model = form("claude", provider=OpenAIProvider(base_url=gateway.base_url, api_key=run.DEMO_KEY))
    answer = pydantic_ai.Agent(model, output_type=output).run_sync("A city.")
    assert isinstance(answer.output, City)


@pytest.mark.parametrize("options", [[], ["--no-stream"]], ids=["streamed", "whole"])
def test_llm_on_the_command_line(gateway, simulator, tmp_path, options):
    two_tool_turns(simulator)
    model = {"model_id": "tollgate", "model_name": "claude", "api_base": gateway.base_url, "api_key_name": "tollgate", "supports_tools": True}
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([model]))
    (tmp_path / "keys.json").write_text(json.dumps({"tollgate": run.DEMO_KEY}))
    (tmp_path / "tools.py").write_text(f"DEGREES = {DEGREES}\n\n{inspect.getsource(weather)}")
    command = [pathlib.Path(sys.executable).with_name("llm"), "-m", "tollgate", "--functions", tmp_path / "tools.py", *options, QUESTION]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LLM_USER_PATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    # It shows all that was said, from the first turn on.
    check_two_tool_turns(simulator, done.stdout.strip().removeprefix("".join(f"I look at {city}. " for city in CITIES)))
