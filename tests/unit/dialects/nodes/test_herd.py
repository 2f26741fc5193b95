"""The herd without nodes."""

import pytest

from remuda.dialects.nodes.herd import EMPTY


async def test_it_has_nothing_and_takes_nothing() -> None:
    assert (EMPTY.statuses(), EMPTY.status(1), await EMPTY.seen(1, 0.0)) == ((), None, None)
    assert (await EMPTY.change(1), await EMPTY.remove(1)) == (None, False)
    assert await EMPTY.pull((), "m", is_insecure=False, progress=lambda node, said: None) == ()
    for refused in (EMPTY.add("http://one"), EMPTY.set("weighted", None)):
        with pytest.raises(ValueError, match="not kept here"):
            await refused
    with pytest.raises(ValueError, match="not kept here"):
        EMPTY.kept_credential("key", "")
