"""Where a batch stands."""

import pytest

from remuda.core.batch import BatchState


@pytest.mark.parametrize("state", list(BatchState))
def test_what_is_over(state: BatchState):
    assert state.is_over == (state.value in ("failed", "completed", "expired", "cancelled"))
