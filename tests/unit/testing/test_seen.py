"""What is remembered of a request."""

from remuda.testing.seen import Seen


def test_a_request_is_read_back_as_it_came() -> None:
    headers = [("X-A", "1"), ("x-a", "2"), ("Host", "h")]
    seen = Seen(1, 1, "POST", "/v1/chat/completions?a=b", headers, b'{"model":"fake"}', started=0.0)
    assert seen.path == "/v1/chat/completions"
    assert seen.header("x-A") == "1"
    assert seen.header("absent") is None
    assert seen.json() == {"model": "fake"}
