"""A chat as the herd's measures read it."""

import asyncio

from bench.engines import Chat

from remuda.testing.upstream import FakeUpstream


async def test_a_streamed_chat_is_read_to_its_end() -> None:
    async with FakeUpstream(tokens=4) as upstream:
        body = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}
        seen = await asyncio.to_thread(lambda: Chat(upstream.port, body).whole())
    assert seen.is_done
    assert not seen.fault
    assert len(seen.arrivals) == len(seen.texts) == 4
    assert seen.usage["completion_tokens"] == 4
