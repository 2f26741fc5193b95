"""Models of several kinds are each left to the launcher of their kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remuda.engines.launch import EngineKind, Launchers, LoadFailed, LoadProgress, LocalModel, Stamp


class Named:
    """A launcher that only says who it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def stamp(self, model: LocalModel) -> Stamp:
        return ((len(self.name), 0),)

    async def check(self, model: LocalModel) -> None:
        raise LoadFailed(f"{self.name} checked {model.name}")

    async def start(self, model: LocalModel, on_progress: Callable[[LoadProgress], None]) -> Any:
        return f"{self.name} started {model.name}"


@pytest.mark.parametrize("kind", list(EngineKind))
async def test_each_kind_has_its_launcher(kind: EngineKind) -> None:
    launchers = Launchers({each: Named(each.value) for each in EngineKind})
    model = LocalModel("m", Path("m"), engine=kind)
    assert await launchers.stamp(model) == ((len(kind.value), 0),)
    assert str(await launchers.start(model, lambda progress: None)) == f"{kind.value} started m"
    with pytest.raises(LoadFailed, match=f"^{kind.value} checked m$"):
        await launchers.check(model)
