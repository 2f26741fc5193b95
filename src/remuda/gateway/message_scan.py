"""The scan of a stream in Anthropic's own form, that is passed on as it is.

It plays the part of `scan.StreamScan` and drops nothing: the client gets the server's very bytes, in whole events, so
that what the gateway itself may have to say at the end stands in an event of its own.
"""

from typing import Final

from remuda.core.usage import NO_USAGE, Usage
from remuda.gateway.scan import CARRIED_BYTES, is_json
from remuda.gateway.transcript import Transcript
from remuda.wire.message_events import MessageUsage, facts_of_event
from remuda.wire.sse import EventSplitter, data_of


class MessageScan:
    """Looks through one stream of Anthropic's events, read by read."""

    __slots__ = (
        "_counted",
        "_is_blind",
        "_is_plain",
        "_splitter",
        "_transcript",
        "_usage",
        "_watch",
        "error",
        "finish_reason",
        "is_complete",
        "saw_content",
        "saw_error",
    )

    separator: Final = b"\n\n"
    """Ends an event that broke off."""

    def __init__(self, transcript: Transcript | None) -> None:
        self._transcript = transcript
        self._splitter = EventSplitter()
        self._usage: MessageUsage | None = None
        self._counted = 0
        self._is_blind = False
        """In the middle of an event too long to be looked at."""
        self._is_plain = False
        """Whether the next read begins with an event and need not be looked at event by event."""
        self._watch = True
        """Whether every event is looked at: before the first content, and for as long as text is kept."""
        self.saw_content = False
        self.saw_error = False
        self.error = b""
        """What the last event says that tells one."""
        self.is_complete = False
        """The stream has said itself that it is over: `message_stop`."""
        self.finish_reason = ""

    @property
    def is_done(self) -> bool:
        """For the client nothing can follow."""
        return self.is_complete

    @property
    def is_in_event(self) -> bool:
        """Whether the beginning of an event has been passed on, but not its end."""
        return self._is_blind

    @property
    def usage(self) -> Usage:
        """As the server reported it; where it has not come to the end, which tells it, the number of events with
        content, marked as an estimate."""
        told = NO_USAGE if self._usage is None else self._usage.usage()
        if self.finish_reason or self._counted <= told.completion_tokens:
            return told
        return Usage(told.prompt_tokens, self._counted, told.cached_tokens, is_estimated=True)

    def feed(self, data: bytes) -> bytes:
        """What of `data`, and of what was held back before, goes to the client: `data` itself in the usual case."""
        if self._is_plain and data.endswith(b"\n\n") and not (b'"message_' in data or b'"error"' in data):
            self._counted += data.count(b'"content_block_delta"')
            return data
        kept = self._look(data)
        self._is_plain = not (self._watch or self._is_blind or self._splitter.carry)
        return kept

    def rest(self) -> bytes:
        """What is left at the end of the stream: an event without its closing blank line, which it gets; not half
        an event, which no client could read."""
        rest = self._splitter.rest()
        if self._is_blind:
            return rest
        data = data_of(rest)
        if not data or not is_json(data):
            return b""
        self._note(data)
        return rest.rstrip(b"\r\n") + b"\n\n"

    def _look(self, data: bytes) -> bytes:
        splitter = self._splitter
        events = splitter.feed(data)
        for event in events[1:] if self._is_blind else events:
            if said := data_of(event):
                self._note(said)
        self._is_blind = self._is_blind and not events
        kept = b"".join(events)
        if self._is_blind or len(splitter.carry) > CARRIED_BYTES:
            self._is_blind = self.saw_content = True
            kept += splitter.shed()
        return kept

    def _note(self, data: bytes) -> None:
        facts = facts_of_event(data)
        if facts.usage is not None:
            self._usage = facts.usage if self._usage is None else self._usage.with_later(facts.usage)
        self.finish_reason = facts.finish_reason or self.finish_reason
        self.is_complete = self.is_complete or facts.is_done
        if facts.is_error:
            self.saw_error = True
            self.error = data
        if facts.has_content:
            self._counted += 1
            self.saw_content = True
            if self._transcript is not None:
                self._transcript.append(facts.text)
            self._watch = self._transcript is not None and not self._transcript.is_full
