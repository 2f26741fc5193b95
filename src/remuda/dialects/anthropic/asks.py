"""Requests as Anthropic's clients write them, in the chats that engines take."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar, assert_never

import msgspec

from remuda.core.ask import MAX_USER_CHARS, Ask, Operation, Told
from remuda.core.faults import InvalidRequest
from remuda.dialects.anthropic.schemas import (
    AnthropicBase64,
    AnthropicBlock,
    AnthropicCount,
    AnthropicDocument,
    AnthropicImage,
    AnthropicMessage,
    AnthropicMessages,
    AnthropicPlainText,
    AnthropicRedactedThinking,
    AnthropicText,
    AnthropicThinkingBlock,
    AnthropicTool,
    AnthropicToolResult,
    AnthropicToolUse,
    AnthropicUrl,
)
from remuda.dialects.kit.bodies import decoded, malformed
from remuda.gateway.face import node_named

MAX_MODEL_NAME: Final = 256
MAX_BLOCKS: Final = 20_000
"""Messages, blocks and tools together: each is looked at, and others wait meanwhile. Agents come to some thousands."""
MAX_SEQUENCES: Final = 64
"""Each is looked for after every token."""
BILLING: Final = "x-anthropic-billing-header:"
"""How a block begins that some clients put before the system prompt: a word for Anthropic's billing, another one with
each request. A model has no use for it, and with it no prompt would begin as the one before."""

_UNKNOWN: Final = re.compile(r"^'[^']*\.type': Invalid value '(?P<kind>.*)'$", re.DOTALL)
"""What a block, or a source, of another type than ours is told."""

Json = dict[str, Any]
Body = TypeVar("Body", bound=AnthropicCount)


class AnthropicAsk(Ask, eq=False, kw_only=True):
    """An ask, and what has to be known of it when its answer comes."""

    sequences: tuple[str, ...] = ()
    """What it asked to stop at."""
    shows_thinking: bool = False


_decode_messages: Final = msgspec.json.Decoder(AnthropicMessages).decode
_decode_count: Final = msgspec.json.Decoder(AnthropicCount).decode


def read_messages(body: bytes) -> AnthropicAsk:
    """A conversation whose next message is asked for."""
    asked = _checked(_read(_decode_messages, body))
    if asked.max_tokens < 1:
        raise InvalidRequest("'max_tokens' is a whole number from 1", parameter="max_tokens", received=asked.max_tokens)
    sequences = _sequences(asked)
    made = _prompt(asked) | {"max_tokens": asked.max_tokens}
    for name in ("temperature", "top_p", "top_k"):
        if (value := getattr(asked, name)) is not None:
            made[name] = value
    if sequences:
        made["stop"] = sequences
    is_streamed = bool(asked.stream)
    if is_streamed:
        made |= {"stream": True, "stream_options": {"include_usage": True}}
    return AnthropicAsk(
        Operation.CHAT,
        asked.model,
        is_streamed,
        is_streamed,
        1,
        msgspec.json.encode(made),
        told=_told(asked),
        wants_stop_word=bool(sequences),
        sequences=tuple(sequences),
        shows_thinking=_thinks(asked),
    )


def _told(asked: AnthropicMessages) -> Told:
    """What the journal tells of how it was asked."""
    user_id = None if asked.metadata is None else asked.metadata.user_id
    return (user_id or "")[:MAX_USER_CHARS], asked.temperature, asked.max_tokens


def read_count(body: bytes) -> AnthropicAsk:
    """A conversation whose tokens are to be counted."""
    asked = _checked(_read(_decode_count, body))
    return AnthropicAsk(Operation.COUNT_TOKENS, asked.model, False, False, 1, msgspec.json.encode(_prompt(asked)))


def _read(decode: Callable[[bytes], Body], body: bytes) -> Body:
    try:
        return decoded(decode, body)
    except InvalidRequest as fault:
        unknown = _UNKNOWN.search(fault.message)
        if unknown is None:
            raise
        said = f"'{fault.parameter}': {unknown['kind'][:100]!r} is nothing that this gateway passes on to models"
        raise InvalidRequest(said, parameter=fault.parameter) from fault


def _checked(asked: Body) -> Body:
    """Raises InvalidRequest for what no engine needs to be asked about."""
    if not asked.model or len(asked.model) > MAX_MODEL_NAME:
        raise InvalidRequest(f"'model' is a name of 1 to {MAX_MODEL_NAME} characters", parameter="model")
    if not asked.messages:
        raise InvalidRequest("'messages': at least one message is required", parameter="messages")
    contents: list[str | Sequence[Any]] = [message.content for message in asked.messages]
    contents += [
        block.content or ""
        for content in contents
        if isinstance(content, list)
        for block in content
        if isinstance(block, AnthropicToolResult)
    ]
    blocks = sum(len(content) if isinstance(content, list) else 1 for content in contents)
    if blocks + len(asked.messages) + len(asked.tools or ()) > MAX_BLOCKS:
        raise InvalidRequest(
            f"'messages': this gateway takes {MAX_BLOCKS} messages, blocks and tools at most", parameter="messages"
        )
    if asked.mcp_servers:
        raise InvalidRequest("'mcp_servers': this gateway calls no servers for models", parameter="mcp_servers")
    if asked.node_id is not None:
        raise node_named()
    return asked


def _sequences(asked: AnthropicMessages) -> list[str]:
    sequences = asked.stop_sequences or []
    if len(sequences) > MAX_SEQUENCES:
        raise InvalidRequest(f"'stop_sequences': {MAX_SEQUENCES} at most", parameter="stop_sequences")
    if not all(map(str.strip, sequences)):
        raise InvalidRequest("'stop_sequences': each needs more than white space", parameter="stop_sequences")
    return sequences


def _thinks(asked: AnthropicCount) -> bool:
    return asked.thinking is not None and asked.thinking.type != "disabled"


def _prompt(asked: AnthropicCount) -> Json:
    """What a prompt is made of, and so what counts for its tokens."""
    messages: list[Json] = []
    if asked.system:
        blocks = [AnthropicText(asked.system)] if isinstance(asked.system, str) else asked.system
        system = "\n".join(block.text for block in blocks if not block.text.startswith(BILLING))
        if system:
            messages.append({"role": "system", "content": system})
    for number, message in enumerate(asked.messages):
        messages += _messages(message, f"messages[{number}].content")
    made: Json = {"model": asked.model, "messages": messages}
    if asked.tools:
        made["tools"] = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(asked.tools)]
        made |= _tool_choice(asked)
    return made | _thinking(asked) | _format(asked)


def _thinking(asked: AnthropicCount) -> Json:
    """Unasked, Anthropic's models do not think; those here are told not to, as some do otherwise."""
    options: Json = {"enable_thinking": _thinks(asked)}
    made: Json = {"chat_template_kwargs": options}
    if _thinks(asked):
        if asked.output_config is not None and asked.output_config.effort:
            options["reasoning_effort"] = asked.output_config.effort
        if asked.thinking is not None and asked.thinking.budget_tokens is not None:
            made["thinking_budget_tokens"] = max(0, asked.thinking.budget_tokens)
    return made


