"""Text of tokens, up to where an answer ends."""

import pytest

from remuda.engines.transformers.asked import Refused, Wish
from remuda.engines.transformers.speaking import Piece, check_length, pieces
from tests.unit.engines.transformers.fake import FakeModel


def said(says: str, prompt: int = 4, is_given_up: bool = False, **wish: object) -> list[Piece]:
    model = FakeModel(says)
    return list(pieces(model, [1] * prompt, Wish(**wish), 7, lambda: is_given_up))  # type: ignore[arg-type]


def text(found: list[Piece]) -> str:
    return "".join(piece.text for piece in found)


def test_an_answer_comes_token_by_token_and_ends_by_itself() -> None:
    found = said("abc")
    assert [(piece.text, piece.tokens, piece.finish) for piece in found] == [
        ("a", 1, None),
        ("b", 2, None),
        ("c", 3, None),
        ("", 3, "stop"),
    ]


@pytest.mark.parametrize(("limit", "expected"), [(0, ""), (1, "a"), (2, "ab")])
def test_it_ends_at_the_most_it_may_have(limit: int, expected: str) -> None:
    found = said("abc", max_tokens=limit)
    assert text(found) == expected
    assert (found[-1].tokens, found[-1].finish) == (limit, "length")


def test_it_ends_where_the_context_is_full() -> None:
    found = said("x" * 100, prompt=60)
    assert (text(found), found[-1].tokens, found[-1].finish) == ("xxxx", 4, "length")


def test_a_character_of_several_tokens_comes_whole() -> None:
    assert [piece.text for piece in said("aé🐎")] == ["a", "", "é", "", "", "", "🐎", ""]


def test_half_a_character_at_the_end_is_not_lost() -> None:
    found = said("🐎", max_tokens=2)
    assert text(found) == "\ufffd"
    assert found[-1].finish == "length"


def test_what_will_never_be_a_character_is_not_held_for_ever() -> None:
    model = FakeModel()
    model.says = b"\xff" * 20 + b"a"
    found = list(pieces(model, [1], Wish(), None, lambda: False))
    assert text(found) == "\ufffd" * 20 + "a"
    assert any(piece.text for piece in found[:8])


@pytest.mark.parametrize(
    ("stop", "expected", "tokens"),
    [
        (("b",), "a", 2),
        (("cd",), "ab", 4),
        (("zz", "bc"), "a", 3),
        (("x",), "abcde", 5),
        (("ef",), "abcde", 5),  # only the beginning of one
        (("abcde",), "", 5),
    ],
)
def test_it_ends_before_a_stop_text(stop: tuple[str, ...], expected: str, tokens: int) -> None:
    found = said("abcde", stop=stop)
    assert text(found) == expected
    assert (found[-1].tokens, found[-1].finish) == (tokens, "stop")


def test_what_may_be_the_beginning_of_a_stop_text_is_held_back() -> None:
    assert [piece.text for piece in said("abXaby", stop=("aby",))] == ["", "", "abX", "", "", ""]


def test_a_stop_text_met_with_the_last_token_counts_as_one() -> None:
    found = said("abc", stop=("c",), max_tokens=3)
    assert (text(found), found[-1].finish) == ("ab", "stop")


def test_what_is_given_up_ends_without_a_word() -> None:
    assert said("abc", is_given_up=True) == []


def test_a_prompt_must_leave_room_for_an_answer() -> None:
    check_length(FakeModel(context=10), [1] * 9)
    check_length(FakeModel(context=10, embeds=True), [1] * 10)
    with pytest.raises(Refused) as caught:
        check_length(FakeModel(context=10), [1] * 10)
    assert (caught.value.error["n_prompt_tokens"], caught.value.error["n_ctx"]) == (10, 10)
    assert caught.value.error["code"] == "context_length_exceeded"
