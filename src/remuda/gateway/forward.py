"""Step: send the ask to the leased replica and wait for the head of its answer."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from remuda.core.ask import Ask
from remuda.core.faults import Fault, UpstreamFailed, UpstreamSilent
from remuda.engines.protocol import Outgoing
from remuda.fleet.replica import Replica
from remuda.gateway.exchange import Exchange
from remuda.gateway.headers import block_of
from remuda.gateway.upstream import Outbox, Pool, UpstreamConnection
from remuda.wire.via import with_hop

ERROR_BODY_BYTES: Final = 64 * 1024
"""How much of an upstream's error answer is read."""

MAX_RETRY_AFTER_S: Final = 3600
"""An upstream's Retry-After is passed on up to this."""


class Channel:
    """How one replica is reached: its pool, and the heads of requests to it, made once per path."""

    __slots__ = ("_heads", "_pseudonym", "pool", "replica", "tag")

    def __init__(self, replica: Replica, pool: Pool, pseudonym: bytes = b"") -> None:
        self.replica = replica
        self.pool = pool
        self.tag = b"x-remuda-replica: %b\r\n" % replica.id.encode()
        self._heads: dict[str, bytes] = {}
        self._pseudonym = pseudonym

    def request(self, path: str, body: bytes, exchange: Exchange) -> bytes:
        """The whole request, head and body."""
        head = self._heads.get(path)
        if head is None:
            address = self.replica.address
            head = self._heads[path] = (
                b"POST %b%b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nAccept: */*\r\n%b"
                % (
                    address.base_path.encode(),
                    path.encode(),
                    address.authority.encode(),
                    block_of(self.replica.headers),
                )
            )
        trace = exchange.fields.get(b"traceparent")
        if trace is not None and len(trace) <= 128:
            head = b"%btraceparent: %b\r\n" % (head, trace)
            state = exchange.fields.get(b"tracestate")
            if state:
                head = b"%btracestate: %b\r\n" % (head, state)
        if self.replica.path:
            head = b"%bVia: %b\r\n" % (head, with_hop(exchange.via, self._pseudonym))
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (head, exchange.id_line, len(body), body)

    def question(self, path: str) -> bytes:
        """A GET request for `path`."""
        address = self.replica.address
        return b"GET %b%b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (
            address.base_path.encode(),
            path.encode(),
            address.authority.encode(),
            block_of(self.replica.headers),
        )


