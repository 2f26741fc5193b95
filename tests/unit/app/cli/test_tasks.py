"""`remuda tasks`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit
from remuda.core.clock import SystemClock
from remuda.core.task import Ending, NewTask, TaskState
from remuda.outbound.webhooks import key_in
from remuda.store import open_store, store_url_in
from remuda.store.task_claims import claim_tasks, finish_tasks
from remuda.store.tasks import submit_tasks

Capture = pytest.CaptureFixture[str]
ID = "00000000-0000-4000-8000-00000000000{}"
DONE, WAITING = ID.format(1), ID.format(2)


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def _two_tasks(tmp_path: Path) -> None:
    """One that is over, and one that waits."""

    async def make() -> None:
        (tmp_path / "data").mkdir()
        store = await open_store(store_url_in(tmp_path / "data"))
        now = SystemClock.wall()
        for id_ in (DONE, WAITING):
            new = NewTask(id_, "k", "tasks", "/p", "m", b"{}", user_id="u" if id_ == DONE else "", webhook="http://h/")
            await submit_tasks(store, [new], now)
        [claim] = await claim_tasks(store, "w", "m", 1, now, 60.0)
        await finish_tasks(store, [(claim, Ending(TaskState.COMPLETED, b"", "Hello\x1b[1m\nyou", 200))], now, 3600.0)
        await store.close()

    asyncio.run(make())


def answer(capsys: Capture, *arguments: str) -> Any:
    capsys.readouterr()
    assert main(["tasks", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: Capture, *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["tasks", *arguments])
    return code, capsys.readouterr().err.removeprefix("remuda: ").rstrip()


def test_lists(capsys: Capture) -> None:
    assert [task["id"] for task in answer(capsys, "list")] == [WAITING, DONE]
    assert [task["id"] for task in answer(capsys, "list", "--state", "completed", "--state", "failed")] == [DONE]
    assert [task["id"] for task in answer(capsys, "list", "--user", "u")] == [DONE]
    assert answer(capsys, "list", "--model", "other") == answer(capsys, "list", "--key", "other") == []
    assert len(answer(capsys, "list", "--limit", "1")) == 1
    assert main(["tasks", "list"]) == 0
    assert f"{WAITING}  queued" in capsys.readouterr().out


def test_one_is_shown_with_its_answer(capsys: Capture) -> None:
    shown = answer(capsys, "show", DONE)
    assert (shown["state"], shown["result"]) == ("completed", "Hello\x1b[1m\nyou")
    assert [(each["type"], each["state"]) for each in shown["deliveries"]] == [("task.completed", "due")]
    assert main(["tasks", "show", DONE]) == 0
    said = capsys.readouterr().out
    assert "task.completed: due after 0 tries\n" in said
    assert "\x1b" not in said
    assert said.endswith("\nyou\n")


def test_one_is_cancelled_and_retried(capsys: Capture) -> None:
    assert refusal(capsys, "retry", WAITING)[1].endswith("is queued: only one that failed or was cancelled runs again")
    assert answer(capsys, "cancel", WAITING.upper())["state"] == "cancelled"
    assert refusal(capsys, "cancel", WAITING) == (1, f"the task {WAITING!r} is over already: it is cancelled")
    assert main(["tasks", "retry", WAITING]) == 0
    assert capsys.readouterr().out == f"{WAITING} waits for its turn.\n"
    assert refusal(capsys, "retry", DONE)[0] == 1


@pytest.mark.parametrize("command", ["show", "cancel", "retry"])
def test_what_is_not_there(capsys: Capture, command: str) -> None:
    for word in (ID.format(9), "nonsense"):
        assert refusal(capsys, command, word) == (1, f"there is no task {word!r}, or none any more")


def test_the_secret_of_webhooks(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    made = answer(capsys, "secret")["secret"]
    assert len(key_in(made)) == 32
    assert main(["tasks", "secret"]) == 0
    assert capsys.readouterr().out == f"{made}\n"
    monkeypatch.setenv("REMUDA_TASKS__WEBHOOK_SECRET", "whsec_c2VjcmV0")
    assert answer(capsys, "secret")["secret"] == "whsec_c2VjcmV0"


def test_without_a_word_it_helps(capsys: Capture) -> None:
    assert main(["tasks"]) == 0
    assert "retry" in capsys.readouterr().out


def test_a_wrong_state_is_a_wrong_use(capsys: Capture) -> None:
    assert refusal(capsys, "list", "--state", "odd")[0] == Exit.USAGE
