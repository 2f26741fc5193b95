"""A runner that has tasks answered by a gateway in another process, and what the two say to each other.

The ask goes to `POST /api/worker/run` as JSON; the answer is lines of JSON: text as it comes, at last the outcome. Who
hangs up no longer wants it. So slots are counted in one place, the gateway, however many workers there are.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import msgspec

from remuda.core.task import Claim
from remuda.jobs.runner import Outcome

log = logging.getLogger(__name__)

RUN: Final = "/api/worker/run"
ROOM: Final = "/api/worker/room"
MAX_LINE_BYTES: Final = 256 * 1024 * 1024
"""An outcome has an answer in it, in base 64."""
ROOM_TIMEOUT_S: Final = 10.0


class Said(msgspec.Struct, tag="said"):
    """A piece of the answer's text."""

    text: str
    tokens: int


class Ended(msgspec.Struct, tag="ended"):
    """The last line."""

    outcome: Outcome


class Room(msgspec.Struct):
    """How many asks of a model may begin now."""

    room: int


encode: Final = msgspec.json.Encoder().encode
decode_claim: Final = msgspec.json.Decoder(Claim).decode
_decode_line: Final = msgspec.json.Decoder(Said | Ended).decode
_decode_room: Final = msgspec.json.Decoder(Room).decode


class RemoteRunner:
    """Has tasks answered by the gateway that `session` is made for."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._is_away = False

    def start(self, claim: Claim, tell: Callable[[str, int], None]) -> "RemoteRun":
        """Begin to have `claim` answered."""
        return RemoteRun(self._session, claim, tell)

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

    def __init__(self, session: aiohttp.ClientSession, claim: Claim, tell: Callable[[str, int], None]) -> None:
        self._session = session
        self._claim = claim
        self._tell = tell
        self._stopped: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.tokens = 0

    async def outcome(self) -> Outcome:
        """What it brings, when it is over."""
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(self._ask())
            either: set[asyncio.Future[Any]] = {asked, self._stopped}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
            asked.cancel()
        code = self._stopped.result()
        return Outcome(504 if code == "task_time_limit" else 499, b"", None, None, code, "it was called off")

    def stop(self, *, is_too_late: bool = False) -> None:
        """Call it off."""
        if not self._stopped.done():
            self._stopped.set_result("task_time_limit" if is_too_late else "client_gone")

    async def _ask(self) -> Outcome:
        try:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
            async with self._session.post(RUN, data=encode(self._claim), timeout=timeout) as answer:
                if answer.status != 200:
                    said = (await answer.content.read(2000)).decode("utf-8", "replace")
                    return _failed(f"the gateway answers {answer.status}: {said}")
                return await self._read(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _failed(f"the gateway cannot be asked: {error or type(error).__name__}")
        except (msgspec.MsgspecError, ValueError):
            return _failed("the gateway does not speak as it should")

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
        return _failed("the gateway hung up before the answer was whole")


def _failed(message: str) -> Outcome:
    return Outcome(503, b"", None, None, "gateway_away", message)
