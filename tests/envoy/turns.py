"""Tool turns in each form that upstreams speak: what a model is told to say, and what its last request shows it of the turns before.

`MODELS` are Claude on Bedrock Converse and models of OpenAI's on Bedrock mantle, one that is asked by chat and one that knows only responses.
"""

import json

USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


class Converse:
    upstream = "bedrock"

    @staticmethod
    def says(text, call_id, name, arguments):
        content = [{"text": text}, {"toolUse": {"toolUseId": call_id, "name": name, "input": arguments}}]
        usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
        message = {"role": "assistant", "content": content}
        return {"output": {"message": message}, "stopReason": "tool_use", "usage": usage, "metrics": {"latencyMs": 1}}

    @staticmethod
    def told(body):
        """Calls (id, name, arguments), results (id, text), and the assistant's texts."""
        blocks = [(message["role"], block) for message in body["messages"] for block in message["content"]]
        calls = [(call["toolUseId"], call["name"], call["input"]) for _, block in blocks if (call := block.get("toolUse"))]
        results = [block["toolResult"] for _, block in blocks if "toolResult" in block]
        texts = [block["text"] for role, block in blocks if role == "assistant" and "text" in block]
        return calls, [(each["toolUseId"], "".join(part["text"] for part in each["content"])) for each in results], texts


class Chat:
    upstream = "mantle"

    @staticmethod
    def says(text, call_id, name, arguments):
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        message = {"role": "assistant", "content": text, "refusal": None, "tool_calls": [call]}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        return {"id": f"chatcmpl-{call_id}", "object": "chat.completion", "created": 1, "model": "openai.gpt-5.6-terra", "choices": [choice], "usage": usage}

    @staticmethod
    def told(body):
        messages = body["messages"]
        calls = [(call["id"], call["function"]) for message in messages for call in message.get("tool_calls") or []]
        results = [(message["tool_call_id"], text(message["content"])) for message in messages if message["role"] == "tool"]
        texts = [text(message["content"]) for message in messages if message["role"] == "assistant" and message.get("content")]
        return [(name, call["name"], json.loads(call["arguments"])) for name, call in calls], results, texts


class Responses:
    upstream = "mantle"

    @staticmethod
    def says(text, call_id, name, arguments):
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        message = {"id": f"msg_{call_id}", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        call = {"id": f"fc_{call_id}", "type": "function_call", "status": "completed", "call_id": call_id, "name": name, "arguments": json.dumps(arguments)}
        usage = USAGE | {"input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        fixed = {"object": "response", "created_at": 1, "status": "completed", "model": "openai.gpt-5.5", "error": None, "incomplete_details": None}
        fixed |= {"instructions": None, "metadata": {}, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
        return fixed | {"id": f"resp_{call_id}", "output": [message, call], "usage": usage}

    @staticmethod
    def told(body):
        items = body["input"]
        calls = [(each["call_id"], each["name"], json.loads(each["arguments"])) for each in items if each.get("type") == "function_call"]
        results = [(each["call_id"], text(each["output"])) for each in items if each.get("type") == "function_call_output"]
        texts = [text(each["content"]) for each in items if each.get("role") == "assistant"]
        return calls, results, texts


FORMS = {"claude": Converse, "gpt-chat": Chat, "gpt-responses": Responses}
TARGETS = {"gpt-chat": "openai.gpt-5.6-terra", "gpt-responses": "openai.gpt-5.5"}


def add_mantle(simulator):
    """A change of a shipped policy."""

    def add(policy):
        endpoint = simulator.endpoint("mantle")
        policy["providers"].append({"name": "mantle", "kind": "bedrock", "region": "us-east-1", "surface": "mantle", "endpoint": endpoint})
        policy["models"] += [{"name": name, "targets": [{"provider": "mantle", "model": each}]} for name, each in TARGETS.items()]

    return add


def script(simulator, model, turns, match=None):
    """The model's next turns, each (text, tool's name, arguments); what it says behind them is its own."""
    form = FORMS[model]
    for number, (text, name, arguments) in enumerate(turns):
        simulator.fault(form.upstream, {"kind": "answer", "body": form.says(text, f"call_{number}", name, arguments)}, body=match)


def told(simulator, model):
    """What each request showed the model of the turns before."""
    form = FORMS[model]
    return [form.told(request.body) for request in simulator.requests(form.upstream)]


def text(content):
    return content if isinstance(content, str) else "".join(part["text"] for part in content)
