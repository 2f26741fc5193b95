"""The kinds of server that a fake upstream can play: which places each has, and what it says there."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from remuda.testing import answers, answers_anthropic, answers_ollama
from remuda.testing.answers import Answer
from remuda.testing.behaviour import Behaviour
from remuda.testing.seen import Seen

LLAMACPP_CONTEXT: Final = 2048
"""Tokens of each slot."""


class OpenAISpeech:
    """Any OpenAI-compatible server."""

    def __init__(self, models: Sequence[str], slots: int | None = None) -> None:
        self.models = tuple(models)
        self.slots = slots or 4
        """How many it says it has, where it says so."""

    def error(self, status: int, message: str, *, retry_after_s: int | None = None) -> Answer:
        """An error in the server's own shape."""
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return answers.error(status, message, kind=kind, retry_after_s=retry_after_s)

    def answer(self, seen: Seen, behaviour: Behaviour) -> Answer:
        """What it says to a request."""
        if seen.method == "GET":
            return self.told(seen.path)
        if seen.method != "POST":
            return self.error(405, f"{seen.method} is not spoken here")
        try:
            ask = seen.json()
        except msgspec.DecodeError as error:
            return self.error(400, f"no JSON: {error}")
        if not isinstance(ask, dict) or not self.has(ask.get("model")):
            return self.unknown(ask.get("model") if isinstance(ask, dict) else None)
        return self.inferred(seen, ask, behaviour)

    def has(self, model: Any) -> bool:
        """Whether it has a model of that name."""
        return model in self.models

    def unknown(self, model: Any) -> Answer:
        """What it says to who asks for another."""
        return self.error(404, "no such model here")

    def told(self, path: str) -> Answer:
        """What it says to a GET."""
        name = path.removeprefix("/v1/models/")
        if path == "/v1/models":
            return answers.models(self.models)
        if name in self.models:
            return answers.model(name)
        return self.error(404, f"nothing at {path}")

    def inferred(self, seen: Seen, ask: dict[str, Any], behaviour: Behaviour) -> Answer:
        """What it says to an ask."""
        match seen.path:
            case "/v1/chat/completions":
                return answers.chat(seen.number, ask, behaviour)
            case "/v1/completions":
                return answers.completion(seen.number, ask, behaviour)
            case "/v1/responses":
                return answers.responses(seen.number, ask, behaviour)
            case "/v1/embeddings":
                return answers.embeddings(ask)
            case "/v1/rerank":
                return answers.rerank(ask)
            case path:
                return self.error(404, f"nothing at {path}")


class VllmSpeech(OpenAISpeech):
    """vLLM: Anthropic's API beside OpenAI's."""

    def __init__(self, models: Sequence[str], slots: int | None = None) -> None:
        super().__init__(models, slots)
        self.counts_tokens = True
        """It is new enough to count the tokens of a prompt in Anthropic's API."""

    def told(self, path: str) -> Answer:
        match path:
            case "/v1/models":
                return answers.models(self.models, owned_by="vllm")
            case "/version":
                return answers.whole({"version": "0.12.0"})
            case "/v1/messages":
                return answers.whole({"detail": "Method Not Allowed"}, status=405)
            case "/v1/messages/count_tokens" if self.counts_tokens:
                return answers.whole({"detail": "Method Not Allowed"}, status=405)
        return super().told(path)

    def inferred(self, seen: Seen, ask: dict[str, Any], behaviour: Behaviour) -> Answer:
        if seen.path == "/v1/messages":
            return answers_anthropic.messages(seen.number, ask, behaviour)
        if seen.path == "/v1/messages/count_tokens" and self.counts_tokens:
            return answers_anthropic.count(ask)
        return super().inferred(seen, ask, behaviour)


