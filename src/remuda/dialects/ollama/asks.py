"""Requests as Ollama's clients write them, in the OpenAI shapes that engines take."""

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar

import msgspec

from remuda.core.ask import UNTOLD, Ask, Operation, Told
from remuda.core.faults import Fault, InvalidRequest, NotOffered
from remuda.dialects.kit.bodies import decoded
from remuda.dialects.ollama.context import Said, messages_in
from remuda.dialects.ollama.keep_alive import keep_alive_of
from remuda.dialects.ollama.schemas import (
    OllamaAsked,
    OllamaChat,
    OllamaEmbed,
    OllamaEmbeddings,
    OllamaGenerate,
    OllamaGenerating,
    OllamaMessage,
    OllamaOptions,
    Whole,
)
from remuda.gateway.face import node_named

MAX_MODEL_NAME: Final = 256
MAX_STOPS: Final = 64
"""Each is looked for after every token."""
SHORTEST: Final = "."
"""A text that every model has a vector for."""
EFFORTS: Final = ("low", "medium", "high")
_KINDS: Final = {"/9j/": "jpeg", "iVBOR": "png", "R0lGO": "gif", "UklGR": "webp"}
"""How pictures in base64 begin, by what they are."""
SAMPLING: Final = tuple(
    name for name in OllamaOptions.__struct_fields__ if name not in ("num_predict", "stop", "num_ctx")
)
"""Options that have the same name in a request to an engine."""

WHOLE: Final = frozenset({"top_k", "seed", "repeat_last_n", "mirostat"})
"""Those of them that are whole numbers."""

_ALONE: Final = {
    "raw": ("system", "images", "format", "think", "logprobs", "suffix", "context"),
    "suffix": ("images", "format", "think", "logprobs", "context"),
}
"""Of a prompt: what cannot go with what."""

Json = dict[str, Any]
Body = TypeVar("Body", bound=OllamaAsked)


class Shape(Enum):
    """Which of Ollama's routes a request came by: each has an answer of its own."""

    CHAT = "chat"
    GENERATE = "generate"
    EMBED = "embed"
    EMBEDDINGS = "embeddings"


class OllamaAsk(Ask, eq=False, kw_only=True):
    """An ask, and what has to be known of it when its answer comes."""

    shape: Shape
    has_lines: bool = False
    """The client reads its answer line by line."""
    is_load: bool = False
    """There was nothing to answer: the model shall only be loaded, or unloaded."""
    is_unload: bool = False
    keep_alive_s: float | None = None
    """How long the model shall stay loaded after it; None: it does not say."""
    hides_thinking: bool = False
    is_list: bool = False
    """Several texts were to be embedded, or one in a list."""
    started: float = 0.0
    """Monotonic time at which it was read."""
    is_ollamas: bool = True
    """Ollama itself takes it as it came."""
    untranslatable: Fault | None = None
    """What is wrong with it for every engine but Ollama itself."""
    said: list[Said] | None = None
    """The conversation so far, where the answer is to have a `context`."""


def read_chat(body: bytes) -> OllamaAsk:
    """A conversation."""
    asked = _decoded(_CHAT, body)
    try:
        return _chat(asked)
    except (InvalidRequest, NotOffered) as fault:
        return _ollamas_alone(asked, Shape.CHAT, "", fault)


def _chat(asked: OllamaChat) -> OllamaAsk:
    if not asked.messages:
        return _load(asked, Shape.CHAT)
    made = _generation(asked)
    made["messages"] = messages_of(asked.messages)
    if asked.tools:
        made["tools"] = asked.tools
    return _ask(asked, Shape.CHAT, Operation.CHAT, made)


def read_generate(body: bytes) -> OllamaAsk:
    """A prompt: through the model's chat template as one message, or as it is (`raw`)."""
    asked = _decoded(_GENERATE, body)
    try:
        return _generate(asked)
    except (InvalidRequest, NotOffered) as fault:
        return _ollamas_alone(asked, Shape.GENERATE, asked.prompt or "", fault)


def _generate(asked: OllamaGenerate) -> OllamaAsk:
    _check_generate(asked)
    if not asked.prompt and not asked.images:
        return _load(asked, Shape.GENERATE)
    if asked.raw:
        made = _generation(asked) | {"prompt": asked.prompt}
        return _ask(asked, Shape.GENERATE, Operation.COMPLETION, made)
    if asked.suffix:
        # `system` has no place in it, and is passed over as Ollama does.
        made = _generation(asked) | {"prompt": asked.prompt or "", "suffix": asked.suffix}
        return _ask(asked, Shape.GENERATE, Operation.COMPLETION, made)
    before = messages_in(asked.context) if asked.context else []
    if asked.system:
        before = [Said("system", asked.system), *(each for each in before if each.role != "system")]
    said = [*before, Said("user", asked.prompt or "")]
    messages = [OllamaMessage(each.role, each.text) for each in said]
    messages[-1].images = asked.images
    made = _generation(asked) | {"messages": messages_of(messages)}
    ask = _ask(asked, Shape.GENERATE, Operation.CHAT, made)
    ask.said = said
    ask.is_ollamas = not asked.context  # ours means nothing to it
    return ask


