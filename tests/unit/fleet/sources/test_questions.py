"""The questions, put to real sockets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from remuda.core.address import parse_address
from remuda.core.node import NodeKind
from remuda.fleet.replica import Told
from remuda.fleet.sources.questions import SHOWN_AT_ONCE, Questions
from remuda.outbound.http import OutboundClient, OutboundError
from remuda.testing.behaviour import Fault
from remuda.testing.speech import OllamaSpeech, VllmSpeech
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.http_servers import http, serving

NAMES = ("org/a:latest", "b:7b")


@asynccontextmanager
async def asking(url: str, root: str = "") -> AsyncIterator[Questions]:
    client = OutboundClient(parse_address(url), timeout_s=5)
    try:
        yield Questions(client, root)
    finally:
        await client.close()


@pytest.mark.parametrize("speaks", ["ollama", "llama.cpp", "openai"])
async def test_kinds_are_told_apart_and_each_is_asked_in_its_own_way(speaks: str):
    async with FakeUpstream(models=NAMES, speaks=speaks, slots=3) as fake, asking(fake.url) as questions:
        kind = await questions.kind()
        assert kind is NodeKind(speaks)
        found = await questions.found(kind)
        assert found.offers is not None
        assert set(found.offers) == set(NAMES)
        assert found.slots == (3 if kind is NodeKind.LLAMA_CPP else None)


async def test_ollama_tells_what_it_has_and_is_asked_after_each_once():
    async with FakeUpstream(models=NAMES, speaks="ollama") as fake, asking(fake.url) as questions:
        assert isinstance(fake.speech, OllamaSpeech)
        fake.speech.loaded = NAMES[:1]
        found = await questions.found(NodeKind.OLLAMA)
        assert found.offers is not None
        more = await questions.more(NodeKind.OLLAMA, found.offers)
        for _ in range(2):
            found = await questions.found(NodeKind.OLLAMA)
            assert found.offers is not None
            assert await questions.more(NodeKind.OLLAMA, found.offers) == {}
        told = {name: offer.told for name, offer in found.offers.items()}
        assert told == more
        assert {name: each.is_running for name, each in more.items()} == {NAMES[0]: True, NAMES[1]: False}
        assert more[NAMES[0]].trained_context == 131_072
        assert more[NAMES[0]].capabilities == ("completion", "tools", "thinking")
        assert found.offers[NAMES[0]].context_length == 4096
        assert [seen.path for seen in fake.probes].count("/api/show") == 2


async def test_who_speaks_anthropics_api_is_asked_once_while_it_is_up():
    async with FakeUpstream(speaks="vllm") as fake, asking(fake.url) as questions:
        for _ in range(3):
            assert (await questions.found(NodeKind.OPENAI)).has_messages
        assert [seen.path for seen in fake.probes].count("/v1/messages") == 1
        fake.behave(fault=Fault.DROP_BEFORE_HEAD, probes_too=True)
        with pytest.raises(OutboundError):
            await questions.found(NodeKind.OPENAI)
        fake.behave()
        assert (await questions.found(NodeKind.OPENAI)).has_messages
        assert [seen.path for seen in fake.probes].count("/v1/messages") == 2
    async with FakeUpstream() as fake, asking(fake.url) as questions:
        assert not (await questions.found(NodeKind.OPENAI)).has_messages
        assert "/v1/messages" not in [seen.path for seen in fake.probes]


@pytest.mark.parametrize("counts", [True, False])
async def test_whether_tokens_are_counted_in_it_is_asked_once_while_it_is_up(counts: bool):
    path = "/v1/messages/count_tokens"
    async with FakeUpstream(speaks="vllm") as fake, asking(fake.url) as questions:
        assert isinstance(fake.speech, VllmSpeech)
        fake.speech.counts_tokens = counts
        for _ in range(3):
            found = await questions.found(NodeKind.OPENAI)
            assert (found.has_messages, found.counts_tokens) == (True, counts)
        assert [seen.path for seen in fake.probes].count(path) == 1
    async with FakeUpstream() as fake, asking(fake.url) as questions:
        assert not (await questions.found(NodeKind.OPENAI)).counts_tokens
        assert path not in [seen.path for seen in fake.probes]


@pytest.mark.parametrize(("version", "speaks"), [("0.12.11", False), ("0.15.2", True)])
async def test_an_ollama_speaks_it_from_a_version_on(version: str, speaks: bool):
    async with FakeUpstream(speaks="ollama") as fake, asking(fake.url) as questions:
        assert isinstance(fake.speech, OllamaSpeech)
        fake.speech.version = version
        for _ in range(2):
            assert (await questions.found(NodeKind.OLLAMA)).has_messages is speaks
        assert [seen.path for seen in fake.probes].count("/api/version") == 1


async def test_a_remuda_that_says_who_it_is_is_asked_one_question():
    facts = {"size": 5, "running": False, "trained_context": 2048}
    listed = {"data": [{"id": name, "remuda": {"facts": facts}} for name in NAMES], "remuda": {"instance": "remuda-2"}}
    said = http(json.dumps(listed).encode())
    async with serving(said) as served, asking(f"http://127.0.0.1:{served.port}/v1") as questions:
        found = await questions.found(NodeKind.REMUDA)
        assert found.offers is not None
        told = Told(size_bytes=5, is_running=False, trained_context=2048)
        assert {name: offer.told for name, offer in found.offers.items()} == dict.fromkeys(NAMES, told)
        assert await questions.more(NodeKind.REMUDA, found.offers) == {}
        assert [head.split()[1] for head in served.heads] == ["/v1/models"]


async def test_many_models_are_asked_after_a_few_at_a_time():
    names = tuple(f"m{number}:latest" for number in range(SHOWN_AT_ONCE + 5))
    async with FakeUpstream(models=names, speaks="ollama") as fake, asking(fake.url) as questions:
        found = await questions.found(NodeKind.OLLAMA)
        assert found.offers is not None
        sizes = [len(await questions.more(NodeKind.OLLAMA, found.offers)) for _ in range(3)]
        assert sizes == [SHOWN_AT_ONCE, 5, 0]
        assert await questions.more(NodeKind.OPENAI, found.offers) == {}


async def test_one_that_does_not_answer_is_away():
    async with FakeUpstream(speaks="ollama") as fake, asking(fake.url) as questions:
        for fields in ({"fault": Fault.DROP_BEFORE_HEAD}, {"fault": Fault.ERROR, "status": 503}):
            fake.behave(probes_too=True, **fields)
            with pytest.raises(OutboundError):
                await questions.kind()
            with pytest.raises(OutboundError):
                await questions.found(NodeKind.OLLAMA)


@pytest.mark.parametrize("kind", [NodeKind.OPENAI, NodeKind.REMUDA, NodeKind.LLAMA_CPP])
async def test_a_web_page_is_no_answer(kind: NodeKind):
    page = http(b"<!doctype html><title>Welcome</title>")
    async with serving(page) as served, asking(f"http://127.0.0.1:{served.port}/v1") as questions:
        assert await questions.kind() is NodeKind.OPENAI
        with pytest.raises(OutboundError, match="web page where its models should be"):
            await questions.found(kind)


async def test_one_that_lists_nothing_may_still_take_any_name():
    async with serving(http(b"", "404 Not Found")) as served, asking(f"http://127.0.0.1:{served.port}/v1") as questions:
        assert await questions.kind() is NodeKind.OPENAI
        found = await questions.found(NodeKind.OPENAI)
        assert (found.offers, found.why, found.slots) == (None, " (it answers 404)", None)


@pytest.mark.parametrize("body", [b'{"object": "list", "data": [{"id": "a', b"nonsense", b'{"status": "ok"}', b""])
async def test_nonsense_where_the_models_should_be_is_no_answer(body: bytes):
    answer = http(body, "200 OK\r\nContent-Type: application/json")
    async with serving(answer) as served, asking(f"http://127.0.0.1:{served.port}/v1") as questions:
        assert await questions.kind() is NodeKind.OPENAI
        with pytest.raises(OutboundError, match="it answers something that is not"):
            await questions.found(NodeKind.OPENAI)


OTHERS = [
    ("openai", NodeKind.LLAMA_CPP, "as llama.cpp's server does"),
    ("ollama", NodeKind.LLAMA_CPP, "as llama.cpp's server does"),
    ("vllm", NodeKind.REMUDA, "as a Remuda does"),
    ("llama.cpp", NodeKind.REMUDA, "as a Remuda does"),
    ("llama.cpp", NodeKind.OLLAMA, "404"),
]


@pytest.mark.parametrize(("speaks", "given", "words"), OTHERS)
async def test_one_of_another_kind_is_told(speaks: str, given: NodeKind, words: str):
    async with FakeUpstream(speaks=speaks) as fake, asking(fake.url) as questions:
        with pytest.raises(OutboundError, match=words):
            await questions.found(given)
        assert (await questions.found(NodeKind.OPENAI)).offers is not None, "all are this, too"


async def test_llamacpp_whose_properties_are_not_told_is_known_by_its_list():
    listed = http(b'{"object": "list", "data": [{"id": "a", "owned_by": "llamacpp"}]}')
    async with serving(listed) as served, asking(f"http://127.0.0.1:{served.port}/v1") as questions:
        assert await questions.kind() is NodeKind.LLAMA_CPP
        found = await questions.found(NodeKind.LLAMA_CPP)
        assert (set(found.offers or ()), found.slots) == ({"a"}, None)


async def test_the_own_api_stands_below_the_root():
    async with FakeUpstream(speaks="ollama") as fake, asking(fake.url, "/nowhere") as questions:
        assert await questions.kind() is NodeKind.OPENAI
        with pytest.raises(OutboundError, match="404"):
            await questions.found(NodeKind.OLLAMA)
