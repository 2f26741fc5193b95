import hashlib
import re
from pathlib import Path

import pytest

from remuda.core.keys import Scope
from remuda.dialects.console import docs
from remuda.dialects.console.docs import CONTENT_SECURITY, PAGE, START
from tests.fixtures.asgi import client, parts

FOLDER = Path(docs.__file__).with_name("swagger")
VERSION = "5.35.0"
DIGESTS = {
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
}
PATHS = ("/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/redoc")


@pytest.mark.parametrize("name", DIGESTS)
def test_what_is_not_ours_is_as_it_came_and_says_whose_it_is(name: str):
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == DIGESTS[name]
    assert {"LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"} <= {path.name for path in FOLDER.iterdir()}
    assert f"# Swagger UI {VERSION}" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_nothing_comes_from_elsewhere():
    loaded = re.findall(r'(?:src|href)="([^"]*)"', PAGE) + re.findall(r'url: "([^"]*)"', START)
    assert loaded == ["data:,", "docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js", "openapi.json"]
    assert "validatorUrl: null" in START, "else a badge is asked of a foreign host"
    assert "default-src 'none'" in CONTENT_SECURITY
    assert "unsafe" not in CONTENT_SECURITY
    assert not re.search(r"<script>|<style|style=|\son\w+=", PAGE), "the policy lets none of these pass"


async def test_the_page_and_all_it_loads_are_served():
    kinds = {"": "text/html", "css": "text/css", "js": "text/javascript"}
    async with client(parts()) as caller:
        for path in PATHS[:-1]:
            answer = await caller.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith(kinds[path.partition(".")[2]])
            assert answer.content
        assert (await caller.get("/docs")).headers["content-security-policy"] == CONTENT_SECURITY
        assert (await caller.get("/docs/swagger-ui.css.map")).status_code == 404
        assert (await caller.get("/docs/")).status_code == 404, "relative addresses would miss below it"
        redirected = await caller.get("/redoc")
        assert (redirected.status_code, redirected.headers["location"]) == (307, "docs")
        assert (await caller.get("/redoc", follow_redirects=True)).text == PAGE


@pytest.mark.parametrize("path", [*PATHS, "/openapi.json"])
async def test_they_need_what_the_document_needs(path: str):
    for scope, is_admitted in ((None, False), (Scope.READ, True), (Scope.INFERENCE, True), (Scope.MANAGE, False)):
        async with client(parts(keyed=True), scope=scope) as caller:
            status = (await caller.get(path)).status_code
        assert (status in (200, 307)) is is_admitted, scope
