import base64
import hashlib
import re

from remuda.dialects.console.page import CONTENT_SECURITY, Standing, curl, page

STANDING = Standing("1.2.3", needs_key=False, models=["a-model"], base_url="http://127.0.0.1:7368")


def test_nothing_is_fetched_from_elsewhere_and_nothing_runs():
    text = page(STANDING)
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert "default-src 'none'" in CONTENT_SECURITY


def test_only_the_pages_own_style_applies():
    (style,) = re.findall(r"<style>(.*?)</style>", page(STANDING), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in CONTENT_SECURITY
    assert 'style="' not in page(STANDING)
    assert "prefers-color-scheme: dark" in style


def test_names_are_escaped():
    text = page(Standing("<1>", True, ["<script>alert(1)</script>", "a'b\"c"], "http://h&h"))
    assert "<script" not in text
    assert "&lt;1&gt;" in text
    assert "http://h&amp;h/v1" in text


def test_curl_can_be_pasted():
    assert curl(STANDING).splitlines()[0] == "curl http://127.0.0.1:7368/v1/chat/completions \\"
    assert "authorization" not in curl(STANDING)
    assert '"model": "MODEL"' in curl(STANDING)
    needing = Standing("1", True, [], "http://h", 'it\'s "odd"')
    assert "-H 'authorization: Bearer YOUR_KEY'" in curl(needing)
    assert """{"model": "it'\\''s \\"odd\\"", """ in curl(needing)


def test_long_lists_are_cut():
    text = page(Standing("1", False, [f"m{number}" for number in range(60)], ""))
    assert "and 10 more" in text
    assert "None known" in page(Standing("1", False, [], ""))
