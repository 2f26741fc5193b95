"""Nodes that come and go while a gateway runs, as its clients see it."""

import asyncio
import json
from pathlib import Path

import pytest

from remuda.app.settings import load
from remuda.testing.upstream import FakeUpstream
from tests.fixtures.gateway import running_gateway, running_with
from tests.fixtures.process import run_remuda
from tests.fixtures.raw import RawClient, post

HEALTH = {"probe_every_s": 0.2, "probe_again_s": 0.1}


async def command(data: Path, *arguments: str) -> None:
    done = await asyncio.to_thread(run_remuda, "nodes", *arguments, "--data", data)
    assert done.returncode == 0, done.stderr


async def test_a_request_waits_for_a_node_that_another_process_adds(tmp_path: Path) -> None:
    models = {"aliases": {"mine": "fake"}}
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path, models=models, health=HEALTH) as gateway,
        RawClient(gateway.port) as client,
    ):
        client.say(post(json.dumps({"model": "mine", "messages": []}).encode()))
        await gateway.until(lambda: gateway.remuda.fleet.queued == 1, "it waits: nobody serves it yet")
        await command(tmp_path, "add", fake.url, "--name", "late")
        answer = await client.answer()
        assert (answer.status, answer.header("x-remuda-replica")) == (200, "late/fake")
        await gateway.at_rest()


async def test_with_no_node_at_all_any_name_waits_for_the_first_one(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as fake,
        running_gateway(tmp_path, models={"tiny": False}, health=HEALTH) as gateway,
        RawClient(gateway.port) as right,
        RawClient(gateway.port) as wrong,
    ):
        right.say(post())
        wrong.say(post(json.dumps({"model": "nobody-has-this", "messages": []}).encode()))
        await gateway.until(lambda: gateway.remuda.fleet.queued == 2, "both wait")
        await command(tmp_path, "add", fake.url, "--name", "first")
        answer = await right.answer()
        assert (answer.status, answer.header("x-remuda-replica")) == (200, "first/fake")
        assert (await wrong.answer()).status == 404, "now there is somebody who knows"
        await gateway.at_rest()


async def test_with_no_node_at_all_who_has_waited_too_long_is_told(tmp_path: Path) -> None:
    settings = {"models": {"tiny": False}, "routing": {"queue_timeout_s": 0.1}}
    async with running_gateway(tmp_path, **settings) as gateway, RawClient(gateway.port) as client:
        client.say(post())
        late = await client.answer()
        assert (late.status, late.header("retry-after") is not None) == (504, True)
        assert b"no server came that has 'fake'" in late.body
        await gateway.at_rest()


async def test_drained_and_removed_nodes_get_nothing_new_and_finish_what_they_have(tmp_path: Path) -> None:
    async with (
        FakeUpstream() as one,
        FakeUpstream() as two,
        running_gateway(tmp_path, health=HEALTH) as gateway,
        RawClient(gateway.port) as running,
    ):

        def known() -> dict[str, bool]:
            model = gateway.remuda.fleet.look_up("fake")
            return {each.id: each.is_routable for each in model.replicas} if model is not None else {}

        await command(tmp_path, "add", one.url, "--name", "one")
        await gateway.until(lambda: known() == {"one/fake": True}, "the first is there")
        one.gate.hold()
        running.say(post())
        await one.gate.reached()
        await command(tmp_path, "add", two.url, "--name", "two")
        await command(tmp_path, "drain", "one")
        await gateway.until(
            lambda: known() == {"one/fake": False, "two/fake": True}, "the second is there, the first is drained"
        )
        async with RawClient(gateway.port) as client:
            client.say(post())
            assert (await client.answer()).header("x-remuda-replica") == "two/fake"
        await command(tmp_path, "remove", "one")
        await gateway.until(lambda: known() == {"two/fake": True}, "the first is gone")
        one.gate.release()
        answer = await running.answer()
        assert (answer.status, answer.header("x-remuda-replica")) == (200, "one/fake")
        await gateway.at_rest()


async def test_without_its_last_node_a_model_is_waited_for_and_others_are_unknown(tmp_path: Path) -> None:
    routing = {"queue_timeout_s": 0.3}
    async with (
        FakeUpstream() as one,
        running_gateway(tmp_path, health=HEALTH, routing=routing) as gateway,
        RawClient(gateway.port) as client,
    ):

        def served() -> list[bool]:
            model = gateway.remuda.fleet.look_up("fake")
            return [each.is_routable for each in model.replicas] if model is not None else []

        await command(tmp_path, "add", one.url, "--name", "one")
        await gateway.until(lambda: served() == [True], "it is there")
        client.say(post())
        assert (await client.answer()).status == 200
        await command(tmp_path, "remove", "one")
        await gateway.until(lambda: not served(), "it is gone")
        client.say(post())
        late = await client.answer()
        assert (late.status, late.header("retry-after") is not None) == (504, True)
        client.say(post(json.dumps({"model": "nobody-has-this", "messages": []}).encode()))
        assert (await client.answer()).status == 404
        await gateway.at_rest()


async def test_a_settings_file_with_a_mistake_leaves_the_upstreams_as_they_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "remuda.yaml"

    def say(upstreams: list[dict[str, object]]) -> None:
        said = {"data_dir": str(tmp_path / "data"), "server": {"port": 0}, "health": HEALTH, "upstreams": upstreams}
        file.write_text(json.dumps(said))

    async with FakeUpstream() as one, FakeUpstream() as two:
        say([{"url": one.url, "name": "one"}])
        async with running_with(load(file, environ={})) as gateway:

            def routable() -> dict[str, int]:
                return {each.id: id(each.slots) for each in gateway.remuda.fleet.replicas() if each.is_routable}

            await gateway.until(lambda: set(routable()) == {"one/fake"}, "the first is there")
            before = routable()
            say([{"url": two.url, "name": "two", "slots": "many"}])
            await gateway.until(lambda: "cannot be used" in caplog.text, "the mistake is said")
            assert routable() == before
            say([{"url": one.url, "name": "one"}, {"url": two.url, "name": "two"}])
            await gateway.until(lambda: set(routable()) == {"one/fake", "two/fake"}, "both are there")
            assert routable()["one/fake"] == before["one/fake"], "what has not changed keeps its count"


async def test_upstreams_of_a_changed_settings_file_come_and_go(tmp_path: Path) -> None:
    file = tmp_path / "remuda.yaml"

    def say(*urls: str) -> None:
        listed = [{"url": url, "name": f"n{number}"} for number, url in enumerate(urls)]
        said = {"data_dir": str(tmp_path / "data"), "server": {"port": 0}, "health": HEALTH, "upstreams": listed}
        file.write_text(json.dumps(said))

    async with FakeUpstream() as one, FakeUpstream() as two:
        say(one.url)
        async with running_with(load(file, environ={})) as gateway:

            def routable() -> set[str]:
                return {each.id for each in gateway.remuda.fleet.replicas() if each.is_routable}

            await gateway.until(lambda: routable() == {"n0/fake"}, "the first is there")
            say(one.url, two.url)
            await gateway.until(lambda: routable() == {"n0/fake", "n1/fake"}, "both are there")
            say()
            await gateway.until(lambda: not routable(), "both are gone")
