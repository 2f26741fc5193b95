"""The scan of a relayed stream: what is passed on as it is, what is dropped, and what the journal learns on the way.

Until the first content every event is looked at. Afterwards a read that ends with an event passes untouched after a
few byte searches; only reads that hold usage, a finish, an error, progress or half an event are taken apart. Within
JSON strings a quote is escaped, so `"usage"` in a model's own text never matches.
"""

from typing import Any, Final

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.usage import NO_USAGE, Usage
from remuda.gateway.transcript import Transcript
from remuda.wire.answers import ChunkFacts, facts_of_chunk
from remuda.wire.fold import UsageSum, usage_json
from remuda.wire.sse import EventSplitter, data_of, event_of

CARRIED_BYTES: Final = 1024 * 1024
"""An event longer than this is passed on as it comes, without being looked at."""

_UNFINISHED: Final = (b'"finish_reason":null}]}\n\n', b'"finish_reason":null}],"usage":null}\n\n')
"""How most servers end an event that is neither the last of its choice nor one with usage: seen at a glance."""


_FINAL_EVENTS: Final = {b"event: response.completed": "stop", b"event: response.incomplete": "length"}
"""The first lines of the responses API's last events, which repeat the whole answer and may be too long to look at."""


class StreamScan:
    """Looks through one stream of server-sent events, read by read."""

    __slots__ = (
        "_blind_finish",
        "_carried_bytes",
        "_choices",
        "_counted",
        "_drops_progress",
        "_drops_usage",
        "_has_choices",
        "_is_blind",
        "_is_plain",
        "_owed",
        "_runs",
        "_splitter",
        "_sum",
        "_transcript",
        "_unfinished",
        "_usage",
        "_was_in_progress",
        "_watch",
        "_withholds",
        "error",
        "finish_reason",
        "has_withheld",
        "is_complete",
        "is_done",
        "saw_content",
        "saw_error",
    )

    separator: Final = b"\n\n"
    """Ends an event that broke off."""

    def __init__(
        self,
        ask: Ask,
        *,
        drops_progress: bool,
        transcript: Transcript | None,
        withholds_error: bool = False,
        carried_bytes: int = CARRIED_BYTES,
    ) -> None:
        """`withholds_error`: an error that comes before any content is not passed on."""
        self._carried_bytes = carried_bytes
        self._drops_progress = drops_progress
        self._drops_usage = not ask.wants_usage
        self._transcript = transcript
        self._withholds = withholds_error
        self.has_withheld = False
        """An error has not been passed on; of what follows it nothing is."""
        self._splitter = EventSplitter()
        self._usage: Usage | None = None
        self._sum: UsageSum | None = None
        self._choices = ask.choices
        self._has_choices = ask.operation is not Operation.RESPONSE
        self._owed: dict[str, Any] | None = None
        """The event with the usage that the client asked for, where the engine has told the usage elsewhere."""
        self._runs = False
        """The engine tells a running total with every event."""
        self._was_in_progress = False
        self._counted = 0
        self._unfinished = max(1, ask.choices * ask.prompts)
        """Choices whose finish reason has not come yet."""
        self._blind_finish = ""
        """The finish reason that the long event under way stands for."""
        self._is_blind = False
        """In the middle of an event too long to be looked at."""
        self._is_plain = False
        """Whether the next read begins with an event and need not be looked at event by event."""
        self._watch = True
        """Whether every event is looked at: before the first content, and for as long as text is kept."""
        self.saw_content = False
        self.saw_error = False
        self.error = b""
        """The data of the last event that says one."""
        self.is_complete = False
        """The stream has said itself that it is over: `[DONE]`, or a finish reason for each choice."""
        self.is_done = False
        """`[DONE]` has come, or the last event of a response: for the client nothing can follow."""
        self.finish_reason = ""

    @property
    def usage(self) -> Usage:
        """As the engine reported it; where it has not, the number of content events, marked as an estimate."""
        if self._usage is not None:
            return self._usage
        return Usage(completion_tokens=self._counted, is_estimated=True) if self._counted else NO_USAGE

    def feed(self, data: bytes) -> bytes:
        """What of `data` goes to the client: `data` itself in the usual case."""
        if self._is_plain and data.endswith(b"\n\n"):
            events = data.count(b"data: ")
            if (events == 1 and data.endswith(_UNFINISHED)) or not (
                b'"usage"' in data
                or b'h_reason":"' in data
                or b'h_reason": "' in data
                or b'"error"' in data
                or b"[DONE]" in data
                or (self._drops_progress and (b'"prompt_progress"' in data or b"data: null" in data))
            ):
                self._counted += events
                return data
        kept = self._look(data)
        self._is_plain = not self._watch and not self._splitter.carry
        return kept

    @property
    def is_in_event(self) -> bool:
        """Whether the beginning of an event has been passed on, but not its end."""
        return self._is_blind

    def rest(self) -> bytes:
        """What is left at the end of the stream: an event without its closing blank line, which it gets; not half
        an event, which no client could read."""
        rest = self._splitter.rest()
        if self._is_blind:
            return rest
        data = data_of(rest)
        if not data or (data != b"[DONE]" and not is_json(data)):
            return self._debt() if self.is_complete else b""
        last = self._event(rest.rstrip(b"\r\n") + b"\n\n")
        return last + self._debt() if self.is_complete else last

    def _look(self, data: bytes) -> bytes:
        splitter = self._splitter
        events = splitter.feed(data)
        if self._is_blind and events:
            self._is_blind = False
            if self._blind_finish:
                self.is_complete = self.is_done = True
                self.finish_reason = self._blind_finish
            kept = events[0] + b"".join(map(self._event, events[1:]))
        else:
            kept = b"".join(map(self._event, events))
        carry = splitter.carry
        if not carry:
            return data if kept == data else kept
        if self._is_blind or len(carry) > self._carried_bytes:
            if not self._is_blind:
                self._blind_finish = _FINAL_EVENTS.get(carry.partition(b"\n")[0].strip(), "")
            self._is_blind = self.saw_content = True
            kept += splitter.shed()
        return kept

    def _event(self, event: bytes) -> bytes:
        """What of one event goes to the client."""
        data = data_of(event)
        if not data:
            return event
        if data == b"null":
            return b""  # llama.cpp sends one where a request holds several prompts; clients stumble over it
        if data == b"[DONE]":
            if self.saw_error or self.has_withheld:
                return b""  # some servers say it even then
            self.is_complete = self.is_done = True
            return self._debt() + event
        facts = facts_of_chunk(data)
        if facts.is_progress and self._drops_progress:
            return self._without_progress(event, data)
        if facts.is_error and self._withhold(data):
            return b""
        self._note(facts)
        if facts.usage is not None:
            # llama.cpp reports once per choice; the client is told once, when the last choice is through.
            is_early = self._unfinished > 0 and bool(self.finish_reason)
            if facts.is_usage_only:
                if self._drops_usage or is_early:
                    return b""
                self._owed = None
                if self._sum is not None and self._sum.reports > 1:
                    # Clients believe the last report, so it counts those before it too.
                    return event_of(
                        msgspec.json.encode({**msgspec.json.decode(data), "usage": usage_json(self._sum.total)})
                    )
            elif facts.finished and self._has_choices and not self._runs:
                return self._without_usage(data)
        return event

    def _withhold(self, error: bytes) -> bool:
        """Note the data of an error; whether it is not passed on."""
        self.error = error
        self.has_withheld = self._withholds and not self.saw_content
        return self.has_withheld

    def _without_usage(self, data: bytes) -> bytes:
        """A finish that came with usage (llama.cpp's text completions have it there, once per choice), without it: the
        API tells it in an event of its own, once, and only to who asked."""
        chunk = msgspec.json.decode(data)
        del chunk["usage"]
        if not self._drops_usage:
            self._owed = {**chunk, "choices": []}
        return event_of(msgspec.json.encode(chunk))

    def _debt(self) -> bytes:
        """The event with the usage, where it is still owed."""
        owed, self._owed = self._owed, None
        if owed is None:
            return b""
        owed.pop("timings", None)
        return event_of(msgspec.json.encode({**owed, "usage": usage_json(self.usage)}))

    def _without_progress(self, event: bytes, data: bytes) -> bytes:
        """Nothing, but for the one `response.in_progress` event that the responses API itself has."""
        if self._was_in_progress or not event.startswith(b"event: response.in_progress"):
            return b""
        self._was_in_progress = True
        chunk = msgspec.json.decode(data)
        del chunk["prompt_progress"]
        return b"event: response.in_progress\n" + event_of(msgspec.json.encode(chunk))

    def _note(self, facts: ChunkFacts) -> None:
        if facts.usage is not None:
            if facts.is_usage_only or facts.finished:
                if self._sum is None:
                    self._sum = UsageSum(self._choices)
                self._sum.add(facts.usage, is_alone=facts.is_usage_only)
                self._usage = self._sum.total
            else:
                self._usage = facts.usage  # a running total, in every event
                self._runs = True
        if facts.finished:
            self.finish_reason = facts.finish_reason
            self._unfinished -= facts.finished
            self.is_complete = self.is_complete or self._unfinished <= 0
            if not self._has_choices:
                self.is_done = True
        if facts.is_error:
            self.saw_error = True
        if facts.has_content:
            self._counted += 1
            self.saw_content = True
            if self._transcript is not None:
                self._transcript.append(facts.text)
            self._watch = self._transcript is not None and not self._transcript.is_full


def is_json(data: bytes) -> bool:
    """Whether `data` is JSON from end to end."""
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
