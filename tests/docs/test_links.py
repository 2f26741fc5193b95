"""Links between the pages lead somewhere, and every page can be reached from the index."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES

LINK = re.compile(r"\]\(([^)\s]+)\)")


def _targets(page: Path) -> list[tuple[str, Path, str]]:
    """Link, file and anchor of each link in a page that stays in the repository."""
    found = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", link):
            file, _, anchor = link.partition("#")
            found.append((link, (page.parent / file).resolve() if file else page, anchor))
    return found


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link, file, anchor in _targets(page):
        assert file.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in _anchors(file), f"{page.name}: {link}"


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md" and page.exists():
            reached.add(page)
            waiting += [file for _, file, _ in _targets(page)]
    lost = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if page not in reached]
    assert not lost, "nobody finds a page that nothing links to"
