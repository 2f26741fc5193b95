"""The store: does it open, do the times in it make sense, and does it hold the key that a foreign bind needs?"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from remuda.app.checks.finding import Finding, fail, ok, warn
from remuda.app.exits import CommandError
from remuda.app.settings import Settings
from remuda.app.stores import opened_store
from remuda.core.keys import Key
from remuda.core.node import Node
from remuda.store.database import store_at
from remuda.store.errors import StoreError
from remuda.store.keys import count_usable_keys, list_keys
from remuda.store.nodes import list_nodes
from remuda.store.users import list_users


class Stored(NamedTuple):
    """What a look into the store has told."""

    finding: Finding
    latest_s: float | None = None
    """The latest time that stands in it."""
    credentials: int | None = None
    """Keys in it that are not revoked, and users; None where it does not open."""
    nodes: Sequence[Node] = ()
    """The servers elsewhere that stand in it."""


async def check_store(settings: Settings) -> Stored:
    """Whether the store opens. An older store is brought up to date by it.

    One that does not exist yet is not made.
    """
    file = _file(settings)
    if file is not None and not file.exists():
        return Stored(ok("store", f"{file} will be made on first use"), credentials=0)
    try:
        async with opened_store(settings) as store:
            keys = await list_keys(store)
            users = (await list_users(store)).users
            nodes = (await list_nodes(store))[1]
    except CommandError as error:
        advice = "see that it is reachable and may be written, or restore a backup: remuda restore FILE"
        return Stored(fail("store", error.message, advice))
    usable = sum(key.revoked_at is None for key in keys)
    where = str(file) if file else "the database"
    said = f"{where} is open and up to date, {usable} key{'' if usable == 1 else 's'}"
    return Stored(ok("store", said), _latest(keys), usable + len(users), nodes)


async def credentials_at_hand(settings: Settings) -> int | None:
    """Keys in the store that are not revoked, and users, read as it is; None where it is on a server, or no store."""
    file = _file(settings)
    if file is None:
        return None
    if not file.exists():
        return 0
    try:
        store = store_at(settings.store_url)
        try:
            usable = await count_usable_keys(store)
            try:
                return usable + len((await list_users(store)).users)
            except StoreError:  # a store from before there were any
                return usable
        finally:
            await store.close()
    except StoreError:
        return None


def check_door(settings: Settings, stored: int | None) -> list[Finding]:
    """Whether the gateway would start where others than this machine's programs reach it: not without a key."""
    if settings.server.is_local or settings.auth.api_keys or stored:
        return []
    advice = "make one (remuda keys create), set API_KEYS, or listen on 127.0.0.1 alone"
    if stored is None:
        return [warn("keys", "listening beyond this machine needs an API key, and the store was not asked", advice)]
    return [fail("keys", "listening beyond this machine needs an API key first, and there is none", advice)]


def _file(settings: Settings) -> Path | None:
    scheme, _, path = settings.store_url.partition(":///")
    return Path(path) if scheme.startswith("sqlite") else None


def _latest(keys: list[Key]) -> float | None:
    return max((max(key.created_at, key.last_used_at or 0, key.revoked_at or 0) for key in keys), default=None)
