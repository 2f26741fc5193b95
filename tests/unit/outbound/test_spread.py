"""One stream for several takers."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from remuda.core.tasks import Tasks
from remuda.outbound.spread import Taker, spread


async def letters(text: str, *, breaks: bool = False) -> AsyncIterator[bytes]:
    for letter in text:
        yield letter.encode()
    if breaks:
        raise ConnectionResetError


async def taken(taker: Taker) -> bytes:
    return b"".join([piece async for piece in taker])


async def test_all_get_all_of_it_and_its_end() -> None:
    one, two = Taker(), Taker()
    _, first, second = await asyncio.gather(spread(letters("abc"), [one, two]), taken(one), taken(two))
    assert first == second == b"abc"


async def test_the_slowest_sets_the_pace() -> None:
    given: list[bytes] = []

    async def noted() -> AsyncIterator[bytes]:
        async for piece in letters("abcdef"):
            given.append(piece)
            yield piece

    fast, slow = Taker(), Taker()
    tasks = Tasks("test")
    tasks.start(spread(noted(), [fast, slow]), "spread")
    assert [await anext(fast), await anext(fast)] == [b"a", b"b"]
    for _ in range(10):
        await asyncio.sleep(0)
    assert given == [b"a", b"b"]
    assert await anext(slow) == b"a"
    assert await anext(fast) == b"c"
    await tasks.close()


async def test_who_leaves_is_not_waited_for() -> None:
    gone, stays = Taker(), Taker()

    async def leaves() -> None:
        await anext(gone)
        gone.leave()

    _, _, got = await asyncio.gather(spread(letters("abc"), [gone, stays]), leaves(), taken(stays))
    assert got == b"abc"


async def test_it_ends_where_all_have_left() -> None:
    taker = Taker()
    taker.leave()
    pieces = letters("abc")
    await spread(pieces, [taker])
    assert await anext(pieces) == b"b", "the rest was not asked for"


async def test_what_breaks_off_has_no_end() -> None:
    taker = Taker()
    tasks = Tasks("test")
    taking = tasks.start(taken(taker), "taking")
    with pytest.raises(ConnectionResetError):
        await spread(letters("a", breaks=True), [taker])
    assert not taking.done()
    await tasks.close()
