"""Parameters by default in Anthropic's words, for servers that are asked in these."""

from collections.abc import Mapping
from typing import Final

from remuda.engines.body import fields_of, with_fields

WORDS: Final = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "stop": "stop_sequences"}
"""Anthropic's word for a field of OpenAI's API. `max_tokens` is not among them: no request is without it."""


def with_defaults(body: bytes, parameters: Mapping[str, bytes]) -> bytes:
    """`body` with those of `parameters` that it does not say and that Anthropic has words for."""
    fields = fields_of(body)
    wanted = {word: parameters[name] for name, word in WORDS.items() if name in parameters and word not in fields}
    stop = wanted.get("stop_sequences", b"")
    if stop.startswith(b'"'):
        wanted["stop_sequences"] = b"[%b]" % stop  # one text is a list of one
    return with_fields(body, fields, wanted)
