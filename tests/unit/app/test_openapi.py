import json
import re

from remuda.app.asgi import bare_parts, inner_app, policy
from remuda.app.openapi import SCHEMES, document
from remuda.core.keys import Scope
from tests.fixtures.asgi import client, parts

MADE = document(inner_app(bare_parts("1.2.3")), policy())


def test_document_says_what_this_is_and_where():  # row 77
    assert MADE["openapi"].startswith("3.0.")
    assert (MADE["info"]["title"], MADE["info"]["version"]) == ("Remuda", "1.2.3")
    assert MADE["servers"]
    assert {scheme["type"] for scheme in MADE["components"]["securitySchemes"].values()} == {"http", "apiKey"}


def test_lane_routes_are_described_like_all_others():  # row 77
    for route in bare_parts("").lane_routes:
        operation = MADE["paths"][route.path]["post"]
        assert operation["summary"]
        assert "$ref" in operation["requestBody"]["content"]["application/json"]["schema"]
        assert operation["responses"]["200"]["description"]
    chat = MADE["paths"]["/v1/chat/completions"]["post"]
    assert "text/event-stream" in chat["responses"]["200"]["content"]
    assert MADE["components"]["schemas"]["ChatBody"]["required"] == ["model", "messages"]


def test_schemas_use_the_words_of_3_0():  # row 77
    def schemas_in(part):
        if isinstance(part, dict):
            yield part
            for value in part.values():
                yield from schemas_in(value)
        elif isinstance(part, list):
            for value in part:
                yield from schemas_in(value)

    for schema in schemas_in(MADE):
        kind = schema.get("type", "object")
        assert not isinstance(kind, list), schema
        assert kind != "null", schema
        assert not {"const", "$defs", "prefixItems", "contentEncoding", "propertyNames"} & set(schema), schema
        assert schema.get("required") != [], schema
        assert "$ref" not in schema or len(schema) == 1, "what stands beside a reference is not seen"
        assert "nullable" not in schema or "type" in schema, "a schema without a type is not made nullable"


def test_what_may_be_null_is_said_to_be_so():
    chat = MADE["components"]["schemas"]["ChatBody"]["properties"]
    assert chat["n"] == {"type": "integer", "nullable": True, "default": None}
    options = {"$ref": "#/components/schemas/StreamOptions"}
    assert chat["stream_options"] == {"type": "object", "nullable": True, "default": None, "allOf": [options]}
    received = MADE["components"]["schemas"]["ErrorDetails"]["properties"]["received_value"]
    assert received["anyOf"][0] == {"type": "string", "nullable": True}
    assert {kind["type"] for kind in received["anyOf"]} == {"string", "integer", "number", "boolean"}


def test_every_reference_leads_somewhere():
    text = json.dumps(MADE)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        place = MADE
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_operation_is_told_apart_and_says_what_it_needs():
    operations = [operation for methods in MADE["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert not any("{" in each for each in ids)
    assert not any("422" in operation["responses"] for operation in operations), "invalid input is a 400 here"
    assert MADE["paths"]["/livez"]["get"]["security"] == []
    assert MADE["paths"]["/v1/models"]["get"]["security"] == [{name: []} for name in SCHEMES]


BODILESS = {
    "post /v1/batches/{id}/cancel",
    "post /v2/batches/{id}/cancel",
    "post /tasks/{task_id}/retry",
    "post /api/alerts/rules/{rule_id}/test",
    "post /api/optimization-suggestions/generate",
    "post /api/optimization-suggestions/{suggestion_id}/implement",
    "post /api/optimization-suggestions/{suggestion_id}/dismiss",
    "post /api/optimization-suggestions/{suggestion_id}/dry-run",
    "delete /v1/files/{id}",
    "delete /v2/files/{id}",
    "delete /tasks/{task_id}",
    "delete /api/proxy/nodes",
    "delete /api/proxy/nodes/{node_id}",
    "delete /api/budgets/{budget_id}",
    "delete /api/cost-settings/{setting_id}",
    "delete /api/alerts/rules/{rule_id}",
    "delete /api/model-comparisons/{comparison_id}",
}
"""What is changed without saying more than where."""


def test_every_part_of_a_path_is_a_parameter():
    for path, methods in MADE["paths"].items():
        parts_of_it = set(re.findall(r"{(\w+)", path))
        for operation in methods.values():
            declared = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]
            assert (set(declared), len(declared)) == (parts_of_it, len(parts_of_it)), path


def test_every_body_that_is_read_is_described():
    bodiless = {
        f"{method} {path}"
        for path, methods in MADE["paths"].items()
        for method, operation in methods.items()
        if method not in ("get", "head") and "requestBody" not in operation
    }
    assert bodiless == BODILESS
    pull = MADE["paths"]["/api/pull"]["post"]
    assert pull["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/OllamaPull")
    assert set(pull["responses"]["200"]["content"]) == {"application/json", "application/x-ndjson"}
    assert set(MADE["paths"]["/api/blobs/{digest}"]) == {"head", "post"}


def test_errors_are_those_of_the_paths_owner():  # C12
    for path, name in (
        ("/v1/models", "Refused"),
        ("/v1/messages", "RefusedByAnthropic"),
        ("/v1/messages/count_tokens", "RefusedByAnthropic"),
        ("/api/tags", "RefusedByOllama"),
        ("/api/health", "RefusedByOllama"),
        ("/api/account/login", "RefusedByNodes"),
    ):
        for operation in MADE["paths"][path].values():
            assert operation["responses"]["default"]["$ref"].rpartition("/")[2] == name


def test_logging_in_needs_nothing_and_takes_json_or_a_form():
    login = MADE["paths"]["/api/account/login"]["post"]
    assert login["security"] == []
    assert set(login["requestBody"]["content"]) == {"application/json", "application/x-www-form-urlencoded"}


async def test_document_is_served_to_who_holds_a_key():  # row 77
    async with client(parts(keyed=True), scope=Scope.READ) as caller:
        answer = await caller.get("/openapi.json")
        assert answer.json() == MADE
        assert (await caller.get("/openapi.json")).content == answer.content
