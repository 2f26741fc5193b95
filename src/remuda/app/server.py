"""Runs the gateway until it is told to stop."""

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from types import FrameType
from typing import Final

import uvicorn
from rich.console import Console
from uvicorn.server import HANDLED_SIGNALS

from remuda.app.acceptor import Acceptor
from remuda.app.exits import CommandError, Exit
from remuda.app.greeting import LoadBars, base_url, greet
from remuda.app.logs import gateway_log_files, secrets_of
from remuda.app.settings import Settings
from remuda.app.wiring import Remuda
from remuda.core.clock import Clock
from remuda.core.hosts import Bind
from remuda.dialects.console.first_model import model_to_try, names_chat
from remuda.engines.files import ModelFileError, read_header
from remuda.engines.launch import EngineKind
from remuda.engines.llamacpp.plan import plan_for
from remuda.engines.transformers.folder import FolderError, embeds_text
from remuda.telemetry.logs import configure_logging

log = logging.getLogger(__name__)

GREETING_WAITS_S: Final = 2.0
"""How long the greeting waits for upstreams to say what they offer: it is to name a model that answers."""


def run(settings: Settings, clock: Clock | None = None) -> int:
    """Serve until a signal ends it. Returns the exit code; raises CommandError where it cannot even start."""
    with (
        _closing(listening_sockets(settings)) as sockets,
        configure_logging(
            settings.log.level,
            settings.log.format,
            sys.stderr,
            secrets=secrets_of(settings),
            files=gateway_log_files(settings.log),
        ),
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        is_interrupted = runner.run(_serve(settings, sockets, clock))
    return Exit.INTERRUPTED if is_interrupted else Exit.OK


@contextlib.contextmanager
def _closing(sockets: list[socket.socket]) -> Iterator[list[socket.socket]]:
    """Closed also where it does not come to serving; closing twice does no harm."""
    try:
        yield sockets
    finally:
        for listener in sockets:
            listener.close()


def listening_sockets(settings: Settings) -> list[socket.socket]:
    """A socket for each place to listen, bound and not yet listening; raises CommandError (`Exit.BIND`)."""
    sockets: list[socket.socket] = []
    try:
        for bind in settings.server.binds:
            sockets += _bound(bind)
    except CommandError:
        for bound in sockets:
            bound.close()
        raise
    return sockets


def _bound(bind: Bind) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CommandError(f"cannot listen on {bind}: no address for that host", Exit.BIND) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would allow two programs on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        reason = {
            errno.EADDRINUSE: "the port is in use: choose another with --port, or stop what listens there",
            errno.EACCES: "this user may not listen there",
            errno.EADDRNOTAVAIL: "this machine has no such address",
        }.get(error.errno or 0, str(error))
        raise CommandError(f"cannot listen on {bind}: {reason}", Exit.BIND) from error
    return [listener]


async def _serve(settings: Settings, sockets: Sequence[socket.socket], clock: Clock | None) -> bool:
    """Serve, and put everything away; whether it was Ctrl-C that ended it."""
    console = Console(stderr=True)
    with LoadBars(console) as bars, contextlib.ExitStack() as until_the_end:
        async with Remuda.running(settings, on_load=bars.changed, clock=clock) as remuda:
            bound = [Bind(*listener.getsockname()[:2]) for listener in sockets]
            server = Server(
                server_config(settings, remuda),
                remuda,
                lambda: remuda.tasks.start(say_where(console, settings, bound, remuda), "greeting"),
            )
            # What lives for the whole run need not be looked at by each collection.
            gc.collect()
            gc.freeze()
            # Requests make no cycles; looking for some every 700 objects would cost each of them a microsecond.
            gc.set_threshold(20_000, 20, 100)
            until_the_end.enter_context(server.signals_caught())
            await server.serve(sockets=list(sockets))
    return signal.SIGINT in server.ended_by


class Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and when it begins to end."""

    def __init__(self, config: uvicorn.Config, remuda: Remuda, on_ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._remuda = remuda
        self._on_ready = on_ready
        self._acceptor: Acceptor | None = None
        self.ended_by: list[int] = []
        """The signals that told it to end."""

    async def serve_without_signals(self, sockets: Sequence[socket.socket]) -> None:
        """Serve until `should_exit` is set, for those who keep the process's signals to themselves."""
        await self._serve(list(sockets))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: uvicorn would let go of the signals when it stops listening, and raise them once more. Either would
        end the process with the journal not yet written and the engines not yet stopped. See `signals_caught`."""
        yield

    @contextlib.contextmanager
    def signals_caught(self) -> Iterator[None]:
        """While this lasts, the process's signals to end go to `handle_exit`."""
        usual = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in usual.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end. The first lets requests in progress end within the grace; one that comes when that has begun
        ends them at once; one more ends the process wherever it stands.

        Those that come together count as one: `timeout` and some supervisors signal a process and its group.
        """
        if self.force_exit:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.ended_by.append(sig)
        if self._remuda.standing.is_draining:
            self.force_exit = True
        else:
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, bring up the first model, and say so."""
        if sockets and sys.platform != "win32":  # there the loop is asyncio's own, which takes all that wait
            self._acceptor = Acceptor(self.config.http_protocol_class, sockets, self.config.ssl)
            self.config.http_protocol_class = self._acceptor.protocol  # type: ignore[assignment]  # it is only called
        await super().startup(sockets)
        await self._remuda.warm_up()
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, refuse what is new, let requests in progress end within the grace, then end the rest."""
        self._remuda.drain()
        if self._acceptor is not None:
            await self._acceptor.close()
        await super().shutdown(sockets)


async def say_where(console: Console, settings: Settings, bound: Sequence[Bind], remuda: Remuda) -> None:
    """Greet whoever started the gateway, with a curl that works: once upstreams have said what they offer."""
    await remuda.all_asked(GREETING_WAITS_S)
    url = base_url(settings, bound)
    model = model_to_try(remuda.fleet.offered(), _chats(remuda))
    is_any_name_taken = remuda.fleet.look_up("MODEL") is not None
    problem = None if model or is_any_name_taken else f"no chat model is known, {url}/v1/models lists what is"
    greet(console, url, model, needs_key=needs_key(remuda, settings), problem=remuda.standing.unservable() or problem)


def needs_key(remuda: Remuda, settings: Settings) -> bool:
    """Whether programs on this machine that connect directly need a key: also where a proxy on it is trusted, since
    they cannot be told from that proxy."""
    local = map(ip_address, ("127.0.0.1", "::1"))
    proxies = [ip_network(network) for network in settings.server.trusted_proxies]
    return not remuda.gatekeeper.is_open or any(address in proxy for address in local for proxy in proxies)


def _chats(remuda: Remuda) -> Callable[[str], bool]:
    """What is known of each model: of files their own word, of others their name."""
    files = {state.name: state.model for state in remuda.local.states()}

    def chats(name: str) -> bool:
        file = files.get(name)
        if file is None:
            return names_chat(name)
        try:
            if file.engine is EngineKind.TRANSFORMERS:
                return names_chat(name) if file.hub_name else not embeds_text(file.path)
            return plan_for(file.settings, read_header(file.path)).pooling is None
        except (ModelFileError, FolderError):
            return False

    return chats


def server_config(settings: Settings, remuda: Remuda) -> uvicorn.Config:
    """How uvicorn serves this gateway."""
    server = settings.server
    return uvicorn.Config(
        remuda.app,
        http=remuda.lane.protocol,  # type: ignore[arg-type]  # uvicorn only calls it
        loop="none",
        lifespan="off",
        log_config=None,
        log_level=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=server.backlog,
        timeout_graceful_shutdown=max(1, int(server.shutdown_grace_s)),
        ssl_certfile=str(server.tls_cert) if server.tls_cert else None,
        ssl_keyfile=str(server.tls_key) if server.tls_key else None,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
