"""What is said of a stream before its first content, and what is not."""

from typing import Any, cast

import pytest

from remuda.core.ask import Ask, Operation
from remuda.core.faults import StreamCut, UpstreamFailed, UpstreamSilent
from remuda.engines.openai.adapter import OpenAILike
from remuda.engines.protocol import Outgoing
from remuda.gateway.exchange import Exchange
from remuda.gateway.outlet import MUCH
from remuda.gateway.splice import HELD_BYTES, Splice
from tests.unit.gateway.test_exchange import Client, begun

ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n'
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"no"}}\n\n'
PROGRESS = b'data: {"choices":[],"prompt_progress":{"total":9}}\n\n'


class Answer:
    """As much of an upstream's connection as is needed."""

    is_event_stream = True
    status = 200
    header_lines = b""
    reads = 0
    is_paused = False

    def attach(self, receiver: Any) -> None:
        """Nothing has come yet."""

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


def spliced(much: int = MUCH, **outgoing: Any) -> tuple[Splice, Exchange, Client]:
    exchange, client = begun(much=much)
    exchange.outgoing = Outgoing("/x", b"", True, **outgoing)
    ask = Ask(Operation.CHAT, "m", True, False, 1, b"{}")
    answer = cast(Any, Answer())
    splice = Splice(answer, exchange, ask, None, lambda: 0.0, OpenAILike())
    exchange.watch(answer, 10.0)
    splice.begin()
    return splice, exchange, client


def test_nothing_is_said_before_the_first_content() -> None:
    splice, exchange, client = spliced()
    splice.body(ROLE)
    assert (client.sent, exchange.head_sent, exchange.is_streamed) == (b"", False, False)
    splice.body(WORD)
    assert (exchange.head_sent, exchange.is_streamed, exchange.status) == (True, True, 200)
    head, _, body = client.sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == b"%x\r\n%b\r\n" % (len(ROLE + WORD), ROLE + WORD)
    splice.body(STOP + DONE)
    splice.end()
    assert client.sent.endswith(DONE + b"\r\n0\r\n\r\n")


def test_of_many_that_bring_very_much_each_rests() -> None:
    splice, exchange, client = spliced(much=2)  # the head is a piece, too
    splice.body(ROLE + WORD)
    answer = cast(Answer, exchange.flow)
    for is_paused in (False, True):
        assert answer.is_paused is is_paused
        splice.body(WORD)
    client.outlet.end_turn()
    assert answer.is_paused is False
    assert client.sent.count(WORD) == 3


def test_one_that_can_be_continued_begins_at_once() -> None:
    splice, exchange, client = spliced(is_continuable=True)
    assert exchange.head_sent
    splice.body(ROLE)
    assert ROLE in client.sent


@pytest.mark.parametrize("said", [PROGRESS, STOP, DONE, b": x\n\n" + ROLE * (HELD_BYTES // len(ROLE) + 1)])
def test_what_is_something_to_say_is_said(said: bytes) -> None:
    splice, _, client = spliced()
    splice.body(ROLE)
    splice.body(said)
    assert client.sent.partition(b"\r\n\r\n")[2] == b"%x\r\n%b\r\n" % (len(ROLE + said), ROLE + said)


@pytest.mark.parametrize("ends", [False, True])
def test_an_error_that_comes_first_is_as_good_as_a_status(ends: bool) -> None:
    splice, exchange, client = spliced()
    splice.body(ROLE)
    splice.body(ERROR.removesuffix(b"\n\n") if ends else ERROR)
    if ends:
        splice.end()
    assert (client.sent, exchange.head_sent) == (b"", False)
    assert isinstance(splice.done.fault, UpstreamFailed)
    assert "no" in str(splice.done.fault)


def test_an_error_after_the_first_content_is_said() -> None:
    splice, _, client = spliced()
    splice.body(WORD)
    splice.body(ERROR)
    splice.end()
    assert client.sent.endswith(ERROR + b"\r\n0\r\n\r\n")
    assert isinstance(splice.done.fault, UpstreamFailed)


def test_a_comment_is_passed_on_and_the_answer_has_not_begun() -> None:
    splice, exchange, client = spliced()
    splice.body(b": busy\n\n")
    assert (exchange.is_kept_alive, exchange.has_begun) == (True, False)
    assert client.sent.endswith(b"8\r\n: busy\n\n\r\n")
    splice.body(WORD)
    assert client.sent.count(b"HTTP/1.1") == 1
    assert exchange.has_begun


@pytest.mark.parametrize("how", ["cut", "end"])
def test_one_that_breaks_off_before_has_said_nothing(how: str) -> None:
    splice, exchange, client = spliced()
    splice.body(ROLE + WORD[:30])
    if how == "cut":
        splice.cut(StreamCut())
    else:
        splice.end()
    assert (client.sent, exchange.head_sent) == (b"", False)
    assert isinstance(splice.done.fault, StreamCut)
    splice.settle()
    assert exchange.finish_reason == ""


def test_silence_before_the_first_content_is_no_cut() -> None:
    splice, exchange, _ = spliced()
    assert exchange.expiry_fault is UpstreamSilent
    splice.body(WORD)
    assert exchange.expiry_fault is None


def test_an_empty_answer_is_one() -> None:
    splice, _, client = spliced()
    splice.body(ROLE)
    splice.body(STOP.removesuffix(b"\n\n"))
    splice.end()
    assert splice.done.is_set
    assert splice.done.fault is None
    assert STOP in client.sent
