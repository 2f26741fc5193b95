"""The users of a running gateway: held in memory, logged in, and followed in the store."""

import asyncio
import logging

from remuda.app.sealing import CredentialError, Sealer
from remuda.app.settings import AuthSettings
from remuda.core.clock import Clock
from remuda.core.faults import Unavailable
from remuda.core.ids import random_ids
from remuda.core.users import Session, Users
from remuda.gateway.guesses import Guesses
from remuda.gateway.log_in import LogIn
from remuda.gateway.tokens import Tokens
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.users import StoredUsers, end_session, list_ended_sessions, list_users, note_login

log = logging.getLogger(__name__)

PURPOSE = b"remuda user tokens"


class KnownUsers:
    """What the gateway needs of users, made and ended together."""

    def __init__(self, store: Store, sealer: Sealer, settings: AuthSettings, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self.tokens = Tokens(
            self._signing_key,
            clock.wall,
            random_ids(),
            access_s=settings.access_token_s,
            refresh_s=settings.refresh_token_s,
        )
        self.log_in = LogIn(self.tokens, Guesses(clock.monotonic), self._note, self._end)
        self._turn = asyncio.Lock()
        """Held while something is read and taken in, so that what changes meanwhile is not taken back by it."""

    async def renew(self) -> StoredUsers:
        """Take in who is a user now, and which sessions were ended; raises StoreError."""
        async with self._turn:
            stored = await list_users(self._store)
            self.tokens.ended = await list_ended_sessions(self._store)
            self.tokens.users = Users(stored.users)
        return stored

    def close(self) -> None:
        """End what works in the background."""
        self.log_in.close()

    def _signing_key(self) -> bytes:
        try:
            return self._sealer.derived(PURPOSE)
        except CredentialError as error:
            log.error("nobody can log in: %s", error)
            raise Unavailable("nobody can log in at the moment") from error

    async def _note(self, name: str) -> None:
        try:
            await note_login(self._store, name, self._clock.wall())
        except StoreError as error:
            log.warning("a log-in could not be noted: %s", error)

    async def _end(self, session: Session) -> None:
        try:
            async with self._turn:
                await end_session(self._store, session, self._clock.wall())
        except StoreError as error:
            log.warning("a session could not be ended: %s", error)
            raise Unavailable("the session could not be ended: try again in 1 s", retry_after_s=1) from error
