"""Moments as people and programs write them."""

from datetime import UTC, datetime


def iso_time(wall_s: float) -> str:
    """Wall-clock seconds as `2026-11-20T23:34:43Z` (RFC 3339)."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
