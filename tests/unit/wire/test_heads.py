from hypothesis import given
from hypothesis import strategies as st

from remuda.wire.heads import MAX_HEAD_BYTES, MAX_HEADS, KnownHeads

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\nAccept: */*\r\n\r\n"


def message(body: bytes, head: bytes = HEAD) -> bytes:
    return head.replace(b"%d", b"%d" % len(body)) + body


def known(*messages: bytes, max_bytes: int = 99_999) -> KnownHeads[str]:
    heads = KnownHeads[str](max_bytes)
    for number, each in enumerate(messages):
        heads.keep(each, f"made of {number}")
    return heads


def test_a_head_is_known_again_whatever_the_length_of_its_body() -> None:
    heads = known(message(b"{}"))
    assert heads.find(message(b"{}")) == ("made of 0", b"{}")
    assert heads.find(message(b'{"model": "mock"}')) == ("made of 0", b'{"model": "mock"}')
    assert heads.find(message(b"")) == ("made of 0", b"")


def test_a_length_may_be_the_last_line_and_in_lower_case() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    heads = known(message(b"{}", head))
    assert heads.find(message(b"[1, 2, 3]", head)) == ("made of 0", b"[1, 2, 3]")
    assert heads.find(message(b"[1, 2, 3]", head.replace(b"content-length", b"Content-Length"))) is None


def test_a_head_that_differs_in_anything_else_is_not_known() -> None:
    heads = known(message(b"{}"))
    for other in (
        HEAD.replace(b"POST", b"PUT"),
        HEAD.replace(b"here", b"there"),
        HEAD.replace(b"Accept", b"accept"),
        HEAD.replace(b"\r\nAccept", b"\r\nX-More: 1\r\nAccept"),
        HEAD.replace(b"Content-Length: %d", b"Content-Length: %d "),
        HEAD.replace(b"Content-Length: %d", b"Content-Length:  %d"),
        HEAD.replace(b"Content-Length: %d", b"Content-Length: +%d"),
        HEAD.replace(b"Content-Length: %d", b"Content-Length: %d\r\nContent-Length: 2"),
        HEAD.replace(b"Content-Length: %d", b"Content-Length: %d\r\nTransfer-Encoding: chunked"),
    ):
        assert heads.find(message(b"{}", other)) is None


def test_only_a_whole_message_and_nothing_else_is_known() -> None:
    whole = message(b'{"model": "mock"}')
    heads = known(whole)
    for end in range(len(whole)):
        assert heads.find(whole[:end]) is None
    assert heads.find(whole + b"P") is None
    assert heads.find(whole + whole) is None
    assert heads.find(b"\r\n" + whole) is None


def test_a_head_without_its_end_is_not_known_by_a_length_that_happens_to_fit() -> None:
    heads = known(message(b"{}"))
    cut = HEAD[:-4] % 0
    for length in range(len(cut) + 4):
        assert heads.find(HEAD[:-4] % length + b"X") is None


def test_a_length_in_another_headers_value_is_no_length() -> None:
    head = b"POST / HTTP/1.1\r\nX-Note: Content-Length: 2\r\nContent-Length: %d\r\n\r\n"
    heads = known(message(b"{}", head))
    assert heads.find(message(b"abc", head)) == ("made of 0", b"abc")
    assert heads.find(message(b"abc", head.replace(b"Length: 2", b"Length: 3"))) is None


def test_a_message_without_a_length_is_not_kept() -> None:
    heads = known(b"POST / HTTP/1.1\r\nHost: here\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 0\r\n")
    assert len(heads) == 0


def test_a_body_is_bounded_and_its_length_told_in_one_way() -> None:
    heads = known(message(b"{}"), max_bytes=99)
    assert heads.find(message(b"x" * 99)) is not None
    assert heads.find(message(b"x" * 100)) is None
    assert heads.find(HEAD.replace(b"%d", b"0002") + b"{}") is None
    assert heads.find(HEAD.replace(b"%d", "²".encode()) + b"{}") is None


def test_a_long_head_is_not_kept() -> None:
    heads = known(message(b"{}", HEAD.replace(b"here", b"h" * MAX_HEAD_BYTES)))
    assert len(heads) == 0


def test_what_is_kept_is_bounded() -> None:
    heads = known(*(message(b"{}", HEAD.replace(b"here", b"host%d" % number)) for number in range(MAX_HEADS)))
    assert len(heads) == MAX_HEADS
    heads.keep(message(b"{}"), "the newest")
    assert len(heads) == 1
    assert heads.find(message(b"{}")) == ("the newest", b"{}")


@given(st.lists(st.sampled_from([b"\r\n", b"Content-Length: ", b"content-length: ", b"1", b"12", b"X: ", b"\r", b":"])))
def test_bytes_of_any_kind_are_at_most_not_known(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    heads = known(message(b"{}"))
    heads.keep(data, "odd")
    found = heads.find(data)
    assert found is None or (found[0] == "odd" and data.endswith(found[1]))