def _format(asked: AnthropicCount) -> Json:
    wanted = asked.output_config.format if asked.output_config is not None else None
    if wanted is None:
        return {}
    schema = _object(wanted.schema, "output_config.format.schema")
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


def _messages(message: AnthropicMessage, place: str) -> Iterator[Json]:
    """One message; of a user's, what tools have answered stands in messages of its own, before all else."""
    if isinstance(message.content, str):
        yield {"role": message.role, "content": message.content}
    elif message.role == "assistant":
        yield _assistant(message.content, place)
    else:
        yield from _user(message.role, message.content, place)


def _assistant(blocks: Sequence[AnthropicBlock], place: str) -> Json:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for number, block in enumerate(blocks):
        match block:
            case AnthropicText():
                texts.append(block.text)
            case AnthropicThinkingBlock():
                thoughts.append(block.thinking)
            case AnthropicRedactedThinking():
                pass
            case AnthropicToolUse():
                arguments = bytes(_object(block.input, f"{place}[{number}].input")).decode()
                function = {"name": block.name, "arguments": arguments}
                calls.append({"id": block.id, "type": "function", "function": function})
            case _:
                raise _misplaced(block, "assistant", f"{place}[{number}]")
    made: Json = {"role": "assistant", "content": "".join(texts) or (None if calls else "")}
    if thoughts:
        made["reasoning_content"] = "".join(thoughts)
    return made | ({"tool_calls": calls} if calls else {})


