"""What the store says, as faults."""

import pytest

from remuda.core.faults import Fault, InvalidRequest, Unavailable
from remuda.jobs.translated import translated
from remuda.store.errors import StoreError, StoreRefused, StoreUnavailable


@pytest.mark.parametrize(
    ("error", "fault"),
    [(StoreUnavailable("x"), Unavailable), (StoreError("x"), Unavailable), (StoreRefused("x"), InvalidRequest)],
)
def test_errors_of_the_store(error: StoreError, fault: type[Fault]):
    with pytest.raises(fault), translated():
        raise error
