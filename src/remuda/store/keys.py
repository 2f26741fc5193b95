"""API keys at rest. Secrets never come here: a key holds its secret's digest.

Every change raises the revision in its own transaction, so that running gateways take it up within a second.
Names are for people and need not be unique: `find_keys` returns all that match, and who acts on one asks for exactly
one.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, or_, select, update

from remuda.core.keys import Key, Scope
from remuda.store.database import Store, raise_revision, read_revision
from remuda.store.schema import keys

_SCOPES = frozenset(scope.value for scope in Scope)

_TOUCH = (
    update(keys)
    .where(keys.c.id == bindparam("key_id"))
    .where(or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < bindparam("used_at")))
    .values(last_used_at=bindparam("used_at"))
)


async def create_key(store: Store, key: Key) -> None:
    """Keep a new key. Raises StoreRefused where its id or digest is there already."""

    def work(connection: Connection) -> None:
        connection.execute(
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
                weight=key.weight,
            )
        )
        raise_revision(connection)

    await store.write(work)


async def list_keys(store: Store) -> list[Key]:
    """All keys, revoked and expired ones too, oldest first."""
    return await store.read(lambda connection: _read_keys(connection, select(keys)))


async def usable_keys(store: Store) -> tuple[int, list[Key]]:
    """The revision, and the keys that are not revoked, as they were at that revision: what a key ring is made of.

    Expired keys are among them: the ring tells their holders so.
    """

    def work(connection: Connection) -> tuple[int, list[Key]]:
        # The revision first: where a change comes in between, the keys are newer than the number says, and the next
        # look at the revision finds them changed once more. The other order could miss a change for good.
        revision = read_revision(connection)
        return revision, _read_keys(connection, select(keys).where(keys.c.revoked_at.is_(None)))

    return await store.read(work)


async def count_usable_keys(store: Store) -> int:
    """How many keys are not revoked; of a store of any version."""
    query = select(func.count()).select_from(keys).where(keys.c.revoked_at.is_(None))
    return await store.read(lambda connection: int(connection.execute(query).scalar_one()))


async def find_keys(store: Store, word: str) -> list[Key]:
    """The keys that `word` means: the one with that id; else those whose name or display prefix it is, live ones first.

    Empty where there are none. More than one where a name is used twice: the caller then asks for the id.
    """
    meant = select(keys).where(or_(keys.c.id == word, keys.c.name == word, keys.c.prefix == word))
    found = await store.read(lambda connection: _read_keys(connection, meant.order_by(keys.c.revoked_at.is_not(None))))
    return [key for key in found if key.id == word] or found


async def revoke_key(store: Store, key_id: str, now: float) -> bool:
    """Make the key useless from `now` (wall clock) on. False where no such key exists or it was revoked before."""
    revoking = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(revoked_at=now)

    def work(connection: Connection) -> bool:
        if connection.execute(revoking).rowcount == 0:
            return False
        raise_revision(connection)
        return True

    return await store.write(work)


async def change_weight(store: Store, key_id: str, weight: int) -> bool:
    """Give the key another weight. False where no such key exists or it was revoked."""
    changing = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(weight=weight)

    def work(connection: Connection) -> bool:
        if connection.execute(changing).rowcount == 0:
            return False
        raise_revision(connection)
        return True

    return await store.write(work)


async def touch_last_used(store: Store, used: Mapping[str, float]) -> None:
    """Note when keys (by id) were last used, wall clock. An earlier time than is known changes nothing."""
    if not used:
        return
    await store.write(lambda connection: write_last_used(connection, used))


def write_last_used(connection: Connection, used: Mapping[str, float]) -> None:
    """As `touch_last_used`, in the transaction of `connection`. Does not raise the revision: no ring depends on it."""
    if used:
        # In one order everywhere, so that two gateways that touch the same keys never wait for each other in a
        # circle.
        connection.execute(_TOUCH, [{"key_id": key_id, "used_at": used[key_id]} for key_id in sorted(used)])


def _read_keys(connection: Connection, query: Select[Any]) -> list[Key]:
    return [_key_from(row) for row in connection.execute(query.order_by(keys.c.created_at, keys.c.id))]


def _key_from(row: Row[Any]) -> Key:
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
        weight=fields["weight"],
    )
