"""The log files that are set, and what must never stand in a log line."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from remuda.app.exits import CommandError, Exit
from remuda.app.settings import LogSettings, Settings
from remuda.store.file_lock import locked_file
from remuda.telemetry.log_files import log_files, worker_files

MAX_WORKERS: Final = 1000
"""Workers that may have log files in one folder at a time."""


def gateway_log_files(settings: LogSettings) -> Sequence[logging.Handler]:
    """A gateway's, where they are wanted; raises CommandError where they cannot be written."""
    if settings.folder is None:
        return ()
    try:
        return log_files(settings.folder, _level(settings), max_bytes=settings.file_max_bytes, kept=settings.files_kept)
    except OSError as error:
        raise _unwritable(settings, error) from error


@contextmanager
def worker_log_files(settings: LogSettings) -> Iterator[Sequence[logging.Handler]]:
    """A worker's, where they are wanted, under the first number that no worker in the same folder has at the moment:
    two processes that write one file would each put it aside under the other's hands. Raises CommandError where they
    cannot be written."""
    if settings.folder is None:
        yield ()
        return
    bounds = {"max_bytes": settings.file_max_bytes, "kept": settings.files_kept}
    with ExitStack() as until_the_end:
        try:
            settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            number, lock = _free_number(settings.folder)
            until_the_end.enter_context(lock)
            files = worker_files(settings.folder, number, _level(settings), **bounds)
        except OSError as error:
            raise _unwritable(settings, error) from error
        yield files


def _free_number(folder: Path) -> tuple[int, BinaryIO]:
    for number in range(1, MAX_WORKERS + 1):
        lock = locked_file(folder / f"worker-{number}.lock")
        if lock is not None:
            return number, lock
    raise OSError(f"{MAX_WORKERS} workers have theirs there")


def secrets_of(settings: Settings) -> list[str]:
    """What must never stand in a log line, in whatever form."""
    found = [upstream.api_key.get_secret_value() for upstream in settings.upstreams if upstream.api_key is not None]
    found += [secret.get_secret_value() for secret in settings.auth.api_keys]
    tasks = settings.tasks
    found += [secret.get_secret_value() for secret in (tasks.webhook_secret, tasks.gateway_key) if secret is not None]
    if settings.auth.sealing_secret is not None:
        found.append(settings.auth.sealing_secret)
    for url in (settings.database_url, settings.redis_url):
        if url is not None and (password := urlsplit(url.get_secret_value()).password):
            found.append(password)
    return found


def _level(settings: LogSettings) -> int:
    return logging.getLevelNamesMapping()[settings.level.upper()]


def _unwritable(settings: LogSettings, error: OSError) -> CommandError:
    return CommandError(
        f"log.folder: no log files can be written to {settings.folder}: {error.strerror or error}", Exit.CONFIGURATION
    )
