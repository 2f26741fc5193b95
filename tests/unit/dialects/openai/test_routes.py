import pytest

from remuda.core.keys import Scope
from tests.fixtures.asgi import client, fleet_of, parts, replica


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_models_are_listed_as_openai_lists_them(version):  # row 44
    fleet = fleet_of(replica("org/name:tag"), aliases={"short": "org/name:tag"})
    async with client(parts(fleet=fleet, pseudonym="remuda-1")) as caller:
        answer = await caller.get(f"/{version}/models")
    assert answer.headers["content-type"] == "application/json"
    model = {
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "local",
        "context_length": 4096,
        "remuda": {"state": "active", "replicas": 1},
    }
    alias = model | {"remuda": model["remuda"] | {"alias_of": "org/name:tag"}}
    assert answer.json() == {
        "object": "list",
        "data": [{"id": "org/name:tag"} | model, {"id": "short"} | alias],
        "remuda": {"instance": "remuda-1"},
    }


async def test_a_remuda_says_who_it_is_and_is_not_told_of_what_it_has_itself():
    fleet = fleet_of(replica("theirs", path=("remuda-2",)), replica("ours"))
    async with client(parts(fleet=fleet)) as caller:
        said = {}
        for via in ("1.1 remuda-2", "1.1 proxy, 1.1 remuda-2 (x)", "1.1 remuda-3"):
            answer = await caller.get("/v1/models", headers={"via": via})
            said[via] = [entry["id"] for entry in answer.json()["data"]]
        refused = await caller.get("/v1/models", headers={"via": ",".join(["1.1 a"] * 17)})
    assert list(said.values()) == [["ours"], ["ours"], ["ours", "theirs"]]
    assert (refused.status_code, refused.json()["error"]["code"]) == (508, "loop_detected")


@pytest.mark.parametrize("written", ["org/name:tag", "org%2Fname%3Atag", "short"])
async def test_model_is_described_under_every_name_it_has(written):  # row 44
    fleet = fleet_of(replica("org/name:tag"), aliases={"short": "org/name:tag"})
    async with client(parts(fleet=fleet)) as caller:
        answer = await caller.get(f"/v1/models/{written}")
    assert answer.status_code == 200
    assert answer.json()["id"] in ("org/name:tag", "short")


async def test_unknown_model_is_a_404_in_openais_words():  # rows 44, 66
    async with client() as caller:
        answer = await caller.get("/v1/models/none")
    error = answer.json()["error"]
    assert answer.status_code == 404
    assert (error["code"], error["type"], error["param"]) == ("model_not_found", "invalid_request_error", "model")
    assert "'none'" in error["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/audio/speech"),
        ("POST", "/v1/images/generations"),
        ("POST", "/v2/moderations"),
        ("POST", "/v1/uploads/u/parts"),
        ("GET", "/v1/fine_tuning/jobs"),
        ("GET", "/v1/assistants"),
        ("POST", "/v1/threads/t/runs"),
        ("PUT", "/v1/vector_stores/v"),
        ("POST", "/v1/realtime/sessions"),
        ("GET", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/chat/completions/chatcmpl-1"),
        ("PATCH", "/v1/evals"),
        ("GET", "/v1/conversations/c/items"),
    ],
)
async def test_rest_of_openais_surface_is_a_clear_501(method, path):
    async with client(parts(keyed=True), scope=Scope.INFERENCE) as caller:
        answer = await caller.request(method, path)
    assert answer.status_code == 501
    assert answer.json()["error"]["type"] == "not_implemented_error"
    assert answer.json()["error"]["message"].startswith("this gateway does not offer ")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/responses/input_tokens", "counting of tokens"),
        ("/v2/chat/completions/input_tokens", "counting of tokens"),
        ("/v1/responses/compact", "compaction"),
        ("/v1/responses/resp_1/input_items", "kept responses"),
    ],
)
async def test_what_is_not_kept_is_told_from_what_is_not_counted(path, words):
    async with client() as caller:
        answer = await caller.post(path, json={})
    assert answer.status_code == 501
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/models2", "/v1/chat", "/v1/responses/", "/v1/models/", "/v1"])
async def test_unknown_path_is_a_404_in_openais_words(path):
    async with client() as caller:
        answer = await caller.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


async def test_lane_path_that_came_around_the_lane_is_told_how_to_be_written():
    async with client() as caller:
        answer = await caller.post("/v1/%63hat/completions", json={})
    assert answer.status_code == 400
    assert "POST /v1/chat/completions" in answer.json()["error"]["message"]
