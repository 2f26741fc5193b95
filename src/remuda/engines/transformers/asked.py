"""What a request asks of the model, read from its JSON and checked. Values in, values out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from remuda.engines.transformers.adapter import NOT_OFFERED, OVERFLOW

MAX_CHOICES: Final = 16
MAX_INPUTS: Final = 2048
"""Texts of one request for embeddings; OpenAI's own bound."""
MAX_STOPS: Final = 16
MAX_STOP_CHARS: Final = 1000

Body = Mapping[str, Any]


class Refused(Exception):
    """A request that is not answered as it stands: an error of status 400, in OpenAI's shape."""

    def __init__(self, message: str, *, parameter: str | None = None, code: str | None = None, **more: int) -> None:
        super().__init__(message)
        self.error = {
            "message": message,
            "type": "invalid_request_error",
            "param": parameter,
            "code": code,
            **more,
        }


def overflow(tokens: int, context: int) -> Refused:
    """The refusal of a prompt of `tokens` tokens."""
    message = f"The input has {tokens} tokens; the context of this model takes {context}."
    return Refused(message, code=OVERFLOW, n_prompt_tokens=tokens, n_ctx=context)


def not_offered(message: str) -> Refused:
    """The refusal of something that the loaded model cannot do."""
    return Refused(message, code=NOT_OFFERED)


@dataclass(frozen=True, slots=True)
class Wish:
    """How an answer is to be made. None: as the model's own generation_config.json says, else nothing special."""

    max_tokens: int | None = None
    """None: until the context is full."""
    temperature: float | None = None
    """0: always the likeliest token."""
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    """Texts before which the answer ends."""
    seed: int | None = None
    choices: int = 1


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation to be gone on with."""

    messages: list[dict[str, Any]]
    template: Mapping[str, Any] = field(default_factory=dict)
    """Further variables for the chat template."""


def wish_of(body: Body) -> Wish:
    """How the answers to `body`, a chat or a text completion, are to be made. Raises Refused."""
    _refuse_unknown(body)
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    max_tokens = _whole(body, limit, 0, 2**31)
    return Wish(
        max_tokens=max_tokens,
        temperature=_number(body, "temperature", 0, 100),
        top_p=_number(body, "top_p", 0, 1),
        top_k=_whole(body, "top_k", 0, 2**31),
        presence_penalty=_number(body, "presence_penalty", -2, 2) or 0.0,
        frequency_penalty=_number(body, "frequency_penalty", -2, 2) or 0.0,
        stop=_stops(body.get("stop")),
        seed=_whole(body, "seed", -(2**63), 2**64 - 1),
        choices=1 if (choices := _whole(body, "n", 1, MAX_CHOICES)) is None else choices,
    )


def chat_of(body: Body) -> Chat:
    """The conversation of a chat request. Raises Refused."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("messages must be a list of at least one message.", parameter="messages")
    template = body.get("chat_template_kwargs")
    if template is not None and not isinstance(template, dict):
        raise Refused("chat_template_kwargs must be an object.", parameter="chat_template_kwargs")
    return Chat([_message(message) for message in messages], template or {})


def prompts_of(body: Body, name: str) -> list[str | list[int]]:
    """The texts (or lists of tokens) at `name`: one or several, each of them not empty. Raises Refused."""
    value = body.get(name)
    if isinstance(value, str) or _is_tokens(value):
        value = [value]
    if not isinstance(value, list) or not value or not all(isinstance(each, str) or _is_tokens(each) for each in value):
        raise Refused(f"{name} must be a text, a list of texts, or lists of tokens.", parameter=name)
    if len(value) > MAX_INPUTS:
        raise Refused(f"{name} holds {len(value)} texts; at most {MAX_INPUTS} are taken at once.", parameter=name)
    return value


def wants_base64(body: Body) -> bool:
    """Whether vectors are wanted as base 64 of 32-bit floats. Raises Refused for what embeddings cannot be here."""
    if body.get("dimensions") is not None:
        raise Refused(
            "This model's engine gives vectors of the model's own size only: leave 'dimensions' out.",
            parameter="dimensions",
        )
    encoding = body.get("encoding_format")
    if encoding not in (None, "float", "base64"):
        raise Refused("encoding_format is float or base64.", parameter="encoding_format")
    return encoding == "base64"


def wants_usage(body: Body) -> bool:
    """Whether a stream is to end with its usage."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


_UNKNOWN: Final[Mapping[str, str]] = {
    "tools": "tools",
    "functions": "functions",
    "logprobs": "log probabilities",
    "top_logprobs": "log probabilities",
    "logit_bias": "a bias of tokens",
    "suffix": "text after the completion",
    "echo": "an echo of the prompt",
    "grammar": "grammars",
}
"""What would change an answer's meaning if it were passed over in silence."""


def _refuse_unknown(body: Body) -> None:
    for name, what in _UNKNOWN.items():
        if body.get(name):
            raise Refused(f"This model is served by transformers, which does not offer {what} here.", parameter=name)
    shape = body.get("response_format")
    if shape is not None and not (isinstance(shape, dict) and shape.get("type") == "text"):
        raise Refused(
            "This model is served by transformers, which answers in plain text only.", parameter="response_format"
        )


def _message(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise Refused("Each of the messages must be an object with a role.", parameter="messages")
    content = message.get("content")
    if isinstance(content, list):
        if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
            raise Refused("This model's engine takes messages of text only.", parameter="messages")
        content = "".join(part["text"] for part in content)
    if content is not None and not isinstance(content, str):
        raise Refused("The content of a message must be text.", parameter="messages")
    return {**message, "content": content or ""}


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise Refused("stop must be a text or a list of texts.", parameter="stop")
    if len(stops) > MAX_STOPS or any(len(stop) > MAX_STOP_CHARS for stop in stops):
        raise Refused(f"stop takes at most {MAX_STOPS} texts of {MAX_STOP_CHARS} characters.", parameter="stop")
    return tuple(stop for stop in stops if stop)


def _whole(body: Body, name: str, low: int, high: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refused(f"{name} must be a whole number from {low} to {high}.", parameter=name)
    return value


def _number(body: Body, name: str, low: float, high: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Refused(f"{name} must be a number from {low:g} to {high:g}.", parameter=name)
    return float(value)


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(token) is int and token >= 0 for token in value)
