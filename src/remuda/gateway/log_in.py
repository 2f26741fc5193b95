"""Users prove who they are by their password and get tokens for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from remuda.core.faults import InvalidCredential, RateLimited
from remuda.core.users import fits
from remuda.gateway.guesses import Guesses
from remuda.gateway.tokens import Tokens

log = logging.getLogger(__name__)

THREADS: Final = 2
"""Passwords hashed at once: each takes a processor and 32 MiB for a third of a second, and streams go on meanwhile."""
MOST_WAITING: Final = 16
"""Log-ins under way at once; more are told to come back."""


class Pair(NamedTuple):
    """What a log-in gives."""

    access: str
    refresh: str


class LogIn:
    """Checks passwords off the event loop."""

    def __init__(
        self, tokens: Tokens, guesses: Guesses, on_login: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        self.tokens = tokens
        self._guesses = guesses
        self._on_login = on_login
        self._threads = ThreadPoolExecutor(THREADS, "passwords")
        self._under_way = 0

    async def log_in(self, name: str, password: str, address: str | None) -> Pair:
        """Tokens for the user `name`; raises InvalidCredential, RateLimited.

        An unknown name takes as long as a wrong password, and gets the same answer.
        """
        if self._under_way >= MOST_WAITING:
            raise RateLimited("too many people log in at once: try again in 1 s", retry_after_s=1)
        self._guesses.begin(name, address)
        user = self.tokens.users.get(name)
        self._under_way += 1
        try:
            is_right = await asyncio.get_running_loop().run_in_executor(self._threads, fits, password, user)
        finally:
            self._under_way -= 1
        if user is None or not is_right:
            # A name that is nobody's is not logged: people type passwords into the wrong field.
            log.warning("a log-in for %s from %s was refused", user.name if user else "nobody", address or "nowhere")
            raise InvalidCredential("Invalid credentials.")
        self._guesses.right(name, address)
        pair = Pair(self.tokens.access(user), self.tokens.refresh(user))
        if self._on_login is not None:
            await self._on_login(name)
        return pair

    def close(self) -> None:
        """End the threads; passwords that wait for one are not looked at any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
