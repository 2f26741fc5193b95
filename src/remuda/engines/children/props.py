"""What a running llama.cpp server says of itself, asked over HTTP."""

from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import msgspec

from remuda.core.address import Address

ANSWER_S = 10.0
"""These answers do not wait for a slot; a loaded machine may still take a while."""
MAX_ANSWER_BYTES = 4_194_304


@dataclass(frozen=True, slots=True)
class Properties:
    """What is kept of a server's `/props`."""

    slots: int
    context: int
    """Tokens per slot."""


class _Generation(msgspec.Struct):
    n_ctx: int = 0


class _Props(msgspec.Struct):
    total_slots: int
    default_generation_settings: _Generation


async def is_healthy(address: Address, api_key: str | None) -> bool:
    """Whether the server has its model loaded."""
    return await _get(address, "/health", api_key) is not None


async def properties_of(address: Address, api_key: str | None) -> Properties | None:
    """The server's slots and context, or None where it does not tell."""
    body = await _get(address, "/props", api_key)
    if body is None:
        return None
    try:
        props = msgspec.json.decode(body, type=_Props)
    except msgspec.DecodeError:
        return None
    return Properties(slots=props.total_slots, context=props.default_generation_settings.n_ctx)


async def _get(address: Address, path: str, api_key: str | None) -> bytes | None:
    """The body of a 200 answer; None for any other, and where there is no server yet."""
    connector = (
        aiohttp.UnixConnector(address.socket_path, force_close=True)
        if address.socket_path
        else aiohttp.TCPConnector(force_close=True)
    )
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    url = f"http://{address.host}:{address.port}{address.base_path}{path}"
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != HTTPStatus.OK:
                return None
            return await response.content.read(MAX_ANSWER_BYTES)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None
