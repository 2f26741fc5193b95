"""Ask another server one small question: is it there, which models has it. Not for inference."""

import json
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from remuda.core.address import Address

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""A list of models is far below this."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body's JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class NoAnswer(Exception):
    """Nothing came back. The message says why, in words that follow the server's name."""


async def ask(
    address: Address, path: str, *, key: str | None = None, ca_file: Path | None = None, timeout_s: float = 5.0
) -> Answer:
    """GET `path` (below the server's root, not its base path). Follows no redirects. Raises NoAnswer."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"{'https' if address.is_tls else 'http'}://{address.authority}{path}"
    try:
        trusted = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
        connector = (
            aiohttp.UnixConnector(address.socket_path) if address.socket_path else aiohttp.TCPConnector(ssl=trusted)
        )
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            body = await response.content.read(MAX_ANSWER_BYTES + 1)
            while not response.content.at_eof() and len(body) <= MAX_ANSWER_BYTES:
                body += await response.content.read(MAX_ANSWER_BYTES + 1 - len(body))
            if len(body) > MAX_ANSWER_BYTES:
                raise NoAnswer("answers with far too much")
            return Answer(response.status, body)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise NoAnswer(_reason(error, timeout_s)) from None


def models_path(address: Address) -> str:
    """Where an OpenAI-compatible server at `address` lists its models; without a base path, `/v1` is meant."""
    return f"{address.base_path or '/v1'}/models"


def model_names(answer: Answer) -> list[str] | None:
    """The models that a list in OpenAI's form holds; None where it is none."""
    document = answer.json()
    entries = document.get("data") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return None
    return [entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def _reason(error: BaseException, timeout_s: float) -> str:
    match error:
        case TimeoutError():
            return f"does not answer within {timeout_s:g} s"
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "has a certificate that is not trusted here"
        case aiohttp.ClientConnectorDNSError():
            return "has a name that cannot be resolved"
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return "does not speak TLS as expected"
        case aiohttp.ClientConnectorError():
            return f"cannot be reached: {_words(error.os_error)}"
        case OSError():
            return f"cannot be reached: {_words(error)}"
    return "closes the connection or does not speak HTTP"


def _words(error: OSError) -> str:
    """The system's own words: the event loop's name the address once more instead."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
