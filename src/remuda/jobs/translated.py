"""What the store says, as a fault for whoever asked."""

from collections.abc import Iterator
from contextlib import contextmanager

from remuda.core.faults import Fault, InvalidRequest, Unavailable
from remuda.store.errors import StoreError, StoreRefused


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the store become InvalidRequest and Unavailable."""
    try:
        yield
    except StoreError as error:
        raise fault_of(error) from error


def fault_of(error: StoreError) -> Fault:
    """The fault that an error of the store is to whoever asked."""
    if isinstance(error, StoreRefused):
        return InvalidRequest("the request holds something that cannot be kept")
    return Unavailable("the store does not answer: nothing is taken in or told of for the moment", retry_after_s=1)
