"""The part of the catalogue that is about alerts and budgets."""

from typing import Final

from remuda.telemetry.metric import Kind, Metric, Source

OPEN: Final = "remuda_alerts_open"
EVENTS: Final = "remuda_alert_events_total"
DROPPED: Final = "remuda_alert_records_dropped_total"
DELIVERIES: Final = "remuda_alert_attempts_total"
BUDGETS: Final = "remuda_budget_events_total"

ALERT_METRICS: Final = (
    Metric(OPEN, Kind.GAUGE, (), "Events of alerts that are open, those of other gateways included.", Source.READING),
    Metric(EVENTS, Kind.COUNTER, (), "Events of alerts that this gateway opened.", Source.READING),
    Metric(DROPPED, Kind.COUNTER, (), "Requests that alerts did not see: too many ended at once.", Source.READING),
    Metric(
        DELIVERIES,
        Kind.COUNTER,
        ("outcome",),
        "Tries to tell a channel of an alert: `delivered`, `failed` (to be tried again), `given_up`.",
        Source.READING,
    ),
    Metric(
        BUDGETS,
        Kind.COUNTER,
        ("percent",),
        "Times that 70, 90 or 100 per cent of a budget were reached, as far as this gateway told of it.",
        Source.READING,
    ),
)
