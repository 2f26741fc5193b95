"""`openai`'s client: files and batches, on the real engine."""

import json
from typing import Any

import openai
import pytest
from openai.types import Batch

from tests.compat.conftest import SLOW, Served
from tests.fixtures.process import until

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat")]

CHAT = "/v1/chat/completions"
OVER = ("completed", "failed", "cancelled", "expired")


def jsonl(url: str, *bodies: dict[str, Any]) -> bytes:
    asked = ({"custom_id": f"c{n}", "method": "POST", "url": url, "body": body} for n, body in enumerate(bodies))
    return b"".join(json.dumps(each).encode() + b"\n" for each in asked)


def batch_of(client: openai.OpenAI, url: Any, *bodies: dict[str, Any], **values: Any) -> Batch:
    file = client.files.create(file=("in.jsonl", jsonl(url, *bodies)), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h", **values)


def ended(client: openai.OpenAI, batch: Batch) -> Batch:
    found: Batch = until(
        lambda: (said := client.batches.retrieve(batch.id)).status in OVER and said, "the batch is over"
    )
    return found


def lines_of(client: openai.OpenAI, file_id: str | None) -> list[Any]:
    assert file_id is not None
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def chat(text: str, **values: Any) -> dict[str, Any]:
    return {"model": "remuda-tiny", "messages": [{"role": "user", "content": text}], "max_tokens": 8, **values}


def test_files(client: openai.OpenAI) -> None:
    content = jsonl(CHAT, chat("hi"))
    file = client.files.create(
        file=("in.jsonl", content), purpose="batch", expires_after={"anchor": "created_at", "seconds": 7200}
    )
    assert (file.object, file.bytes, file.filename, file.purpose, file.status) == (
        "file",
        len(content),
        "in.jsonl",
        "batch",
        "processed",
    )
    assert file.expires_at == file.created_at + 7200
    assert client.files.retrieve(file.id) == file
    others = [client.files.create(file=("x.jsonl", b"{}\n"), purpose="batch") for _ in range(3)]
    listed = [each.id for each in client.files.list(limit=2, purpose="batch")]
    assert listed[:4] == [each.id for each in [*others[::-1], file]]
    assert client.files.content(file.id).read() == content
    for each in (file, *others):
        assert client.files.delete(each.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("x", b"x"), purpose="assistants")
    assert refused.value.param == "purpose"


def test_a_batch_of_chats(client: openai.OpenAI) -> None:
    batch = batch_of(client, CHAT, chat("Hello"), chat("two", model="none"), chat("Hi"), metadata={"for": "me"})
    assert (batch.status, batch.object, batch.endpoint) == ("validating", "batch", CHAT)
    over = ended(client, batch)
    assert over.status == "completed", over
    assert over.request_counts is not None
    assert over.request_counts.model_dump() == {"total": 3, "completed": 2, "failed": 1}
    assert over.metadata == {"for": "me"}
    answers = {each["custom_id"]: each["response"]["body"] for each in lines_of(client, over.output_file_id)}
    assert set(answers) == {"c0", "c2"}
    assert answers["c0"]["choices"][0]["message"]["content"]
    assert answers["c0"]["usage"]["completion_tokens"] > 0
    [failure] = lines_of(client, over.error_file_id)
    assert (failure["custom_id"], failure["response"]["status_code"]) == ("c1", 404)
    assert over.id in [each.id for each in client.batches.list(limit=1)]


@pytest.mark.parametrize(
    ("url", "body", "kind"),
    [
        ("/v1/completions", {"model": "remuda-tiny", "prompt": "1, 2,", "max_tokens": 4}, "text_completion"),
        ("/v1/embeddings", {"model": "remuda-tiny-embed", "input": ["a", "b"]}, "list"),
        ("/v1/responses", {"model": "remuda-tiny", "input": "Hi", "max_output_tokens": 16}, "response"),
    ],
)
def test_other_endpoints(client: openai.OpenAI, url: str, body: dict[str, Any], kind: str) -> None:
    over = ended(client, batch_of(client, url, body))
    [line] = lines_of(client, over.output_file_id)
    assert (line["error"], line["response"]["status_code"]) == (None, 200)
    assert line["response"]["body"]["object"] == kind


def test_a_batch_whose_file_is_wrong(client: openai.OpenAI) -> None:
    over = ended(client, batch_of(client, CHAT, chat("one"), chat("two", stream=True)))
    assert over.status == "failed"
    assert over.errors is not None
    assert [(error.line, error.code) for error in over.errors.data or ()] == [(2, "invalid_stream")]


def test_a_batch_that_is_cancelled(client: openai.OpenAI, served: Served) -> None:
    slow = [chat("word " * 300, model=SLOW, max_tokens=2000) for _ in range(6)]
    batch = batch_of(client, CHAT, *slow)
    until(served.at_work, "an engine works")
    assert client.batches.cancel(batch.id).status == "cancelling"
    over = ended(client, batch)
    assert (over.status, over.output_file_id) == ("cancelled", None)
    assert over.cancelled_at is not None
    served.at_rest()
