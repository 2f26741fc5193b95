"""The tables. What brings a store to this shape is in `migrations/`; a test compares the two."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

VERSION_TABLE = "remuda_schema"
"""Alembic's table under a name of our own: a Postgres database may be shared with a program that uses Alembic too."""

row_id = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on both. SQLite makes a key the row's own number only where its type is written INTEGER."""

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""`revision`: raised by every change of keys, users, nodes and overrides. `journal`: the last journal id given out.
`sightings`: raised by every change of those. `node`: the last id of a node given out. `user`: the last epoch of a user
given out."""

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("last_used_at", Double),
    Column("weight", Integer, nullable=False, server_default="1"),
)

journal = Table(
    "journal",
    metadata,
    # Given out by the `journal` counter in the transaction that inserts, not by the database: ids then follow the
    # order of commits also where several gateways write, so a reader who asks for "above the last id I saw" misses
    # nothing, and an id is never used twice, whatever has been pruned.
    Column("id", row_id, primary_key=True, autoincrement=False),
    # From here on the columns are RequestRecord's fields, in its order and under its names (but for the id).
    Column("request_id", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("replica", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("fault", Text, nullable=False),
    Column("is_streamed", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("queue_wait_s", Double, nullable=False),
    Column("ttft_s", Double),
    Column("duration_s", Double, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("tokens_estimated", Boolean, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("finish_reason", Text, nullable=False),
    # What came later has a default, so that it could be added without rewriting the table.
    Column("user_id", Text, nullable=False, server_default=text("''")),
    Column("temperature", Double),
    Column("max_tokens", BigInteger),
    Column("is_truncated", Boolean, nullable=False, server_default=false()),
    Column("cost_nano", BigInteger, nullable=False, server_default="0"),
    Column("electricity_nano", BigInteger, nullable=False, server_default="0"),
    Column("energy_j", Double),
    Column("decisions", Text),
    # After the record's fields: what is reckoned from them when they are written.
    Column("score", Double, nullable=False, server_default="0"),
    Index(None, "started_at"),
    Index(None, "model", "id"),
    Index(None, "key_id", "id"),
    Index(None, "user_id", "id", sqlite_where=text("user_id <> ''"), postgresql_where=text("user_id <> ''")),
)

journal_content = Table(
    "journal_content",
    metadata,
    Column("journal_id", row_id, ForeignKey("journal.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("started_at", Double, nullable=False),
    Column("prompt_text", Text),
    Column("answer_text", Text),
    Column("parameters", Text),
    Column("size_bytes", BigInteger, nullable=False, server_default="0"),
    Index(None, "started_at"),
    # How much there is, newest first, is told without touching the text.
    Index(None, "journal_id", "size_bytes"),
)
"""Prompt, answer and parameters, only where capture is on: apart, so that it can be kept for a shorter time than the
journal. What is looked for in it stands in `journal_text`, which is not described here: each database has its own, made
by the migration and filled by triggers (see `journal_text.py`)."""

journal_writers = Table(
    "journal_writers",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("last_batch", BigInteger, nullable=False),
    Column("committed_at", Double, nullable=False),
)
"""How far each writing process has come. Its batches are numbered and committed in order, so one number per process
tells which of them are in the journal: a batch offered twice (a commit whose answer was lost, a spool file that
outlived its loading) is known by it. Cheaper than a unique key on every row."""

known_models = Table(
    "known_models",
    metadata,
    Column("name", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("last_seen_at", Double, nullable=False),
)
"""Names that sources have offered at any time. `last_seen_at`: when the source last said something new."""

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
)
"""Who does what only one of several gateways is to do. The clock is the database server's where it has one."""

