"""The face towards the lane: bodies become asks, faults become OpenAI errors."""

import re
from typing import Any, Final

import msgspec

from remuda.core.ask import MAX_USER_CHARS, UNTOLD, Ask, Operation, Told
from remuda.core.faults import Fault, InvalidRequest
from remuda.dialects.kit.bodies import malformed
from remuda.dialects.kit.errors import SHOWN_CHARS
from remuda.dialects.openai.errors import refusal, stream_error
from remuda.dialects.openai.schemas import ChatBody, CompletionBody, EmbeddingBody, RerankBody, ResponseBody
from remuda.gateway.face import AnswerTranslator, LaneRoute, Refusal, node_named

NAME: Final = "openai"
VERSIONS: Final = ("/v1", "/v2")
"""`/v2` is the same as `/v1` (C16)."""

MAX_CHOICES: Final = 128
"""OpenAI's own bound on `n`."""
MAX_MODEL_NAME: Final = 256

MAX_SHOWN_BYTES: Final = 4096
"""Of a wrong value longer than this only the beginning is looked at."""

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENTRIES: Final = msgspec.json.Decoder(list[msgspec.Raw])
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_DECODERS: Final[dict[Operation, msgspec.json.Decoder[Any]]] = {
    Operation.CHAT: msgspec.json.Decoder(ChatBody),
    Operation.COMPLETION: msgspec.json.Decoder(CompletionBody),
    Operation.EMBEDDING: msgspec.json.Decoder(EmbeddingBody),
    Operation.RESPONSE: msgspec.json.Decoder(ResponseBody),
    Operation.RERANK: msgspec.json.Decoder(RerankBody),
}
_decode_parts: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NEVER_STREAMED: Final = frozenset({Operation.EMBEDDING, Operation.RERANK})
_WHERE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_EXPECTED = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")


class OpenAIFace:
    """The OpenAI dialect on the lane."""

    name: Final = NAME
    takes_comments: Final = True
    id_header: Final = b""

    def read(self, operation: Operation, body: bytes) -> Ask:
        """The ask that `body` holds."""
        try:
            fields = _DECODERS[operation].decode(body)
        except msgspec.ValidationError as error:
            raise invalid(str(error), body) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(error, body) from error
        if not fields.model or len(fields.model) > MAX_MODEL_NAME:
            raise InvalidRequest(
                f"'model' is a name of 1 to {MAX_MODEL_NAME} characters",
                parameter="model",
                received=fields.model[:SHOWN_CHARS],
                expected="string",
            )
        if fields.node_id is not None:
            raise node_named()
        if operation in _NEVER_STREAMED:
            return Ask(operation, fields.model, False, False, 1, body)
        choices = fields.n
        if choices is None:
            choices = 1
        elif not 1 <= choices <= MAX_CHOICES:
            raise InvalidRequest(
                f"'n' is a whole number from 1 to {MAX_CHOICES}", parameter="n", received=choices, expected="integer"
            )
        told = _told(operation, fields)
        if not fields.stream:
            return Ask(operation, fields.model, False, False, choices, body, told=told)
        options = fields.stream_options
        wants_usage = operation is Operation.RESPONSE or (options is not None and bool(options.include_usage))
        prompts = _prompts_in(fields.prompt) if operation is Operation.COMPLETION else 1
        return Ask(operation, fields.model, True, wants_usage, choices, body, prompts, told=told)

    def translator(self, ask: Ask) -> AnswerTranslator | None:
        """None: this is what every engine here speaks."""
        return None

    def refusal(self, fault: Fault, request_id: str) -> Refusal:
        """The answer that says `fault`."""
        return refusal(fault, request_id)

    def stream_error(self, fault: Fault, request_id: str) -> bytes:
        """The event that says `fault`."""
        return stream_error(fault, request_id)


def _told(operation: Operation, fields: Any) -> Told:
    """What the journal tells of how it was asked."""
    if operation is Operation.CHAT:
        max_tokens = fields.max_tokens or fields.max_completion_tokens
    else:
        max_tokens = fields.max_output_tokens if operation is Operation.RESPONSE else fields.max_tokens
    user = fields.user or fields.safety_identifier
    if user is None:
        if max_tokens is None and fields.temperature is None:
            return UNTOLD
        user = ""
    return user[:MAX_USER_CHARS], fields.temperature, max_tokens


def _prompts_in(prompt: msgspec.Raw) -> int:
    """How many prompts the `prompt` of a text completion holds: a text or a list of tokens is one, of others each."""
    if bytes(memoryview(prompt)[:1]) != b"[":
        return 1
    parts = _decode_parts(prompt)
    is_list_of_prompts = all(bytes(memoryview(part)[:1]) in (b'"', b"[") for part in parts)
    return max(1, len(parts)) if is_list_of_prompts else 1


def invalid(message: str, body: bytes) -> InvalidRequest:
    """A validation error of msgspec in `body` as a fault that names the parameter, what came and what was expected."""
    missing = _MISSING.search(message)
    where = _WHERE.match(message)
    path = (where["path"] or "").lstrip(".") if where else ""
    if missing is not None:
        name = f"{path}.{missing['name']}" if path else missing["name"]
        return InvalidRequest(f"the request is missing the required parameter '{name}'", parameter=name)
    expected = _EXPECTED.search(message)
    if expected is not None and path:
        return InvalidRequest(
            f"'{path}' must be {expected['expected']}, not {expected['got']}",
            parameter=path,
            received=value_at(body, path),
            expected=expected["expected"],
        )
    return InvalidRequest(where["what"] if where else message, parameter=path or None, received=value_at(body, path))


def value_at(body: bytes, path: str) -> str | int | float | bool | None:
    """What `body` holds at `path` (`stream_options.include_usage`, `input[1]`), as it may be said back: a plain value,
    of a text its beginning. None for lists and objects."""
    if not path:
        return None
    raw = body
    try:
        for name, index in _STEP.findall(path):
            raw = bytes(_FIELDS.decode(raw)[name] if name else _ENTRIES.decode(raw)[int(index)])
        if len(raw) > MAX_SHOWN_BYTES:
            return raw[1 : 1 + SHOWN_CHARS].decode("utf-8", "ignore") if raw[:1] == b'"' else None
        value = msgspec.json.decode(raw)
    except (KeyError, IndexError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(value, str):
        return value[:SHOWN_CHARS]
    return value if isinstance(value, bool | int | float) else None


def lane_routes(face: OpenAIFace) -> list[LaneRoute]:
    """The inference routes; `/v2` is the same as `/v1`."""
    paths = {
        "/chat/completions": Operation.CHAT,
        "/completions": Operation.COMPLETION,
        "/embeddings": Operation.EMBEDDING,
        "/responses": Operation.RESPONSE,
        "/rerank": Operation.RERANK,
    }
    return [
        LaneRoute(f"/{version}{path}", face, operation) for version in ("v1", "v2") for path, operation in paths.items()
    ]
