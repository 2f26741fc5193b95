"""Who may come in: keys and users of the store, and keys of the settings."""

from collections.abc import Iterable

from remuda.app.settings import Settings
from remuda.app.users import KnownUsers
from remuda.core.clock import Clock
from remuda.core.keys import Key, KeyRing, Scope, digest_of
from remuda.gateway.authenticate import Gatekeeper
from remuda.store.database import Store
from remuda.store.keys import list_keys, usable_keys


class Credentials:
    """Keeps the gatekeeper up to date."""

    def __init__(
        self, store: Store, gatekeeper: Gatekeeper, users: KnownUsers, settings: Settings, clock: Clock
    ) -> None:
        self._store = store
        self._gatekeeper = gatekeeper
        self._users = users
        self._settings = settings
        self._clock = clock

    def __len__(self) -> int:
        """How many keys and users there are."""
        return len(self._gatekeeper.ring) + len(self._users.tokens.users)

    async def renew(self) -> int:
        """Take in what is in the store now; the revision it was read at. Raises StoreError."""
        users = await self._users.renew()
        revision, stored = await usable_keys(self._store)
        self._gatekeeper.ring = KeyRing([*stored, *configured_keys(self._settings, self._clock)])
        # Revoking the last key, or removing the last user, must not open the door again.
        self._gatekeeper.has_had_keys = users.have_been or bool(stored) or bool(await list_keys(self._store))
        return min(users.revision, revision)


def configured_keys(settings: Settings, clock: Clock) -> Iterable[Key]:
    """The keys of the settings (`API_KEYS`): inference and read, kept nowhere but in memory."""
    for number, secret in enumerate(settings.auth.api_keys):
        value = secret.get_secret_value()
        yield Key(
            id=f"env-{number + 1}",
            name=f"API_KEYS {number + 1}",
            digest=digest_of(value.encode()),
            prefix="",
            scopes=frozenset({Scope.INFERENCE, Scope.READ}),
            created_at=clock.wall(),
        )
