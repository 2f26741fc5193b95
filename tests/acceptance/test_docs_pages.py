"""The pages that show all routes, in a real browser without a network."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from remuda.testing.upstream import FakeUpstream
from tests.fixtures.browser import Page, browser_page
from tests.fixtures.process import RemudaProcess, fake_upstream, remuda_serve, run_remuda

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAGES = {"/docs": "/v1/chat/completions", "/swagger": "/v1/chat/completions", "/redoc": "Response samples"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with fake_upstream(models=("fake",)) as fake:
        yield fake


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser_page(tmp_path / "profile") as opened:
        yield opened


def check(page: Page, gateway: RemudaProcess) -> None:
    """Nothing went wrong, and nothing was asked of anybody else."""
    assert page.complaints == []
    asked = {urlsplit(url).netloc for url in page.asked if urlsplit(url).scheme in ("http", "https")}
    assert asked == {urlsplit(gateway.url).netloc}


def test_they_show_all_routes_while_no_key_exists(page: Page, upstream: FakeUpstream, tmp_path: Path) -> None:
    with remuda_serve(tmp_path / "data", "--upstream", upstream.url) as gateway:
        for path, words in PAGES.items():
            page.open(gateway.url + path)
            assert page.shows(words), path
        check(page, gateway)


def test_with_a_key_they_do_once_keys_exist(page: Page, upstream: FakeUpstream, tmp_path: Path) -> None:
    key = run_remuda("keys", "create", "--data", tmp_path / "data").stdout.strip()
    with remuda_serve(tmp_path / "data", "--upstream", upstream.url) as gateway:
        for path, words in PAGES.items():
            page.open(gateway.url + path)
            assert page.shows("This gateway is closed"), path
            enter(page, key)
            assert page.shows(words), path
        page.open(gateway.url + "/docs")
        assert page.shows("This gateway is closed")
        check(page, gateway)
        enter(page, "two words")
        assert page.shows("That is no key")
        enter(page, "rmd_wrong")
        assert page.shows("not known here")
        enter(page, key)
        # What is tried on the page is sent with the key.
        assert page.shows("/v1/models")
        page.run("document.querySelector('[id$=get_v1_models] button.opblock-summary-control').click()")
        assert page.shows("Try it out")
        page.run("document.querySelector('.try-out__btn').click()")
        assert page.shows("Execute")
        page.run("document.querySelector('button.execute').click()")
        assert page.shows('"id": "fake"')


def enter(page: Page, key: str) -> None:
    """As its reader does."""
    page.run(f"document.getElementById('key').value = '{key}'; document.getElementById('ask').requestSubmit()")
