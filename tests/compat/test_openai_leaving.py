"""`openai`'s client leaves: the engine stops and the slot is free, by what engine and gateway say of themselves."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

from tests.compat.conftest import SLOTS, SLOW, Served
from tests.fixtures.process import until as wait_until

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("compat")]

LONG = 3000
ENDLESS: Any = {
    "model": SLOW,
    "messages": [{"role": "user", "content": "x"}],
    "max_tokens": LONG,
    "extra_body": {"ignore_eos": True},
}
"""An answer that takes longer than any test waits for."""
READING: Any = {**ENDLESS, "max_tokens": 1}
"""A prompt of LONG tokens that have not been read before, which takes the engine seconds."""


@pytest.fixture(autouse=True)
def _rest(served: Served) -> Iterator[None]:
    """Before and after each test everything is at rest."""
    served.at_rest()
    yield
    served.at_rest()


def prompt(word: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": (word * LONG)[:LONG]}]


async def until(holds: Any, what: str) -> None:
    """As the fixtures' `until`, beside the requests of this event loop."""
    await asyncio.to_thread(wait_until, holds, what)


async def answered(client: openai.AsyncOpenAI, ask: Any) -> None:
    """Ask, and listen to the end."""
    answer = await client.chat.completions.create(**ask)
    if isinstance(answer, openai.AsyncStream):
        async for _ in answer:
            pass


@asynccontextmanager
async def under_way(ask: Any) -> AsyncIterator[None]:
    """A request in a task of its own, which is cancelled on leaving, as a client's time limit does it."""
    task = asyncio.create_task(ask)
    try:
        yield
    finally:
        assert not task.done(), "it is still being answered"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_a_stream_closed_in_the_middle(served: Served, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(**ENDLESS, stream=True)
    assert next(iter(stream)).choices
    assert len(served.busy()) == 1
    assert served.slots_in_use == 1
    before = served.engine_metric(SLOW, "tokens_predicted_total")
    stream.close()
    served.at_rest()
    assert served.engine_metric(SLOW, "tokens_predicted_total") - before < LONG


async def test_a_whole_answer_cancelled_while_it_is_made(served: Served, asynchronous: openai.AsyncOpenAI) -> None:
    async with under_way(asynchronous.chat.completions.create(**ENDLESS)):
        await until(served.at_work, "the engine is at work")
        before = await asyncio.to_thread(served.engine_metric, SLOW, "tokens_predicted_total")
    await asyncio.to_thread(served.at_rest)
    assert served.engine_metric(SLOW, "tokens_predicted_total") - before < LONG


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_cancelled_while_the_prompt_is_read(
    served: Served, asynchronous: openai.AsyncOpenAI, is_streamed: bool
) -> None:
    # What has once been read is not read again, so each prompt is a new one.
    ask = {**READING, "messages": prompt("ab" if is_streamed else "cd"), "stream": is_streamed}
    await asynchronous.chat.completions.create(**{**ENDLESS, "max_tokens": 1})  # the engine is there
    before = served.engine_metric(SLOW, "prompt_tokens_total")
    async with under_way(answered(asynchronous, ask)):
        await until(served.at_work, "the engine is at work")
    await asyncio.to_thread(served.at_rest)
    assert served.engine_metric(SLOW, "prompt_tokens_total") - before < LONG


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_cancelled_while_it_waits_for_a_slot(
    served: Served, asynchronous: openai.AsyncOpenAI, is_streamed: bool
) -> None:
    streams = [await asynchronous.chat.completions.create(**ENDLESS, stream=True) for _ in range(SLOTS)]
    assert served.slots_in_use == SLOTS
    async with under_way(asynchronous.chat.completions.create(**ENDLESS, stream=is_streamed)):
        await until(lambda: served.queued == 1, "a request waits")
    await until(lambda: served.queued == 0, "none waits")
    assert served.slots_in_use == SLOTS, "those being answered are left alone"
    assert len(await asyncio.to_thread(served.busy)) == SLOTS
    for stream in streams:
        await stream.close()
    await asyncio.to_thread(served.at_rest)


async def test_a_slot_that_comes_free_goes_to_who_waits(served: Served, asynchronous: openai.AsyncOpenAI) -> None:
    streams = [await asynchronous.chat.completions.create(**ENDLESS, stream=True) for _ in range(SLOTS)]
    waiting = asyncio.create_task(asynchronous.chat.completions.create(**{**ENDLESS, "max_tokens": 2}))
    await until(lambda: served.queued == 1, "a request waits")
    await streams.pop().close()
    assert (await waiting).choices[0].finish_reason == "length"
    await streams.pop().close()


async def test_many_that_leave_at_once_leave_nothing_behind(served: Served, asynchronous: openai.AsyncOpenAI) -> None:
    asks = [asyncio.create_task(asynchronous.chat.completions.create(**ENDLESS, stream=n % 2 == 0)) for n in range(12)]
    await until(lambda: served.queued >= 12 - SLOTS - 1, "most of them wait")
    for ask in asks:
        ask.cancel()
    answers = await asyncio.gather(*asks, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, openai.AsyncStream):
            await answer.close()
    await asyncio.to_thread(served.at_rest)
    quick = await asynchronous.chat.completions.create(**{**ENDLESS, "max_tokens": 2})
    assert quick.choices[0].message.content is not None
