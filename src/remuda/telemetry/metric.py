"""What a metric is, in the words of the catalogue."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric's values behave; Prometheus' own words."""

    COUNTER = "counter"
    """Only grows, from 0 at the start of the process."""
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Source(StrEnum):
    """Where a metric's values come from."""

    RECORDS = "records"
    """Folded from the records of finished requests."""
    HOOK = "hook"
    """Told by a call at the moment it happens."""
    READING = "reading"
    """Asked for at each scrape."""
    LIBRARY = "library"
    """Of the process; made by prometheus-client, on Linux only."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the catalogue."""

    name: str
    """As it is exposed; counters end in `_total`."""
    kind: Kind
    labels: tuple[str, ...]
    help: str
    source: Source = Source.RECORDS
    buckets: tuple[float, ...] = ()
    """Upper bounds, ascending, without the last one (infinity); of histograms only. In seconds, but for
    `tokens_per_second`."""
