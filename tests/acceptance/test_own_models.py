"""The gateway's own models, the tiny ones on the real engine, as Ollama's clients see them."""

import shutil
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from remuda.dialects.ollama.models import FOREVER
from remuda.engines.local import Phase
from remuda.engines.tiny import CHAT, CHAT_NAME, EMBED, EMBED_NAME
from tests.fixtures.gateway import RunningGateway, running_gateway
from tests.fixtures.ring import HEALTH

pytestmark = pytest.mark.engine

PROMPT: Any = {"model": CHAT_NAME, "prompt": "Hi", "stream": False, "options": {"num_predict": 2}}


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


def phase(gateway: RunningGateway, model: str = CHAT_NAME) -> Phase:
    return next(state.phase for state in gateway.remuda.local.states() if state.name == model)


async def stays_s(gateway: RunningGateway, model: str = CHAT_NAME) -> float:
    """In how many seconds a running model is said to be unloaded."""
    [entry] = [each for each in (await asked(gateway, "/api/ps"))["models"] if each["name"] == model]
    return (datetime.fromisoformat(entry["expires_at"]) - datetime.now(UTC)).total_seconds()


async def test_running_ones_expire_as_the_settings_say(own: RunningGateway) -> None:
    await asked(own, "/api/generate", PROMPT)
    [entry] = (await asked(own, "/api/ps"))["models"]
    assert (entry["name"], entry["context_length"], entry["size_vram"]) == (CHAT_NAME, 2048, 0)
    assert entry["details"]["family"] == "llama"
    assert 600 < await stays_s(own) <= 900


@pytest.mark.parametrize("path", ["/api/generate", "/api/chat", "/api/embed"])
async def test_a_request_says_how_long_its_model_stays(own: RunningGateway, path: str) -> None:
    model = EMBED_NAME if path == "/api/embed" else CHAT_NAME
    body = {**PROMPT, "model": model, "messages": [{"role": "user", "content": "Hi"}], "input": "Hi"}
    await asked(own, path, {**body, "keep_alive": "1h30m"})
    assert 5000 < await stays_s(own, model) <= 5400
    await asked(own, path, body)  # says nothing, and changes nothing
    assert 5000 < await stays_s(own, model) <= 5400
    await asked(own, path, {**body, "keep_alive": -1})
    [entry] = (await asked(own, "/api/ps"))["models"]
    assert entry["expires_at"] == FOREVER
    await asked(own, path, {**body, "keep_alive": 0})
    await own.until(lambda: phase(own, model) is Phase.STOPPED, "it is unloaded")
    assert (await asked(own, "/api/ps"))["models"] == []


async def test_another_remuda_tells_of_them_as_this_one_does(own: RunningGateway, tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "outer", upstreams=[{"url": own.url}], health=HEALTH) as outer:

        async def is_told(path: str) -> bool:
            return await asked(outer, path) == await asked(own, path)

        await outer.until(lambda: is_told("/api/tags"), "the files are known")
        shown = [await asked(each, "/api/show", {"model": CHAT_NAME}) for each in (own, outer)]
        assert shown[1]["capabilities"] == shown[0]["capabilities"]
        assert shown[1]["model_info"]["llama.context_length"] == 2048
        assert await asked(outer, "/api/ps") == {"models": []}, "none is loaded"
        await asked(own, "/api/generate", {**PROMPT, "keep_alive": "1h30m"})

        async def is_to_stay() -> bool:
            has_loaded = bool((await asked(outer, "/api/ps"))["models"])
            return has_loaded and 5000 < await stays_s(outer) <= 5400

        await outer.until(is_to_stay, "it is loaded, and stays as long as was asked for")


async def test_where_nothing_is_unloaded_a_model_stays_for_ever(tmp_path: Path) -> None:
    models = {"paths": [str(CHAT)], "idle_unload_s": 0}
    async with running_gateway(tmp_path, models=models, llamacpp={"n_parallel": 1, "n_threads": 1}) as gateway:
        await asked(gateway, "/api/generate", PROMPT)
        [entry] = (await asked(gateway, "/api/ps"))["models"]
        assert entry["expires_at"] == FOREVER
        await asked(gateway, "/api/generate", {**PROMPT, "keep_alive": "1ms"})
        await gateway.until(lambda: phase(gateway) is Phase.STOPPED, "it is unloaded")


@pytest.mark.parametrize("body", [{"prompt": ""}, {"stream": False}, {"messages": []}])
async def test_nothing_to_answer_and_no_time_to_stay_unloads_at_once(own: RunningGateway, body: Any) -> None:
    path = "/api/chat" if "messages" in body else "/api/generate"
    await asked(own, "/api/generate", PROMPT)
    said = await asked(own, path, {"model": f"{CHAT_NAME}:latest", "keep_alive": "0s", **body})
    assert (said["model"], said["done"], said["done_reason"]) == (f"{CHAT_NAME}:latest", True, "unload")
    assert said.get("response", "") == said.get("message", {"content": ""})["content"] == ""
    assert phase(own) in (Phase.UNLOADING, Phase.STOPPED)
    await own.until(lambda: phase(own) is Phase.STOPPED, "it is unloaded")
    assert (await asked(own, path, {"model": CHAT_NAME, "keep_alive": 0, **body}))["done_reason"] == "unload"
    assert phase(own) is Phase.STOPPED, "and not loaded for it"
    record = (await own.records())[0]
    assert (record.dialect, record.model, record.status, record.fault) == ("ollama", CHAT_NAME, 200, "")
    await asked(own, "/api/generate", PROMPT)
    assert 600 < await stays_s(own) <= 900


@pytest.mark.parametrize("path", ["/api/generate", "/api/chat", "/api/embed", "/api/embeddings"])
async def test_what_is_no_time_is_refused(own: RunningGateway, path: str) -> None:
    body = {"model": CHAT_NAME, "messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi", "input": "Hi"}
    async with httpx.AsyncClient(base_url=own.url, timeout=60, trust_env=False) as client:
        for keep_alive in ("soon", {}, "", True, "5 m"):
            answer = await client.post(path, json={**body, "keep_alive": keep_alive})
            assert (answer.status_code, "'keep_alive' is a number of seconds" in answer.text) == (400, True)


@pytest.mark.skipif(sys.platform == "win32", reason="no file can be called so there")
async def test_a_file_may_be_called_by_its_tag_and_asked_for_without(tmp_path: Path) -> None:
    file = tmp_path / "mine:latest.gguf"
    shutil.copy(CHAT, file)
    models = {"paths": [str(file)], "aliases": {"chat": "mine"}}
    async with running_gateway(tmp_path, models=models, llamacpp={"n_parallel": 1, "n_threads": 1}) as gateway:
        sizes = {each["name"]: each["size"] for each in (await asked(gateway, "/api/tags"))["models"]}
        assert sizes == {"chat": file.stat().st_size, "mine": file.stat().st_size}
        await asked(gateway, "/api/generate", {**PROMPT, "model": "mine"})
        began = datetime.now(UTC)
        await asked(gateway, "/api/generate", {**PROMPT, "model": "mine"})
        await gateway.records()
        [_, entry] = (await asked(gateway, "/api/ps"))["models"]
        assert datetime.fromisoformat(entry["expires_at"]) > began + timedelta(seconds=900), "it was used again"
        await asked(gateway, "/api/generate", {"model": "chat", "keep_alive": 0})
        await gateway.until(lambda: phase(gateway, "mine:latest") is Phase.STOPPED, "it is unloaded")
