"""One server elsewhere, as the settings say it."""

import pytest
from pydantic import ValidationError

from remuda.app.settings import Settings, UpstreamSettings


def test_an_upstream_is_called_by_its_address_where_it_has_no_name() -> None:
    assert UpstreamSettings(url="http://a").display_name == "a:80"
    assert UpstreamSettings(url="http://[::1]:8000/v1/").display_name == "[::1]:8000/v1"
    assert UpstreamSettings(url="unix:/run/x.sock").display_name == "/run/x.sock"
    assert UpstreamSettings(url="http://a", name="big").display_name == "big"


@pytest.mark.parametrize(
    ("url", "base"),
    [("http://a", "/v1"), ("http://a/", "/v1"), ("http://a/llm", "/llm"), ("unix:/run/x.sock", "/v1")],
)
def test_an_upstream_without_a_path_is_asked_below_v1(url: str, base: str) -> None:
    assert UpstreamSettings(url=url).address.base_path == base


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://169.254.169.254", "credentials: nothing is called there"),
        ("https://[::ffff:169.254.1.1]:8000/v1", "a link-local address: nothing is called there"),
        ("http://[fe80::1]", "a link-local address: nothing is called there"),
        ("http://0xa9fea9fe", "unusual spelling"),
    ],
)
def test_an_upstream_where_nothing_is_called_is_a_mistake(url: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Settings.model_validate({"upstreams": [{"url": "http://10.0.0.5"}, {"url": url}]})
    assert caught.value.errors()[0]["loc"] == ("upstreams", 1)


def test_an_upstream_may_stand_in_a_private_network() -> None:
    urls = ["http://10.0.0.5:11434", "http://[fd12::1]", "http://127.0.0.1:8080", "http://gpu.lan", "unix:/run/x.sock"]
    assert [
        each.url for each in Settings.model_validate({"upstreams": [{"url": url} for url in urls]}).upstreams
    ] == urls


@pytest.mark.parametrize(("url", "is_given"), [("http://a", True), ("https://10.0.0.1/llm", True), ("unix:/x", False)])
def test_where_an_upstreams_name_leads_is_checked_at_each_connection(url: str, is_given: bool) -> None:
    assert UpstreamSettings(url=url).address.is_given is is_given
