"""Alerts: rules, the three of document S3 among them, and what came of them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_RULES = (
    ("High Latency", "latency", 5000.0, "gt"),
    ("Low Tokens/Sec", "tokens_per_second", 10.0, "lt"),
    ("High Error Rate", "error_rate", 10.0, "gt"),
)
_COOLDOWN_S = 300.0


def upgrade() -> None:
    """Create the tables, and the rules that everybody begins with."""
    rules = op.create_table(
        "alert_rules",
        sa.Column("id", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("window_s", sa.Double),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("replica", sa.Text, nullable=False),
        sa.Column("cooldown_s", sa.Double, nullable=False),
        sa.Column("muted_until", sa.Double),
        sa.Column("channels", sa.Text),
        sa.PrimaryKeyConstraint("id", name="alert_rules_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "alert_events",
        sa.Column("id", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("rule_id", sa.BigInteger, nullable=False),
        sa.Column("rule_name", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("operator", sa.Text, nullable=False),
        sa.Column("metric_value", sa.Double, nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("triggered_at", sa.Double, nullable=False),
        sa.Column("resolved_at", sa.Double),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("held_until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="alert_events_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "alert_events_open_key",
        "alert_events",
        ["rule_id", "subject"],
        unique=True,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("seq", _ROW_ID, nullable=False, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("event_id", sa.BigInteger),
        sa.Column("rule_id", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("sent_at", sa.Double),
        sa.Column("delivered_at", sa.Double),
        sa.Column("sender", sa.Text),
        sa.Column("claims", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("text", sa.Text),
        sa.PrimaryKeyConstraint("seq", name="alert_deliveries_pkey"),
        sa.UniqueConstraint("id", name="alert_deliveries_id_key"),
        sqlite_autoincrement=True,
    )
    for columns in (("state", "due_at"), ("event_id", "seq")):
        op.create_index(f"alert_deliveries_{'_'.join(columns)}", "alert_deliveries", columns)
    op.create_index("alert_events_rule_id_subject_triggered_at", "alert_events", ["rule_id", "subject", "triggered_at"])
    seconds = "extract(epoch FROM now())" if op.get_bind().dialect.name == "postgresql" else "strftime('%s', 'now')"
    for name, metric, threshold, operator in _RULES:
        op.execute(
            rules.insert().values(
                name=name,
                metric=metric,
                threshold=threshold,
                operator=operator,
                is_active=True,
                created_at=sa.text(seconds),
                model="",
                key_id="",
                replica="",
                cooldown_s=_COOLDOWN_S,
            )
        )
