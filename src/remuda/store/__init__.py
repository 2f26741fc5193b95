"""What is kept: named functions over SQLAlchemy Core, on SQLite or Postgres.

Nobody outside this room writes SQL. Whoever needs something kept calls a function here that says what it does; each
takes the open `Store` first. Nothing on a request's way waits for the store: keys are read into memory, and what the
journal keeps of a request is appended to a buffer that a writer task empties.

Words: the *store* is one database and its version; the *revision* is a number that every change of keys raises, so
that a running gateway sees what another process did; the *journal* is one record per request; a journal's *batch* is
what one transaction adds to it (a batch of tasks is something else: see `jobs`); the *spool* is a folder of append-only
files that holds batches while the store cannot take them.

Called by `app` (opening, backup, the `keys` command), the gateway's last step (`Journal.append`), and later by
`insight`, `jobs` and `fleet`. It must not know HTTP, dialects, engines or metrics: counters are plain attributes that
others read.
"""

from remuda.store.database import Store, open_store
from remuda.store.errors import StoreError, StoreRefused, StoreTooNew, StoreUnavailable
from remuda.store.journal import Journal, JournalBounds
from remuda.store.places import store_url_in
from remuda.store.watch import watch_revision

__all__ = [
    "Journal",
    "JournalBounds",
    "Store",
    "StoreError",
    "StoreRefused",
    "StoreTooNew",
    "StoreUnavailable",
    "open_store",
    "store_url_in",
    "watch_revision",
]
