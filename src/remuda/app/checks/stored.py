"""The store: does it open, and do the times in it make sense?"""

from pathlib import Path

from remuda.app.checks.finding import Finding, fail, ok
from remuda.app.exits import CommandError
from remuda.app.settings import Settings
from remuda.app.stores import opened_store
from remuda.core.keys import Key
from remuda.store.keys import list_keys


async def check_store(settings: Settings) -> tuple[list[Finding], float | None]:
    """Whether the store opens, and the latest time that stands in it. An older store is brought up to date by it.

    One that does not exist yet is not made.
    """
    file = _file(settings)
    if file is not None and not file.exists():
        return [ok("store", f"{file} will be made on first use")], None
    try:
        async with opened_store(settings) as store:
            keys = await list_keys(store)
    except CommandError as error:
        advice = "see that it is reachable and may be written, or restore a backup: remuda restore FILE"
        return [fail("store", error.message, advice)], None
    usable = sum(key.revoked_at is None for key in keys)
    where = str(file) if file else "the database"
    return [ok("store", f"{where} is open and up to date, {usable} key{'' if usable == 1 else 's'}")], _latest(keys)


def _file(settings: Settings) -> Path | None:
    scheme, _, path = settings.store_url.partition(":///")
    return Path(path) if scheme.startswith("sqlite") else None


def _latest(keys: list[Key]) -> float | None:
    return max((max(key.created_at, key.last_used_at or 0, key.revoked_at or 0) for key in keys), default=None)
