"""What is kept of requests, and what is made of it."""

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from remuda.app.settings.kinds import Flag, Number, Size, TimeOfDay, Whole, Word
from remuda.app.settings.section import MIB, Count, CountOrNone, Section

Kept = Literal["off", "cut", "full"]
"""How much of texts is kept."""


def _compiles(pattern: str) -> str:
    if not 0 < len(pattern) <= MAX_PATTERN_CHARS:
        raise ValueError(f"a pattern has 1 to {MAX_PATTERN_CHARS} characters")
    import regex  # only where there is a pattern

    try:
        if regex.compile(pattern).search("") is not None:
            raise ValueError(f"the pattern {pattern!r} matches everywhere")
    except regex.error as error:
        raise ValueError(f"the pattern {pattern!r} is no regular expression: {error}") from None
    return pattern


MAX_PATTERN_CHARS: Final = 500
Pattern = Annotated[Word, AfterValidator(_compiles)]
"""A regular expression that matches more than nothing."""


def zone_of(name: str) -> tzinfo:
    """The time zone of this name; raises ValueError where there is none."""
    if name == "UTC":
        return UTC  # there also where the system has no time zones, as Windows
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"there is no time zone {name!r}: it is called like Europe/Berlin") from error


def _checked_zone(name: str) -> str:
    zone_of(name)
    return name


class JournalSettings(Section):
    """What is kept of each request."""

    content: Kept = "off"
    """Text of prompts and answers: `off` keeps none, `cut` the end of prompts and the beginning of answers, `full` up to a million characters of each."""  # noqa: E501
    proxy_content: Kept = "cut"
    """The same for what comes by `/proxy/v1/chat/completions`."""
    content_by_key: Mapping[Word, Kept] = Field(default_factory=dict)
    """The same for what single keys ask, by their ids (`remuda keys list`) or `user:NAME`: in place of both, be that more or less."""  # noqa: E501
    content_max_chars: CountOrNone = 2000
    """How much of each text `cut` keeps."""
    redact: Annotated[tuple[Pattern, ...], Field(max_length=64)] = ()
    """Regular expressions: what they match is replaced by `***` before a text is kept."""
    retention_days: Annotated[Whole, Field(ge=0, le=36_500)] = 90
    """Records older than this are deleted; 0 keeps them for ever."""
    content_retention_days: Annotated[Whole, Field(ge=0, le=36_500)] = 30
    """Text older than this is deleted, while its record stays; 0 keeps it as long as the record."""
    content_max_bytes: Size = 1024 * MIB
    """How much text is kept in all, in UTF-8; of what is more, the oldest is deleted. 0 sets no bound."""
    buffer_records: Count = 65_536
    """Records held in memory before they are written; beyond that they go to a file in the data folder."""
    spool_max_bytes: Size = 256 * MIB
    """How large that file may become while the store is away; beyond that records are dropped and counted."""


class TariffSettings(Section):
    """A price of energy for some hours of each day."""

    begins: TimeOfDay
    """From when on, in `insight.time_zone`."""
    ends: TimeOfDay
    """Until when; before `begins`: over midnight."""
    price: Annotated[Number, Field(ge=0, le=1_000_000)]
    """For a kilowatt-hour."""


class InsightSettings(Section):
    """What is made of it."""

    time_zone: Annotated[str, AfterValidator(_checked_zone)] = "UTC"
    """Where days, weeks and months of budgets begin at midnight, such as `Europe/Berlin`; the same for all gateways on one store."""  # noqa: E501
    reserved_tokens: Count = 1024
    """How long an answer is taken to become at most that names no bound of its own, where a budget with a hard stop has to cover it."""  # noqa: E501
    measure_energy: Flag = True
    """Ask this machine's own counters (RAPL, NVML) what it draws, where they may be read, and share that among the requests that its engines work on."""  # noqa: E501
    energy_price: Annotated[Number, Field(ge=0, le=1_000_000)] | None = None
    """What a kilowatt-hour costs. Of requests whose energy was measured it takes the place of the price for an hour; without it that stays."""  # noqa: E501
    tariff: Annotated[tuple[TariffSettings, ...], Field(max_length=48)] = ()
    """Hours of the day at which it costs something else; of those that hold at a time the first counts."""
    cloud_input_price: Annotated[Number, Field(ge=0, le=1_000_000)] | None = None
    """What 1,000 tokens of a prompt cost elsewhere: beside costs is shown what the same tokens had come to there."""
    cloud_output_price: Annotated[Number, Field(ge=0, le=1_000_000)] | None = None
    """What 1,000 tokens of an answer cost there."""
    score_latency_ms: Annotated[Number, Field(gt=0)] = 2000
    """The latency from which on it adds nothing to a request's performance score. Of a streamed answer the time to its first token counts; of another its duration, for each 100 tokens where it has more."""  # noqa: E501
    score_tokens_per_second: Annotated[Number, Field(gt=0)] = 20
    """The throughput from which on more of it adds nothing."""
    replay: Flag = False
    """Whether comparisons may ask again what is stored of requests, where somebody who may see all of it asks for that. `journal.content` says what is stored."""  # noqa: E501
    daily_suggestions: Flag = True
    """Whether suggestions are looked for once a day; else only when somebody asks for them."""
    aside: Flag = True
    """Whether questions about the past are worked out by a process of their own once they take long; it has some 45 MB and lets requests go first."""  # noqa: E501
    aside_after_ms: Annotated[Number, Field(ge=0)] = 50
    """How long answering one takes at least that has this process started; 0: the first one."""
    keep_minutes_days: Annotated[Whole, Field(ge=0, le=36_500)] = 2
    """For how long what requests came to is kept for each minute; 0 keeps it for ever. Older spans are told in five minutes."""  # noqa: E501
    keep_five_minutes_days: Annotated[Whole, Field(ge=0, le=36_500)] = 7
    """The same for each five minutes. Older spans are told in hours."""
    keep_hours_days: Annotated[Whole, Field(ge=0, le=36_500)] = 90
    """The same for each hour. Older spans are told in days."""
    keep_days_days: Annotated[Whole, Field(ge=0, le=36_500)] = 0
    """The same for each day."""
