"""What programs are told at `/`."""

import msgspec


class Info(msgspec.Struct, kw_only=True):
    """`GET /` for programs."""

    name: str = "Remuda"
    version: str
    description: str = "One door to all the language-model servers you own."
    needs_key: bool
    """Whether requests need an API key."""
    docs: str = "/docs"
    redoc: str = "/redoc"
    openapi: str = "/openapi.json"
    openai: str = "/v1"
    ollama: str = "/api"
    health: str = "/health"
    metrics: str = "/metrics"
