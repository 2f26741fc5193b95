"""The scan of a stream in Ollama's own form, one JSON value a line, that is passed on as it is.

It plays the part of `scan.StreamScan` and drops nothing: the client gets the server's very bytes, in whole lines, so
that what the gateway itself may have to say at the end stands in a line of its own.
"""

from typing import Final

from remuda.core.usage import NO_USAGE, Usage
from remuda.gateway.scan import is_json
from remuda.gateway.transcript import Transcript
from remuda.wire.ollama_lines import facts_of_line

CARRIED_BYTES: Final = 4 * 1024 * 1024
"""A line longer than this is passed on as it comes, without being looked at."""
_DONE: Final = (b'"done":true', b'"done": true')


class LineScan:
    """Looks through one stream of lines, read by read."""

    __slots__ = (
        "_carry",
        "_counted",
        "_is_blind",
        "_is_blind_done",
        "_is_plain",
        "_transcript",
        "_usage",
        "_watch",
        "error",
        "finish_reason",
        "is_complete",
        "saw_content",
        "saw_error",
    )

    separator: Final = b"\n"
    """Ends a line that broke off."""

    def __init__(self, transcript: Transcript | None) -> None:
        self._transcript = transcript
        self._carry = b""
        self._usage: Usage | None = None
        self._counted = 0
        self._is_blind = False
        """In the middle of a line too long to be looked at."""
        self._is_blind_done = False
        """That line says that it is the last one."""
        self._is_plain = False
        """Whether the next read begins with a line and need not be looked at line by line."""
        self._watch = True
        """Whether every line is looked at: before the first content, and for as long as text is kept."""
        self.saw_content = False
        self.saw_error = False
        self.error = b""
        """What the last line says that tells one."""
        self.is_complete = False
        """The stream has said itself that it is over: `"done":true`."""
        self.finish_reason = ""

    @property
    def is_done(self) -> bool:
        """For the client nothing can follow."""
        return self.is_complete

    @property
    def is_in_event(self) -> bool:
        """Whether the beginning of a line has been passed on, but not its end."""
        return self._is_blind

    @property
    def usage(self) -> Usage:
        """As the server reported it; where it has not, the number of lines with content, marked as an estimate."""
        if self._usage is not None:
            return self._usage
        return Usage(completion_tokens=self._counted, is_estimated=True) if self._counted else NO_USAGE

    def feed(self, data: bytes) -> bytes:
        """What of `data`, and of what was held back before, goes to the client: `data` itself in the usual case."""
        if (
            self._is_plain
            and data.endswith(b"\n")
            and not (b'"done":true' in data or b'"done": true' in data or b'"error"' in data)
        ):
            self._counted += data.count(b"\n")
            return data
        kept = self._look(data)
        self._is_plain = not (self._watch or self._carry or self._is_blind)
        return kept

    def rest(self) -> bytes:
        """What is left at the end of the stream: a line without its end; not half a line, which no client could
        read."""
        rest, self._carry = self._carry, b""
        if not rest.strip() or not is_json(rest):
            return b""
        self._note(rest)
        return rest if self.is_complete else rest + b"\n"

    def _look(self, data: bytes) -> bytes:
        buffer = self._carry + data if self._carry else data
        start = 0
        if self._is_blind:
            start = buffer.find(b"\n") + 1
            if not start:
                return buffer
            self._is_blind = False
            self.is_complete = self.is_complete or self._is_blind_done
        end = max(start, buffer.rfind(b"\n") + 1)
        for line in buffer[start:end].split(b"\n"):
            if line.strip():
                self._note(line)
        self._carry = buffer[end:]
        if len(self._carry) <= CARRIED_BYTES:
            return buffer[:end]
        self._is_blind_done = any(mark in self._carry for mark in _DONE)
        self._is_blind = self.saw_content = True
        self._carry = b""
        return buffer

    def _note(self, line: bytes) -> None:
        facts = facts_of_line(line)
        self._usage = facts.usage or self._usage
        self.finish_reason = facts.finish_reason or self.finish_reason
        self.is_complete = self.is_complete or facts.is_done
        if facts.is_error:
            self.saw_error = True
            self.error = line
        if facts.has_content:
            self._counted += 1
            self.saw_content = True
            if self._transcript is not None:
                self._transcript.append(facts.text)
            self._watch = self._transcript is not None and not self._transcript.is_full
