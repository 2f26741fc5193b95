"""The journal is kept for as long as the settings say, and its text for as long as they say."""

import logging
from typing import Final

from remuda.app.settings import JournalSettings
from remuda.core.clock import Clock
from remuda.core.tasks import Tasks
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.journal_reading import prune_content, prune_content_beyond, prune_journal

log = logging.getLogger(__name__)

EVERY_S: Final = 3600.0
"""Retention is told in days: an hour more does not matter, and each look takes two quick statements."""
FIRST_S: Final = 60.0
"""The first look comes soon, for gateways that never run long, but not while everything else starts."""
DAY_S: Final = 86_400.0


def start_retention(tasks: Tasks, store: Store, journal: JournalSettings, clock: Clock) -> None:
    """Begin to let go of what is too old or too much."""
    tasks.start(keep_retention(store, journal, clock), "retention")
    tasks.start(keep_content_bound(store, journal.content_max_bytes, clock), "retention by size")


async def keep_retention(store: Store, journal: JournalSettings, clock: Clock) -> None:
    """Let go of what is older than the settings allow, now and then, until cancelled.

    A store that does not answer is asked again the next time.
    """
    if not journal.retention_days and not journal.content_retention_days:
        return
    pause_s = FIRST_S
    while True:
        await clock.sleep(pause_s)
        pause_s = EVERY_S
        try:
            await prune_once(store, journal, clock.wall())
        except StoreError as error:
            log.warning("old records could not be removed, which is tried again: %s", error)


async def keep_content_bound(store: Store, max_bytes: int, clock: Clock) -> None:
    """Let go of the oldest text where there is more than `max_bytes` of it (0: no bound), until cancelled."""
    while max_bytes:
        await clock.sleep(FIRST_S)
        try:
            texts = await prune_content_beyond(store, max_bytes)
        except StoreError as error:
            log.warning("old text could not be removed, which is tried again: %s", error)
        else:
            if texts:
                log.info(
                    "removed the text of %d records from the journal: there was more than %d bytes", texts, max_bytes
                )


async def prune_once(store: Store, journal: JournalSettings, now: float) -> None:
    """Remove what at the moment `now` is too old."""
    records = texts = 0
    if journal.retention_days:
        records = await prune_journal(store, before=now - journal.retention_days * DAY_S, now=now)
    if journal.content_retention_days:
        texts = await prune_content(store, before=now - journal.content_retention_days * DAY_S)
    if records or texts:
        log.info("removed %d old records and the text of %d more from the journal", records, texts)
