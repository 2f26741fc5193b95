"""An ask knows what it takes up."""

from remuda.core.ask import Ask, Native, Operation


def test_both_forms_of_an_ask_take_up_memory() -> None:
    ask = Ask(Operation.CHAT, "m", False, False, 1, b"four")
    assert ask.held_bytes == 4
    ask.native = Native("ollama", "/api/chat", b"sixsix", False)
    assert ask.held_bytes == 10
