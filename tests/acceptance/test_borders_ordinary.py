# ruff: noqa: F811 - fixtures are imported, and pytest hands them over by their names
"""What ordinary routes do with requests that no library would send. Raw sockets."""

import pytest

from tests.fixtures.gateway import RunningGateway
from tests.fixtures.raw import RawClient
from tests.fixtures.shared import gateway, started, upstream  # noqa: F401

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/v1/models", "/livez", "/nothing"])
@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "example.org"]])
async def test_a_request_names_one_host(path: str, hosts: list[str], gateway: RunningGateway) -> None:
    lines = [f"GET {path} HTTP/1.1", *(f"Host: {host}" for host in hosts)]
    async with RawClient(gateway.port) as client:
        client.say("\r\n".join(lines).encode() + b"\r\n\r\n")
        answer = await client.answer()
    assert (answer.status, answer.error["code"]) == (400, "invalid_request")
    assert "Host" in answer.error["message"]


async def test_in_http_1_0_it_may_name_none(gateway: RunningGateway) -> None:
    async with RawClient(gateway.port) as client:
        client.say(b"GET /livez HTTP/1.0\r\n\r\n")
        assert (await client.answer()).status == 200
