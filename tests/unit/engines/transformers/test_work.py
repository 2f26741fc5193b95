"""Work on threads, and its way to the event loop."""

import threading
from collections.abc import Callable, Iterator

import pytest

from remuda.engines.transformers.work import Desks
from tests.unit.engines.client import until


async def test_items_come_in_order_and_end() -> None:
    desks = Desks(1)
    work = desks.begin(lambda is_given_up: iter("abc"))
    assert [await work.next() for _ in range(4)] == ["a", "b", "c", None]
    desks.close()


async def test_what_goes_wrong_is_told() -> None:
    def make(is_given_up: Callable[[], bool]) -> Iterator[str]:
        yield "a"
        raise KeyError("x")

    desks = Desks(1)
    work = desks.begin(make)
    assert await work.next() == "a"
    with pytest.raises(KeyError):
        await work.next()
    desks.close()


async def test_no_more_at_once_than_there_are_slots_and_no_work_for_those_who_left() -> None:
    go, begun = threading.Event(), []

    def make(is_given_up: Callable[[], bool]) -> Iterator[int]:
        begun.append(is_given_up)
        go.wait()
        yield 1
        yield 2

    desks = Desks(1)
    first, second, third = (desks.begin(make) for _ in range(3))
    await until(lambda: len(begun) == 1)
    assert desks.busy == 1
    second.give_up()
    first.give_up()
    go.set()
    assert await third.next() == 1
    assert len(begun) == 2, "the second was never begun"
    await until(lambda: desks.busy == 0)
    desks.close()
