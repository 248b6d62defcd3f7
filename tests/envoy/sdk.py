"""Holds answers and streams against the types of openai-python, strictly: the right class for every object and event, each field of its
type, none missing, and none that the types do not know but for those named here. Knows nothing of Tollgate."""

import json
from typing import Optional, Union

import pydantic
from openai._streaming import SSEDecoder
from openai.types import Completion, CompletionChoice, CreateEmbeddingResponse, Embedding
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent


class PieceChoice(CompletionChoice):
    # OpenAI says null until the end, and the SDK hands it on.
    finish_reason: Optional[str]


class CompletionPiece(Completion):
    choices: list[PieceChoice]


class Vector(Embedding):
    # The SDK asks for base64 and decodes it behind its types.
    embedding: Union[list[float], str]


class Vectors(CreateEmbeddingResponse):
    data: list[Vector]


EVENT = pydantic.TypeAdapter(ResponseStreamEvent)
LAST = ("response.completed", "response.incomplete", "response.failed")
# The answer, and an event of a stream, behind each path.
TYPES = {
    "/v1/chat/completions": (ChatCompletion, ChatCompletionChunk),
    "/v1/completions": (Completion, CompletionPiece),
    "/v1/responses": (Response, None),
    "/v1/embeddings": (Vectors, None),
}
KNOWN = {
    # OpenAI's, which the types leave out: citations in chunks, what hides lengths, whether a response is stored.
    *("annotations", "obfuscation", "store"),
    # Reasoning and the stop sequence as DeepSeek, LiteLLM and vLLM tell them.
    *("reasoning_content", "thinking_blocks", "stop_reason"),
    # Azure's.
    *("content_filter_results", "prompt_filter_results", "content_filter_offsets", "content_filters"),
}


def unknown(model):
    """The members that the SDK's types do not know."""
    if isinstance(model, list):
        return {name for item in model for name in unknown(item)}
    if not isinstance(model, pydantic.BaseModel):
        return set()
    return set(model.model_extra or {}).union(*(unknown(getattr(model, name)) for name in model.model_fields_set if hasattr(model, name)))


def typed(adapter, text):
    """An object of the SDK's, or what is wrong with the text as an AssertionError."""
    validate = adapter.validate_json if isinstance(adapter, pydantic.TypeAdapter) else adapter.model_validate_json
    found = validate(text, strict=True)
    assert unknown(found) <= KNOWN, (unknown(found) - KNOWN, text)
    return found


def check(path, status, content_type, text):
    """An answer with its status; says how many objects it has looked at."""
    if path not in TYPES:
        return 0
    whole, piece = TYPES[path]
    if status >= 500 and content_type == "text/plain":
        # Envoy's own words, where it answers past all filters.
        assert text.startswith("upstream connect error"), text
        return 1
    if status >= 400:
        check_error(text)
        return 1
    if content_type.split(";")[0] != "text/event-stream":
        typed(whole, text)
        return 1
    return check_events(text) if path == "/v1/responses" else check_chunks(piece, text)


def check_error(text):
    """An error as the SDK reads it: four members, of which Azure and others have more."""
    error = json.loads(text)["error"]
    assert isinstance(error["message"], str) and error["message"], text
    assert {"type", "param", "code"} <= error.keys(), text
    assert all(error[name] is None or isinstance(error[name], str) for name in ("type", "param", "code")), text


def check_chunks(piece, text):
    """Chat completions and legacy ones: each chunk by its type, one end of each choice, and nothing behind an error or `[DONE]`."""
    *blocks, last = [block.data for block in sse(text)]
    is_whole = last == "[DONE]"
    if not is_whole:
        check_error(last)
    chunks = [typed(piece, block) for block in blocks]
    chosen = [choice for chunk in chunks for choice in chunk.choices]
    for index in {choice.index for choice in chosen}:
        ends = [choice.finish_reason is not None for choice in chosen if choice.index == index]
        assert sum(ends[:-1]) == 0 and (ends[-1] or not is_whole), (ends, text)
    return len(chunks) + 1


def check_events(text):
    """Responses: each event of its type under its name, numbered without a gap, from `response.created` to one terminal event."""
    found = events(text)
    first = found[0].sequence_number
    assert [event.sequence_number for event in found] == list(range(first, first + len(found))), text
    assert [event.type for event in found[:2]] == ["response.created", "response.in_progress"], text
    assert [event.type in LAST for event in found] == [False] * (len(found) - 1) + [True], text
    return len(found)


def events(text):
    """The typed events of a response's stream."""
    found = []
    for block in sse(text):
        found.append(typed(EVENT, block.data))
        assert block.event == found[-1].type
    return found


def sse(text):
    """Events, by the SDK's own reader; a stream that ends in the middle of one is a mistake."""
    assert text.endswith("\n\n"), text[-200:]
    return [block for block in SSEDecoder().iter_bytes(iter([text.encode()])) if block.data]
