"""The bus over Redis, where several gateways work together.

Whoever listens in this process is told at once, whether Redis answers or not; what came back from there of this
process's own is passed over. While Redis is gone nothing is kept for later: what happened a while ago helps nobody.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.core.tasks import Tasks
from remuda.telemetry.fanout import MAX_WAITING, MemoryFanout, Subscription

log = logging.getLogger(__name__)

AT_ONCE: Final = 128
"""Messages that go to Redis in one round trip."""
CONNECT_S: Final = 2.0
ANSWER_S: Final = 2.0
SILENCE_S: Final = 5.0
"""After how long without a message Redis is asked whether it is still there, and how long it has to say so."""
RETRY_S: Final = 0.5


class RedisFanout:
    """Carries messages to everybody who listens, in all processes on the same Redis and the same database of it."""

    def __init__(self, url: str, clock: Clock, ids: Ids, *, silence_s: float = SILENCE_S) -> None:
        """`url`: `redis://`, `rediss://` or `unix://`. Connects to nothing before `start`."""
        self._redis = redis_at(url)
        # Redis' channels are the same in all of its databases; ours are not.
        database = self._redis.connection_pool.connection_kwargs.get("db") or 0
        self._prefix = f"remuda/{database}/".encode()
        self._own = ids().encode()
        self._clock = clock
        self._silence_s = silence_s
        self._local = MemoryFanout()
        self._outgoing: deque[tuple[bytes, bytes]] = deque(maxlen=MAX_WAITING)
        self._has_more = asyncio.Event()
        self._is_listening = False
        self._is_sending = True
        self._is_missed = False
        self._tasks = Tasks("redis")

    @property
    def is_connected(self) -> bool:
        """Whether Redis answered when it was last heard of."""
        return self._is_listening and self._is_sending

    def start(self) -> None:
        """Connect, and again whenever that is necessary."""
        self._tasks.start(self._listen_for_ever(), "listen")
        self._tasks.start(self._send_for_ever(), "send")

    async def close(self) -> None:
        """Hang up."""
        await self._tasks.close()
        await self._redis.aclose()

    def publish(self, channel: str, payload: bytes) -> None:
        """Tell everybody: those here at once, those elsewhere soon."""
        self._local.publish(channel, payload)
        if self.is_connected:
            self._outgoing.append((self._prefix + channel.encode(), self._own + payload))
            self._has_more.set()

    def subscribe(self, channel: str) -> Subscription:
        """What is published from now on."""
        return self._local.subscribe(channel)

    async def _send_for_ever(self) -> None:
        while True:
            await self._has_more.wait()
            self._has_more.clear()
            while self._outgoing:
                try:
                    await self._send([self._outgoing.popleft() for _ in range(min(AT_ONCE, len(self._outgoing)))])
                except (RedisError, OSError, TimeoutError) as error:
                    await self._send_again(error)

    async def _send_again(self, error: BaseException) -> None:
        """Return when Redis answers again."""
        self._is_sending = False
        self._outgoing.clear()
        self._missed(error)
        while not self._is_sending:
            await self._clock.sleep(RETRY_S)
            with suppress(RedisError, OSError, TimeoutError):
                self._is_sending = bool(await self._redis.ping())
        self._found()

    async def _send(self, messages: list[tuple[bytes, bytes]]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for channel, payload in messages:
                pipeline.publish(channel, payload)
            await pipeline.execute()

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as heard:
                    await heard.psubscribe(self._prefix + b"*")
                    await self._listen(heard)
            except (RedisError, OSError, TimeoutError) as error:
                self._is_listening = False
                self._missed(error)
            await self._clock.sleep(RETRY_S)

    async def _listen(self, heard: PubSub) -> None:
        is_asked = False
        while True:
            message: dict[str, Any] | None = await heard.get_message(timeout=self._silence_s)
            if message is None:
                if is_asked:
                    raise TimeoutError("it is silent")
                is_asked = True
                await heard.ping()
                continue
            is_asked = False
            if message["type"] == "psubscribe":
                self._is_listening = True
                self._found()
            elif message["type"] == "pmessage" and not message["data"].startswith(self._own):
                channel: bytes = message["channel"]
                self._local.publish(channel.removeprefix(self._prefix).decode(), message["data"][len(self._own) :])

    def _missed(self, error: BaseException) -> None:
        if not self._is_missed:
            log.warning("Redis does not answer: %s; other gateways are told nothing", error or type(error).__name__)
        self._is_missed = True

    def _found(self) -> None:
        if self.is_connected and self._is_missed:
            self._is_missed = False
            log.info("Redis answers again")


def redis_at(url: str) -> Redis:
    """A client of the Redis at `url`, which has not connected yet and tries everything once. Raises ValueError."""
    if urlsplit(url).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("needs redis://host:port/0, rediss:// or unix:///path")
    return Redis.from_url(url, socket_connect_timeout=CONNECT_S, socket_timeout=ANSWER_S, retry=Retry(NoBackoff(), 0))


async def ping(url: str) -> str:
    """The version of the Redis at `url`; raises OSError, with what is wrong with it."""
    client = redis_at(url)
    try:
        return str((await client.info("server"))["redis_version"])
    except RedisError as error:
        raise OSError(str(error) or type(error).__name__) from error
    finally:
        await client.aclose()
