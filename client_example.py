"""A client of the task API in one file, without dependencies: copy it, or learn from it.

    python client_example.py [BASE_URL]

asks a running gateway (http://localhost:7368) for a haiku. The key, where one is needed, is taken from the variable
API_KEY. In a program of your own:

    from client_example import LLMClient

    client = LLMClient("http://localhost:7368", api_key="...")
    print(client.generate("Write a haiku about programming", max_tokens=100)["result"])
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

DEFAULT_URL = "http://localhost:7368"
REQUEST_S = 30.0
"""How long one request may take."""
MAX_RATE_WAITS = 20
"""How often a request that came too soon is made again."""


class LLMError(Exception):
    """A request was refused, or a task failed; the message says why."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """Of the answer; None where there was none, or where it was the task that failed."""


class LLMClient:
    """Hands in prompts and fetches answers."""

    def __init__(self, base_url: str = DEFAULT_URL, api_key: str | None = None) -> None:
        """Without a key only a gateway on this machine answers, as long as it has no keys."""
        self.base_url = base_url.rstrip("/")
        self._headers = {"Content-Type": "application/json"} | ({"X-API-Key": api_key} if api_key else {})

    def health_check(self) -> dict[str, Any]:
        """How the gateway is: `status`, `model_loaded`, `available_models` and more."""
        return self._ask("GET", "/health")

    def submit_request(
        self,
        prompt: str,
        max_tokens: int = 512,
        temperature: float = 0.7,
        top_p: float = 0.9,
        user_id: str | None = None,
        **more: Any,
    ) -> str:
        """Hand in a prompt; the id of its task. `more`: what else a request may hold (`model`, `priority` ...)."""
        body = {"prompt": prompt, "max_tokens": max_tokens, "temperature": temperature, "top_p": top_p, **more}
        if user_id is not None:
            body["user_id"] = user_id
        return str(self._ask("POST", "/generate", body)["task_id"])

    def get_status(self, task_id: str) -> dict[str, Any]:
        """How the task stands: its `status` is `queued`, `processing`, `completed` or `failed`."""
        return self._ask("GET", f"/status/{task_id}")

    def get_result(self, task_id: str) -> dict[str, Any]:
        """What came of it: `result` and `metrics` with `status` `completed`, `error_message` with `error`; else it is
        still waited for."""
        return self._ask("GET", f"/result/{task_id}")

    def wait_for_result(self, task_id: str, timeout: float = 300.0, poll_interval: float = 1.0) -> dict[str, Any]:
        """`get_result`, once the task is over; raises TimeoutError after so many seconds."""
        end = time.monotonic() + timeout
        while True:
            found = self.get_result(task_id)
            if found["status"] in ("completed", "error"):
                return found
            if time.monotonic() + poll_interval > end:
                raise TimeoutError(f"the task {task_id} is not over after {timeout:g} s: it is {found['status']}")
            time.sleep(poll_interval)

    def generate(
        self,
        prompt: str,
        max_tokens: int = 512,
        temperature: float = 0.7,
        wait: bool = True,
        timeout: float = 300.0,
        **more: Any,
    ) -> dict[str, Any]:
        """Hand in a prompt and wait for its result (raises LLMError where the task fails); with `wait=False` only its
        `task_id` comes back, at once."""
        task_id = self.submit_request(prompt, max_tokens, temperature, **more)
        if not wait:
            return {"status": "queued", "task_id": task_id}
        found = self.wait_for_result(task_id, timeout)
        if found["status"] == "error":
            raise LLMError(f"{found['error_type']}: {found['error_message']}")
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        for _ in range(MAX_RATE_WAITS):
            asked = urllib.request.Request(self.base_url + path, data, self._headers, method=method)
            try:
                with urllib.request.urlopen(asked, timeout=REQUEST_S) as answer:
                    said: dict[str, Any] = json.load(answer)
                    return said
            except urllib.error.HTTPError as error:
                with error:
                    if error.code != 429:
                        raise LLMError(_error_in(error.read()), error.code) from None
                    time.sleep(min(60.0, float(error.headers.get("Retry-After") or 1.0)))
            except urllib.error.URLError as error:
                raise LLMError(f"{self.base_url} cannot be reached: {error.reason}") from None
        raise LLMError("too many requests: the gateway's rate limit is used up", 429)


def _error_in(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return "the gateway answered something that is no JSON"


def main() -> None:
    """Show each call once."""
    client = LLMClient(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_URL, os.environ.get("API_KEY"))
    try:
        health = client.health_check()
        print(f"The gateway is {health['status']}; tasks are answered by {health['model']}.")
        task_id = client.submit_request("Write a haiku about programming", max_tokens=60)
        print(f"Task {task_id} is {client.get_status(task_id)['status']}.")
        found = client.wait_for_result(task_id)
        print(f"\n{found.get('result', found.get('error_message'))}\n\n{json.dumps(found.get('metrics'), indent=2)}")
    except (LLMError, TimeoutError) as error:
        sys.exit(f"client_example.py: {error}")


if __name__ == "__main__":
    main()
