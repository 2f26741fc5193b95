from ipaddress import ip_network

import pytest

from remuda.dialects.console.routes import prefers_html
from remuda.gateway.authenticate import Gatekeeper
from tests.fixtures.asgi import client, parts

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (BROWSER, True),
        ("TEXT/HTML", True),
        ("text/html;level=1;q=0.9, application/json;q=0.8", True),
        ("text/html;q=0.1, application/json", False),
        ("text/html;q=0", False),
        ("text/html;q=much", False),
        ("*/*", False),
        ("", False),
        ("application/json", False),
    ],
)
def test_page_is_for_who_asks_for_one(accept, is_page):
    assert prefers_html(accept) is is_page


async def test_browser_gets_a_page():  # C4
    async with client() as caller:
        answer = await caller.get("/", headers={"accept": BROWSER})
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for words in ("Remuda", "1.2.3", "a-model", "curl http://127.0.0.1:7368/v1/", "need none", "/openapi.json"):
        assert words in answer.text


async def test_page_says_that_a_key_is_needed():
    async with client(parts(keyed=True)) as caller:
        text = (await caller.get("/", headers={"accept": BROWSER})).text
    assert "remuda keys create" in text
    assert "YOUR_KEY" in text


async def test_page_says_the_address_as_its_reader_knows_it():
    gatekeeper = Gatekeeper(keyless_allowed=False, wall=lambda: 0.0, trusted_proxies=[ip_network("10.0.0.1")])
    proxied = {"accept": BROWSER, "host": "llm.example.org", "x-forwarded-proto": "https"}
    async with client(parts(gatekeeper=gatekeeper), peer=("10.0.0.1", 1)) as caller:
        assert "https://llm.example.org/v1" in (await caller.get("/", headers=proxied)).text


async def test_odd_host_is_not_said_back():
    async with client(parts(keyed=True)) as caller:
        text = (await caller.get("/", headers={"accept": BROWSER, "host": "h/'$(x)"})).text
    assert "$(x)" not in text


async def test_program_gets_facts():  # C4
    async with client() as caller:
        answer = await caller.get("/")
    assert answer.json()["name"] == "Remuda"
    assert (answer.json()["version"], answer.json()["needs_key"], answer.json()["docs"]) == (
        "1.2.3",
        False,
        "/docs",
    )
    assert answer.headers["vary"] == "Accept, User-Agent"


@pytest.mark.parametrize("agent", ["ollama/0.12.0 (amd64 linux) Go/go1.24", "ollama-python/0.6.0 (x86_64)"])
async def test_ollamas_clients_find_their_word(agent):  # C4
    async with client() as caller:
        answer = await caller.get("/", headers={"user-agent": agent})
        assert (answer.text, answer.headers["content-type"]) == ("Ollama is running", "text/plain; charset=utf-8")
        assert (await caller.head("/", headers={"user-agent": agent})).status_code == 200
