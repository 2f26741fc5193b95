"""Fields, however they were sent; and what they cannot be."""

from decimal import Decimal
from typing import Any

import pytest
from starlette.requests import Request

from remuda.core.faults import BodyTooLarge, InvalidJson, InvalidRequest, UnsupportedMedia
from remuda.dialects.observe.forms import MAX_BODY_BYTES, Fields, fields_in

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nMonthly AI Budget\r\n'
    b'--b\r\nContent-Disposition: form-data; name="amount"\r\n\r\n100.00\r\n--b--\r\n'
)


def asked(body: bytes = b"", content_type: str | None = None, query: bytes = b"") -> Request:
    headers = [] if content_type is None else [(b"content-type", content_type.encode())]

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "headers": headers, "query_string": query}, receive)


@pytest.mark.parametrize(
    ("body", "content_type", "query"),
    [
        (b"name=Monthly+AI%20Budget&amount=100.00", URLENCODED, b""),
        (b"name=Monthly+AI%20Budget&amount=100.00", None, b""),
        (b'{"name": "Monthly AI Budget", "amount": 100.00}', "application/json", b""),
        (b'{"name": "Monthly AI Budget", "amount": "100.00"}', "application/vnd.x+json; charset=utf-8", b""),
        (b' {"name": "Monthly AI Budget", "amount": 100.00}', URLENCODED, b""),  # curl -d '{...}'
        (b"", None, b"name=Monthly%20AI%20Budget&amount=100.00"),
        (b"name=Monthly+AI+Budget", URLENCODED, b"name=other&amount=100.00"),
        (PARTS, MULTIPART, b""),
    ],
)
async def test_the_same_however_it_is_sent(body, content_type, query):
    fields = await fields_in(asked(body, content_type, query))
    assert fields.text("name") == "Monthly AI Budget"
    assert fields.decimal("amount") == Decimal(100)


@pytest.mark.parametrize(
    ("body", "content_type", "fault"),
    [
        (b"{", "application/json", InvalidJson),
        (b"[1]", "application/json", InvalidRequest),
        (b"name=x", "text/xml", UnsupportedMedia),
        (b"name=%ff", URLENCODED, InvalidRequest),
        (b"name=\xff", URLENCODED, InvalidRequest),
        (PARTS[:-6], MULTIPART, InvalidRequest),
        (PARTS.replace(b"Monthly", b"\xff"), MULTIPART, InvalidRequest),
        (b" " * (MAX_BODY_BYTES + 1), URLENCODED, BodyTooLarge),
    ],
)
async def test_what_is_neither(body, content_type, fault):
    with pytest.raises(fault):
        await fields_in(asked(body, content_type))


def test_numbers_are_what_was_written():
    fields = Fields({"a": "0.1", "b": Decimal("0.1"), "c": 3, "d": "1e-3", "e": "7.0"})
    assert fields.decimal("a") == fields.decimal("b") == Decimal("0.1")
    assert fields.decimal("c") == 3
    assert fields.decimal("d") == Decimal("0.001")
    assert fields.number("a") == 0.1
    assert fields.whole("e") == 7


@pytest.mark.parametrize("said", ["", None])
def test_what_is_empty_was_not_sent(said):
    fields = Fields({"name": said})
    assert "name" not in fields
    assert not fields.any_of(("name", "amount"))
    assert fields.text("name", None) is None
    for read in (fields.text, fields.flag, fields.decimal, fields.number, fields.whole):
        with pytest.raises(InvalidRequest, match="missing the required parameter 'name'"):
            read("name")
    with pytest.raises(InvalidRequest, match="'name'"):
        fields.one_of("name", ("a", "b"))


@pytest.mark.parametrize(
    ("said", "flag"), [(True, True), (False, False), ("true", True), ("on", True), ("0", False), ("No", False)]
)
def test_flags(said, flag):
    assert Fields({"is_active": said}).flag("is_active") is flag


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        *[
            (kind, said)
            for kind in ("decimal", "number", "whole")
            for said in ("x", "nan", "-inf", "1e999999999", "1" * 65, "٣", True, [], {}, "1,5")
        ],
        ("whole", "1.5"),
        ("whole", "-1"),
        ("flag", "perhaps"),
        ("flag", 1),
        ("text", 5),
        ("text", "  "),
        ("text", "x" * 201),
    ],
)
def test_what_is_wrong_is_named(kind, said):
    with pytest.raises(InvalidRequest) as refused:
        getattr(Fields({"a_field": said}), kind)("a_field")
    assert refused.value.parameter == "a_field"
    assert "a_field" in refused.value.message


def test_bounds():
    fields = Fields({"n": "5"})
    assert fields.decimal("n", least=Decimal(5), most=Decimal(5)) == 5
    for read in (
        lambda: fields.decimal("n", least=Decimal("5.1")),
        lambda: fields.number("n", most=4),
        lambda: fields.whole("n", most=4),
        lambda: fields.one_of("n", ("4", "6")),
    ):
        with pytest.raises(InvalidRequest):
            read()
    assert fields.one_of("n", ("5",)) == "5"


@pytest.mark.parametrize(("said", "found"), [(["a", 1], ["a", 1]), ('["a", 1]', ["a", 1]), ([], [])])
def test_lists(said, found):
    assert Fields({"x": said}).listed("x") == found


@pytest.mark.parametrize("said", ["a", "[", {"a": 1}, 7, "[" * 5000])
def test_no_lists(said):
    with pytest.raises(InvalidRequest) as refused:
        Fields({"x": said}).listed("x")
    assert refused.value.parameter == "x"
    assert Fields({}).listed("x", None) is None
