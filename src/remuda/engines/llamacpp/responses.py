"""The responses API as llama.cpp has it, made what OpenAI's clients expect: the request's fields, the stream's events.

The engine turns such a request into a chat and tells its answer in events of its own making. They say neither where in
the answer they belong nor their number, the response they begin with has hardly a field, and they end with "completed"
also where the answer was cut at `max_output_tokens`. Read off llama.cpp's server, and off OpenAI's reference.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from remuda.core.faults import InvalidRequest, NotOffered
from remuda.engines.body import Fields, whole_number
from remuda.wire.sse import EventSplitter, data_of

Json = dict[str, Any]

MAX_EVENT_BYTES: Final = 64 * 1024 * 1024
"""An event longer than this passes as it comes, and so does all that follows."""

_ECHOED: Final = (
    "instructions",
    "max_output_tokens",
    "metadata",
    "parallel_tool_calls",
    "reasoning",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
)
"""What a response repeats of its request."""
_UNSAID: Final[Json] = {
    "background": False,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "output": [],
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "usage": None,
}
"""What OpenAI says of a response where neither the request nor the engine does."""
_OF_PARTS: Final = ("response.content_part.", "response.output_text.", "response.reasoning_text.")
"""How the types of events about a part of an item begin. An item of llama.cpp's has one part."""


class _Format(msgspec.Struct):
    type: str = "text"
    name: str = "response"
    strict: bool | None = None
    schema: msgspec.Raw = msgspec.Raw()


class _Text(msgspec.Struct):
    format: _Format | None = None


def checked(fields: Fields) -> dict[str, bytes]:
    """The fields that say in llama.cpp's words what it would pass over: `text.format`, which chats call otherwise.

    Raises NotOffered for what needs responses to be kept, and InvalidRequest for what it would misread.
    """
    if bytes(fields.get("background", b"false")) not in (b"false", b"null"):
        raise NotOffered(
            "This model's engine answers at once or not at all: it makes no responses in the background.",
            parameter="background",
            expected="false",
        )
    if bytes(fields.get("conversation", b"null")) != b"null":
        raise NotOffered(
            "No conversations are kept here: send the whole conversation with each request.", parameter="conversation"
        )
    if bytes(fields.get("n", b"null")) not in (b"1", b"null"):
        # The engine would make several responses and mix their events.
        received = whole_number(fields["n"])
        raise InvalidRequest("A response is one answer: leave 'n' out.", parameter="n", received=received, expected="1")
    text = fields.get("text")
    if text is None or "response_format" in fields:
        return {}
    try:
        asked = msgspec.json.decode(text, type=_Text | None)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"text is not valid: {error}", parameter="text") from None
    wanted = asked.format if asked is not None else None
    if wanted is None or wanted.type == "text":
        return {}
    if wanted.type == "json_object":
        return {"response_format": b'{"type":"json_object"}'}
    if wanted.type != "json_schema":
        raise InvalidRequest(
            "text.format.type is not known.",
            parameter="text.format.type",
            received=wanted.type[:200],
            expected="text, json_object or json_schema",
        )
    if not bytes(wanted.schema):
        raise InvalidRequest("text.format has no schema.", parameter="text.format.schema", expected="a JSON schema")
    schema = {"name": wanted.name, "strict": wanted.strict, "schema": wanted.schema}
    return {"response_format": msgspec.json.encode({"type": "json_schema", "json_schema": schema})}


def translation_for(
    fields: Fields, model: str, created_at: int, *, shows_progress: bool
) -> Callable[[], "ResponseEvents"]:
    """What makes the translator for the answer to a request with these fields."""
    # On one line, as an event has to be; and copied, or the whole request would be held while the answer lasts.
    echoed: Json = {
        name: msgspec.Raw(msgspec.json.format(bytes(fields[name]), indent=-1))
        for name in _ECHOED
        if name in fields and bytes(fields[name]) != b"null"
    }
    frame = {**_UNSAID, "created_at": created_at, "model": model, **echoed}
    return partial(ResponseEvents, frame, _limit(fields), shows_progress=shows_progress)


