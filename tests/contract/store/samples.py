"""Records and keys to keep, and what tests do to a store."""

from typing import Any

from sqlalchemy import insert

from remuda.core.keys import Key, Scope, digest_of
from remuda.core.record import RequestRecord
from remuda.store import Store
from remuda.store.schema import keys

NOON = 1_700_000_000.0


def a_record(number: int = 0, **fields: Any) -> RequestRecord:
    """A successful request, the `number`th second after noon, with `fields` changed."""
    record = RequestRecord(
        id=f"req_{number:06d}",
        started_at=NOON + number,
        dialect="openai",
        operation="chat",
        model="remuda-tiny",
        replica="local/remuda-tiny",
        key_id="",
        status=200,
        fault="",
        is_streamed=True,
        attempts=1,
        queue_wait_s=0.001,
        ttft_s=0.25,
        duration_s=1.5,
        prompt_tokens=12,
        completion_tokens=34,
        cached_tokens=5,
        tokens_estimated=False,
        bytes_in=321,
        bytes_out=6543,
        finish_reason="stop",
    )
    return record._replace(**fields)


def a_key(word: str = "laptop", **fields: Any) -> Key:
    """A key whose id, digest and prefix follow from `word`, with `fields` changed."""
    values: dict[str, Any] = {
        "id": f"key_{word}",
        "name": word,
        "digest": digest_of(f"secret of {word}".encode()),
        "prefix": f"rmd_{word[:6]}",
        "scopes": frozenset({Scope.INFERENCE}),
        "created_at": NOON,
    }
    return Key(**(values | fields))


async def insert_old(store: Store, id_: int, record: RequestRecord) -> None:
    """Add a record to the journal of a store from before version 11."""
    values = record[: RequestRecord._fields.index("user_id")]
    said = ", ".join(str(value).upper() if isinstance(value, bool) else repr(value) for value in values)
    await run_sql(store, f"INSERT INTO journal VALUES ({id_}, {said})")
    await run_sql(store, f"UPDATE counters SET value = {id_} WHERE name = 'journal'")


async def keep_older_key(store: Store, key: Key) -> None:
    """As `create_key`, in a store of any version."""
    known = ("id", "name", "digest", "prefix", "created_at")
    values = {name: getattr(key, name) for name in known} | {"scopes": " ".join(sorted(key.scopes))}
    await store.write(lambda connection: connection.execute(insert(keys).values(values)))


async def run_sql(store: Store, statement: str) -> None:
    """Do to the store what none of its functions does."""

    def work(connection: Any) -> None:
        connection.exec_driver_sql(statement)

    await store.write(work)
