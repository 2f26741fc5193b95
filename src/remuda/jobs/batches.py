"""The way in: batches are made, looked up and cancelled here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remuda.core.batch import Batch, BatchState, NewBatch
from remuda.core.clock import Clock
from remuda.core.faults import InvalidRequest, RateLimited, Taken, UnknownBatch, UnknownFile
from remuda.core.ids import Ids
from remuda.jobs.files import Files
from remuda.jobs.translated import translated
from remuda.store.batches import add_batch, batch_of_key, batch_page, cancel_batch, count_open, find_batch
from remuda.store.database import Store
from remuda.store.errors import StoreRefused

PURPOSE: Final = "batch"
WINDOW_S: Final = 24 * 3600.0
MANY_RETRY_S: Final = 60


@dataclass(frozen=True, slots=True)
class BatchBounds:
    """How much may be under way."""

    open_per_key: int = 100
    """Batches that are not over."""
    window_s: float = WINDOW_S
    """After which what was not answered never will be."""


class Batches:
    """All batches, as one caller or another may see them."""

    def __init__(
        self,
        store: Store,
        files: Files,
        clock: Clock,
        ids: Ids,
        bounds: BatchBounds | None = None,
        wake: Callable[[str], None] = lambda id_: None,
    ) -> None:
        """`wake` tells the driver of this process, where there is one."""
        self._store = store
        self._files = files
        self._clock = clock
        self._ids = ids
        self._bounds = bounds or BatchBounds()
        self._wake = wake

    async def create(
        self,
        endpoint: str,
        input_file_id: str,
        *,
        key_id: str,
        sees: str | None,
        metadata: dict[str, str] | None,
        output_keep_s: float | None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Have the asks of a file answered by the route `endpoint`; `sees`: whose files may be meant (None: anybody's).
        The same idempotency key again brings the batch that is there already.

        Raises UnknownFile, InvalidRequest, RateLimited where the key has as many batches open as it may, Unavailable.
        """
        if (known := await self._known(key_id, idempotency_key)) is not None:
            return known
        file = await self._files.find(input_file_id, sees)
        if file.purpose != PURPOSE:
            said = f"this file was not handed in for a batch, but for {file.purpose!r}"
            raise InvalidRequest(said, parameter="input_file_id", received=file.id)
        self._files.here(file)
        with translated():
            if await count_open(self._store, key_id) >= self._bounds.open_per_key:
                raise RateLimited(
                    f"this key has {self._bounds.open_per_key} batches under way, and may not have more",
                    retry_after_s=MANY_RETRY_S,
                )
            new = NewBatch(
                id=f"batch_{self._ids()}",
                key_id=key_id,
                endpoint=endpoint,
                input_file_id=file.id,
                window_s=self._bounds.window_s,
                metadata=metadata,
                output_file_id=self._files.new_id(),
                error_file_id=self._files.new_id(),
                output_keep_s=output_keep_s,
                idempotency_key=idempotency_key,
            )
            try:
                batch = await add_batch(self._store, new, self._clock.wall())
            except StoreRefused:
                # Somebody else's commit may have come between.
                if (known := await self._known(key_id, idempotency_key)) is not None:
                    return known
                raise
        if batch is None:
            raise UnknownFile
        self._wake(batch.id)
        return batch

    async def _known(self, key_id: str, idempotency_key: str | None) -> Batch | None:
        if idempotency_key is None:
            return None
        with translated():
            return await batch_of_key(self._store, key_id, idempotency_key)

    async def find(self, id_: str, key_id: str | None) -> Batch:
        """The batch, if it is that key's (None: whoever's); raises UnknownBatch, Unavailable."""
        with translated():
            found = await find_batch(self._store, id_)
        if found is None or (key_id is not None and found.key_id != key_id):
            raise UnknownBatch
        return found

    async def page(self, key_id: str | None, limit: int, after: str | None) -> list[Batch]:
        """Batches, newest first, from the one that follows `after` on; raises UnknownBatch where that is none,
        Unavailable."""
        if after is not None:
            await self.find(after, key_id)
        with translated():
            return await batch_page(self._store, key_id, limit, after)

    async def cancel(self, id_: str, key_id: str | None) -> Batch:
        """Have it cancelled: what runs is stopped, what is done is kept. Raises UnknownBatch, Taken where its end was
        decided already, Unavailable."""
        await self.find(id_, key_id)
        with translated():
            batch = await cancel_batch(self._store, id_, self._clock.wall())
        if batch is None:
            raise UnknownBatch
        if batch.state is not BatchState.CANCELLING:
            raise Taken(f"a batch that is {batch.state.value} can no longer be cancelled")
        self._wake(id_)
        return batch
