from remuda.dialects.anthropic.events import PING, event


def test_an_event_has_its_name_twice() -> None:
    assert PING == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert event("x", index=1) == b'event: x\ndata: {"type":"x","index":1}\n\n'
