"""The store that the settings name, for one command."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from remuda.app.exits import CommandError, Exit
from remuda.app.settings import Settings
from remuda.store import Store, StoreError, open_store, store_url_in


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Store]:
    """The open store, made or brought up to date where need be, closed on leaving.

    What goes wrong with it, also while it is used, is raised as CommandError.
    """
    with store_errors():
        store = await open_store(prepared_store_url(settings))
        try:
            yield store
        finally:
            await store.close()


def prepared_store_url(settings: Settings) -> str:
    """The store's URL; the data folder is made where it is to hold the store. Raises StoreError."""
    if settings.database_url is None:
        store_url_in(settings.data_dir)
    return settings.store_url


@contextmanager
def store_errors() -> Iterator[None]:
    """What goes wrong with the store inside ends the command."""
    try:
        yield
    except StoreError as error:
        raise CommandError(str(error), Exit.STORE) from None
