"""The route table, kept as files."""

from remuda.app.asgi import bare_parts
from remuda.app.routes import as_markdown, as_text, route_table
from tests.fixtures.snapshots import check_kept

ROWS = route_table(bare_parts("1.2.3"))


def test_routes_are_as_they_were():
    check_kept("tests/snapshots/routes.txt", as_text(ROWS))


def test_routes_are_documented():
    check_kept("docs/reference/routes.md", as_markdown(ROWS))


def test_lane_routes_are_among_them():
    lane = {row.path: row.scope for row in ROWS if row.is_lane}
    assert set(lane.values()) == {"inference"}
    assert len(lane) == len(bare_parts("").lane_routes)


def test_every_route_has_an_owner_and_a_summary():
    assert all(row.dialect and row.summary for row in ROWS)