def read_embed(body: bytes) -> OllamaAsk:
    """Texts to be embedded."""
    asked = _decoded(_EMBED, body)
    return _embedding(asked, Shape.EMBED, asked.input, asked.dimensions)


def read_embeddings(body: bytes) -> OllamaAsk:
    """The same in Ollama's older words."""
    asked = _decoded(_EMBEDDINGS, body)
    given = asked.prompt if asked.prompt is not None else asked.input
    ask = _embedding(asked, Shape.EMBEDDINGS, given, None)
    # It takes no list here, and no other name.
    ask.is_ollamas = isinstance(asked.prompt, str) or (asked.prompt is None and asked.input is None)
    return ask


READERS: Final[dict[Shape, Callable[[bytes], OllamaAsk]]] = {
    Shape.CHAT: read_chat,
    Shape.GENERATE: read_generate,
    Shape.EMBED: read_embed,
    Shape.EMBEDDINGS: read_embeddings,
}

_CHAT: Final = msgspec.json.Decoder(OllamaChat)
_GENERATE: Final = msgspec.json.Decoder(OllamaGenerate)
_EMBED: Final = msgspec.json.Decoder(OllamaEmbed)
_EMBEDDINGS: Final = msgspec.json.Decoder(OllamaEmbeddings)


def _decoded(decoder: "msgspec.json.Decoder[Body]", body: bytes) -> Body:
    asked = decoded(decoder.decode, body)
    if not asked.model or len(asked.model) > MAX_MODEL_NAME:
        raise InvalidRequest(f"'model' is a name of 1 to {MAX_MODEL_NAME} characters", parameter="model")
    if asked.node_id is not None:
        raise node_named()
    return asked


def _check_generate(asked: OllamaGenerate) -> None:
    """Raise InvalidRequest for what no engine but Ollama could be told."""
    if asked.template:
        raise InvalidRequest(
            "'template' is not offered here: the model's engine applies the model's own; with 'raw' the prompt goes "
            "to the model as it is",
            parameter="template",
        )
    for beside, names in _ALONE.items():
        if getattr(asked, beside):
            for name in names:
                if getattr(asked, name):
                    raise InvalidRequest(f"'{name}' cannot go with '{beside}': leave one of them out", parameter=name)


def _ask(asked: OllamaGenerating, shape: Shape, operation: Operation, made: Json) -> OllamaAsk:
    is_streamed = asked.stream is not False
    if is_streamed:
        made |= {"stream": True, "stream_options": {"include_usage": True}}
    return OllamaAsk(
        operation,
        asked.model,
        is_streamed,
        is_streamed,
        1,
        msgspec.json.encode(made),
        shape=shape,
        told=told_of(asked.options),
        context_length=_context_of(asked.options),
        is_unbounded=_is_unbounded(asked.options),
        has_lines=is_streamed,
        keep_alive_s=keep_alive_of(asked.keep_alive),
        hides_thinking=asked.think is False,
    )


def _ollamas_alone(asked: OllamaGenerating, shape: Shape, prompt: str, fault: Fault) -> OllamaAsk:
    """What only Ollama itself can be asked; whoever would ask another engine is told `fault`."""
    is_streamed = asked.stream is not False
    return OllamaAsk(
        Operation.COMPLETION,
        asked.model,
        is_streamed,
        is_streamed,
        1,
        msgspec.json.encode({"model": asked.model, "prompt": prompt}),  # for the journal
        told=told_of(asked.options),
        context_length=_context_of(asked.options),
        shape=shape,
        has_lines=is_streamed,
        untranslatable=fault,
    )


def _load(asked: OllamaGenerating, shape: Shape) -> OllamaAsk:
    """The least that brings a model up: one token of a text that nobody sees. Or down: that is no engine's business."""
    keep_alive_s = keep_alive_of(asked.keep_alive)
    if keep_alive_s == 0:
        fault = NotOffered(
            "the server of that model cannot be told to unload it: keep_alive and models.idle_unload_s are for models "
            "that this gateway loads itself"
        )
        ask = _ollamas_alone(asked, shape, "", fault)
        ask.is_load = ask.is_unload = True
        return ask
    body = msgspec.json.encode({"model": asked.model, "prompt": "\n", "max_tokens": 1})
    return OllamaAsk(
        Operation.COMPLETION,
        asked.model,
        False,
        False,
        1,
        body,
        shape=shape,
        has_lines=asked.stream is not False,
        is_load=True,
        keep_alive_s=keep_alive_s,
    )


def _embedding(asked: OllamaAsked, shape: Shape, given: str | list[str] | None, dimensions: int | None) -> OllamaAsk:
    """Without a text, the least that brings a model up: a vector that nobody sees."""
    made: Json = {"model": asked.model, "input": given or SHORTEST}
    if dimensions is not None:
        made["dimensions"] = dimensions
    ask = OllamaAsk(
        Operation.EMBEDDING,
        asked.model,
        False,
        False,
        1,
        msgspec.json.encode(made),
        shape=shape,
        is_list=isinstance(given, list),
        is_load=not given,
    )
    try:
        ask.keep_alive_s = keep_alive_of(asked.keep_alive)
    except InvalidRequest as fault:
        ask.untranslatable = fault
    return ask


