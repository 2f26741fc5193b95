"""`remuda explain`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from remuda.app.cli import main
from remuda.app.exits import Exit
from remuda.core.decision import Decision, rendered
from remuda.store import open_store
from remuda.store.journal_batch import Batch, write_batches
from tests.contract.store.samples import NOON, a_record

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMUDA_DATA_DIR", str(tmp_path / "data"))


def keep(tmp_path: Path, *records: Any) -> None:
    async def work() -> None:
        (tmp_path / "data").mkdir()
        store = await open_store(f"sqlite:///{tmp_path / 'data' / 'remuda.db'}")
        await write_batches(store, [Batch("one", 1, records)], NOON, is_durable=True)
        await store.close()

    asyncio.run(work())


OF = (("a/m", 0, 4), ("b/m", 1, 4))
DECIDED = rendered([Decision(1, "weighted", "a/m", OF), Decision(2, "only", "b/m", OF[1:], after="upstream_failed")])


def test_a_request_is_explained_without_its_text(tmp_path: Path, capsys: Capture) -> None:
    keep(tmp_path, a_record(1, id="mine", attempts=2, replica="b/m", decisions=DECIDED, prompt_text="a secret"))
    assert main(["explain", "mine"]) == Exit.OK
    assert capsys.readouterr().out.splitlines() == [
        "mine  2023-11-14T22:13:21Z  200",
        "  chat by openai, model remuda-tiny, key -",
        "  1.500 s, first content after 0.250 s, 0.001 s in the queue",
        "  attempt 1: a/m by weighted, of a/m (0/4), b/m (1/4)",
        "  attempt 2: b/m as the only one, of b/m (1/4); another attempt after upstream_failed",
    ]
    assert main(["explain", "mine", "--json"]) == Exit.OK
    out = capsys.readouterr().out
    [told] = json.loads(out)
    assert (told["entry"], told["id"], told["started_at"]) == (1, "mine", "2023-11-14T22:13:21Z")
    assert told["decisions"] == json.loads(DECIDED or "")
    assert "secret" not in out


def test_requests_of_one_id_are_told_newest_first(tmp_path: Path, capsys: Capture) -> None:
    refused = a_record(
        2, id="mine", attempts=0, replica="", status=503, fault="queue_full", ttft_s=None, model="", operation=""
    )
    keep(tmp_path, a_record(1, id="mine", replica="a/m\x1b[31m"), refused)
    assert main(["explain", "mine"]) == Exit.OK
    assert capsys.readouterr().out.splitlines() == [
        "mine  2023-11-14T22:13:22Z  503 queue_full",
        "  no operation by openai, model -, key -",
        "  1.500 s, 0.001 s in the queue",
        "  it was sent to nobody",
        "mine  2023-11-14T22:13:21Z  200",
        "  chat by openai, model remuda-tiny, key -",
        "  1.500 s, first content after 0.250 s, 0.001 s in the queue",
        "  attempt 1: a/m\N{REPLACEMENT CHARACTER}[31m as the only one",
    ]


def test_a_request_that_is_not_there(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path, a_record(1))
    assert main(["explain", "yours"]) == Exit.CHECK_FAILED
    assert capsys.readouterr().err == "remuda: the journal holds no request 'yours' (records are kept for 90 days)\n"
    monkeypatch.setenv("REMUDA_JOURNAL__RETENTION_DAYS", "0")
    assert main(["explain", "x" * 1000]) == Exit.CHECK_FAILED
    assert len(capsys.readouterr().err) < 300
