"""What the settings call confidential is taken out of texts before they are kept."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import regex

from remuda.core.record import RequestRecord

HIDDEN: Final = "***"
BUDGET_S: Final = 2.0
"""How long the texts of records that are kept together may take. A pattern can be such that it would take for ever."""

_decode: Final = msgspec.json.Decoder().decode


class Redaction:
    """Takes out of records whatever one of some patterns matches. Called off the event loop: while it searches, others
    can work."""

    def __init__(self, patterns: Sequence[str], monotonic: Callable[[], float]) -> None:
        self._patterns = [regex.compile(pattern) for pattern in patterns]
        self._monotonic = monotonic

    def __call__(self, records: Sequence[RequestRecord]) -> list[RequestRecord]:
        """The records with `***` in place of it. A text that was not gone through in time is not kept."""
        until = self._monotonic() + BUDGET_S
        return [self._redacted(record, until) for record in records]

    def _redacted(self, record: RequestRecord, until: float) -> RequestRecord:
        if record.prompt_text is None and record.answer_text is None:
            return record
        parameters = self._text(record.parameters, until)
        return record._replace(
            prompt_text=self._text(record.prompt_text, until),
            answer_text=self._text(record.answer_text, until),
            parameters=parameters if parameters is not None and _is_json(parameters) else None,
        )

    def _text(self, text: str | None, until: float) -> str | None:
        for pattern in self._patterns:
            left_s = until - self._monotonic()
            if text is None or left_s <= 0:
                return None
            try:
                text = pattern.sub(HIDDEN, text, timeout=left_s, concurrent=True)
            except TimeoutError:
                return None
        return text


def _is_json(text: str) -> bool:
    """Whether what was taken out has left it whole."""
    try:
        _decode(text)
    except msgspec.DecodeError:
        return False
    return True