def _user(role: str, blocks: Sequence[AnthropicBlock], place: str) -> Iterator[Json]:
    parts: list[Json] = []
    for number, block in enumerate(blocks):
        match block:
            case AnthropicToolResult():
                said = _parts(block.content or "")
                text = _joined(part for part in said if part["type"] == "text")
                yield {
                    "role": "tool",
                    "tool_call_id": block.tool_use_id,
                    "content": f"Error: {text}" if block.is_error else text,
                }
                # A tool's message is text alone; pictures follow in the user's.
                parts += [part for part in said if part["type"] != "text"]
            case AnthropicText() | AnthropicImage() | AnthropicDocument():
                parts += _parts([block])
            case _:
                raise _misplaced(block, role, f"{place}[{number}]")
    if parts and all(part["type"] == "text" for part in parts):
        yield {"role": role, "content": _joined(parts)}
    elif parts or not blocks:
        yield {"role": role, "content": parts or ""}


def _parts(content: str | Sequence[AnthropicText | AnthropicImage | AnthropicDocument]) -> list[Json]:
    """Content as the parts that chats are made of."""
    if isinstance(content, str):
        return [_text(content)] if content else []
    made: list[Json] = []
    for block in content:
        match block:
            case AnthropicText():
                made.append(_text(block.text))
            case AnthropicImage():
                made.append({"type": "image_url", "image_url": {"url": _address(block.source)}})
            case AnthropicDocument():
                made += [_text(said) for said in (block.title, block.context) if said]
                source = block.source
                made += _parts(source.data if isinstance(source, AnthropicPlainText) else source.content)
            case _:
                assert_never(block)
    return made


def _address(source: AnthropicBase64 | AnthropicUrl) -> str:
    if isinstance(source, AnthropicUrl):
        return source.url
    return f"data:{source.media_type};base64,{source.data}"


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _joined(parts: Any) -> str:
    """Texts as one: many chat templates take no lists."""
    return "\n".join(part["text"] for part in parts)


def _tool(tool: AnthropicTool, place: str) -> Json:
    if tool.type not in (None, "custom"):
        raise InvalidRequest(
            f"'{place}.type': a tool of type {tool.type[:100]!r} is Anthropic's own; only custom ones are passed on",
            parameter=f"{place}.type",
            expected="custom",
        )
    if not tool.name:
        raise InvalidRequest(f"'{place}.name': a name is required", parameter=f"{place}.name")
    function: Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = _object(tool.input_schema, f"{place}.input_schema")
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(asked: AnthropicCount) -> Json:
    choice = asked.tool_choice
    if choice is None:
        return {}
    made: Json = {"parallel_tool_calls": False} if choice.disable_parallel_tool_use else {}
    if choice.type == "any":
        return made | {"tool_choice": "required"}
    if choice.type == "tool":
        if not choice.name:
            raise InvalidRequest("'tool_choice.name': a name is required", parameter="tool_choice.name")
        return made | {"tool_choice": {"type": "function", "function": {"name": choice.name}}}
    return made | {"tool_choice": choice.type}


def _object(value: msgspec.Raw, place: str) -> msgspec.Raw:
    """`value` as it came; raises InvalidRequest where it is no JSON object, InvalidJson where it is no UTF-8, which the
    decoder has not looked at in what it left as it came."""
    raw = bytes(value)
    if not raw.startswith(b"{"):
        raise InvalidRequest(f"'{place}' must be an object", parameter=place, expected="an object")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise malformed(error, raw) from error
    return value


def _misplaced(block: AnthropicBlock, role: str, place: str) -> InvalidRequest:
    kind = type(block).__struct_config__.tag
    return InvalidRequest(
        f"'{place}': a block of type {kind!r} has no place in a message of role {role!r}", parameter=place
    )
