"""The files and folders that the settings name: models, certificates, the engine's program, the data folder."""

import os
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from remuda.app.checks.finding import Finding, fail, ok, warn
from remuda.app.settings import Settings
from remuda.engines.files import ModelFileError, folder_model, offered_models
from remuda.engines.launch import EngineKind
from remuda.engines.transformers.process import NOT_INSTALLED, is_installed


def check_files(settings: Settings) -> list[Finding]:
    """Whether every file that the settings name is there and is what it should be."""
    return [*_models(settings), *check_program(settings), *check_certificates(settings)]


def check_certificates(settings: Settings) -> list[Finding]:
    """Whether the listener's certificate and those to trust can be used."""
    return [*_tls(settings), *_authorities(settings)]


def check_program(settings: Settings) -> list[Finding]:
    """Whether the user's own engine is a program."""
    return list(_program(settings))


def check_data_dir(settings: Settings) -> list[Finding]:
    """Whether the data folder can be written, or made. Leaves nothing behind."""
    folder = settings.data_dir
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    advice = "give another folder with --data, or make this one writable for you"
    if not existing.is_dir():
        return [fail("data", f"{existing} is not a folder", advice)]
    try:
        # Tried rather than asked for: permissions do not tell of read-only disks and full ones.
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"\0")
    except OSError as error:
        return [fail("data", f"{existing} cannot be written: {error.strerror or error}", advice)]
    return [ok("data", f"{folder} is writable" if existing == folder else f"{folder} will be made on first use")]


def _models(settings: Settings) -> Iterator[Finding]:
    advice = "correct models.paths or --model, or download the file again"
    usable: list[Path] = []
    is_needed = bool(settings.transformers.models)
    for path in settings.models.paths:
        try:
            offered = offered_models([path])
        except ModelFileError as error:
            yield fail("model", str(error), advice)
            continue
        usable.append(path)
        is_needed |= any(model.engine is EngineKind.TRANSFORMERS for model in offered.models)
        yield from (ok("model", f"{model.name}: {model.path}") for model in offered.models)
        yield from (warn("model", f"{line} (left out)", advice) for line in offered.skipped)
    try:
        offered_models(usable)
    except ModelFileError as error:
        yield fail("model", str(error), "models are called as their files: no two may have one name")
    yield from _transformers_models(settings)
    if is_needed:
        yield _transformers()


def _transformers_models(settings: Settings) -> Iterator[Finding]:
    for place in settings.transformers.models:
        if not Path(place).is_absolute():
            yield ok("model", f"{place}: of the Hugging Face hub, looked for when it is first loaded")
            continue
        try:
            model = folder_model(Path(place))
        except ModelFileError as error:
            yield fail("model", str(error), "correct transformers.models, or download the model again")
        else:
            yield ok("model", f"{model.name}: {model.path}")


def _transformers() -> Finding:
    if not is_installed():
        return fail("engine", NOT_INSTALLED, "install it, with the build of torch for your hardware first")
    return ok("engine", f"transformers {version('transformers')} with torch {version('torch')}")


def _program(settings: Settings) -> Iterator[Finding]:
    program = settings.llamacpp.llama_server
    if program is None:
        return
    if shutil.which(program) is None:
        said = "is not an executable program" if program.exists() else "does not exist"
        yield fail("engine", f"llama-server: {program} {said}", "correct llamacpp.llama_server or --llama-server")
    else:
        yield ok("engine", f"llama-server: {program}")


def _tls(settings: Settings) -> Iterator[Finding]:
    cert, key = settings.server.tls_cert, settings.server.tls_key
    if cert is None or key is None:
        return
    advice = "both are PEM files; the certificate's own comes first in its chain, and the key has no password"
    try:
        # An empty password: never ask on the terminal for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        yield fail("tls", f"{cert} and {key} cannot be used: {reason}", advice)
    except OSError as error:
        missing = next((path for path in (cert, key) if not os.access(path, os.R_OK)), cert)
        yield fail("tls", f"{missing} cannot be read: {error.strerror or error}", advice)
    else:
        yield ok("tls", f"{cert} with its key")


def _authorities(settings: Settings) -> Iterator[Finding]:
    for upstream in settings.upstreams:
        if upstream.ca_file is not None and (problem := _ca_problem(upstream.ca_file)) is not None:
            yield fail(
                "tls", f"{upstream.display_name}: {upstream.ca_file} {problem}", "name a file of PEM certificates"
            )


def _ca_problem(path: Path) -> str | None:
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        return "holds no certificates"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return None
