"""A runner that has tasks answered by a gateway in another process, and what the two say to each other.

The ask goes to `POST /api/worker/run` as JSON; the answer is lines of JSON: text as it comes, at last the outcome. It
is called off by `POST /api/worker/stop`, and then the outcome says what it used all the same; who hangs up no longer
wants to know that either. So slots are counted in one place, the gateway, however many workers there are.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import aiohttp
import msgspec

from remuda.core.faults import ClientGone, TaskTimeLimit
from remuda.core.record import bare_record
from remuda.core.task import Claim
from remuda.jobs.runner import Outcome

log = logging.getLogger(__name__)

RUN: Final = "/api/worker/run"
STOP: Final = "/api/worker/stop"
ROOM: Final = "/api/worker/room"
MAX_LINE_BYTES: Final = 256 * 1024 * 1024
"""An outcome has an answer in it, in base 64."""
ROOM_TIMEOUT_S: Final = 10.0
STOP_S: Final = 5.0
"""How long the gateway may take to say what an ask used that was called off; then the connection is closed."""
AWAY: Final = "gateway_away"
TIME_LIMIT: Final = TaskTimeLimit.code


class Said(msgspec.Struct, tag="said"):
    """A piece of the answer's text."""

    text: str
    tokens: int


class Ended(msgspec.Struct, tag="ended"):
    """The last line."""

    outcome: Outcome


class Stop(msgspec.Struct):
    """The attempt that is no longer wanted."""

    id: str
    number: int
    """Of the claim."""
    is_too_late: bool = False
    """For its time is over."""


class Room(msgspec.Struct):
    """How many asks of a model may begin now."""

    room: int


encode: Final = msgspec.json.Encoder().encode
decode_claim: Final = msgspec.json.Decoder(Claim).decode
decode_stop: Final = msgspec.json.Decoder(Stop).decode
_decode_line: Final = msgspec.json.Decoder(Said | Ended).decode
_decode_room: Final = msgspec.json.Decoder(Room).decode


class RemoteRunner:
    """Has tasks answered by the gateway that `session` is made for."""

    def __init__(self, session: aiohttp.ClientSession, *, stop_s: float = STOP_S) -> None:
        self._session = session
        self._stop_s = stop_s
        self._is_away = False

    def start(self, claim: Claim, tell: Callable[[str, int], None]) -> "RemoteRun":
        """Begin to have `claim` answered."""
        return RemoteRun(self._session, claim, tell, self._stop_s)

    async def room(self, model: str) -> int:
        """How many asks of `model` may begin now; none while the gateway does not answer."""
        timeout = aiohttp.ClientTimeout(total=ROOM_TIMEOUT_S)
        try:
            async with self._session.get(ROOM, params={"model": model}, timeout=timeout) as answer:
                if answer.status != 200:
                    raise aiohttp.ClientError(f"it answers {answer.status}")
                room = _decode_room(await answer.read()).room
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
            if not self._is_away:
                log.warning("worker: the gateway gives no work: %s", error or type(error).__name__)
            self._is_away = True
            return 0
        if self._is_away:
            log.info("worker: the gateway answers again")
        self._is_away = False
        return room


class RemoteRun:
    """One attempt."""

    def __init__(
        self, session: aiohttp.ClientSession, claim: Claim, tell: Callable[[str, int], None], stop_s: float
    ) -> None:
        self._session = session
        self._claim = claim
        self._tell = tell
        self._stop_s = stop_s
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._stopped: asyncio.Future[str] = self._loop.create_future()
        self.tokens = 0

    async def outcome(self) -> Outcome:
        """What it brings, when it is over."""
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(self._ask())
            either: set[asyncio.Future[Any]] = {asked, self._stopped}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
            code = self._stopped.result()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._stop_s):
                    if await self._call_off(code):
                        await asyncio.wait([asked])
            if asked.done() and asked.result().error_type != AWAY:
                return asked.result()
            asked.cancel()
        return self._failed(504 if code == TIME_LIMIT else 499, code, "it was called off")

    def stop(self, *, is_too_late: bool = False) -> None:
        """Call it off."""
        if not self._stopped.done():
            self._stopped.set_result(TIME_LIMIT if is_too_late else ClientGone.code)

    async def _call_off(self, code: str) -> bool:
        """Whether the gateway has the attempt, and will end it."""
        stop = Stop(self._claim.id, self._claim.number, code == TIME_LIMIT)
        try:
            async with self._session.post(STOP, data=encode(stop)) as answer:
                return answer.status == 204
        except (aiohttp.ClientError, OSError):
            return False

    async def _ask(self) -> Outcome:
        try:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
            async with self._session.post(RUN, data=encode(self._claim), timeout=timeout) as answer:
                if answer.status != 200:
                    said = (await answer.content.read(2000)).decode("utf-8", "replace")
                    return self._away(f"the gateway answers {answer.status}: {said}")
                return await self._read(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return self._away(f"the gateway cannot be asked: {error or type(error).__name__}")
        except (msgspec.MsgspecError, ValueError):
            return self._away("the gateway does not speak as it should")

    async def _read(self, answer: aiohttp.ClientResponse) -> Outcome:
        rest = bytearray()
        async for data in answer.content.iter_any():
            rest += data
            if len(rest) > MAX_LINE_BYTES:
                raise ValueError("the line is too long")
            *lines, left = rest.split(b"\n") if b"\n" in data else (rest,)
            rest = bytearray(left)
            for line in lines:
                told = _decode_line(line)
                if isinstance(told, Ended):
                    return told.outcome
                self.tokens = told.tokens
                self._tell(told.text, told.tokens)
        return self._away("the gateway hung up before the answer was whole")

    def _away(self, message: str) -> Outcome:
        return self._failed(503, AWAY, message)

    def _failed(self, status: int, code: str, message: str) -> Outcome:
        """The outcome where the gateway told none, and what is known here of what it used."""
        claim = self._claim
        record = bare_record(
            claim.id,
            dialect=claim.dialect,
            model=claim.model,
            key_id=claim.key_id,
            user_id=claim.user_id,
            status=status,
            fault=code,
            attempts=claim.attempt,
            started_at=claim.started_at,
            duration_s=self._loop.time() - self._began,
            completion_tokens=self.tokens,
        )
        return Outcome(status, b"", None, record, code, message)
