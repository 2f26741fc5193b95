"""The client that ships as an example, against a gateway's own answers and those that are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from client_example import LLMClient, LLMError

from tests.fixtures.process import fake_upstream, remuda_serve


def test_every_call(tmp_path: Path) -> None:
    with fake_upstream() as fake, remuda_serve(tmp_path, "--upstream", fake.url, API_KEYS="test-key-123") as gateway:
        client = LLMClient(gateway.url + "/", "test-key-123")
        assert client.health_check()["status"] == "healthy"
        found = client.generate("Hello", max_tokens=7, temperature=0.1, top_p=0.5, user_id="me", model="fake")
        assert (found["status"], bool(found["result"])) == ("completed", True)
        assert client.get_status(found["task_id"])["status"] == "completed"
        queued = client.generate("Hello", wait=False)
        assert client.wait_for_result(queued["task_id"], poll_interval=0.05)["status"] == "completed"
        asked: list[Any] = [json.loads(each.body) for each in fake.seen if each.path == "/v1/chat/completions"]
        assert (asked[0]["max_tokens"], asked[0]["temperature"], asked[0]["top_p"]) == (7, 0.1, 0.5)
        with pytest.raises(LLMError, match="temperature") as refused:
            client.submit_request("Hello", temperature=3)
        assert refused.value.status == 400
        with pytest.raises(LLMError) as refused:
            client.get_result("nonsense")
        assert refused.value.status == 404
        with pytest.raises(LLMError) as refused:
            LLMClient(gateway.url).get_result("nonsense")
        assert refused.value.status == 401
        held = fake.gate
        held.hold()
        task_id = client.submit_request("Hello")
        with pytest.raises(TimeoutError, match="not over"):
            client.wait_for_result(task_id, timeout=0.0, poll_interval=0.05)
        held.release()
    with pytest.raises(LLMError, match="cannot be reached"):
        client.health_check()
