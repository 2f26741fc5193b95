"""A settings file that changes while the gateway runs: what can be taken in is, and what cannot is said."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from remuda.app.settings import Settings, SettingsError
from remuda.core.clock import Clock

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
TAKEN_IN: Final = frozenset({"upstreams", "models.aliases"})
"""The settings that need no restart."""


async def watch_settings(settings: Settings, clock: Clock, on_change: Callable[[Settings], None]) -> None:
    """Look at the settings file every second, until cancelled, and call `on_change` with what it newly says.

    A file with something wrong in it is logged with its lines, and what was read before stays in use.
    """
    if settings.file is None:
        return
    path, seen = settings.file, _state_of(settings.file)
    while True:
        await clock.sleep(EVERY_S)
        now = _state_of(path)
        if now == seen or now is None:
            continue
        seen = now
        try:
            fresh = await asyncio.to_thread(settings.read_again)
        except SettingsError as error:
            log.error("%s has changed and cannot be used, so what it said before stays: %s", path, error)
            continue
        changed = changes(settings, fresh)
        if waiting := sorted(changed - TAKEN_IN):
            log.warning("%s has changed: for %s the gateway has to be started again", path, ", ".join(waiting))
        if changed & TAKEN_IN:
            log.info("%s has changed: %s taken in", path, ", ".join(sorted(changed & TAKEN_IN)))
            on_change(fresh)
        # What needs a restart is compared with what is in use, and said again whenever the file changes.
        models = settings.models.model_copy(update={"aliases": fresh.models.aliases})
        taken_in = settings.model_copy(update={"upstreams": fresh.upstreams, "models": models})
        settings = taken_in.with_origins(settings._origins, path, fresh.read_again)


def changes(old: Settings, new: Settings) -> set[str]:
    """What differs, as dotted names of settings; lists and tables count as one."""
    found = set()
    for name in type(old).model_fields:
        one, other = getattr(old, name), getattr(new, name)
        if one == other:
            continue
        fields = getattr(type(one), "model_fields", None)
        if fields is None:
            found.add(name)
        else:
            found |= {f"{name}.{field}" for field in fields if getattr(one, field) != getattr(other, field)}
    return found


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """What tells that a file has changed; None while it is not there (editors replace files)."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
