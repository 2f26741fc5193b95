"""Asks a GGUF through the real engine, as a client of its HTTP face would."""

import json
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import xllamacpp


class Engine:
    """One model served by llama.cpp in this process, on a loopback port of its choice."""

    def __init__(self, model: Path, *, pooled: bool = False) -> None:
        options = xllamacpp.CommonParams()
        options.model.path = str(model)
        options.hostnames = ["127.0.0.1"]
        options.port = 0
        options.n_parallel = 1
        options.n_ctx = 2048
        options.n_batch = options.n_ubatch = 256
        options.use_jinja = True
        options.ui = False
        options.offline = True
        options.verbosity = 0
        options.enable_reasoning = 0
        if pooled:
            options.embedding = True
            options.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        self._folder = tempfile.TemporaryDirectory()
        self._server = xllamacpp.Server(options)
        self._base = self._server.listening_address

    def chat(self, messages: str | list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """The choice that a greedy chat completion gives: its message and why it ended."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        body = {"messages": messages, "temperature": 0, "max_tokens": 700, "cache_prompt": False, **more}
        return self.post("/v1/chat/completions", body)["choices"][0]

    def embeddings(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""
        return [row["embedding"] for row in self.post("/v1/embeddings", {"input": texts})["data"]]

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Any endpoint of the engine."""
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self._base + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)
