"""Words are found in the text that the journal keeps, for as long as it keeps it."""

import pytest
from sqlalchemy import text
from tests.contract.store.samples import NOON, a_record

from remuda.store import Store, open_store, store_url_in
from remuda.store.backup import backup, restore
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.journal_reading import (
    JournalFilter,
    journal_entry,
    journal_page,
    prune_content,
    prune_content_beyond,
    prune_journal,
)
from remuda.store.journal_text import terms_in

TEXTS = [
    ("Where do llamas live?", "In the Andes, of course."),
    ("Und Lamas? Größe und Alter bitte.", "Die Anden sind hoch."),
    (None, None),
    ('a "quoted" word, re-entrant', "it's 3.14 or e-mail@example.org"),
]


async def filled(store: Store) -> Store:
    records = [
        a_record(number, prompt_text=prompt, answer_text=answer, model=f"m{number % 2}")
        for number, (prompt, answer) in enumerate(TEXTS)
    ]
    await write_batches(store, [Batch("w", 1, records)], NOON, is_durable=False)
    return store


async def found(store: Store, words: str, **wanted) -> list[str]:
    page = await journal_page(store, JournalFilter(terms=terms_in(words), **wanted))
    return [entry.record.id[-1] for entry in page.entries]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("llamas", ["0"]),
        ("LLAMAS andes", ["0"]),
        ("llamas anden", []),
        ('"do llamas"', ["0"]),
        ('"llamas do"', []),
        ("GRÖSSE", []),
        ("größe", ["1"]),
        ("quoted", ["3"]),
        ("re-entrant", ["3"]),
        ("course OR anden", []),
        ("-llamas", ["0"]),
        ("llama*", []),
        ("prompt_text:llamas", []),
        ("die in", []),
        ("or", ["3"]),
    ],
)
async def test_words(store: Store, words: str, expected: list[str]) -> None:
    assert await found(await filled(store), words) == expected


async def test_with_other_filters_and_in_pages(store: Store) -> None:
    records = [a_record(number, prompt_text="the same", model=f"m{number % 2}") for number in range(7)]
    await write_batches(store, [Batch("w", 1, records)], NOON, is_durable=False)
    assert await found(store, "same", model="m1") == ["5", "3", "1"]
    assert await found(store, "same", since=NOON + 5) == ["6", "5"]
    page = await journal_page(store, JournalFilter(terms=["same"]), limit=4)
    rest = await journal_page(store, JournalFilter(terms=["same"]), limit=4, before_id=page.next_cursor)
    assert [entry.record.id[-1] for entry in (*page.entries, *rest.entries)] == list("6543210")
    assert rest.next_cursor is None


async def words_kept(store: Store) -> int:
    """How many texts are in the index."""
    query = "SELECT count(*) FROM journal_text WHERE " + (
        "journal_text MATCH 'same'" if store.is_sqlite else "words @@ 'same'::tsquery"
    )
    return await store.read(lambda connection: connection.execute(text(query)).scalar_one())


async def test_it_goes_with_the_text(store: Store) -> None:
    records = [a_record(number, prompt_text="the same") for number in range(6)]
    await write_batches(store, [Batch("w", 1, records)], NOON, is_durable=False)
    assert await words_kept(store) == 6
    assert await prune_content(store, before=NOON + 2) == 2
    assert await words_kept(store) == 4
    assert await prune_journal(store, before=NOON + 3, now=NOON) == 3
    assert await words_kept(store) == 3
    assert await found(store, "same") == ["5", "4", "3"]


async def test_what_is_beyond_a_size_goes_oldest_first(store: Store) -> None:
    records = [a_record(number, prompt_text="é" * 10, answer_text="x" * 10, parameters="{}") for number in range(5)]
    await write_batches(store, [Batch("w", 1, records)], NOON, is_durable=False)
    assert await prune_content_beyond(store, 5 * 32) == 0
    assert await prune_content_beyond(store, 3 * 32 + 31) == 2
    kept = [await journal_entry(store, id_) for id_ in range(1, 6)]
    assert [entry is not None and entry.record.prompt_text is not None for entry in kept] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert await prune_content_beyond(store, 0) == 3


async def test_a_long_text_of_many_words_is_kept(store: Store) -> None:
    """Postgres bounds what it searches of a text."""
    long = " ".join(f"{number:x}\u4e2d" for number in range(120_000))
    await write_batches(store, [Batch("w", 1, [a_record(prompt_text=long, answer_text=long)])], NOON, is_durable=False)
    assert await found(store, "1f\u4e2d") == ["0"]


async def test_it_comes_back_from_a_backup(store: Store, tmp_path) -> None:
    await backup(await filled(store), tmp_path / "b.zip", NOON)
    url = store_url_in(tmp_path / "other") if store.is_sqlite else store.url.render_as_string(hide_password=False)
    await restore(tmp_path / "b.zip", url, force=True)
    other = await open_store(url)
    try:
        assert await found(other, "andes") == ["0"]
    finally:
        await other.close()


def test_terms() -> None:
    assert terms_in(' one  "two three" four"five "" - "!" ') == ["one", "two three", 'four"five']
