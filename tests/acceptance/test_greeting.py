"""The curl that `remuda serve` prints works: which model it names, and whether it wants a key."""

import asyncio
import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from remuda.app.server import say_where
from remuda.core.hosts import Bind
from remuda.core.tasks import Tasks
from remuda.engines import tiny
from remuda.testing.behaviour import Fault
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import RunningGateway, running_gateway


async def said(gateway: RunningGateway) -> str:
    out = io.StringIO()
    bound = [Bind("127.0.0.1", gateway.port)]
    await say_where(Console(file=out, width=200), gateway.remuda.settings, bound, gateway.remuda)
    return out.getvalue()


def words(greeting: str) -> list[str]:
    return shlex.split(greeting.partition("Try it:")[2].partition("Ctrl-C")[0].replace("\\\n", " "))


def model_in(greeting: str) -> str:
    model: str = json.loads(words(greeting)[-1])["model"]
    return model


async def test_it_waits_for_an_upstream_to_list_and_names_a_model_that_chats(tmp_path: Path) -> None:
    tasks = Tasks("test")
    async with FakeUpstream(models=("a-embed", "chatty", "b-rerank")) as upstream:
        upstream.gate.hold(probes_too=True)
        async with running_gateway(tmp_path, upstreams=[{"url": upstream.url}]) as gateway:
            await upstream.gate.reached()
            greeting = tasks.start(said(gateway), "greeting")
            upstream.gate.release()
            assert model_in(await greeting) == "chatty"
    await tasks.close()


async def test_a_model_on_standby_is_not_the_first_to_try(tmp_path: Path) -> None:
    async with FakeUpstream(models=("zz",)) as upstream:
        away = {"url": "http://127.0.0.1:9/v1", "models": ["aa"]}
        async with running_gateway(tmp_path, upstreams=[away, {"url": upstream.url}]) as gateway:
            fleet = gateway.remuda.fleet
            await gateway.until(
                lambda: not any(each.is_routable for each in fleet.look_up("aa").replicas),  # type: ignore[union-attr]
                "the other is on standby",
            )
            assert model_in(await said(gateway)) == "zz"


async def test_without_a_model_it_says_so(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, upstreams=[{"url": "http://127.0.0.1:9/v1"}]) as gateway:
        async with asyncio.timeout(30):
            greeting = await said(gateway)
    assert "no chat model is known" in greeting
    assert "curl" not in greeting


async def test_where_any_name_is_taken_one_is_to_be_filled_in(upstream: FakeUpstream, tmp_path: Path) -> None:
    upstream.behave(fault=Fault.ERROR, status=404, probes_too=True)
    async with running_gateway(tmp_path, upstreams=[{"url": upstream.url}]) as gateway:
        assert model_in(await said(gateway)) == "MODEL"


async def test_a_file_that_embeds_is_not_the_one_to_try(tmp_path: Path) -> None:
    models: Any = {"paths": [tmp_path / "a.gguf", tmp_path / "b.gguf"]}
    (tmp_path / "a.gguf").symlink_to(tiny.EMBED)
    (tmp_path / "b.gguf").symlink_to(tiny.CHAT)
    async with running_gateway(tmp_path / "data", models=models) as gateway:
        assert model_in(await said(gateway)) == "b"


@pytest.mark.parametrize(
    ("proxies", "needs_key"), [([], False), (["10.0.0.0/8"], False), (["127.0.0.1"], True), (["::/0"], True)]
)
async def test_a_key_is_asked_for_also_where_local_programs_look_like_a_proxy(
    upstream: FakeUpstream, tmp_path: Path, proxies: list[str], needs_key: bool
) -> None:
    settings: dict[str, Any] = {"upstreams": [{"url": upstream.url}], "server": {"trusted_proxies": proxies}}
    async with running_gateway(tmp_path, **settings) as gateway:
        assert ("Authorization: Bearer YOUR_KEY" in " ".join(words(await said(gateway)))) == needs_key
