"""The environment of document S2: names that a deployment of the system it describes has already."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from remuda.app.settings.kinds import Text
from remuda.app.settings.origins import Loc, Problem

ENGINE: Final = "MODEL_BACKEND"
"""Which engine answers, in the document's words; each names its model by a variable of its own."""
TRANSFORMERS: Final = "transformers"
MODEL_OF: Final = {"ollama": "OLLAMA_MODEL", TRANSFORMERS: "MODEL_NAME"}
OLLAMA_PLACES: Final = ("OLLAMA_BASE_URL", "OLLAMA_HOST")
"""Where Ollama is; the first that is set counts."""
OLLAMA_PORT: Final = 11434
OLLAMA_DEFAULT: Final = f"http://127.0.0.1:{OLLAMA_PORT}"
SETTINGS_OF: Final[dict[str, Loc]] = {
    "MAX_NEW_TOKENS": ("tasks", "max_tokens"),
    "TEMPERATURE": ("tasks", "temperature"),
    "TASK_TIME_LIMIT": ("tasks", "time_limit_s"),
}


def read_documents(environ: Mapping[str, str], folder: Path) -> tuple[list[tuple[Loc, str, Any]], list[Problem]]:
    """What these variables set, as (setting, variable, value), and what is wrong with them. Empty ones are not set."""
    found: list[tuple[Loc, str, Any]] = []
    problems: list[Problem] = []
    for variable, loc in SETTINGS_OF.items():
        if value := environ.get(variable, "").strip():
            found.append((loc, variable, Text(value, folder, is_untyped=True)))
    if engine := _engine(environ):
        named_by = MODEL_OF.get(engine)
        if named_by is None:
            problems.append(Problem(ENGINE, "", f"needs one of {', '.join(MODEL_OF)}, not {engine[:40]!r}"))
        elif model := environ.get(named_by, "").strip():
            if engine == TRANSFORMERS:
                found.append((("transformers", "models"), named_by, [Text(model, folder)]))
                place = folder / model
                model = place.name if place.is_dir() else model  # what it is offered as
            found.append((("tasks", "model"), named_by, Text(model, folder)))
    return found, problems


def upstream_of_documents(environ: Mapping[str, str], folder: Path) -> tuple[str, dict[str, Any]] | None:
    """The one server that these variables name, as an entry of `upstreams`, with the variable; None where they name
    none. It is meant where no upstream is configured."""
    if _engine(environ) != "ollama":
        return None
    for variable in OLLAMA_PLACES:
        if place := environ.get(variable, "").strip():
            return variable, {"url": Text(ollama_url(place), folder)}
    return ENGINE, {"url": OLLAMA_DEFAULT}


def ollama_url(place: str) -> str:
    """The URL of what OLLAMA_HOST may hold: `host`, `host:port`, `:port` or a URL. An address to listen on, which that
    is for Ollama itself, means this machine."""
    if "://" not in place:
        host, colon, port = place.rpartition(":")
        if not colon or place.endswith("]") or not port.isdigit():
            host, port = place, str(OLLAMA_PORT)
        place = f"http://{host or '127.0.0.1'}:{port}"
    for listening, meant in (("//0.0.0.0", "//127.0.0.1"), ("//[::]", "//[::1]")):
        place = place.replace(listening, meant, 1)
    return place


def _engine(environ: Mapping[str, str]) -> str:
    return environ.get(ENGINE, "").strip().lower()
