"""Users at rest. Passwords never come here: a user holds its password's hash.

Every change that a running gateway must know of raises the revision in its own transaction, as with keys.
"""

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from remuda.core.keys import Scope
from remuda.core.users import Session, User
from remuda.store.database import Store, raise_counter, raise_revision, read_counter, read_revision
from remuda.store.errors import StoreError
from remuda.store.schema import ended_sessions, users

MAX_USERS: Final = 10_000
"""All are held in memory by each gateway."""
MAX_ENDED_SESSIONS: Final = 10_000
"""Likewise."""
_COUNTER: Final = "user"
_SCOPES: Final = frozenset(scope.value for scope in Scope)


class UserTaken(StoreError):
    """There is a user of that name already."""


class TooManyUsers(StoreError):
    """There are as many users as are kept."""


class StoredUsers(NamedTuple):
    """What a gateway holds in memory of its users."""

    revision: int
    users: list[User]
    """As they were at that revision, or newer; by name."""
    have_been: bool
    """Whether there has ever been one, be it removed by now."""


async def add_user(
    store: Store, name: str, password: str, scopes: frozenset[Scope] | None, now: float, otherwise: frozenset[Scope]
) -> User:
    """Keep a new user; `password` is its hash. Without `scopes` the first of all gets admin, another one `otherwise`.

    Raises UserTaken, TooManyUsers, StoreUnavailable.
    """

    def work(connection: Connection) -> User:
        epoch = raise_counter(connection, _COUNTER)  # first: whoever adds another at the same time waits for us
        count = connection.execute(select(func.count()).select_from(users)).scalar_one()
        if connection.execute(select(users.c.name).where(users.c.name == name)).first() is not None:
            raise UserTaken(f"there is a user called {name!r} already")
        if count >= MAX_USERS:
            raise TooManyUsers(f"there are {MAX_USERS} users already")
        given = scopes if scopes is not None else frozenset({Scope.ADMIN}) if count == 0 else otherwise
        user = User(name, password, given, epoch, now)
        connection.execute(
            insert(users).values(
                name=name, password=password, scopes=" ".join(sorted(given)), epoch=epoch, created_at=now
            )
        )
        raise_revision(connection)
        return user

    return await store.write(work)


async def list_users(store: Store) -> StoredUsers:
    """All users, and the revision they were read at."""

    def work(connection: Connection) -> StoredUsers:
        # The revision first, as `store.keys.usable_keys` explains.
        revision = read_revision(connection)
        found = [_user_from(row) for row in connection.execute(select(users).order_by(users.c.name))]
        return StoredUsers(revision, found, read_counter(connection, _COUNTER) > 0)

    return await store.read(work)


async def change_password(store: Store, name: str, password: str) -> bool:
    """Keep another password's hash for the user, and end all its tokens; False where there is no such user."""

    def work(connection: Connection) -> bool:
        epoch = raise_counter(connection, _COUNTER)
        changing = update(users).where(users.c.name == name).values(password=password, epoch=epoch)
        if connection.execute(changing).rowcount == 0:
            return False
        connection.execute(delete(ended_sessions).where(ended_sessions.c.user_name == name))
        raise_revision(connection)
        return True

    return await store.write(work)


async def remove_user(store: Store, name: str) -> bool:
    """Forget the user and end all its tokens; False where there is none."""

    def work(connection: Connection) -> bool:
        if connection.execute(delete(users).where(users.c.name == name)).rowcount == 0:
            return False
        connection.execute(delete(ended_sessions).where(ended_sessions.c.user_name == name))
        raise_revision(connection)
        return True

    return await store.write(work)


async def end_session(store: Store, session: Session, now: float, *, most: int = MAX_ENDED_SESSIONS) -> None:
    """Have no gateway take the session's tokens any more. Where `most` that were ended are kept already, all the
    user's sessions end with it, which needs no row."""

    def work(connection: Connection) -> None:
        epoch = raise_counter(connection, _COUNTER)  # first, as above: rows are counted by one at a time
        kept = ended_sessions.c
        connection.execute(delete(ended_sessions).where(kept.ends_at <= now))
        if connection.execute(select(kept.id).where(kept.id == session.id)).first() is not None:
            return
        if connection.execute(select(func.count()).select_from(ended_sessions)).scalar_one() < most:
            row = {"id": session.id, "user_name": session.user, "ends_at": session.ends_at}
            connection.execute(insert(ended_sessions).values(row))
        else:
            connection.execute(update(users).where(users.c.name == session.user).values(epoch=epoch))
            connection.execute(delete(ended_sessions).where(kept.user_name == session.user))
        raise_revision(connection)

    await store.write(work)


async def list_ended_sessions(store: Store) -> frozenset[str]:
    """The ids of the sessions that were ended, those among them whose tokens have run out since too."""
    found = await store.read(lambda connection: connection.execute(select(ended_sessions.c.id)).scalars().all())
    return frozenset(found)


async def note_login(store: Store, name: str, now: float) -> None:
    """Keep when the user last logged in. Does not raise the revision: nothing in memory depends on it."""
    noting = update(users).where(users.c.name == name).values(last_login_at=now)
    await store.write(lambda connection: connection.execute(noting))


def _user_from(row: Row[Any]) -> User:
    fields = row._mapping
    return User(
        name=fields["name"],
        password=fields["password"],
        # A scope that this version does not know gives nothing, and is no reason to refuse the user's other scopes.
        scopes=frozenset(Scope(word) for word in fields["scopes"].split() if word in _SCOPES),
        epoch=fields["epoch"],
        created_at=fields["created_at"],
        last_login_at=fields["last_login_at"],
    )
