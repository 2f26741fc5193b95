"""The route table, kept as a file."""

from remuda.app.asgi import bare_parts
from remuda.app.routes import as_text, route_table
from tests.fixtures.snapshots import check_kept

ROWS = route_table(bare_parts("1.2.3"))


def test_routes_are_as_they_were():
    check_kept("tests/snapshots/routes.txt", as_text(ROWS))


def test_lane_routes_are_among_them():
    scopes = {(row.method, row.path): row.scope for row in ROWS}
    lane = bare_parts("").lane_routes
    assert {scopes["POST", route.path] for route in lane} == {"inference"}


def test_every_route_has_an_owner_and_a_summary():
    assert all(row.dialect and row.summary for row in ROWS)
