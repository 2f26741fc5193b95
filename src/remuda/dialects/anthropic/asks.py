"""Requests as Anthropic's clients write them, in the chats that engines take."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import InvalidRequest, NotOffered
from remuda.dialects.anthropic.schemas import AnthropicMessage, AnthropicMessages, AnthropicTool, AnthropicToolChoice
from remuda.dialects.kit.bodies import malformed

MAX_MODEL_NAME: Final = 256
Json = dict[str, Any]
_decode: Final = msgspec.json.Decoder(AnthropicMessages).decode


def read_messages(body: bytes) -> Ask:
    """The ask in a body; raises InvalidRequest, NotOffered."""
    try:
        asked = _decode(body)
    except msgspec.ValidationError as error:
        sentence, _, place = str(error).partition(" - at `$")
        name = place.strip("`").lstrip(".")
        raise InvalidRequest(f"{name}: {sentence}" if name else sentence, parameter=name or None) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, body) from error
    if not asked.model or len(asked.model) > MAX_MODEL_NAME:
        raise InvalidRequest(f"model: a name of 1 to {MAX_MODEL_NAME} characters", parameter="model")
    if asked.max_tokens < 1:
        raise InvalidRequest("max_tokens: at least 1", parameter="max_tokens", received=asked.max_tokens)
    if not asked.messages:
        raise InvalidRequest("messages: at least one message is required", parameter="messages")
    is_streamed = bool(asked.stream)
    return Ask(Operation.CHAT, asked.model, is_streamed, is_streamed, 1, msgspec.json.encode(_chat(asked, is_streamed)))


def _chat(asked: AnthropicMessages, is_streamed: bool) -> Json:
    messages: list[Json] = []
    if asked.system:
        messages.append({"role": "system", "content": _plain_text(asked.system, "system")})
    for number, message in enumerate(asked.messages):
        messages += _messages(message, f"messages.{number}.content")
    made: Json = {"model": asked.model, "messages": messages, "max_tokens": asked.max_tokens}
    for name in ("temperature", "top_p", "top_k"):
        if (value := getattr(asked, name)) is not None:
            made[name] = value
    if asked.stop_sequences:
        made["stop"] = asked.stop_sequences
    if asked.tools:
        made["tools"] = [_tool(tool, number) for number, tool in enumerate(asked.tools)]
        if asked.tool_choice is not None:
            made |= _choice(asked.tool_choice)
    if asked.thinking is not None:
        made["chat_template_kwargs"] = {"enable_thinking": asked.thinking.type != "disabled"}
    if is_streamed:
        made |= {"stream": True, "stream_options": {"include_usage": True}}
    return made


def _messages(message: AnthropicMessage, place: str) -> Iterator[Json]:
    if isinstance(message.content, str):
        yield {"role": message.role, "content": message.content}
    elif message.role == "assistant":
        yield _assistant(message.content, place)
    else:
        yield from _user(message.role, message.content, place)


def _assistant(blocks: Sequence[Json], place: str) -> Json:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for number, block in enumerate(blocks):
        where = f"{place}.{number}"
        match block.get("type"):
            case "text":
                texts.append(_text(block, "text", where))
            case "thinking":
                thoughts.append(_text(block, "thinking", where))
            case "redacted_thinking":
                pass  # nobody but Anthropic could read it
            case "tool_use":
                arguments = msgspec.json.encode(block.get("input") or {}).decode()
                function = {"name": _text(block, "name", where), "arguments": arguments}
                calls.append({"id": _text(block, "id", where), "type": "function", "function": function})
            case kind:
                raise _unknown(kind, where)
    made: Json = {"role": "assistant", "content": "".join(texts) or (None if calls else "")}
    if thoughts:
        made["reasoning_content"] = "".join(thoughts)
    return made | ({"tool_calls": calls} if calls else {})


def _user(role: str, blocks: Sequence[Json], place: str) -> Iterator[Json]:
    parts: list[Json] = []
    for number, block in enumerate(blocks):
        where = f"{place}.{number}"
        match block.get("type"):
            case "text":
                parts.append({"type": "text", "text": _text(block, "text", where)})
            case "image":
                parts.append({"type": "image_url", "image_url": {"url": _image(block, where)}})
            case "tool_result":
                # Results answer calls, and come before whatever else the user has to say.
                content = block.get("content") or ""
                said = _plain_text(content, f"{where}.content")
                if block.get("is_error"):
                    said = f"Error: {said}"
                yield {"role": "tool", "tool_call_id": _text(block, "tool_use_id", where), "content": said}
            case kind:
                raise _unknown(kind, where)
    if parts and all(part["type"] == "text" for part in parts):
        yield {"role": role, "content": "\n".join(part["text"] for part in parts)}
    elif parts:
        yield {"role": role, "content": parts}


def _plain_text(content: str | Sequence[Json], place: str) -> str:
    """Text, or text blocks, as one text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidRequest(f"{place}: a text or a list of text blocks", parameter=place)
    texts = []
    for number, block in enumerate(content):
        if not isinstance(block, dict) or block.get("type") != "text":
            raise _unknown(block.get("type") if isinstance(block, dict) else None, f"{place}.{number}")
        texts.append(_text(block, "text", f"{place}.{number}"))
    return "\n".join(texts)


def _text(block: Mapping[str, Any], name: str, place: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"{place}.{name}: a text is required", parameter=f"{place}.{name}")
    return value


def _image(block: Mapping[str, Any], place: str) -> str:
    source = block.get("source")
    source = source if isinstance(source, dict) else {}
    match source.get("type"):
        case "base64":
            kind, data = _text(source, "media_type", f"{place}.source"), _text(source, "data", f"{place}.source")
            return f"data:{kind};base64,{data}"
        case "url":
            return _text(source, "url", f"{place}.source")
    raise InvalidRequest(f"{place}.source: base64 or url is required", parameter=f"{place}.source")


def _tool(tool: AnthropicTool, number: int) -> Json:
    if tool.type not in (None, "custom"):
        raise NotOffered(f"tools.{number}: this gateway does not run {tool.type[:100]!r}; it passes on custom tools")
    function: Json = {"name": tool.name, "parameters": tool.input_schema or {"type": "object", "properties": {}}}
    if tool.description is not None:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _choice(choice: AnthropicToolChoice) -> Json:
    made: Json = {"parallel_tool_calls": False} if choice.disable_parallel_tool_use else {}
    match choice.type:
        case "any":
            return made | {"tool_choice": "required"}
        case "tool":
            if not choice.name:
                raise InvalidRequest("tool_choice.name: a name is required", parameter="tool_choice.name")
            return made | {"tool_choice": {"type": "function", "function": {"name": choice.name}}}
    return made | {"tool_choice": choice.type}


def _unknown(kind: Any, place: str) -> InvalidRequest:
    said = f"blocks of type {kind[:100]!r}" if isinstance(kind, str) else "blocks without a type"
    return InvalidRequest(f"{place}: {said} cannot be passed on here", parameter=place)
