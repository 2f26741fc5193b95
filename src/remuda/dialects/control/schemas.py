"""What the control routes answer."""

from typing import Literal

import msgspec


class Alive(msgspec.Struct):
    """`GET /livez`."""

    status: Literal["alive"] = "alive"


class Ready(msgspec.Struct):
    """`GET /readyz`."""

    status: Literal["ready", "not ready"]
    reasons: list[str]
    """Why not; empty when ready."""


class Health(msgspec.Struct, kw_only=True):
    """`GET /health`, as document S2 has it (C2), so far as it can be said truthfully."""

    status: Literal["healthy", "degraded"]
    version: str
    model_loaded: bool
    """Some model can answer at once; others may still be loaded when they are asked for."""
    backend: str
    """Kinds of engine that serve models now, separated by commas; empty where none runs."""
    available_models: list[str]
    reasons: list[str]
    """What makes it degraded."""


class Version(msgspec.Struct, kw_only=True):
    """`GET /version`."""

    name: str = "Remuda"
    version: str
    api_version: str
