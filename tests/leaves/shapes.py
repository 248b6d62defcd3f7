"""Writes what openai-python's types say that there is: one document for each string that is free, with no more around it than its place takes.

python tests/leaves/shapes.py, with the `openai` package of tests/requirements.txt. A document is a path of members down to one "text", with the
`type` and the `role` of each object on its way; a list stands for its one item. Read by tests/leaves.rs.
"""

import collections.abc
import json
import pathlib
import typing

import openai.types.beta as agents
import openai.types.beta.agents as saved
import openai.types.responses as responses
import pydantic
from openai.types import Completion, completion_create_params, embedding_create_params
from openai.types.beta.agent_session_event import AgentSessionEvent
from openai.types.beta.agent_session_item import AgentSessionItem
from openai.types.beta.agents import session_create_params
from openai.types.beta.agents.sessions import event_create_params
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat import completion_create_params as chat_params

FREE = "text"
WRAPPERS = (typing.Annotated, typing.Required, typing.NotRequired)
# What other documents tell: an event that brings a whole answer or item has its places, and an answer may repeat what was asked.
ELSEWHERE = {
    "answer": {typing.get_args(responses.ResponseInputItem)[0]},
    "event": {responses.Response, typing.get_args(responses.ResponseOutputItem)[0], agents.AgentSession},
}
KINDS = {
    "chat.request": chat_params.CompletionCreateParamsNonStreaming,
    "chat.answer": ChatCompletion,
    "chat.event": ChatCompletionChunk,
    "completions.request": completion_create_params.CompletionCreateParamsNonStreaming,
    "completions.answer": Completion,
    "embeddings.request": embedding_create_params.EmbeddingCreateParams,
    "responses.request": responses.response_create_params.ResponseCreateParamsNonStreaming,
    "responses.answer": responses.Response,
    "responses.event": responses.ResponseStreamEvent,
    "agents.request": agents.agent_create_params.AgentCreateParams,
    "sessions.request": session_create_params.SessionCreateParamsNonStreaming,
    "events.request": event_create_params.EventCreateParams,
    "agents.answer": agents.Agent,
    "sessions.answer": agents.AgentSession,
    "items.answer": AgentSessionItem,
    "sessions.event": AgentSessionEvent,
}


def leaves(kind, above, apart):
    """Yields a document for each free string of a type."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    name = str(origin)
    if kind in apart:
        return
    if origin in WRAPPERS:
        yield from leaves(args[0], above, apart)
    elif origin is typing.Union or name.endswith("UnionType'>"):
        for arg in args:
            yield from leaves(arg, above, apart)
    elif name.endswith("Literal") or kind in (type(None), bool, int, float):
        return
    elif origin in (list, collections.abc.Iterable) or "Sequence" in name:
        yield from ([leaf] for leaf in leaves(args[0], above, apart))
    elif origin in (dict, collections.abc.Mapping):
        yield from ({"key": leaf} for leaf in leaves(args[1], above, apart))
    elif kind in (str, object, typing.Any) or isinstance(kind, typing.TypeVar):
        yield FREE
    elif hasattr(kind, "__required_keys__"):
        yield from members(kind, typing.get_type_hints(kind, include_extras=True), above, apart)
    elif isinstance(origin or kind, type) and issubclass(origin or kind, pydantic.BaseModel):
        model = origin or kind
        yield from members(model, {field.alias or name: field.annotation for name, field in model.model_fields.items()}, above, apart)
    else:
        raise TypeError(f"{kind} is none of the types that are known here")


def literal(kind):
    """The first value of an enumeration; nothing for another type."""
    while typing.get_origin(kind) in (*WRAPPERS, typing.Union):
        kind = typing.get_args(kind)[0]
    return typing.get_args(kind)[0] if str(typing.get_origin(kind)).endswith("Literal") else None


def members(kind, fields, above, apart):
    if kind in above:
        return
    told = {name: literal(fields[name]) for name in ("type", "role") if name in fields}
    told = {name: value for name, value in told.items() if value is not None}
    for name, field in fields.items():
        for leaf in leaves(field, (*above, kind), apart):
            yield {**told, name: leaf}


def main():
    for name, kind in KINDS.items():
        apart = ELSEWHERE.get(name.split(".")[1], set())
        lines = dict.fromkeys(json.dumps(leaf, separators=(",", ":")) for leaf in leaves(kind, (), apart))
        file = pathlib.Path(__file__).with_name(f"{name}.jsonl")
        file.write_text("".join(f"{line}\n" for line in lines))
        print(f"{name}: {len(lines)}")


if __name__ == "__main__":
    main()
