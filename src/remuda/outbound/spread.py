"""One stream of bytes for several who take it, at the pace of the slowest: of each a piece waits at most."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence


class Taker(AsyncIterator[bytes]):
    """One of them: gets each piece in turn. Who takes no more has to `leave`, or the others would wait for it."""

    def __init__(self) -> None:
        self._piece: bytes | None = None
        """None: that was all."""
        self._is_given = asyncio.Event()
        self._may_give = asyncio.Event()
        self._may_give.set()
        self.has_left = False

    def leave(self) -> None:
        """It takes no more."""
        self.has_left = True
        self._may_give.set()

    async def give(self, piece: bytes | None) -> None:
        """Hand it the next piece, once it has taken the one before; None: that was all."""
        await self._may_give.wait()
        if not self.has_left:
            self._piece = piece
            self._may_give.clear()
            self._is_given.set()

    async def __anext__(self) -> bytes:
        await self._is_given.wait()
        piece = self._piece
        if piece is None:
            raise StopAsyncIteration
        self._is_given.clear()
        self._may_give.set()
        return piece


async def spread(pieces: AsyncIterable[bytes], takers: Sequence[Taker]) -> None:
    """Give all `pieces` to each of `takers`; ends early where all have left. What `pieces` raises is raised, and then
    nobody is told that this was all."""
    async for piece in pieces:
        if all(taker.has_left for taker in takers):
            return
        for taker in takers:
            await taker.give(piece)
    for taker in takers:
        await taker.give(None)
