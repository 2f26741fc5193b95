"""Several gateways on one SQLite file: one of them asks the nodes, and when it dies another one does."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from remuda.store import store_url_in
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.process import RemudaProcess, fake_upstream, remuda_serve, until
from tests.fixtures.together import one_asks_until_it_ends

IN_A_ROW = 8
"""Probes, of which two that ask would each have some."""


async def test_one_of_two_gateways_asks_the_nodes_and_when_it_ends_the_other_does(tmp_path: Path) -> None:
    await one_asks_until_it_ends(store_url_in(tmp_path), tmp_path)


def settings(file: Path, **upstreams: str) -> Path:
    """A settings file for a gateway that nodes tell from others by the key it sends: the file's name."""
    said: dict[str, Any] = {
        "upstreams": [{"url": url, "name": name, "api_key": file.stem} for name, url in upstreams.items()],
        "health": {"probe_every_s": 0.2, "probe_again_s": 0.1},
        "routing": {"queue_timeout_s": 0.5},
    }
    file.write_text(json.dumps(said))  # JSON is YAML
    return file


def askers(upstream: FakeUpstream, since: int = 0) -> set[str]:
    """Which gateways have asked it how it is, from the probe of that number on."""
    return {(each.header("authorization") or "").removeprefix("Bearer ") for each in upstream.probes[since:]}


def serves(gateway: RemudaProcess, *models: str) -> bool:
    """Whether requests for all these models are answered."""
    ask = {"messages": [{"role": "user", "content": "Hello"}]}
    url = f"{gateway.url}/v1/chat/completions"
    return all(httpx.post(url, json={**ask, "model": each}, trust_env=False).is_success for each in models)


def test_when_the_one_that_asks_is_killed_the_other_one_does(tmp_path: Path) -> None:
    common = {"DATABASE_URL": store_url_in(tmp_path / "store")}
    with fake_upstream(models=("shared",)) as shared, fake_upstream(models=("extra",)) as extra, ExitStack() as life:
        file = settings(tmp_path / "one.yaml", both=shared.url)
        one = life.enter_context(remuda_serve(tmp_path / "1", "--config", file, **common))
        until(lambda: serves(one, "shared"), "the first one has asked")
        file = settings(tmp_path / "two.yaml", both=shared.url, alone=extra.url)
        two = life.enter_context(remuda_serve(tmp_path / "2", "--config", file, **common))
        until(lambda: serves(two, "shared", "extra"), "the second one knows what both have, and what it has alone")
        until(lambda: askers(shared, -IN_A_ROW) == {"one"}, "the first one asks alone what both have")
        before = len(shared.probes)
        until(lambda: len(shared.probes) > before + IN_A_ROW, "it goes on doing so")
        assert (askers(shared, before), askers(extra)) == ({"one"}, {"two"})

        one.process.kill()
        one.ended()
        killed, alone = len(shared.probes), len(extra.probes)

        def is_asked_again() -> bool:
            assert serves(two, "shared", "extra")
            return len(shared.probes) > killed

        until(is_asked_again, "the second one asks")
        assert askers(shared, killed) == {"two"}
        assert len(extra.probes) > alone, "it has gone on asking what it has alone"

        file = settings(tmp_path / "again.yaml", both=shared.url)
        again = life.enter_context(remuda_serve(tmp_path / "1", "--config", file, **common))
        until(lambda: serves(again, "shared"), "another one is told what the second one sees")
        assert askers(shared, killed) == {"two"}
        assert two.stop() == 0
        until(lambda: "again" in askers(shared, killed), "it asks now")
        assert serves(again, "shared")
