import pytest
from starlette.exceptions import HTTPException

from remuda.core.faults import (
    BodyTooLarge,
    Fault,
    InvalidJson,
    InvalidRequest,
    MethodNotAllowed,
    NotOffered,
    UnknownRoute,
    UnsupportedMedia,
)
from remuda.dialects.kit.errors import fault_of, invalid


@pytest.mark.parametrize(
    ("status", "detail", "fault", "message"),
    [
        (404, "Not Found", UnknownRoute, "There is nothing at this address."),
        (405, "Method Not Allowed", MethodNotAllowed, "This address does not take that method."),
        (415, "only JSON", UnsupportedMedia, "only JSON"),
        (418, "short and stout", InvalidRequest, "short and stout"),
        (501, "not that", NotOffered, "not that"),
        (500, "a secret", Fault, "Something went wrong inside the gateway."),
    ],
)
def test_librarys_refusals_become_faults(status, detail, fault, message):
    made = fault_of(HTTPException(status, detail))
    assert (type(made), made.message) == (fault, message)


def test_fault_behind_a_librarys_refusal_comes_through():
    error = HTTPException(400, "There was an error parsing the body")
    error.__cause__ = BodyTooLarge()
    assert fault_of(error) is error.__cause__


def test_first_complaint_names_the_parameter():
    made = invalid([{"type": "int_type", "loc": ("body", "stops", 0, "at"), "msg": "Input wrong", "input": "x" * 300}])
    assert (made.parameter, made.message) == ("stops[0].at", "'stops[0].at' is not valid: input wrong")
    assert (made.received, made.expected) == ("x" * 200, "int")


@pytest.mark.parametrize("value", [{"a": 1}, [1], object()])
def test_only_plain_values_are_said_back(value):
    assert invalid([{"type": "x", "loc": ("query", "a"), "msg": "No", "input": value}]).received is None


def test_odd_complaints_are_still_faults():
    assert isinstance(invalid([{"type": "json_invalid", "loc": ("body", 1)}]), InvalidJson)
    assert invalid([]).parameter == "body"