def _generation(asked: OllamaGenerating) -> Json:
    """What chat and generate share of a request to an engine."""
    made: Json = {"model": asked.model, **sampling_of(asked.options)}
    response_format = format_of(asked.format)
    if response_format is not None:
        made["response_format"] = response_format
    think = asked.think
    if isinstance(think, bool):
        made["chat_template_kwargs"] = {"enable_thinking": think}
    elif think is not None:
        if think not in EFFORTS:
            raise InvalidRequest(f"'think' is true, false, or one of {', '.join(EFFORTS)}", parameter="think")
        made["chat_template_kwargs"] = {"enable_thinking": True, "reasoning_effort": think}
    if asked.logprobs:
        made["logprobs"] = True
        if asked.top_logprobs:
            made["top_logprobs"] = asked.top_logprobs
    return made


def sampling_of(options: OllamaOptions | None) -> Json:
    """`options` in the words of engines; what the client did not set is left to them."""
    if options is None:
        return {}
    made: Json = {
        name: int(value) if name in WHOLE else value
        for name in SAMPLING
        if (value := getattr(options, name)) is not None
    }
    bound = _whole(options.num_predict)
    if bound is not None and bound >= 0:
        made["max_tokens"] = bound
    if options.stop:
        if not isinstance(options.stop, str) and len(options.stop) > MAX_STOPS:
            raise InvalidRequest(f"'options.stop': {MAX_STOPS} at most", parameter="options.stop")
        made["stop"] = options.stop
    return made


def _is_unbounded(options: OllamaOptions | None) -> bool:
    bound = None if options is None else _whole(options.num_predict)
    return bound is not None and bound < 0


def told_of(options: OllamaOptions | None) -> Told:
    """What the journal tells of how it was asked; for whom, Ollama's clients do not say."""
    if options is None or (options.temperature is None and options.num_predict is None):
        return UNTOLD
    bound = _whole(options.num_predict)
    return "", options.temperature, bound if bound is not None and bound >= 0 else None


def _context_of(options: OllamaOptions | None) -> int | None:
    wanted = None if options is None else _whole(options.num_ctx)
    return wanted if wanted is not None and wanted > 0 else None


def _whole(given: Whole | None) -> int | None:
    return None if given is None else int(given)


def format_of(given: Any) -> Json | None:
    """`format` as a `response_format`."""
    if given is None or given == "":
        return None
    if given == "json":
        return {"type": "json_object"}
    if isinstance(given, dict):
        return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": given}}
    raise InvalidRequest("'format' is \"json\" or a JSON schema", parameter="format", expected="json, or an object")


def messages_of(given: list[OllamaMessage]) -> list[Json]:
    """A conversation in OpenAI's words. Calls without an id get one; answers of tools that do not say which call they
    answer belong to the first open call of their tool, else to the first open one."""
    open_calls: list[tuple[str, str]] = []
    made: list[Json] = []
    calls = 0
    for number, message in enumerate(given):
        said: Json = {"role": message.role, "content": _content(message, number)}
        if message.thinking:
            said["reasoning_content"] = message.thinking
        if message.tool_calls:
            said["tool_calls"] = []
            for call in message.tool_calls:
                name, arguments = call.function.name, call.function.arguments
                call_id = call.id or f"call_{calls}"
                calls += 1
                open_calls.append((call_id, name))
                text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
                function = {"name": name, "arguments": text}
                said["tool_calls"].append({"id": call_id, "type": "function", "function": function})
        if message.role == "tool":
            said["tool_call_id"] = _answered(message, open_calls)
            if message.tool_name:
                said["name"] = message.tool_name
        made.append(said)
    return made


def _answered(message: OllamaMessage, open_calls: list[tuple[str, str]]) -> str:
    """Which of the open calls a tool's message answers; it is open no longer."""
    wanted = message.tool_call_id
    for at, (call_id, name) in enumerate(open_calls):
        if call_id == wanted or (wanted is None and name == message.tool_name):
            del open_calls[at]
            return call_id
    if wanted is not None:
        return wanted
    return open_calls.pop(0)[0] if open_calls else "call_0"


def _content(message: OllamaMessage, number: int) -> str | list[Json]:
    text = message.content or ""
    if not message.images:
        return text
    parts: list[Json] = [{"type": "text", "text": text}] if text else []
    return parts + [_picture(image, f"messages[{number}].images") for image in message.images]


def _picture(image: str, parameter: str) -> Json:
    if image.startswith(("http://", "https://")):
        raise InvalidRequest(f"'{parameter}': a picture is sent in base64, not as an address", parameter=parameter)
    if not image.startswith("data:"):
        kind = next((kind for start, kind in _KINDS.items() if image.startswith(start)), "png")
        image = f"data:image/{kind};base64,{image}"
    return {"type": "image_url", "image_url": {"url": image}}
