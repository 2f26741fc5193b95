"""Classes of requests."""

from remuda.core.priority import WORDS, Priority


def test_words() -> None:
    assert list(WORDS) == ["high", "normal", "low", "background"]
    assert WORDS["high"] < WORDS["normal"] < WORDS["low"] < WORDS["background"]
    assert Priority.LOW.word == "low"
