"""The proxy reads and answers as OpenAI's dialect does, and refuses in its own words."""

import json

import pytest

from remuda.core.ask import Operation
from remuda.core.faults import InvalidJson, StreamCut, UnknownModel
from remuda.dialects.observe.proxy import PATH, lane_routes
from remuda.dialects.openai.face import OpenAIFace

CHATS = OpenAIFace()
[ROUTE] = lane_routes(CHATS)
BODY = b'{"model":"m","messages":[],"stream":true,"temperature":0.7,"max_tokens":100,"user":"ann"}'


def test_the_route():
    assert (ROUTE.path, ROUTE.operation, ROUTE.is_logged) == (PATH, Operation.CHAT, True)
    assert ROUTE.face.name == "observe"


def test_it_reads_and_answers_as_the_other_does():
    ask = ROUTE.face.read(Operation.CHAT, BODY)
    assert (ask.model, ask.is_streamed, ask.body, ask.told) == ("m", True, BODY, ("ann", 0.7, 100))
    assert ROUTE.face.translator(ask) is None
    assert ROUTE.face.takes_comments


def test_what_is_no_json():
    with pytest.raises(InvalidJson) as refused:
        ROUTE.face.read(Operation.CHAT, b"{")
    answer = ROUTE.face.refusal(refused.value, "req_1")
    assert (answer.status, json.loads(answer.body)) == (400, {"detail": "Invalid JSON in request body"})


def test_faults():
    assert json.loads(ROUTE.face.refusal(UnknownModel("no m"), "req_1").body) == {"detail": "no m"}
    assert ROUTE.face.stream_error(StreamCut(), "req_1") == CHATS.stream_error(StreamCut(), "req_1")
