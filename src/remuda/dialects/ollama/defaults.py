"""Parameters by default in Ollama's words, for servers that are asked in these."""

from collections.abc import Mapping
from typing import Final

import msgspec

from remuda.dialects.ollama.asks import EFFORTS, SAMPLING
from remuda.engines.body import fields_of, json_text, with_fields

WORDS: Final = {
    "max_output_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "max_tokens": "num_predict",
    "stop": "stop",
    **{name: name for name in SAMPLING},
}
"""The option that a field of OpenAI's API is; of those that are the same the last one counts."""


def with_defaults(body: bytes, parameters: Mapping[str, bytes]) -> bytes:
    """`body` with those of `parameters` that it does not say and that Ollama has words for."""
    fields = fields_of(body)
    given = bytes(fields.get("options", b"null"))
    options_body = b"{}" if given == b"null" else given
    options = fields_of(options_body)
    wanted = {word: parameters[name] for name, word in WORDS.items() if name in parameters and word not in options}
    laid = {"options": with_fields(options_body, options, wanted)} if wanted else {}
    if "think" not in fields and (think := _think(parameters.get("chat_template_kwargs", b"{}"))):
        laid["think"] = think
    return with_fields(body, fields, laid)


def _think(template_options: bytes) -> bytes:
    """What options of a chat template say of thinking; empty where they say nothing."""
    options = msgspec.json.decode(template_options)
    match options:
        case {"enable_thinking": True, "reasoning_effort": str(effort)} if effort in EFFORTS:
            return json_text(effort)
        case {"enable_thinking": bool(thinks)}:
            return b"true" if thinks else b"false"
    return b""
