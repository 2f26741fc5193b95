"""Questions to other servers, over real sockets: bounded, and clear about what went wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.http_servers import http, serving

from remuda.core.address import Address
from remuda.core.tasks import Tasks
from remuda.outbound.addresses import AddressRefused
from remuda.outbound.http import MAX_ANSWER_BYTES, NothingThere, NotJson, OutboundClient, OutboundError, WebPage
from remuda.testing.behaviour import Fault
from remuda.testing.speech import OllamaSpeech
from remuda.testing.upstream import FakeUpstream

KEY = ((b"Authorization", b"Bearer secret-key"),)


def client(port: int, **fields: float) -> OutboundClient:
    return OutboundClient(Address("127.0.0.1", port, base_path="/v1"), headers=KEY, **fields)  # type: ignore[arg-type]


async def asked(answer: bytes | None, **fields: float) -> object:
    async with serving(answer) as served:
        one = client(served.port, **fields)
        try:
            return await one.get_json("/models")
        finally:
            await one.close()


async def test_the_answer_is_json_below_the_base_address():
    async with serving(http(b'{"data": []}')) as served:
        one = client(served.port)
        assert await one.get_json("/models") == {"data": []}
        await one.close()
    [head] = served.heads
    assert head.startswith("GET /v1/models HTTP/1.1")
    assert "Bearer secret-key" in head


@pytest.mark.parametrize("answer", [http(b"<html>"), http(b"", "404 Not Found"), http(b"", "501 Not Implemented")])
async def test_one_that_does_not_offer_it_is_told_apart(answer: bytes):
    with pytest.raises(NotJson):
        await asked(answer)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (http(b"", "500 Oh"), "it answers 500"),
        (http(b"", "302 Found\r\nLocation: http://127.0.0.1:1/"), "it answers 302"),
        (http(b" " * (MAX_ANSWER_BYTES + 1)), "far too much"),
        (b"garbage\r\n\r\n", "cannot be reached"),
    ],
)
async def test_what_goes_wrong_is_said_without_the_key(answer: bytes, why: str):
    with pytest.raises(OutboundError, match=why) as caught:
        await asked(answer)
    assert "secret-key" not in str(caught.value)


async def test_a_silent_server_is_given_up_on():
    with pytest.raises(OutboundError, match="TimeoutError"):
        await asked(None, timeout_s=0.05)


async def test_a_socket_that_is_not_there(tmp_path: Path):
    one = OutboundClient(Address("localhost", 80, socket_path=str(tmp_path / "none.sock")))
    with pytest.raises(OutboundError, match="cannot be reached"):
        await one.get_json("/models")
    await one.close()


async def test_a_given_address_is_called_where_that_is_allowed():
    async with serving(http(b'{"data": []}')) as served:
        one = OutboundClient(Address("localhost", served.port, is_given=True))
        assert await one.get_json("/models") == {"data": []}
        await one.close()


async def test_a_given_address_at_which_nothing_is_called_is_not_called():
    async with serving(http(b'{"data": []}')) as served:
        # Where it is not checked, the server of this test would answer there.
        one = OutboundClient(Address("0.0.0.0", served.port, is_given=True))
        for ask in (
            one.get_json("/models"),
            one.call("GET", "/models", b""),
            one.post_lines("/", {}, print, silence_s=1),
        ):
            with pytest.raises(OutboundError, match="no machine's address: nothing is called there"):
                await ask
        await one.close()
    assert served.heads == []


async def test_a_given_name_leads_where_it_was_checked_to_lead():
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with serving(http(b'{"data": []}')) as served:
        one = OutboundClient(Address("gpu.example", served.port, is_given=True), resolve=resolve)
        assert await one.get_json("/models") == {"data": []}
        await one.close()
    assert asked == ["gpu.example"]
    assert "Host: gpu.example" in served.heads[0]


async def test_a_given_name_that_leads_where_nothing_is_called_is_said():
    async def resolve(host: str, port: int) -> list[str]:
        raise AddressRefused(f"{host} stands for a place")

    one = OutboundClient(Address("gpu.example", 80, is_given=True), resolve=resolve)
    with pytest.raises(OutboundError, match=r"gpu\.example stands for a place"):
        await one.get_json("/models")
    await one.close()


async def test_another_place_of_the_server_and_a_question_that_says_something():
    async with serving(http(b'{"a": 1}')) as served:
        one = client(served.port)
        assert await one.get_json("/api/tags", base_path="") == {"a": 1}
        assert await one.post_json("/api/show", {"model": "m"}, base_path="/deep") == {"a": 1}
        await one.close()
    assert [head.partition(" HTTP")[0] for head in served.heads] == ["GET /api/tags", "POST /deep/api/show"]


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (http(b"<html>"), WebPage, 200),
        (http(b"Welcome", "200 OK\r\nContent-Type: text/html; charset=utf-8"), WebPage, 200),
        (http(b'{"data": ['), NotJson, 200),
        (http(b"[" * 100_000), NotJson, 200),
        (http(b"<html>", "404 Not Found"), NothingThere, 404),
        (http(b"", "405 Method Not Allowed"), NothingThere, 405),
        (http(b"<html>", "502 Bad Gateway"), OutboundError, 502),
    ],
)
async def test_a_web_page_is_told_from_other_odd_answers(answer: bytes, kind: type[OutboundError], status: int):
    with pytest.raises(OutboundError) as caught:
        await asked(answer)
    assert (type(caught.value), caught.value.status) == (kind, status)


@asynccontextmanager
async def file_node(**behaviour: Any) -> AsyncIterator[tuple[FakeUpstream, OutboundClient]]:
    async with FakeUpstream(speaks="ollama", **behaviour) as node:
        one = client(node.port)
        yield node, one
        await one.close()


async def file_of(*pieces: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if then is not None:
        raise then


BLOB = "/api/blobs/sha256:" + sha256(b"abcd").hexdigest()


@pytest.mark.parametrize("size", [4, None])
async def test_a_file_is_uploaded_as_it_comes(size: int | None):
    async with file_node() as (node, one):
        assert await one.upload(BLOB, file_of(b"ab", b"cd"), size, base_path="", silence_s=30) == (201, b"")
        [seen] = node.seen
        assert seen.header("content-length") == (None if size is None else "4")
        assert seen.header("authorization") == "Bearer secret-key"
        status, said = await one.upload(BLOB, file_of(b"ab"), None, base_path="", silence_s=30)
        assert (status, b"digest mismatch" in said) == (400, True)


@pytest.mark.parametrize("fault", [Fault.NEVER_READING, Fault.HANG])
async def test_a_server_that_takes_nothing_more_or_says_nothing_is_given_up_on(fault: Fault):
    async with file_node(fault=fault) as (_, one):
        with pytest.raises(OutboundError, match="Timeout"):
            await one.upload(BLOB, file_of(*[b"x" * 2**20] * 32), None, base_path="", silence_s=0.1)


async def test_a_file_that_breaks_off_is_no_file():
    async with file_node() as (node, one):
        with pytest.raises(OutboundError, match="cannot be reached"):
            await one.upload(BLOB, file_of(b"abcd", then=ValueError()), None, base_path="", silence_s=30)
        await node.aborted_count(1)
        assert isinstance(node.speech, OllamaSpeech)
        assert not node.speech.blobs


async def test_whoever_gives_up_an_upload_closes_it():
    async with file_node(fault=Fault.HANG) as (node, one):
        tasks = Tasks("test")
        tasks.start(one.upload(BLOB, file_of(b"abcd"), 4, base_path="", silence_s=30), "upload")
        await node.saw(1)
        await tasks.close()
        await node.aborted_count(1)
