"""The history in the document's shape, and what it cannot be asked for."""

import json

import msgspec
import pytest

from remuda.dialects.manage.monitoring import MonitoringRoutes, history_shown
from remuda.dialects.manage.schemas import Period
from remuda.insight.history import Span
from tests.fixtures.asgi import client, parts

END = 1705312800.0
PERIOD = Period(start="2024-01-14T10:00:00Z", end="2024-01-15T10:00:00Z", resolution="5m")


def test_the_documents_own_example():
    spans = [Span(END - 300, 42.3, 65.1, 78.4, 12, 0.234), Span(END, 45.2, 67.8, 85.5, 15, 0.245)]
    shown = msgspec.to_builtins(history_shown(spans, PERIOD))
    assert shown["metrics"] == [
        {
            "timestamp": "2024-01-15T09:55:00Z", "cpu": 42.3, "memory": 65.1, "gpu": 78.4, "requests": 12,
            "responseTime": 234,
        },
        {
            "timestamp": "2024-01-15T10:00:00Z", "cpu": 45.2, "memory": 67.8, "gpu": 85.5, "requests": 15,
            "responseTime": 245,
        },
    ]  # fmt: skip
    assert shown["summary"] == {
        "avgCpu": 43.75,
        "maxCpu": 45.2,
        "avgMemory": 66.45,
        "maxMemory": 67.8,
        "totalRequests": 27,
        "avgResponseTime": 239.5,
    }


def test_nothing_is_invented():
    shown = history_shown([Span(END, None, None, None, 3, 0.1), Span(END + 300, 1.0, 2.0, None, 0, None)], PERIOD)
    assert [(moment.cpu, moment.requests, moment.responseTime) for moment in shown.metrics] == [
        (None, 3, 100.0),
        (1.0, 0, None),
    ]
    empty = history_shown([], PERIOD).summary
    assert (empty.avgCpu, empty.maxMemory, empty.totalRequests, empty.avgResponseTime) == (None, None, 0, None)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("hours=169", "hours"), ("hours=0", "hours"), ("hours=x", "hours"), ("hours=1.5", "hours"), ("resolution=2m", "")],
)
async def test_what_it_cannot_be_asked_for(query, parameter):
    async with client(parts()) as caller:
        answer = await caller.get(f"/api/monitoring/history?{query}")
    assert answer.status_code == 400
    assert json.loads(answer.content)["error"]["code"] == "VALIDATION_ERROR"
    assert parameter in answer.json()["error"]["message"]


async def test_the_span_and_resolution_are_as_asked():
    asked = []

    async def history(start: float, end: float, step_s: int) -> list[Span]:
        asked.append((end - start, end, step_s))
        return []

    routes = MonitoringRoutes(history=history, wall=lambda: END)
    async with client(parts(monitoring=routes)) as caller:
        said = (await caller.get("/api/monitoring/history?hours=168&resolution=1h")).json()
        await caller.get("/api/monitoring/history")
    assert asked == [(168 * 3600, END, 3600), (24 * 3600, END, 300)]
    assert said["period"] == {"start": "2024-01-08T10:00:00Z", "end": "2024-01-15T10:00:00Z", "resolution": "1h"}