class OllamaSpeech(OpenAISpeech):
    """Ollama: its own API beside OpenAI's, and Anthropic's where its version has that."""

    def __init__(self, models: Sequence[str], slots: int | None = None) -> None:
        super().__init__(models, slots)
        self.version = answers_ollama.VERSION
        self.loaded: tuple[str, ...] = ()
        """Models that are loaded."""
        self.blobs: set[str] = set()
        """Paths of the files that it keeps."""

    def error(self, status: int, message: str, *, retry_after_s: int | None = None) -> Answer:
        return answers_ollama.error(status, message, retry_after_s=retry_after_s)

    def answer(self, seen: Seen, behaviour: Behaviour) -> Answer:
        path = seen.path
        if path.startswith("/api/blobs/"):
            if seen.method == "POST":
                if not path.endswith(seen.digest):
                    return self.error(400, f"digest mismatch, got {seen.digest}")
                self.blobs.add(path)
                return answers.Answer((), status=201)
            return answers.Answer((), status=200 if path in self.blobs else 404)
        if path not in ("/api/pull", "/api/create", "/api/copy", "/api/delete", "/api/push"):
            return super().answer(seen, behaviour)
        ask = seen.json()
        if path == "/api/push":
            if not self.has(ask["model"]):
                return answers_ollama.progress("retrieving manifest", error="file does not exist")
            return answers_ollama.progress("retrieving manifest", "success")
        if path in ("/api/pull", "/api/create"):
            name = ask["model"]
            if name == "missing":
                return answers_ollama.progress("pulling manifest", error="pull model manifest: file does not exist")
            self.models = (*self.models, name)
            return answers_ollama.progress("pulling manifest", "success")
        name = ask.get("source") or ask.get("model")
        if not self.has(name):
            return self.unknown(name)
        rest = tuple(each for each in self.models if each != name)
        self.models = rest if path == "/api/delete" else (*self.models, ask["destination"])
        return answers.Answer(())

    def has(self, model: Any) -> bool:
        return model in self.models or (isinstance(model, str) and f"{model}:latest" in self.models)

    def unknown(self, model: Any) -> Answer:
        return self.error(404, f"model '{model}' not found")

    def told(self, path: str) -> Answer:
        match path:
            case "/":
                return answers.Answer((answers.Part(b"Ollama is running", answers.Kind.BODY),), media_type="text/plain")
            case "/api/version":
                return answers_ollama.version(self.version)
            case "/api/tags":
                return answers_ollama.tags(self.models)
            case "/api/ps":
                return answers_ollama.ps(self.loaded)
        return super().told(path)

    def inferred(self, seen: Seen, ask: dict[str, Any], behaviour: Behaviour) -> Answer:
        match seen.path:
            case "/api/chat":
                return answers_ollama.chat(ask, behaviour)
            case "/api/generate":
                return answers_ollama.generate(ask, behaviour)
            case "/api/embed":
                return answers_ollama.embed(ask)
            case "/api/embeddings":
                return answers_ollama.embeddings(ask)
            case "/api/show":
                return answers_ollama.show(ask["model"])
            case "/v1/rerank":
                return self.error(404, "404 page not found")
            case "/v1/messages" if self.version != answers_ollama.VERSION:
                return answers_anthropic.messages(seen.number, ask, behaviour)
        return super().inferred(seen, ask, behaviour)


class LlamaCppSpeech(OpenAISpeech):
    """llama.cpp's server: it tells its slots."""

    def __init__(self, models: Sequence[str], slots: int | None = None) -> None:
        super().__init__(models, slots)
        self.busy = 0
        """Slots that it says are at work."""

    def told(self, path: str) -> Answer:
        match path:
            case "/props":
                generation = {"n_ctx": LLAMACPP_CONTEXT, "params": {}}
                return answers.whole({"total_slots": self.slots, "default_generation_settings": generation})
            case "/slots":
                return answers.whole([{"id": i, "is_processing": i < self.busy} for i in range(self.slots)])
            case "/v1/models":
                meta = {"n_ctx_train": 4 * LLAMACPP_CONTEXT, "n_params": 8_000_000_000, "size": 4_000_000_000}
                return answers.models(self.models, owned_by="llamacpp", meta=meta)
        return super().told(path)

    def inferred(self, seen: Seen, ask: dict[str, Any], behaviour: Behaviour) -> Answer:
        if seen.path == "/v1/chat/completions/input_tokens":
            return answers.input_tokens(ask)
        return super().inferred(seen, ask, behaviour)


SPEECHES: Final[Mapping[str, Callable[[Sequence[str], int | None], OpenAISpeech]]] = MappingProxyType(
    {"openai": OpenAISpeech, "vllm": VllmSpeech, "ollama": OllamaSpeech, "llama.cpp": LlamaCppSpeech}
)
"""The kinds, by name."""
