"""What requests of each of OpenAI's APIs can hold, each feature as a change of the least request, so that any two go together."""

PNG = "data:image/png;base64,iVBORw0KGgo="
MARK = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}}}
LOOP = [
    {"role": "assistant", "content": None, "tool_calls": [{"id": "call/1", "type": "function", "function": {"name": "clock", "arguments": "{}{\"zone\":\"CET\"}"}}]},
    {"role": "tool", "tool_call_id": "call/1", "content": "noon"},
    {"role": "user", "content": "And now?"},
]


def function(name):
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}}}


def parts(*more):
    """A change that adds parts to the first message."""
    return lambda body: body["messages"][0]["content"].extend(more)


def fields(**more):
    """A change that sets fields, joining lists of tools."""

    def change(body):
        tools = body.get("tools", []) + more.get("tools", [])
        body.update(more)
        if tools:
            body["tools"] = tools

    return change


def history(*messages):
    """A change that appends messages."""
    return lambda body: body["messages"].extend(messages)


CHAT = {
    "system": lambda body: body["messages"].append({"role": "developer", "content": "Be brief.", "name": "boss", "cache_control": {"type": "ephemeral"}}),
    "cached text": parts({"type": "text", "text": "Long text.", **MARK}, {"type": "text", "text": " \n"}),
    "image": parts({"type": "image_url", "image_url": {"url": PNG, "detail": "low"}, **MARK}),
    "document": parts({"type": "file", "file": {"filename": "Q3 (final).pdf", "file_data": "data:application/pdf;base64,JVBERi0="}, "citations": {"enabled": True}}),
    "audio": parts({"type": "input_audio", "input_audio": {"data": "UklGRiQA", "format": "wav"}}),
    "video": parts({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAAGGZ0"}}),
    "search result": parts({"type": "search_result", "source": "https://example.com", "title": "A page", "content": [{"type": "text", "text": "Noon."}], "citations": {"enabled": True}}),
    "tool": fields(tools=[{**CLOCK, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
    "odd tool": fields(tools=[{"type": "function", "function": {"name": "mcp.weather/" + "x" * 70, "strict": True, "parameters": {}}}]),
    "custom tool": fields(tools=[{"type": "custom", "custom": {"name": "code", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z]+"}}}}]),
    "tool loop": history(*LOOP),
    "custom loop": history(
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "custom", "custom": {"name": "code", "input": 'print("1")\n'}}]},
        {"role": "tool", "tool_call_id": "c1", "content": ""},
        {"role": "user", "content": "And?"},
    ),
    "thoughts": history(
        {"role": "assistant", "content": "Hm.", "thinking_blocks": [{"type": "thinking", "thinking": "Hm?", "signature": "c2lnbmVk"}, {"type": "redacted_thinking", "data": "aGk="}]},
        {"role": "user", "content": "Well?"},
    ),
    "effort": fields(reasoning_effort="low", max_completion_tokens=4096),
    "limits": fields(temperature=1.7, top_p=0.5, max_tokens=100, stop=["END", "\n"]),
    "metadata": fields(metadata={"tëam": '"red"', "long": "x" * 400}),
    "tier": fields(service_tier="fast", prompt_cache_options={"mode": "explicit", "ttl": "30m"}),
    "stream": fields(stream=True, stream_options={"include_usage": True}),
    "object": fields(response_format={"type": "json_object"}),
    "schema": fields(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {}, "additionalProperties": False}}}),
    "allowed tools": fields(
        tools=[function("calendar"), function("alarm")],
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "calendar"}}]}},
    ),
    "named tool": fields(tools=[function("diary")], tool_choice={"type": "function", "function": {"name": "diary"}}),
    "no tool": fields(tools=[function("siren")], tool_choice="none", parallel_tool_calls=True),
    "one call": fields(tools=[function("bell")], tool_choice="required", parallel_tool_calls=False),
    "parts of a result": history(
        {"role": "assistant", "content": [{"type": "text", "text": "I look."}], "tool_calls": [{"id": "p1", "type": "function", "function": {"name": "clock", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "p1", "content": [{"type": "text", "text": "noon"}, {"type": "text", "text": ""}]},
        {"role": "user", "content": "And?"},
    ),
    "empty content": history({"role": "assistant", "content": ""}, {"role": "user", "content": " \n"}, {"role": "assistant", "content": None, "refusal": "No."}, {"role": "user", "content": "Why?"}),
    "what is lost": fields(seed=7, presence_penalty=0.5, logit_bias={"1": 1}, verbosity="low", prompt_cache_key="k", safety_identifier="s", store=False),
}


def items(*more):
    """A change that appends items to the input."""
    return lambda body: body["input"].extend(more)


def told(*more):
    """A change that adds parts to the first item."""
    return lambda body: body["input"][0]["content"].extend(more)


def flat(name, **more):
    """A function as responses have it."""
    return {"type": "function", "name": name, "strict": False, "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}} | more


RESPONSES = {
    "instructions": fields(instructions="Be brief."),
    "developer": items({"type": "message", "role": "developer", "content": "Be kind."}),
    "cached text": told({"type": "input_text", "text": "Long text.", **MARK}),
    "image": told({"type": "input_image", "detail": "low", "image_url": PNG}),
    "document": told({"type": "input_file", "filename": "Q3 (final).pdf", "file_data": "data:application/pdf;base64,JVBERi0="}),
    "earlier words": items(
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Hm.", "annotations": [], "logprobs": []}]},
        {"type": "message", "id": "msg_2", "role": "assistant", "status": "completed", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": "Why?"},
    ),
    "empty content": items({"role": "assistant", "content": ""}, {"role": "user", "content": ""}, {"role": "user", "content": "Well?"}),
    "tool": fields(tools=[flat("clock", description="Tells the time.")]),
    "strict tool": fields(tools=[flat("mcp-weather_" + "x" * 52, strict=True, parameters={"type": "object", "properties": {}, "additionalProperties": False})]),
    "custom tool": fields(tools=[{"type": "custom", "name": "code", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a+/"}}]),
    "namespace": fields(tools=[{"type": "namespace", "name": "sky", "description": "The sky.", "tools": [flat("rain"), {"type": "custom", "name": "note"}]}]),
    "hosted tool": fields(tools=[{"type": "web_search"}]),
    "tool loop": items(
        {"type": "function_call", "id": "fc_1", "call_id": "call/1", "name": "clock", "arguments": '{}{"zone":"CET"}', "status": "completed"},
        {"type": "function_call_output", "call_id": "call/1", "output": "noon"},
        {"role": "user", "content": "And now?"},
    ),
    "parts of a result": items(
        {"type": "function_call", "call_id": "p1", "name": "clock", "arguments": ""},
        {"type": "function_call_output", "call_id": "p1", "output": [{"type": "input_text", "text": "noon"}, {"type": "input_image", "detail": "auto", "image_url": PNG}]},
    ),
    "custom loop": items(
        {"type": "custom_tool_call", "call_id": "c1", "name": "code", "input": 'print("1")\n'},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": ""},
        {"role": "user", "content": "And?"},
    ),
    "another's thoughts": items({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm?"}], "encrypted_content": "gAAAA"}, {"role": "user", "content": "Well?"}),
    "allowed tools": fields(tools=[flat("calendar"), flat("alarm")], tool_choice={"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "calendar"}]}),
    "named tool": fields(tools=[flat("diary")], tool_choice={"type": "function", "name": "diary"}),
    "no tool": fields(tools=[flat("siren")], tool_choice="none"),
    "one call": fields(tools=[flat("bell")], tool_choice="required", parallel_tool_calls=False),
    "effort": fields(reasoning={"effort": "low", "summary": "auto"}, include=["reasoning.encrypted_content"], max_output_tokens=4096),
    "limits": fields(temperature=1.7, top_p=0.5, max_output_tokens=100),
    "metadata": fields(metadata={"tëam": '"red"', "long": "x" * 400}, user="ann"),
    "tier": fields(service_tier="flex", prompt_cache_options={"mode": "explicit", "ttl": "30m"}),
    "stream": fields(stream=True),
    "object": fields(text={"format": {"type": "json_object"}}),
    "schema": fields(text={"format": {"type": "json_schema", "name": "a", "schema": {"type": "object", "properties": {}, "additionalProperties": False}}}),
    "what is lost": fields(truncation="auto", prompt_cache_key="k", safety_identifier="s", store=True, top_logprobs=0),
}
COMPLETIONS = {
    "odd text": lambda body: body.update(prompt='"wörld" \u2028 🌍\n'),
    "limits": fields(temperature=1.7, top_p=0.5, max_tokens=100),
    "stop": fields(stop=["END", "\n"]),
    "one stop": fields(stop="END"),
    "stream": fields(stream=True, stream_options={"include_usage": True}),
    "user": fields(user="ann"),
    "defaults": fields(n=1, best_of=1, echo=False, suffix=None, logprobs=None),
    "what is lost": fields(seed=7, presence_penalty=0.5, frequency_penalty=0.5, logit_bias={"1": 1}),
}
EMBEDDINGS = {
    "odd text": lambda body: body.update(input='"wörld" \u2028 🌍\n'),
    "several": lambda body: body.update(input=[body["input"], "Second.", "Third."]),
    "dimensions": lambda body: body.update(dimensions=DIMENSIONS[body["model"]]),
    "base64": fields(encoding_format="base64"),
    "float": fields(encoding_format="float"),
    "query": fields(input_type="search_query"),
    "clustering": fields(input_type="clustering"),
    "user": fields(user="ann"),
}
DIMENSIONS = {"titan": 256, "titan-old": 1536, "cohere": 512, "cohere-old": 1024, "nova-embed": 384}
