"""What a question for a series may be."""

from types import SimpleNamespace
from typing import Any

import pytest

from remuda.core.faults import InvalidRequest, Unavailable
from remuda.core.spans import DAY, HOUR, MINUTE
from remuda.dialects.observe.analytics import AnalyticsRoutes, top_in, width_in


def asked(**query: str) -> Any:
    return SimpleNamespace(query_params=query)


@pytest.mark.parametrize(
    ("span_s", "width_s"),
    [
        (1, MINUTE),
        (2 * HOUR, MINUTE),
        (10 * HOUR, 5 * MINUTE),
        (DAY, HOUR),
        (7 * DAY, HOUR),
        (30 * DAY, DAY),
        (365 * DAY, DAY),
        (3650 * DAY, 8 * DAY),
    ],
)
def test_a_series_has_a_reasonable_number_of_points(span_s, width_s):
    assert width_in(asked(), span_s) == width_s


@pytest.mark.parametrize(("said", "width_s"), [("5m", 300), ("90m", 5400), ("6h", 21_600), ("1d", 86_400)])
def test_widths_that_are_asked_for(said, width_s):
    assert width_in(asked(bucket=said), DAY) == width_s


@pytest.mark.parametrize("said", ["", "5", "0m", "5s", "1.5h", "-1h", "999999m", "1m"])
def test_widths_that_are_none(said):
    with pytest.raises(InvalidRequest) as refused:
        width_in(asked(bucket=said), DAY)
    assert refused.value.parameter == "bucket"


@pytest.mark.parametrize(
    ("said", "points", "top"), [({}, 25, 10), ({"top": "20"}, 150, 20), ({}, 500, 6), ({"top": "1"}, 5000, 1)]
)
def test_how_many_values_are_told(said, points, top):
    assert top_in(asked(**said), points) == top


@pytest.mark.parametrize(("said", "points"), [("0", 5), ("21", 5), ("11", 289), ("many", 5)])
def test_how_many_are_not(said, points):
    with pytest.raises(InvalidRequest) as refused:
        top_in(asked(top=said), points)
    assert refused.value.parameter == "top"


async def test_without_analytics_nothing_is_answered():
    told = {}
    routes = AnalyticsRoutes(None, lambda: 1e9)
    routes.add_to(lambda method, path, handler, *rest, **options: told.update({path: handler}))
    assert len(told) == 4
    with pytest.raises(Unavailable):
        await told["/api/analytics/performance"](asked())
