"""A store whose text could not be searched is brought to one whose text can."""

from tests.contract.store.samples import run_sql

from remuda.store import open_store
from remuda.store.database import store_at
from remuda.store.journal_reading import JournalFilter, journal_page, prune_content_beyond, prune_journal
from remuda.store.versions import HEAD, migrate, version_of

ENTRY = """
    INSERT INTO journal (id, request_id, started_at, dialect, operation, model, replica, key_id, status, fault,
        is_streamed, attempts, queue_wait_s, duration_s, prompt_tokens, completion_tokens, cached_tokens,
        tokens_estimated, bytes_in, bytes_out, finish_reason)
    VALUES ({id}, 'r{id}', {id}, 'openai', 'chat', 'm', 'r', '', 200, '', FALSE, 1, 0, 1, 1, 1, 0, FALSE, 1, 1, 'stop')
"""


async def test_text_that_was_kept_before_is_found_and_has_its_size(empty_url: str):
    old = store_at(empty_url)
    await old.write(lambda connection: migrate(connection, "0011"))
    for id_, words in ((1, "'Größe', NULL"), (2, "NULL, 'words of an answer'")):
        await run_sql(old, ENTRY.format(id=id_))
        columns = "journal_id, started_at, prompt_text, answer_text"
        await run_sql(old, f"INSERT INTO journal_content ({columns}) VALUES ({id_}, {id_}, {words})")
    await old.close()
    store = await open_store(empty_url)
    assert await store.read(version_of) == HEAD
    for words, expected in (("größe", [1]), ("ANSWER", [2])):
        page = await journal_page(store, JournalFilter(terms=[words]))
        assert [entry.id for entry in page.entries] == expected
    assert await prune_content_beyond(store, 18 + 7) == 0
    assert await prune_content_beyond(store, 18 + 6) == 1
    assert await prune_journal(store, keep=0, now=0.0) == 2
    await store.close()
