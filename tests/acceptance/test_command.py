"""The `remuda` command beside a running gateway."""

import asyncio
import json
from pathlib import Path

import pytest

from remuda.app.checks.servers import check_ports
from remuda.app.cli import main
from remuda.app.exits import Exit
from remuda.app.settings import Settings
from tests.fixtures.gateway import RunningGateway


async def command(*words: str) -> int:
    """Run the command as another program would: not in the gateway's own thread."""
    return await asyncio.to_thread(main, words)


async def test_models_of_a_running_gateway(gateway: RunningGateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert await command("models", "--url", gateway.url, "--json") == Exit.OK
    assert [entry["model"] for entry in json.loads(capsys.readouterr().out)] == ["fake"]


async def test_a_key_reaches_a_running_gateway(
    gateway: RunningGateway, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = ("--data", str(gateway.remuda.settings.data_dir))
    assert await command("keys", "create", "--name", "me", *data) == Exit.OK
    secret = capsys.readouterr().out.strip()
    await gateway.until(lambda: len(gateway.remuda.gatekeeper.ring), "the gateway knows the key")
    assert await command("models", "--url", gateway.url) == Exit.CHECK_FAILED
    assert "needs a key" in capsys.readouterr().err
    assert await command("models", "--url", gateway.url, "--key", secret) == Exit.OK
    assert await command("keys", "revoke", "me", *data) == Exit.OK
    await gateway.until(lambda: not len(gateway.remuda.gatekeeper.ring), "the gateway has forgotten it")


async def test_the_doctor_knows_a_running_gateway(gateway: RunningGateway) -> None:
    settings = Settings.model_validate({"server": {"port": gateway.port}})
    (finding,) = await check_ports(settings)
    assert finding.message == f"a Remuda listens on 127.0.0.1:{gateway.port} already"
