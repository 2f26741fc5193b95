"""A runner that has tasks answered by the gateway in the same process."""

from collections.abc import Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from remuda.core.faults import MadeRoom, TaskTimeLimit
from remuda.core.task import Claim
from remuda.gateway.face import LaneRoute
from remuda.gateway.inside import Answer, Inside
from remuda.jobs.runner import Outcome
from remuda.wire.answers import facts_of_chunk
from remuda.wire.sse import EventSplitter, data_of

HTTP_ERRORS: Final = 400
"""Statuses from here on say that something is wrong."""
MAX_GIVEN_UP: Final = 3
MAX_SAID: Final = 1000
"""Characters of an error's message that are kept."""


class InsideRunner:
    """Has tasks answered by `inside`."""

    def __init__(self, inside: Inside, routes: Mapping[str, LaneRoute]) -> None:
        self._inside = inside
        self._routes = routes
        self._runs: dict[InsideRun, None] = {}
        """Those under way, in the order in which they began."""

    def start(self, claim: Claim, tell: Callable[[str, int], None]) -> "InsideRun":
        """Begin to have `claim` answered."""
        run = InsideRun(self._inside, self._routes[claim.path], claim, tell, self._runs)
        self._runs[run] = None
        return run

    def make_room(self, is_meant: Callable[[str], bool]) -> bool:
        """Have the task give up its slot that was begun last of those whose model `is_meant`; False where there is
        none. One that has done so `MAX_GIVEN_UP` times is left in peace, or it would never be done."""
        for run in reversed(self._runs):
            if run.may_give_up and is_meant(run.model):
                run.give_up()
                return True
        return False


class InsideRun:
    """One attempt."""

    def __init__(
        self,
        inside: Inside,
        route: LaneRoute,
        claim: Claim,
        tell: Callable[[str, int], None],
        runs: MutableMapping["InsideRun", None],
    ) -> None:
        self._claim = claim
        self._runs = runs
        self.model = claim.model
        self.may_give_up = claim.number - claim.attempt < MAX_GIVEN_UP
        self._tell = tell
        self._events = EventSplitter()
        self._text: list[str] = []
        self._error: bytes = b""
        self.tokens = 0
        self._is_streamed = _is_streamed(claim.body)
        listen = self._heard if self._is_streamed else None
        self._asked = inside.ask(route, claim.body, claim.key_id, claim.id, listen=listen)

    def stop(self, *, is_too_late: bool = False) -> None:
        """Call it off."""
        self._asked.stop(TaskTimeLimit() if is_too_late else None)

    def give_up(self) -> None:
        """Make room for somebody who waits."""
        self.may_give_up = False
        self._asked.stop(MadeRoom())

    def _heard(self, data: bytes) -> None:
        for event in self._events.feed(data):
            data_in = data_of(event)
            if not data_in or data_in == b"[DONE]":
                continue
            facts = facts_of_chunk(data_in)
            if facts.is_error:
                self._error = data_in
            elif facts.has_content and not facts.is_usage_only:
                self.tokens += 1
                if facts.text:
                    self._text.append(facts.text)
                    self._tell(facts.text, self.tokens)

    async def outcome(self) -> Outcome:
        """What it brings, when it is over."""
        answer = await self._asked.answer
        self._runs.pop(self, None)
        claim, record = self._claim, answer.record
        record = record._replace(
            id=claim.id,
            dialect=claim.dialect,
            user_id=claim.user_id or record.user_id,
            attempts=max(record.attempts, claim.attempt),
        )
        if not record.fault and answer.status < HTTP_ERRORS:
            if self._is_streamed:
                return Outcome(answer.status, b"", "".join(self._text), record)
            return Outcome(answer.status, answer.body, _text_in(answer), record)
        code, message = _said(self._error or answer.body)
        # A stream's status says how it began; its record's, whether it was called off.
        status = next(
            (each for each in (answer.status, record.status) if each >= HTTP_ERRORS), int(HTTPStatus.BAD_GATEWAY)
        )
        return Outcome(status, self._error or answer.body, None, record, record.fault or code, message)


class _Streamed(msgspec.Struct):
    stream: Any = None


_decode_streamed: Final = msgspec.json.Decoder(_Streamed).decode


def _is_streamed(body: bytes) -> bool:
    """Whether `body` asks for an answer that comes piece by piece."""
    try:
        return _decode_streamed(body).stream is True
    except (msgspec.DecodeError, RecursionError):
        return False


def _said(body: bytes) -> tuple[str, str]:
    """Code and message of an error in OpenAI's shape."""
    try:
        error: Any = msgspec.json.decode(body)["error"]
        return str(error.get("code") or error.get("type") or ""), str(error.get("message") or "")[:MAX_SAID]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "", ""


def _text_in(answer: Answer) -> str | None:
    try:
        choice: Any = msgspec.json.decode(answer.body)["choices"][0]
    except (msgspec.DecodeError, KeyError, TypeError, IndexError):
        return None
    said = choice.get("text") if "text" in choice else (choice.get("message") or {}).get("content")
    return said if isinstance(said, str) else None