class Forwarder:
    """Sends asks to replicas."""

    def __init__(self, monotonic: Callable[[], float], pseudonym: str = "") -> None:
        """`pseudonym`: what this gateway calls itself to other Remudas."""
        self._monotonic = monotonic
        self._pseudonym = pseudonym.encode()
        self._channels: dict[str, Channel] = {}
        self._outbox: Outbox | None = None
        self.on_send: Callable[[Exchange, Replica], None] | None = None
        """Told of each attempt before it begins; None while nobody measures anything."""

    async def send(
        self, exchange: Exchange, ask: Ask, replica: Replica, outgoing: Outgoing | None = None
    ) -> UpstreamConnection:
        """The connection on which the replica answers, the head in and its status below 300; leaving it gives it back.
        Else raises the fault that the answer stands for. `outgoing`: what is sent in place of the ask itself."""
        if self.on_send is not None:
            self.on_send(exchange, replica)
        engine = replica.engine
        if outgoing is None:
            outgoing = engine.outgoing(ask, replica.upstream_model or ask.model)
        exchange.outgoing = outgoing
        channel = self._channel(replica)
        exchange.replica_block = channel.tag
        request = channel.request(outgoing.path, outgoing.body, exchange)
        outgoing.body = b""
        is_reusable = engine.reuses_after_stream or not outgoing.is_streamed
        sent = self._monotonic()
        exchange.expires_at = sent + replica.deadlines.answer_s
        exchange.expiry_fault = UpstreamSilent
        connection = channel.pool.take()
        try:
            if connection is None:
                connection = await self._dialled(channel.pool)
            try:
                await connection.send(request, is_reusable=is_reusable)
            except UpstreamFailed:
                if connection.requests == 1 or connection.reads:
                    raise
                # A kept connection that the server had closed in the meantime: it never saw the request.
                connection = await self._dialled(channel.pool)
                await connection.send(request, is_reusable=is_reusable)
            # mypyc's coroutines are held, with what they hold, for as long as those that awaited them run.
            request = b""
            if connection.status >= 300:
                raise await self._fault(connection, replica, ask)
        except BaseException:
            if connection is not None:
                connection.release(is_reusable=connection.is_complete)
            raise
        finally:
            exchange.expires_at = None
            exchange.upstream_s += self._monotonic() - sent
        return connection

    def _dialled(self, pool: Pool) -> "asyncio.Task[UpstreamConnection]":
        """A new connection, dialled in a task: its deadline needs one (see `drive`)."""
        return asyncio.get_running_loop().create_task(pool.dial())

    async def fetch(self, replica: Replica, path: str) -> bytes:
        """What stands at `path` of a replica's server, up to a bound; raises a Fault."""
        channel = self._channel(replica)
        connection = channel.pool.take() or await channel.pool.dial()
        try:
            await connection.send(channel.question(path))
            body = connection.take_body() if connection.is_complete else await _rest(connection)
            if connection.status != 200:
                raise UpstreamFailed(f"{path} answers {connection.status}")
            return body
        finally:
            connection.release(is_reusable=connection.is_complete)

    async def _fault(self, connection: UpstreamConnection, replica: Replica, ask: Ask) -> Fault:
        body = connection.take_body() if connection.is_complete else await _rest(connection)
        if connection.status < 400:
            return UpstreamFailed(f"the model's server answered {connection.status}, which is no answer to an ask")
        fault = replica.engine.fault_of(connection.status, body, ask.operation)
        if fault.retry_after_s is not None and connection.retry_after.isdigit():
            fault.retry_after_s = min(int(connection.retry_after[:9]), MAX_RETRY_AFTER_S)
            fault.is_dated = True
        return fault

    def _channel(self, replica: Replica) -> Channel:
        channel = self._channels.get(replica.id)
        if channel is None or channel.replica is not replica:
            if channel is not None:
                channel.pool.close_idle()
            loop = asyncio.get_running_loop()
            if self._outbox is None:
                self._outbox = Outbox(loop)
            pool = Pool(
                replica.address,
                loop,
                connect_timeout_s=replica.deadlines.connect_s,
                ssl_context=replica.tls,
                outbox=self._outbox,
            )
            channel = self._channels[replica.id] = Channel(replica, pool, self._pseudonym)
        return channel

    def sweep(self, live: Iterable[Replica], idle_before: float) -> None:
        """Close connections idle since before loop time `idle_before`, and all to replicas that are gone."""
        alive = {id(replica) for replica in live}
        for key, channel in list(self._channels.items()):
            if id(channel.replica) in alive:
                channel.pool.close_idle(idle_before)
            else:
                channel.pool.close_idle()
                del self._channels[key]

    def close(self) -> None:
        """Close all idle connections."""
        for channel in self._channels.values():
            channel.pool.close_idle()


class _ErrorBody:
    """Receives an error answer's body, up to a bound."""

    def __init__(self, done: "asyncio.Future[None]") -> None:
        self._done = done
        self.data = b""

    def body(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > ERROR_BODY_BYTES:
            self.end()

    def end(self) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def cut(self, fault: Fault) -> None:
        self.end()


async def _rest(connection: UpstreamConnection) -> bytes:
    receiver = _ErrorBody(asyncio.get_running_loop().create_future())
    connection.attach(receiver)
    await receiver._done
    return receiver.data[:ERROR_BODY_BYTES]
