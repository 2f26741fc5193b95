"""The gateway's own models, the tiny ones on the real engine, as Ollama's clients see them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.engines.tiny import CHAT, CHAT_NAME, EMBED, EMBED_NAME
from tests.fixtures.gateway import RunningGateway, running_gateway

pytestmark = pytest.mark.engine


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway that offers the tiny models, and has loaded none."""
    models = {"paths": [str(CHAT), str(EMBED)]}
    async with running_gateway(tmp_path, models=models, llamacpp={"n_parallel": 1, "n_threads": 1}) as gateway:
        yield gateway


async def asked(gateway: RunningGateway, path: str, body: Any = None) -> Any:
    """What is answered, which must be well."""
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False) as client:
        answer = await (client.get(path) if body is None else client.post(path, json=body))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_files_are_told_of_before_they_are_loaded(own: RunningGateway) -> None:
    entries = {each["name"]: each for each in (await asked(own, "/api/tags"))["models"]}
    entry = entries[CHAT_NAME]
    assert entry["size"] == CHAT.stat().st_size
    assert entry["details"] == {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "919K",
        "quantization_level": "Q8_0",
    }
    shown = await asked(own, "/api/show", {"model": CHAT_NAME})
    assert shown["details"] == entry["details"]
    assert shown["capabilities"] == ["completion", "tools", "thinking"]
    info = shown["model_info"]
    assert info["general.architecture"] == "llama"
    assert info["general.parameter_count"] == 918_656
    assert (info["llama.context_length"], info["llama.embedding_length"]) == (2048, 128)
    assert (await asked(own, "/api/show", {"model": EMBED_NAME}))["capabilities"] == ["embedding"]
    assert await asked(own, "/api/ps") == {"models": []}
