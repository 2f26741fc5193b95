"""The users of a running gateway: held in memory, logged in, and followed in the store."""

import logging

from remuda.app.sealing import CredentialError, Sealer
from remuda.app.settings import AuthSettings
from remuda.core.clock import Clock
from remuda.core.faults import Unavailable
from remuda.core.ids import random_ids
from remuda.core.users import Users
from remuda.gateway.guesses import Guesses
from remuda.gateway.log_in import LogIn
from remuda.gateway.tokens import Tokens
from remuda.store.database import Store
from remuda.store.errors import StoreError
from remuda.store.users import StoredUsers, list_users, note_login

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
        self.log_in = LogIn(self.tokens, Guesses(clock.monotonic), self._note)

    async def renew(self) -> StoredUsers:
        """Take in who is a user now; raises StoreError."""
        stored = await list_users(self._store)
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
