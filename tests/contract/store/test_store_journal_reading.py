"""Reading the journal page by page, and pruning it."""

import pytest
from tests.contract.store.samples import NOON, a_record

from remuda.store import Store
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import (
    JournalFilter,
    Reach,
    journal_entry,
    journal_page,
    journal_reach,
    journal_size,
    moment_of,
    prune_content,
    prune_journal,
)

EVERYTHING = JournalFilter()


async def keep(store: Store, *records, writer: str = "writer") -> None:
    await write_batches(store, [Batch(writer, 1, records)], NOON, is_durable=True)


async def test_an_entry_comes_back_as_it_was_appended(store: Store):
    plain = a_record(1, ttft_s=None, fault="queue_timeout", status=504, is_streamed=False, tokens_estimated=True)
    with_text = a_record(2, prompt_text="¿cómo?", answer_text="así 🦙")
    await keep(store, plain, with_text)
    page = await journal_page(store, EVERYTHING)
    assert [entry.record for entry in page.entries] == [with_text._replace(prompt_text=None, answer_text=None), plain]
    assert (await journal_entry(store, page.entries[0].id)).record == with_text
    assert (await journal_entry(store, page.entries[1].id)).record == plain
    assert await journal_entry(store, 10**12) is None


async def test_decisions_come_back(store: Store):
    decided = a_record(1, decisions='[{"attempt":1}]')
    with_text = a_record(2, prompt_text="hello", decisions="[]")
    await keep(store, a_record(0), decided, with_text)
    page = await journal_page(store, EVERYTHING)
    assert [entry.record.decisions for entry in page.entries] == ["[]", decided.decisions, None]
    assert [(await journal_entry(store, entry_id)).record for entry_id in (1, 2, 3)] == [
        a_record(0),
        decided,
        with_text,
    ]


async def test_a_request_is_found_by_its_id_with_its_decisions_and_without_its_text(store: Store):
    twice = [a_record(number, id="mine", prompt_text="hello", decisions=f"[{number}]") for number in range(3)]
    await keep(store, a_record(7), *twice, a_record(8, id="bare"))
    found = (await journal_page(store, JournalFilter(request_id="mine"))).entries
    assert [(entry.id, entry.record.decisions) for entry in found] == [(4, "[2]"), (3, "[1]"), (2, "[0]")]
    assert found[0].record == twice[2]._replace(prompt_text=None)


async def test_where_entries_of_a_time_are(store: Store):
    assert await journal_reach(store, None) == await journal_reach(store, NOON) == Reach(0, 0)
    await keep(store, *[a_record(number) for number in range(50)])
    assert await journal_reach(store, None, earlier=5) == Reach(1, 51)
    assert await journal_reach(store, NOON + 20, earlier=5) == Reach(21 - 5, 51)
    assert await journal_reach(store, NOON + 20) == Reach(0, 51)
    assert await journal_reach(store, NOON + 500) == Reach(0, 0)
    assert Reach(1, 51).before(40) == Reach(1, 40)
    assert Reach(1, 51).before(60) == Reach(1, 51)
    assert await moment_of(store, 21) == NOON + 19
    assert await moment_of(store, 1) is None


async def test_a_page_is_of_some_ids_only(store: Store):
    await keep(store, *[a_record(number) for number in range(50)])
    page = await journal_page(store, EVERYTHING, before_id=30, from_id=27, limit=50)
    assert ([entry.id for entry in page.entries], page.next_cursor) == ([29, 28, 27], None)


async def test_ids_are_whole_numbers_without_gaps_in_the_order_of_commits(store: Store):
    await keep(store, *[a_record(number) for number in range(200)])
    await keep(store, *[a_record(number) for number in range(200, 300)], writer="another")
    page = await journal_page(store, EVERYTHING, limit=1000)
    assert [entry.id for entry in page.entries] == list(range(300, 0, -1))
    assert [entry.record.id for entry in page.entries] == [f"req_{number:06d}" for number in range(299, -1, -1)]


async def test_pages_follow_each_other_while_records_are_added(store: Store):
    await keep(store, *[a_record(number) for number in range(5)])
    first = await journal_page(store, EVERYTHING, limit=2)
    await keep(store, a_record(5), writer="another")
    second = await journal_page(store, EVERYTHING, before_id=first.next_cursor, limit=2)
    third = await journal_page(store, EVERYTHING, before_id=second.next_cursor, limit=2)
    assert [[entry.id for entry in page.entries] for page in (first, second, third)] == [[5, 4], [3, 2], [1]]
    assert third.next_cursor is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (JournalFilter(since=NOON + 2), [4, 3]),
        (JournalFilter(until=NOON + 1), [1]),
        (JournalFilter(model="big"), [3, 2]),
        (JournalFilter(key_id="key_a", model="big"), [2]),
        (JournalFilter(status_class=4), [4]),
        (JournalFilter(status_class=2, since=NOON + 1), [3, 2]),
        (JournalFilter(request_id="req_000002"), [3]),
        (JournalFilter(model="nothing"), []),
    ],
)
async def test_a_filter_lets_through_what_it_names(store: Store, wanted: JournalFilter, found: list[int]):
    await keep(
        store,
        a_record(0),
        a_record(1, model="big", key_id="key_a"),
        a_record(2, model="big", key_id="key_b"),
        a_record(3, status=499),
    )
    assert [entry.id for entry in (await journal_page(store, wanted)).entries] == found


async def test_pruning_by_age_takes_the_text_along_and_gives_no_id_twice(store: Store):
    await keep(store, *[a_record(number, prompt_text="hello") for number in range(5)])
    assert await prune_journal(store, before=NOON + 3, now=NOON, step=2) == 3
    assert [entry.id for entry in (await journal_page(store, EVERYTHING)).entries] == [5, 4]
    assert await prune_journal(store, before=NOON + 100, now=NOON, step=2) == 2
    assert await prune_content(store, before=NOON + 100) == 0
    await keep(store, a_record(9), writer="another")
    assert [entry.id for entry in (await journal_page(store, EVERYTHING)).entries] == [6]


async def test_pruning_by_rows_keeps_the_newest(store: Store):
    await keep(store, *[a_record(number) for number in range(7)])
    assert await prune_journal(store, keep=3, now=NOON, step=2) == 4
    assert [entry.id for entry in (await journal_page(store, EVERYTHING)).entries] == [7, 6, 5]
    assert await prune_journal(store, keep=3, now=NOON, step=2) == 0
    assert await prune_journal(store, keep=0, now=NOON, step=2) == 3
    assert await journal_size(store) == 0


async def test_text_is_pruned_before_its_entries(store: Store):
    await keep(store, *[a_record(number, answer_text="hello") for number in range(4)])
    assert await prune_content(store, before=NOON + 2) == 2
    texts = [(await journal_entry(store, entry_id)).record.answer_text for entry_id in (1, 2, 3, 4)]
    assert texts == [None, None, "hello", "hello"]
    assert await journal_size(store) == 4


async def test_a_writer_that_ended_is_forgotten_after_a_quarter(store: Store):
    await keep(store, a_record(0))
    await prune_journal(store, now=NOON + 89 * 86_400)
    await keep(store, a_record(0))
    assert await journal_size(store) == 1
    await prune_journal(store, now=NOON + 91 * 86_400)
    await keep(store, a_record(0))
    assert await journal_size(store) == 2
