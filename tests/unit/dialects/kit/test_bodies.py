from remuda.dialects.kit.bodies import malformed


def test_half_a_surrogate_pair_is_named_with_its_place():
    fault = malformed(ValueError("cut off"), rb'{"a": "\\ud83d \ud83d\ude00 \ud83d"}')
    assert "(\\ud83d, byte 28)" in fault.message
    assert fault.code == "invalid_json"


def test_else_the_decoders_words_are_said():
    assert malformed(ValueError("cut off"), rb'{"a": "\ud83d\ude00').message.endswith("not valid JSON: cut off")
