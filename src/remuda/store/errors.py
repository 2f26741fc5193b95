"""What can go wrong with the store. Every message is one clear line without secrets."""


class StoreError(Exception):
    """The store cannot be used."""


class StoreUnavailable(StoreError):
    """The store does not answer at the moment: down, locked, full. The same call may succeed later."""


class StoreRefused(StoreError):
    """The store does not take these values. The same call will not succeed later."""


class StoreTooNew(StoreError):
    """The store was written by a newer version of Remuda."""
