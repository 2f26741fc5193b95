"""Users prove who they are by their password and get tokens for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from remuda.core.faults import InvalidCredential, InvalidToken, RateLimited
from remuda.core.users import Session, fits
from remuda.gateway.guesses import Guesses
from remuda.gateway.tokens import Pair, Tokens

log = logging.getLogger(__name__)

THREADS: Final = 2
"""Passwords hashed at once: each takes a processor and 32 MiB for a third of a second, and streams go on meanwhile."""
MOST_WAITING: Final = 16
"""Log-ins under way at once; more are told to come back."""


class LogIn:
    """Checks passwords off the event loop."""

    def __init__(
        self,
        tokens: Tokens,
        guesses: Guesses,
        on_login: Callable[[str], Awaitable[None]] | None = None,
        on_logout: Callable[[Session], Awaitable[None]] | None = None,
    ) -> None:
        self.tokens = tokens
        self._guesses = guesses
        self._on_login = on_login
        self._on_logout = on_logout
        """Makes it known elsewhere, and for good; raises Unavailable."""
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
        pair = self.tokens.pair(user)
        if self._on_login is not None:
            await self._on_login(name)
        return pair

    async def log_out(self, tokens: Iterable[bytes]) -> None:
        """End the sessions of `tokens`; what is no token, or of no session any more, is passed over. Raises
        Unavailable."""
        for token in tokens:
            with suppress(InvalidToken):
                session = self.tokens.session_of(token)
                if self._on_logout is not None:
                    await self._on_logout(session)
                self.tokens.ended |= {session.id}

    def close(self) -> None:
        """End the threads; passwords that wait for one are not looked at any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
