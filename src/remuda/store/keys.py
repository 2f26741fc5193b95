"""API keys at rest. Secrets never come here: a key holds its secret's digest.

Every change raises the revision in its own transaction, so that running gateways take it up within a second.
Names are for people and need not be unique: `find_keys` returns all that match, and who acts on one asks for exactly
one.
"""

from collections.abc import Mapping

from sqlalchemy import Row, bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remuda.core.keys import Key, Scope
from remuda.store.database import Store, raise_revision, read_revision
from remuda.store.schema import keys

_SCOPES = frozenset(scope.value for scope in Scope)


async def create_key(store: Store, key: Key) -> None:
    """Keep a new key. Raises StoreRefused where its id or digest is there already."""
    async with store.write() as connection:
        await connection.execute(
            insert(keys).values(
                id=key.id,
                name=key.name,
                digest=key.digest,
                prefix=key.prefix,
                scopes=" ".join(sorted(key.scopes)),
                created_at=key.created_at,
                expires_at=key.expires_at,
                revoked_at=key.revoked_at,
                last_used_at=key.last_used_at,
            )
        )
        await raise_revision(connection)


async def list_keys(store: Store) -> list[Key]:
    """All keys, revoked and expired ones too, oldest first."""
    async with store.read() as connection:
        rows = await connection.execute(select(keys).order_by(keys.c.created_at, keys.c.id))
        return [_key_from(row) for row in rows]


async def usable_keys(store: Store) -> tuple[int, list[Key]]:
    """The revision, and the keys that are not revoked, as they were at that revision: what a key ring is made of.

    Expired keys are among them: the ring tells their holders so.
    """
    async with store.read() as connection:
        # The revision first: where a change comes in between, the keys are newer than the number says, and the next
        # look at the revision finds them changed once more. The other order could miss a change for good.
        revision = await read_revision(connection)
        rows = await connection.execute(select(keys).where(keys.c.revoked_at.is_(None)).order_by(keys.c.created_at))
        return revision, [_key_from(row) for row in rows]


async def find_keys(store: Store, word: str) -> list[Key]:
    """The keys that `word` means: the one with that id; else those whose name or display prefix it is, live ones first.

    Empty where there are none. More than one where a name is used twice: the caller then asks for the id.
    """
    async with store.read() as connection:
        rows = await connection.execute(
            select(keys)
            .where(or_(keys.c.id == word, keys.c.name == word, keys.c.prefix == word))
            .order_by(keys.c.revoked_at.is_not(None), keys.c.created_at, keys.c.id)
        )
        found = [_key_from(row) for row in rows]
    return [key for key in found if key.id == word] or found


async def revoke_key(store: Store, key_id: str, now: float) -> bool:
    """Make the key useless from `now` (wall clock) on. False where no such key exists or it was revoked before."""
    async with store.write() as connection:
        changed = await connection.execute(
            update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(revoked_at=now)
        )
        if changed.rowcount == 0:
            return False
        await raise_revision(connection)
        return True


async def touch_last_used(store: Store, used: Mapping[str, float]) -> None:
    """Note when keys (by id) were last used, wall clock. An earlier time than is known changes nothing."""
    async with store.write() as connection:
        await write_last_used(connection, used)


async def write_last_used(connection: AsyncConnection, used: Mapping[str, float]) -> None:
    """As `touch_last_used`, in the transaction of `connection`. Does not raise the revision: no ring depends on it."""
    if not used:
        return
    statement = (
        update(keys)
        .where(keys.c.id == bindparam("key_id"))
        .where(or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < bindparam("used_at")))
        .values(last_used_at=bindparam("used_at"))
    )
    # In one order everywhere, so that two gateways that touch the same keys never wait for each other in a circle.
    await connection.execute(statement, [{"key_id": key_id, "used_at": used[key_id]} for key_id in sorted(used)])


def _key_from(row: Row[tuple[object, ...]]) -> Key:
    fields = row._mapping
    return Key(
        id=fields["id"],
        name=fields["name"],
        digest=bytes(fields["digest"]),
        prefix=fields["prefix"],
        # A scope that this version does not know gives nothing, and is no reason to refuse the key's other scopes.
        scopes=frozenset(Scope(word) for word in fields["scopes"].split() if word in _SCOPES),
        created_at=fields["created_at"],
        expires_at=fields["expires_at"],
        revoked_at=fields["revoked_at"],
        last_used_at=fields["last_used_at"],
    )
