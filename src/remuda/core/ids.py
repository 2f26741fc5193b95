"""Identities, handed in."""

import os
import re
from collections.abc import Callable
from typing import Final

Ids = Callable[[], str]
"""Makes a new request id on each call."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


def request_ids() -> Ids:
    """A source of ids `req_` + 24 hex digits: 8 random ones for this process, 16 that count up.

    Unique across processes by the random part and the random start of the counter; cheaper than 12 random bytes a call.
    """
    prefix = "req_" + os.urandom(4).hex()
    count = int.from_bytes(os.urandom(7), "big")

    def next_id() -> str:
        nonlocal count
        count += 1
        return f"{prefix}{count:016x}"

    return next_id


def accepted_request_id(value: bytes, secret: bytes | None = None) -> str | None:
    """A client's own request id if it is safe to echo and store (1 to 128 plain characters), else None.

    Ids are kept and logged: one that holds `secret` (the request's credential) or looks like a key of ours is not.
    """
    if not _REQUEST_ID.fullmatch(value) or b"rmd_" in value or (secret and secret in value):
        return None
    return value.decode("ascii")


PSEUDONYMS: Final = "remuda-"
"""What all of them begin with."""


def made_pseudonym() -> str:
    """What a gateway is called in `Via`, as long as its process lives: `remuda-` and 16 random hex digits."""
    return f"{PSEUDONYMS}{os.urandom(8).hex()}"


def random_ids() -> Ids:
    """A source of ids that nobody can guess: 32 random hex digits each."""
    return lambda: os.urandom(16).hex()
