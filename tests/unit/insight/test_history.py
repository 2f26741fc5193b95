"""What was measured and what was asked, put together."""

from remuda.insight.history import History, Span, Traffic, spans_of
from remuda.store import open_store
from remuda.store.machine import Busy, note_minute


def test_spans_hold_what_there_is():
    busy = {60: Busy(1.0, 2.0), 180: Busy(3.0, 4.0, 5.0)}
    traffic = {120: Traffic(2, 0.5), 180: Traffic(1, 0.25)}
    assert spans_of(busy, traffic) == [
        Span(60.0, 1.0, 2.0, None, 0, None),
        Span(120.0, None, None, None, 2, 0.5),
        Span(180.0, 3.0, 4.0, 5.0, 1, 0.25),
    ]


async def test_it_begins_with_a_whole_span(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    for minute in (9, 10, 14, 15):
        await note_minute(store, "a", minute, Busy(float(minute), 1.0))
    asked = []

    async def traffic(start, end, step_s):
        asked.append((start, end, step_s))
        return {}

    spans = await History(store, traffic).read(700.0, 899.0, 300)
    assert asked == [(600, 899.0, 300)]
    assert spans == [Span(600.0, 12.0, 1.0, None, 0, None)]
    await store.close()
