import hashlib
import re
from pathlib import Path

import pytest

from remuda.core.keys import Scope
from remuda.dialects.console import docs
from remuda.dialects.console.docs import ASSETS, CONTENT_SECURITY, LOGO, PAGE, REDOC, SWAGGER
from tests.fixtures.asgi import client, parts

FOLDER = Path(docs.__file__).parent
FOREIGN = {
    "swagger/swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
    "swagger/swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "redoc/redoc.standalone.js": "dcaf76612bc4a3fbcc923a8966dee2f6146a5f32e5ce1b6f02dd60cbbf89500b",
}
LICENCES = {
    "swagger": ("# Swagger UI 5.35.0", {"LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"}),
    "redoc": ("# Redoc 2.5.4", {"LICENSE", "redoc.standalone.js.LICENSE.txt"}),
}
PAGES = ("/docs", "/swagger", "/redoc")
DOCUMENTS = ("/openapi.json", "/api/schema")


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_ours_is_as_it_came(name: str):
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == FOREIGN[name]


@pytest.mark.parametrize("name", LICENCES)
def test_what_is_not_ours_says_whose_it_is(name: str):
    title, files = LICENCES[name]
    assert files <= {path.name for path in (FOLDER / name).iterdir()}
    assert title in (FOLDER / name / "README.md").read_text(encoding="utf-8")


def test_it_is_not_too_much():
    assert sum((FOLDER / asset.path).stat().st_size for asset in ASSETS) < 3.5 * 1024 * 1024


def test_nothing_comes_from_elsewhere():
    start = (FOLDER / "start/start.js").read_text(encoding="utf-8")
    whole = PAGE + SWAGGER + REDOC
    loaded = re.findall(r'(?:src|href)="([^"]*)"', whole) + re.findall(r'fetch\("([^"]*)"', start)
    ours = [f"docs/{Path(asset.path).name}" for asset in ASSETS]
    assert sorted(loaded) == sorted([*ours, "data:,", "openapi.json"])
    assert "validatorUrl: null" in start, "else a badge is asked of a foreign host"
    assert "default-src 'none'" in CONTENT_SECURITY
    assert "unsafe" not in CONTENT_SECURITY
    assert not re.search(r"<script>|<style|style=|\son\w+=", whole), "the policy lets none of these pass"


async def test_the_one_picture_from_elsewhere_is_taken_out():
    assert (FOLDER / "redoc/redoc.standalone.js").read_bytes().count(LOGO) == 1
    async with client(parts()) as caller:
        answer = await caller.get("/docs/redoc.standalone.js")
    assert LOGO not in answer.content
    assert b"cdn." not in answer.content


@pytest.mark.parametrize("keyed", [False, True])
async def test_pages_and_all_they_load_are_for_everybody(keyed: bool):
    kinds = {"": "text/html", ".css": "text/css", ".js": "text/javascript"}
    async with client(parts(keyed=keyed)) as caller:
        for path in PAGES:
            answer = await caller.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-security-policy"] == CONTENT_SECURITY
            assert answer.headers["content-type"].startswith(kinds[""])
            assert ("data-needs-key" in answer.text) is keyed, "so that none is asked for in vain"
            assert "a-model" not in answer.text
        for path in (f"/docs/{Path(asset.path).name}" for asset in ASSETS):
            answer = await caller.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(kinds[Path(path).suffix])
            assert answer.content
        for path in ("/docs/swagger-ui.css.map", "/docs/", "/docs/README.md"):
            assert (await caller.get(path)).status_code == 404, "relative addresses would miss below it"


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_the_document_needs_a_key(path: str):
    for scope, is_admitted in ((None, False), (Scope.READ, True), (Scope.INFERENCE, True), (Scope.MANAGE, False)):
        async with client(parts(keyed=True), scope=scope) as caller:
            answer = await caller.get(path)
        assert (answer.status_code == 200) is is_admitted, scope
        if is_admitted:
            assert answer.json()["openapi"].startswith("3.0.")
