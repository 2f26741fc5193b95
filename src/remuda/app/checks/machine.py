"""What this machine brings: the engine and the clock."""

import importlib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from remuda.app.checks.finding import Finding, fail, ok, warn
from remuda.app.settings import Settings

EARLIEST_YEAR = 2026
"""This program did not exist before: a clock that says so was never set."""
LEEWAY_S = 5.0
"""Clocks of several machines that share a store differ by less."""


def check_engine(settings: Settings) -> Finding:
    """Whether the engine that is installed with Remuda can be used. Loads it, which takes a moment."""
    is_needed = settings.llamacpp.llama_server is None and (settings.offers_tiny_models or bool(settings.models.paths))
    advice = "install it (pip install xllamacpp), or name your own with --llama-server"
    try:
        installed = version("xllamacpp")
        importlib.import_module("xllamacpp")
    except PackageNotFoundError:
        message = "xllamacpp is not installed"
    except (ImportError, OSError) as error:
        message = f"xllamacpp cannot be loaded: {error}"
    else:
        return ok("engine", f"llama.cpp through xllamacpp {installed}")
    if is_needed:
        return fail("engine", message, advice)
    return ok("engine", f"{message}; these settings need none")


def check_clock(wall_s: float, latest_stored_s: float | None = None) -> Finding:
    """Whether the clock can be right: keys expire by it. `latest_stored_s` is the latest time noted in the store."""
    advice = "set the clock, best by NTP"
    now = datetime.fromtimestamp(wall_s, UTC)
    if now.year < EARLIEST_YEAR:
        return fail("clock", f"the clock says it is {now.year}", advice)
    if latest_stored_s is not None and latest_stored_s > wall_s + LEEWAY_S:
        ahead = latest_stored_s - wall_s
        return warn("clock", f"the store holds times {ahead:.0f} s ahead of this clock, which must be slow", advice)
    return ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")
