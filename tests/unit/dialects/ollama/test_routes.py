import pytest

from remuda.core.keys import Scope
from remuda.dialects.ollama.routes import API_LEVEL
from tests.fixtures.asgi import client, fleet_of, parts, replica


async def test_lists_and_version():
    async with client(parts(fleet=fleet_of(replica("org/name:tag")))) as caller:
        tags, ps = (await caller.get("/api/tags")).json(), (await caller.get("/api/ps")).json()
        version = await caller.get("/api/version")
        head = await caller.head("/api/tags")
    assert [model["name"] for model in tags["models"]] == [model["model"] for model in ps["models"]] == ["org/name:tag"]
    assert ps["models"][0]["context_length"] == 4096
    assert version.json() == {"version": API_LEVEL}
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("field", ["model", "name"])
async def test_a_model_is_shown_by_either_name_of_the_field(field):
    async with client() as caller:
        answer = await caller.post("/api/show", json={field: "a-model:latest"})
    assert answer.status_code == 200
    assert answer.json()["capabilities"] == ["completion", "tools"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b'{"model":"nope"}', 404, "model 'nope' not found"),
        (b"{}", 400, "the request is missing the required parameter 'model'"),
        (b'{"model":1}', 400, "'model' must be str | null, not int"),
        (b"{", 400, "the request body is not valid JSON: Input data was truncated"),
    ],
)
async def test_what_cannot_be_shown_is_refused_in_ollamas_shape(body, status, error):
    async with client() as caller:
        answer = await caller.post("/api/show", content=body)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


async def test_other_methods_are_refused_in_ollamas_shape():
    async with client() as caller:
        answer = await caller.get("/api/chat")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize("path", ["/api/tags", "/api/ps", "/api/version"])
async def test_once_keys_exist_one_is_needed(path):
    for scope, status in ((None, 401), (Scope.INFERENCE, 200), (Scope.READ, 200)):
        async with client(parts(keyed=True), scope=scope) as caller:
            assert (await caller.get(path)).status_code == status


async def test_a_key_for_inference_shows_a_model():
    async with client(parts(keyed=True), scope=Scope.INFERENCE) as caller:
        assert (await caller.post("/api/show", json={"model": "a-model"})).status_code == 200


async def test_ollamas_own_clients_find_it_running():
    async with client(headers={"user-agent": "ollama-python/0.6.3"}) as caller:
        assert (await caller.get("/")).text == "Ollama is running"
        assert (await caller.head("/")).status_code == 200
