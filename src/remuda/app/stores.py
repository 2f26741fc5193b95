"""The store that the settings name, opened for one command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from remuda.app.exits import CommandError, Exit
from remuda.app.settings import Settings
from remuda.store import Store, StoreError, open_store, store_url_in


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Store]:
    """The open store, made or brought up to date where need be, closed on leaving.

    What goes wrong with it, also while it is used, is raised as CommandError.
    """
    try:
        if settings.database_url is None:
            store_url_in(settings.data_dir)  # makes the folder
        store = await open_store(settings.store_url)
        try:
            yield store
        finally:
            await store.close()
    except StoreError as error:
        raise CommandError(str(error), Exit.STORE) from None
