"""The tables of alerts."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text, text

from remuda.store.schema import metadata, row_id

alert_rules = Table(
    "alert_rules",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("operator", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("window_s", Double),
    Column("model", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("replica", Text, nullable=False),
    Column("cooldown_s", Double, nullable=False),
    Column("muted_until", Double),
    Column("channels", Text),
    sqlite_autoincrement=True,
)
"""When somebody is to be told. `channels`: names, a JSON list; nothing for all."""

alert_events = Table(
    "alert_events",
    metadata,
    Column("id", row_id, primary_key=True),
    Column("rule_id", BigInteger, nullable=False),
    Column("rule_name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("metric_value", Double, nullable=False),
    Column("threshold", Double, nullable=False),
    Column("message", Text, nullable=False),
    Column("triggered_at", Double, nullable=False),
    Column("resolved_at", Double),
    Column("holder", Text, nullable=False),
    Column("held_until", Double, nullable=False),
    # One open event for each rule and subject, whoever else evaluates the same rule.
    Index(
        "alert_events_open_key",
        "rule_id",
        "subject",
        unique=True,
        sqlite_where=text("resolved_at IS NULL"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index(None, "rule_id", "subject", "triggered_at"),
    sqlite_autoincrement=True,
)
"""That a rule's condition held, kept also when the rule is gone. An open one is resolved by its `holder`, the gateway
that saw it last, until `held_until`; then by any."""

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("seq", row_id, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("event_id", BigInteger),
    Column("rule_id", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("channel", Text, nullable=False),
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
    Column("text", Text),
    Index(None, "state", "due_at"),
    Index(None, "event_id", "seq"),
    sqlite_autoincrement=True,
)
"""Who is told of an event, by which channel, and how that went: as `deliveries`. `text`: what is told, in JSON, kept
until they have heard it."""
