"""What is kept of the words of a request."""

from remuda.core.ask import Ask, Operation
from remuda.gateway.transcript import Capture, Transcript

ASK = Ask(Operation.CHAT, "m", False, False, 1, b'{"messages":[{"role":"user","content":"Hello"}],"seed":7}')


def test_the_end_of_the_prompt_and_the_beginning_of_the_answer() -> None:
    made = Transcript(ASK, 4)
    assert (made.prompt_text, made.answer_text, made.is_full) == ("ello", "", False)
    made.append("abc")
    assert not made.is_full
    made.append("def")
    made.append("ghi")
    assert (made.answer_text, made.is_full) == ("abcd", True)


def test_how_it_was_asked() -> None:
    assert Transcript(ASK, 4).parameters == '{"seed":7}'


def test_only_keys_that_have_some_kept_need_to_be_looked_for() -> None:
    assert not Capture().is_by_key
    assert not Capture(by_key={"k": 0}).is_by_key
    assert Capture(by_key={"k": 0, "l": 5}).is_by_key
