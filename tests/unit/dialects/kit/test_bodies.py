from typing import Literal

import msgspec
import pytest

from remuda.core.faults import InvalidRequest
from remuda.dialects.kit.bodies import decoded, malformed


def test_half_a_surrogate_pair_is_named_with_its_place():
    fault = malformed(ValueError("cut off"), rb'{"a": "\\ud83d \ud83d\ude00 \ud83d"}')
    assert "(\\ud83d, byte 28)" in fault.message
    assert fault.code == "invalid_json"


def test_else_the_decoders_words_are_said():
    assert malformed(ValueError("cut off"), rb'{"a": "\ud83d\ude00').message.endswith("not valid JSON: cut off")


class Inner(msgspec.Struct):
    size: int


class Body(msgspec.Struct):
    name: str
    inner: list[Inner] = []
    kind: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("body", "message", "parameter"),
    [
        (b"{}", "the request is missing the required parameter 'name'", "name"),
        (
            b'{"name":"n","inner":[{}]}',
            "the request is missing the required parameter 'inner[0].size'",
            "inner[0].size",
        ),
        (b'{"name":1}', "'name' must be str, not int", "name"),
        (b'{"name":"n","kind":"c"}', "'kind': Invalid enum value 'c'", "kind"),
        (b"[]", "Expected `object`, got `array`", None),
    ],
)
def test_what_is_wrong_is_named(body, message, parameter):
    with pytest.raises(InvalidRequest) as caught:
        decoded(msgspec.json.Decoder(Body).decode, body)
    assert caught.value.message == message
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("body", [b"{", b'{"name":"\xff"}', b'{"name":' + b"[" * 100_000])
def test_what_is_no_json_is_not_valid(body):
    with pytest.raises(InvalidRequest):
        decoded(msgspec.json.Decoder(Body).decode, body)
