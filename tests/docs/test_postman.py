"""The collection for Postman: every route once, in the format that Postman imports."""

import json
import re
from pathlib import Path
from typing import Any

from tools.postman import EXAMPLES, SCHEMA

from remuda.app.asgi import bare_parts, inner_app, policy
from remuda.app.openapi import document
from tests.fixtures.asgi import client, parts

ROOT = Path(__file__).parents[2]
COLLECTION = json.loads((ROOT / "docs" / "postman" / "remuda.postman_collection.json").read_text(encoding="utf-8"))
SAMPLE = json.loads((ROOT / "tests" / "compat" / "samples" / "lens_postman.json").read_text(encoding="utf-8"))
REQUESTS: list[dict[str, Any]] = [item["request"] for folder in COLLECTION["item"] for item in folder["item"]]


def path_of(request: dict[str, Any]) -> str:
    return "/" + "/".join(request["url"]["path"])


def test_every_route_of_the_document_is_there_once() -> None:
    said = [(request["method"], re.sub(r":(\w+)", r"{\1}", path_of(request))) for request in REQUESTS]
    paths = document(inner_app(bare_parts("")), policy())["paths"]
    wanted = [(method.upper(), re.sub(":path", "", path)) for path, methods in paths.items() for method in methods]
    assert sorted(said) == sorted((method, path) for method, path in wanted if not path.startswith("/v2/"))


def test_it_is_what_postman_imports() -> None:
    assert COLLECTION["info"]["schema"] == SCHEMA == SAMPLE["info"]["schema"]
    assert {variable["key"] for variable in COLLECTION["variable"]} == {"base_url", "api_key"}
    for folder in COLLECTION["item"]:
        for item in folder["item"]:
            request = item["request"]
            assert item["name"]
            assert request["url"]["raw"] == "{{base_url}}" + path_of(request)
            variables = {each["key"] for each in request["url"].get("variable", ())}
            assert variables == set(re.findall(r":(\w+)", path_of(request)))
            if request.get("body", {}).get("mode") == "raw" and request["body"]["raw"]:
                json.loads(request["body"]["raw"])
    assert set(EXAMPLES) <= {path_of(request) for request in REQUESTS}


def test_the_documents_own_request_is_in_it() -> None:
    [wanted] = SAMPLE["item"]
    items = [item for folder in COLLECTION["item"] for item in folder["item"]]
    [ours] = [item for item in items if item["name"] == wanted["name"]]
    assert {**ours["request"], "url": {k: ours["request"]["url"][k] for k in wanted["request"]["url"]}} == wanted[
        "request"
    ]


async def test_what_is_asked_without_a_body_is_answered() -> None:
    async with client(parts()) as caller:
        for request in REQUESTS:
            if request["method"] == "GET" and "variable" not in request["url"] and "/export/" not in path_of(request):
                answer = await caller.get(path_of(request), headers={"Authorization": "Bearer "})
                assert answer.status_code not in (404, 405), path_of(request)