sightings = Table(
    "sightings",
    metadata,
    Column("node", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
)
"""What the gateway that asks the nodes has seen of each."""

nodes = Table(
    "nodes",
    metadata,
    # Given out by the `node` counter: an id that stands in somebody's notes never comes to mean another node.
    Column("id", row_id, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False, unique=True),
    Column("kind", Text),
    Column("credential", Text, nullable=False),
    Column("slots", Integer),
    Column("weight", Integer, nullable=False),
    Column("is_drained", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""Servers elsewhere that were added while the gateway was in use. `credential`: nothing, `env:NAME`, or sealed."""

overrides = Table(
    "overrides",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("changed_at", Double, nullable=False),
)
"""Settings that were changed while the gateway ran, by their dotted names, in JSON."""

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),
    Column("password", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    # Given out by the `user` counter with each password, so that none comes twice: see core.users.User.
    Column("epoch", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_login_at", Double),
)
"""People who log in. `password`: its hash, with how it was made."""

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("ends_at", Double, nullable=False),
)
"""Sessions that somebody has logged out of. `ends_at`: when their last token runs out, and the row may go."""

tasks = Table(
    "tasks",
    metadata,
    Column("seq", row_id, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("urgency", Integer, nullable=False),
    # Decided when it is submitted: see `tasks.py`.
    Column("rank", Double, nullable=False),
    Column("model", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("idempotency_key", Text),
    Column("webhook", Text),
    Column("time_limit_s", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("due_at", Double, nullable=False),
    Column("worker", Text),
    Column("claims", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("progress", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("status", Integer, nullable=False),
    Column("error_type", Text, nullable=False),
    Column("error_message", Text, nullable=False),
    Column("text", Text),
    Column("result", LargeBinary),
    Column("batch_id", Text),
    Column("custom_id", Text),
    Column("line", BigInteger),
    UniqueConstraint("key_id", "idempotency_key"),
    # Whose turn it is, and the last one of a key.
    Index(None, "state", "model", "urgency", "rank", "seq"),
    Index(None, "key_id", "state", "model", "urgency", "rank"),
    Index(None, "state", "due_at"),
    Index(None, "key_id", "seq"),
    Index(None, "user_id", "seq"),
    Index(None, "model", "seq"),
    # Of what was cancelled while it ran, until its worker has let go of it.
    Index(
        None,
        "finished_at",
        sqlite_where=text("worker IS NOT NULL AND finished_at IS NOT NULL"),
        postgresql_where=text("worker IS NOT NULL AND finished_at IS NOT NULL"),
    ),
    # Of what belongs to no batch there is nothing in it, and nothing that a claim changes stands in it.
    Index(
        None,
        "batch_id",
        "line",
        sqlite_where=text("batch_id IS NOT NULL"),
        postgresql_where=text("batch_id IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)
"""Asks that are answered later. `due_at`: when a delayed one may be tried again, when a running one's lease ends, when
one that is over is forgotten; a line of a batch is not forgotten before it stands in the batch's file. `custom_id`,
`line`: of its line."""

files = Table(
    "files",
    metadata,
    Column("seq", row_id, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("key_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("place", Text, nullable=False),
    Index(None, "key_id", "seq"),
    Index(None, "expires_at"),
    sqlite_autoincrement=True,
)
"""Files that clients have handed in, and those with the results of batches. `place`: the data folder in which the
content lies, under the file's id."""

batches = Table(
    "batches",
    metadata,
    Column("seq", row_id, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("key_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("ending", Text),
    Column("endpoint", Text, nullable=False),
    Column("input_file_id", Text, nullable=False),
    Column("output_file_id", Text, nullable=False),
    Column("error_file_id", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("errors", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("in_progress_at", Double),
    Column("finalizing_at", Double),
    Column("cancelling_at", Double),
    Column("ended_at", Double),
    Column("output_keep_s", Double),
    Column("total", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("input_bytes", BigInteger, nullable=False),
    Column("fed_bytes", BigInteger, nullable=False),
    Column("fed_lines", BigInteger, nullable=False),
    Column("output_bytes", BigInteger, nullable=False),
    Column("error_bytes", BigInteger, nullable=False),
    Column("idempotency_key", Text),
    Index(None, "key_id", "idempotency_key", unique=True),
    Index(None, "key_id", "seq"),
    Index(None, "state", "seq"),
    Index(None, "input_file_id"),
    sqlite_autoincrement=True,
)
"""Files of asks, and how far each has come: `fed_bytes` of the input are tasks, `output_bytes` and `error_bytes` of the
results count. `metadata`, `errors`: JSON."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("seq", row_id, primary_key=True),
    Column("task_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("sent_at", Double),
    Column("delivered_at", Double),
    Column("sender", Text),
    Column("claims", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text, nullable=False),
    # From here on the task, as it ended.
    Column("task_state", Text, nullable=False),
    Column("task_created_at", Double, nullable=False),
    Column("task_started_at", Double),
    Column("task_finished_at", Double),
    Column("task_attempts", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("time_limit_s", Double, nullable=False),
    Column("progress", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("error_type", Text, nullable=False),
    Column("error_message", Text, nullable=False),
    Column("text", Text),
    Index(None, "state", "due_at"),
    Index(None, "task_id", "seq"),
    sqlite_autoincrement=True,
)
"""That a task is over is told to whom it named: one row for each time it is. `due_at`: when a due one is sent, when the
lease of one that is being sent ends, when one that is over is forgotten. `text` is kept until then only."""
