"""Nobody, who keeps nothing."""

from remuda.dialects.ollama.keepers import NOBODY


async def test_nothing_comes_of_asking_nobody() -> None:
    assert await NOBODY.stream("/api/pull", {}, lambda node, said: None) == ()
    assert NOBODY.past(None) is NOBODY
    assert await NOBODY.call("DELETE", "/api/delete", b"") == ()
