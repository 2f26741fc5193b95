"""Which log files a process has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from remuda.app.exits import CommandError, Exit
from remuda.app.logs import gateway_log_files, secrets_of, worker_log_files
from remuda.app.settings import LogSettings, Settings


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_where_no_folder_is_set_there_are_none() -> None:
    assert gateway_log_files(LogSettings()) == ()
    with worker_log_files(LogSettings()) as files:
        assert files == ()


def test_each_worker_has_its_own_beside_the_gateways(tmp_path: Path) -> None:
    settings = LogSettings(folder=tmp_path / "logs")
    gateways = {"app.log", "errors.log", "llm_requests.log"}
    opened = list(gateway_log_files(settings))
    with worker_log_files(settings) as first, worker_log_files(settings) as second:
        opened += [*first, *second]
        logs = {name for name in names(tmp_path / "logs") if not name.endswith(".lock")}
        assert logs == gateways | {f"worker-{n}{rest}.log" for n in (1, 2) for rest in ("", ".errors")}
    with worker_log_files(settings) as again:  # the first number is free again
        opened += again
        assert "worker-3.log" not in names(tmp_path / "logs")
    for handler in opened:
        handler.close()


@pytest.mark.parametrize("make", [gateway_log_files, lambda settings: worker_log_files(settings).__enter__()])
def test_a_folder_that_cannot_be_written(make: Callable[[LogSettings], object], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = LogSettings(folder=tmp_path / "file" / "logs")
    with pytest.raises(CommandError) as refused:
        make(settings)
    assert refused.value.code == Exit.CONFIGURATION
    assert str(refused.value).startswith("log.folder: no log files can be written to ")


def test_what_no_line_may_hold() -> None:
    settings = Settings(
        upstreams=({"url": "http://h", "api_key": "one"},),
        auth={"api_keys": ("two",), "secret_key": "three"},
        tasks={"webhook_secret": "four", "gateway_key": "five"},
        database_url="postgresql://me:six@host/db",
        redis_url="redis://:seven@host",
    )
    assert sorted(secrets_of(settings)) == ["five", "four", "one", "seven", "six", "three", "two"]
