"""Other servers: the upstreams, and whoever already listens where the gateway would."""

import asyncio
import errno
import os
import socket
import ssl
from typing import Final

from remuda.app.checks.finding import Finding, fail, ok, warn
from remuda.app.settings import Settings, UpstreamSettings
from remuda.core.address import Address
from remuda.core.hosts import Bind
from remuda.core.node import NodeKind
from remuda.fleet.sources.questions import Questions
from remuda.fleet.sources.upstream import IN_WORDS, names_in
from remuda.outbound.http import OutboundClient, OutboundError
from remuda.outbound.question import NoAnswer, ask

ASKED_FOR_S: Final = 5.0
"""How long a server has for each answer."""


async def check_upstreams(settings: Settings) -> list[Finding]:
    """Whether each upstream lists its models. All are asked at once."""
    return list(await asyncio.gather(*(_check_upstream(upstream) for upstream in settings.upstreams)))


async def check_ports(settings: Settings) -> list[Finding]:
    """Whether the gateway could listen on each of its places, or does so already."""
    has_tls = settings.server.tls_cert is not None
    return [await _check_port(bind, has_tls=has_tls) for bind in settings.server.binds if bind.port]


async def _check_upstream(upstream: UpstreamSettings) -> Finding:
    key = upstream.api_key.get_secret_value() if upstream.api_key else None
    name = upstream.display_name
    try:
        answer = await ask(upstream.address, "/models", key=key, ca_file=upstream.ca_file)
    except NoAnswer as error:
        return fail("upstream", f"{name} {error}", f"see that it runs, and that {upstream.url} is its address")
    if answer.status in (401, 403):
        return fail("upstream", f"{name} refuses the key (status {answer.status})", "set the api_key of this upstream")
    names = names_in(answer.json())
    if answer.status == 200 and names is None:
        said = f"{name} answers, but not with a list of models"
        return fail("upstream", said, f"it gets nothing until it does: see that {upstream.url} is its base address")
    if answer.status != 200 or names is None:
        advice = "is this its base address? where it lists no models, name them in the upstream's models"
        return warn("upstream", f"{name} answers, but not with a list of models (status {answer.status})", advice)
    missing = sorted(set(upstream.models) - set(names))
    if missing:
        return warn("upstream", f"{name} does not list {', '.join(missing)}", "correct the upstream's models")
    return recognised("upstream", name, await _kind_of(upstream, key), upstream.kind, len(names))


async def _kind_of(upstream: UpstreamSettings, key: str | None) -> NodeKind | None:
    """What kind of server it is; None where that cannot be told at the moment."""
    address = upstream.address
    headers = ((b"Authorization", b"Bearer " + key.encode()),) if key else ()
    try:
        tls = ssl.create_default_context(cafile=str(upstream.ca_file)) if address.is_tls and upstream.ca_file else None
    except OSError:
        return None
    client = OutboundClient(address, headers=headers, timeout_s=ASKED_FOR_S, tls=tls)
    try:
        return await Questions(client, address.base_path.removesuffix("/v1")).kind()
    except OutboundError:
        return None
    finally:
        await client.close()


def recognised(subject: str, name: str, kind: NodeKind | None, given: NodeKind | None, models: int) -> Finding:
    """What there is to say of a server that lists so many models, is of that kind, and should be of the `given` one."""
    lists = f"lists {models} model{'' if models == 1 else 's'}"
    if kind is None:
        return ok(subject, f"{name} {lists}")
    if given is None or given is kind:
        return ok(subject, f"{name} is {IN_WORDS[kind]} and {lists}")
    if given is NodeKind.OPENAI:  # which most others are as well
        return ok(subject, f"{name} is {IN_WORDS[kind]}, used as {IN_WORDS[given]}, and {lists}")
    advice = f"correct the {subject}'s kind, or leave it out: until then it gets nothing"
    return fail(subject, f"{name} is {IN_WORDS[kind]}, not {IN_WORDS[given]}", advice)


async def _check_port(bind: Bind, *, has_tls: bool) -> Finding:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # elsewhere this option would let two programs share a port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except socket.gaierror:
        return fail("port", f"{bind.host} is no name or address that is known here", "correct server.host")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return await _who_listens(bind, has_tls=has_tls)
        advice = "ports below 1024 need the right to use them" if error.errno == errno.EACCES else "correct server.host"
        return fail("port", f"{bind} cannot be listened on: {error.strerror or error}", advice)
    return ok("port", f"{bind} is free")


async def _who_listens(bind: Bind, *, has_tls: bool) -> Finding:
    nearby = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind.host, bind.host)
    try:
        answer = await ask(Address(nearby, bind.port, is_tls=has_tls), "/version", timeout_s=2.0)
    except NoAnswer:
        answer = None
    if answer is not None and b"remuda" in answer.body[:4096].lower():
        return ok("port", f"a Remuda listens on {bind} already")
    return fail("port", f"{bind} is in use by another program", "stop that, or choose another with --port")
