"""Anthropic's paths beside the lane, and models in its words."""

from typing import Any

import pytest

from tests.fixtures.asgi import client, fleet_of, parts, replica

VERSION = {"anthropic-version": "2023-06-01"}


async def get(path: str, headers: dict[str, str] = VERSION) -> Any:
    fleet = fleet_of(*(replica(name) for name in ("a", "b", "c")), aliases={"alias": "b"})
    async with client(parts(fleet=fleet), headers=headers) as caller:
        return await caller.get(path)


async def test_models_in_the_words_of_who_asks() -> None:
    said = (await get("/v1/models")).json()
    assert [each["id"] for each in said["data"]] == ["a", "alias", "b", "c"]
    assert said["data"][0] == {
        "type": "model",
        "id": "a",
        "display_name": "a",
        "created_at": "2023-11-14T22:13:20Z",
        "lifecycle": "active",
        "max_input_tokens": said["data"][0]["max_tokens"],
        "max_tokens": said["data"][0]["max_tokens"],
    }
    assert (said["has_more"], said["first_id"], said["last_id"]) == (False, "a", "c")
    assert (await get("/v1/models", {})).json()["object"] == "list"
    assert (await get("/v1/models/b")).json()["type"] == "model"
    assert (await get("/v1/models/nope")).status_code == 404


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ("limit=2", ["a", "alias"], True),
        ("after_id=alias", ["b", "c"], False),
        ("before_id=c&limit=1", ["b"], True),
        ("after_id=z", [], False),
    ],
)
async def test_pages(query: str, ids: list[str], has_more: bool) -> None:
    said = (await get(f"/v1/models?{query}")).json()
    assert ([each["id"] for each in said["data"]], said["has_more"]) == (ids, has_more)


async def test_what_makes_no_sense() -> None:
    assert (await get("/v1/models?limit=0")).status_code == 400
    for path in ("/v1/messages/batches", "/v1/messages/batches/x/results"):
        answer = await get(path)
        assert (answer.status_code, answer.json()["error"]["type"]) == (501, "invalid_request_error"), path
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        answer = await get(path)
        assert (answer.status_code, answer.json()["type"]) == (405, "error")
    assert (await get("/v1/messages/nothing")).json()["error"]["type"] == "not_found_error"


async def test_errors_beside_its_own_paths_are_in_the_words_of_who_asks() -> None:
    for path in ("/v1/models/nope", "/v1/models?limit=0", "/v1/nothing"):
        said = (await get(path)).json()
        assert (said["type"], "request_id" in said) == ("error", True), path
    assert "type" not in (await get("/v1/models/nope", {})).json()
