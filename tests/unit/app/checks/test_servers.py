"""Other servers: upstreams, and whoever listens where the gateway would."""

import socket
from typing import Any

from remuda.app.checks.finding import Finding
from remuda.app.checks.servers import check_ports, check_upstreams
from remuda.app.settings import Settings
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.http_servers import http, serving


def said(findings: list[Finding]) -> list[str]:
    return [f"{finding.level} {finding.message}" for finding in findings]


async def upstream_said(answer: bytes, **more: Any) -> str:
    async with serving(answer) as served:
        settings = Settings.model_validate({"upstreams": [{"url": served.url, "name": "u", "api_key": "k", **more}]})
        (line,) = said(await check_upstreams(settings))
        return line


LIST = http(b'{"data": [{"id": "a"}]}')


async def test_upstreams() -> None:
    assert await upstream_said(LIST) == "ok u is an OpenAI-compatible server and lists 1 model"
    assert await upstream_said(LIST, models=["a", "b"]) == "warn u does not list b"
    assert await upstream_said(http(b"", "401 Unauthorized")) == "fail u refuses the key (status 401)"
    assert (
        await upstream_said(http(b"", "404 Not Found"))
        == "warn u answers, but not with a list of models (status 404)"
    )  # fmt: skip
    for nonsense in (b'{"data": [', b'{"status": "ok"}', b"<html>"):
        assert await upstream_said(http(nonsense)) == "fail u answers, but not with a list of models"
    assert await upstream_said(b"") == "fail u closes the connection or does not speak HTTP"


async def test_the_kind_of_an_upstream_is_told() -> None:
    llamacpp = http(b'{"data": [{"id": "a", "owned_by": "llamacpp"}]}')
    assert await upstream_said(llamacpp) == "ok u is a llama.cpp server and lists 1 model"
    assert await upstream_said(llamacpp, kind="llama.cpp") == "ok u is a llama.cpp server and lists 1 model"
    assert (
        await upstream_said(llamacpp, kind="openai")
        == "ok u is a llama.cpp server, used as an OpenAI-compatible server, and lists 1 model"
    )
    assert await upstream_said(llamacpp, kind="ollama") == "fail u is a llama.cpp server, not an Ollama"
    async with FakeUpstream(models=("a",), speaks="ollama") as fake:
        settings = Settings.model_validate({"upstreams": [{"url": fake.url, "name": "u"}]})
        assert said(await check_upstreams(settings)) == ["ok u is an Ollama and lists 1 model"]


def settings_for(port: int, host: str = "127.0.0.1") -> Settings:
    return Settings.model_validate({"server": {"host": host, "port": port}})


async def test_a_free_port() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert said(await check_ports(settings_for(port))) == [f"ok 127.0.0.1:{port} is free"]
    assert await check_ports(settings_for(0)) == []


async def test_a_port_that_is_taken() -> None:
    async with serving(http(b'{"name": "Remuda"}')) as served:
        assert said(await check_ports(settings_for(served.port))) == [
            f"ok a Remuda listens on 127.0.0.1:{served.port} already"
        ]
    async with serving(b"") as served:
        assert said(await check_ports(settings_for(served.port))) == [
            f"fail 127.0.0.1:{served.port} is in use by another program"
        ]


async def test_an_address_that_is_not_this_machines() -> None:
    (line,) = said(await check_ports(settings_for(7368, "192.0.2.1")))
    assert line.startswith("fail 192.0.2.1:7368 cannot be listened on")