class ResponseEvents:
    """Turns llama.cpp's events of one response into OpenAI's. What it does not understand it passes on unchanged.

    The answer counts as cut where it has as many tokens as were allowed: the engine does not tell whether the last of
    them happened to be the model's own end.
    """

    def __init__(self, frame: Json, limit: int | None, *, shows_progress: bool) -> None:
        self._frame = frame
        self._limit = limit
        self._shows_progress = shows_progress
        self._splitter = EventSplitter()
        self._is_blind = False
        self._number = 0
        self._places: dict[str, int] = {}
        """Where each item stands in the answer, by its id."""
        self._closed: set[tuple[str, str]] = set()
        """Types of closing events that have been, with their item's id."""
        self._was_in_progress = False
        self._reasoning_tokens = 0
        self._held: Json | None = None
        """The end of an item, until it is known whether that was cut."""

    def feed(self, data: bytes) -> bytes:
        """The events that `data` completes, as OpenAI has them."""
        if self._is_blind:
            return data
        out = b"".join([self._event(event) for event in self._splitter.feed(data)])
        if len(self._splitter.carry) > MAX_EVENT_BYTES:
            self._is_blind = True
            out += self.end()
        return out

    def end(self) -> bytes:
        """What is left when the stream is over."""
        return self._released() + self._splitter.rest()

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data:
            return event
        try:
            chunk = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._released() + event
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        if not isinstance(kind, str) or not kind.startswith("response."):
            return self._released() + event
        match kind:
            case "response.created" | "response.in_progress":
                return self._begun(kind, chunk)
            case "response.output_item.done":
                return self._item_done(chunk)
            case "response.completed":
                return self._completed(chunk)
        before = self._released()
        self._place(kind, chunk)
        return before + self._numbered(chunk)

    def _begun(self, kind: str, chunk: Json) -> bytes:
        chunk["response"] = {**self._frame, **_object(chunk, "response")}
        if kind == "response.in_progress" and "prompt_progress" in chunk and not self._shows_progress:
            if self._was_in_progress:
                return b""  # the engine says so for each step of the prompt
            del chunk["prompt_progress"]
        self._was_in_progress = self._was_in_progress or kind == "response.in_progress"
        return self._released() + self._numbered(chunk)

    def _place(self, kind: str, chunk: Json) -> None:
        """Write where in the answer an event belongs."""
        item_id = chunk.get("item_id")
        if kind == "response.output_item.added":
            item_id = _object(chunk, "item").get("id")
            self._places.setdefault(str(item_id), len(self._places))
        chunk.setdefault("output_index", self._places.get(str(item_id), max(0, len(self._places) - 1)))
        if kind.startswith(_OF_PARTS):
            chunk.setdefault("content_index", 0)
        if kind.startswith("response.output_text."):
            chunk.setdefault("logprobs", [])
        elif kind == "response.content_part.added":
            chunk["part"] = {"annotations": [], "logprobs": [], **_object(chunk, "part")}
        elif kind == "response.reasoning_text.delta":
            self._reasoning_tokens += 1
        if kind.endswith(".done"):
            self._closed.add((kind, str(item_id)))

    def _item_done(self, chunk: Json) -> bytes:
        """The end of an item, held back; before it what closes its content, which the engine leaves out."""
        out = self._released()
        item = _object(chunk, "item")
        item_id = str(item.get("id"))
        place = self._places.get(item_id, max(0, len(self._places) - 1))
        closing: Json | None = None
        if item.get("type") == "function_call":
            closing = {
                "type": "response.function_call_arguments.done",
                "name": item.get("name"),
                "arguments": item.get("arguments"),
            }
        elif item.get("type") == "reasoning":
            part = next(iter(item.get("content") or ()), None)
            text = part.get("text") if isinstance(part, dict) else None
            closing = {"type": "response.reasoning_text.done", "content_index": 0, "text": text or ""}
        if closing is not None and (closing["type"], item_id) not in self._closed:
            out += self._numbered({**closing, "item_id": item.get("id"), "output_index": place})
        item.setdefault("status", "completed")
        self._held = {**chunk, "item": item, "output_index": place}
        return out

    def _completed(self, chunk: Json) -> bytes:
        response = {**self._frame, **_object(chunk, "response"), "created_at": self._frame["created_at"]}
        usage = _object(response, "usage")
        if usage:
            usage["input_tokens_details"] = {
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                **_object(usage, "input_tokens_details"),
            }
            usage.setdefault("output_tokens_details", {"reasoning_tokens": self._reasoning_tokens})
        chunk["response"] = response
        chunk.pop("timings", None)
        tokens = usage.get("output_tokens")
        if self._limit is not None and isinstance(tokens, int) and tokens >= self._limit:
            chunk["type"] = "response.incomplete"
            response |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
            output = response["output"]
            last = output[-1] if isinstance(output, list) and output else None
            for item in (last, self._held and self._held["item"]):
                if isinstance(item, dict):
                    item["status"] = "incomplete"
        return self._released() + self._numbered(chunk)

    def _released(self) -> bytes:
        held, self._held = self._held, None
        return b"" if held is None else self._numbered(held)

    def _numbered(self, chunk: Json) -> bytes:
        chunk["sequence_number"] = self._number
        self._number += 1
        kind: str = chunk["type"]
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(chunk))


def _object(holder: Json, name: str) -> Json:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _limit(fields: Fields) -> int | None:
    """How many tokens an answer may have; None where the request names no bound."""
    try:
        limit = msgspec.json.decode(fields.get("max_output_tokens", b"null"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return int(limit) if isinstance(limit, int | float) and limit >= 0 else None
