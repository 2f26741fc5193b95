"""Where a store is: its URL, and the folder and file of an SQLite one."""

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from remuda.store.errors import StoreError

DATABASE_FILE = "remuda.db"

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


def store_url_in(folder: Path) -> str:
    """The default store's URL: an SQLite file in `folder`, which is made (0700) where it is missing.

    Raises StoreError where the folder cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the data folder {folder}: {error.strerror or error}") from error
    return URL.create("sqlite", database=str(folder / DATABASE_FILE)).render_as_string()


def parse_store_url(url: str) -> URL:
    """The URL with the driver this room uses; raises StoreError with a sentence that never shows the password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError("the store's URL is not valid: sqlite:///path/to/file or postgresql://host/database") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise StoreError(f"a store is on sqlite: or postgresql:, not on {parsed.drivername}:")
    parsed = parsed.set(drivername=driver)
    if is_sqlite(parsed):
        if parsed.database in (None, "", ":memory:") or parsed.query:
            raise StoreError("an SQLite store is a file, without options: sqlite:///path/to/file")
        return parsed
    if not parsed.database:
        raise StoreError("a Postgres store's URL names its database: postgresql://host/database")
    if "sslmode" in parsed.query:  # libpq's word, which most printed URLs use; the driver's is `ssl`
        query = dict(parsed.query)
        query["ssl"] = query.pop("sslmode")
        parsed = parsed.set(query=query)
    return parsed


def is_sqlite(url: URL) -> bool:
    """Whether `url` is an SQLite file's."""
    return url.get_backend_name() == "sqlite"


def shown(url: URL) -> str:
    """The store's place for messages, without its password."""
    return str(url.database) if is_sqlite(url) else url.render_as_string(hide_password=True)


def prepare_file(path: Path) -> None:
    """Make the SQLite file (0600) where it is missing, and see that it can be a store: what SQLite itself would say
    is vague.

    Raises StoreError where the folder is missing or read-only, or the file is not to be written or not SQLite's.
    """
    try:
        if not path.parent.is_dir():
            raise StoreError(f"the folder of the store does not exist: {path.parent}")
        # Made here because SQLite would make it readable for all; its side files take over the mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise StoreError(f"cannot write the store {path}: {error.strerror or error}") from error
    if head and head != b"SQLite format 3\x00":
        raise StoreError(f"{path} is not a Remuda store: it is not an SQLite file")
    if not os.access(path.parent, os.W_OK):
        raise StoreError(f"cannot write into the folder of the store: {path.parent}")
