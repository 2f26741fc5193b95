"""What a fake upstream has to say in Ollama's own dialect: values in, values out, no socket and no clock."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from remuda.testing.answers import EMBEDDING_SIZE, Answer, Kind, Part, seen_tokens, text_of, whole, words_of
from remuda.testing.behaviour import Behaviour

VERSION: Final = "0.12.11"
"""One from before it spoke Anthropic's API."""
LINES: Final = "application/x-ndjson"
CREATED: Final = "2026-01-02T03:04:05.678901Z"
MODIFIED: Final = "2026-01-01T00:00:00.123456789+01:00"
EXPIRES: Final = "2026-01-02T03:09:05.5Z"
SIZE: Final = 4_661_224_676
CONTEXT: Final = 4096
TRAINED_CONTEXT: Final = 131_072
DETAILS: Final = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "8.0B",
    "quantization_level": "Q4_0",
}


def digest_of(name: str) -> str:
    """The digest of a model, as the fake makes it up."""
    return hashlib.sha256(b"weights of " + name.encode()).hexdigest()


def error(status: int, message: str, *, retry_after_s: int | None = None) -> Answer:
    """An error in Ollama's shape."""
    headers = () if retry_after_s is None else (("Retry-After", str(retry_after_s)),)
    return whole({"error": message}, status=status, headers=headers)


def tags(names: Sequence[str]) -> Answer:
    """`GET /api/tags`."""
    return whole({"models": [_entry(name) for name in names]})


def ps(names: Sequence[str]) -> Answer:
    """`GET /api/ps`, where these are loaded."""
    more = {"expires_at": EXPIRES, "size_vram": SIZE // 2, "context_length": CONTEXT}
    return whole({"models": [_entry(name) | more for name in names]})


def show(name: str) -> Answer:
    """`POST /api/show`."""
    capabilities = ["embedding"] if "embed" in name else ["completion", "tools", "thinking"]
    info = {"general.architecture": "llama", "llama.context_length": TRAINED_CONTEXT}
    return whole(
        {
            "modelfile": f"FROM {name}\n",
            "parameters": "",
            "template": "{{ .Prompt }}",
            "details": DETAILS,
            "model_info": info,
            "capabilities": capabilities,
            "modified_at": MODIFIED,
        }
    )


def version(number: str = VERSION) -> Answer:
    """`GET /api/version`."""
    return whole({"version": number})


def progress(*words: str, error: str = "") -> Answer:
    """What is said while something is fetched or made: a line for each word, and perhaps that it went wrong."""
    lines: list[dict[str, str]] = [{"status": word} for word in words]
    if error:
        lines.append({"error": error})
    parts = tuple(Part(msgspec.json.encode(line) + b"\n", Kind.BODY) for line in lines)
    return Answer(parts, media_type=LINES)


def chat(ask: dict[str, Any], behaviour: Behaviour) -> Answer:
    """`POST /api/chat`, in lines unless `stream` is false."""

    def said(text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}}

    return _generated(ask, behaviour, text_of(ask.get("messages")), said, is_load=not ask.get("messages"))


def generate(ask: dict[str, Any], behaviour: Behaviour) -> Answer:
    """`POST /api/generate`, in lines unless `stream` is false."""
    prompt = text_of(ask.get("prompt"))
    return _generated(ask, behaviour, prompt, lambda text: {"response": text}, is_load=not prompt)


def embed(ask: dict[str, Any]) -> Answer:
    """`POST /api/embed`."""
    given = ask.get("input")
    inputs = given if isinstance(given, list) else [given] if given else []
    if not inputs:
        return whole({"model": ask.get("model"), "embeddings": []})
    return whole(
        {
            "model": ask.get("model"),
            "embeddings": [_vector(each) for each in inputs],
            "total_duration": 14143917,
            "load_duration": 1019500,
            "prompt_eval_count": sum(len(str(each).split()) for each in inputs),
        }
    )


def embeddings(ask: dict[str, Any]) -> Answer:
    """`POST /api/embeddings`."""
    prompt = ask.get("prompt")
    return whole({"embedding": _vector(prompt) if prompt else []})


def _generated(ask: dict[str, Any], behaviour: Behaviour, prompt: str, said: Any, *, is_load: bool) -> Answer:
    head = {"model": ask.get("model"), "created_at": CREATED}
    if is_load:
        return whole(head | said("") | {"done_reason": "load", "done": True})
    bound = (ask.get("options") or {}).get("num_predict")
    words, finish = words_of({"max_tokens": int(bound)} if bound else {}, behaviour, prompt)
    closing = {
        "done": True,
        "done_reason": finish,
        "total_duration": 4883583458,
        "load_duration": 1334875,
        "prompt_eval_count": seen_tokens(prompt, behaviour),
        "prompt_eval_duration": 342546000,
        "eval_count": len(words),
        "eval_duration": 4535599000,
    }
    if ask.get("stream") is False:
        return whole(head | said("".join(words)) | closing, tokens=len(words))

    def lines() -> Iterator[Part]:
        for word in words:
            yield Part(_line(head | said(word) | {"done": False}), Kind.CONTENT)
        yield Part(_line(head | said("") | closing), Kind.DONE)

    failure = _line({"error": "the fake failed in mid-stream"})
    return Answer(tuple(lines()), media_type=LINES, tokens=len(words), streamed=True, failure=failure)


def _line(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _vector(given: Any) -> list[float]:
    seed = sum(msgspec.json.encode(given))
    return [((seed * (k + 1)) % 97) / 97 for k in range(EMBEDDING_SIZE)]


def _entry(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": MODIFIED,
        "size": SIZE,
        "digest": digest_of(name),
        "details": DETAILS,
    }
