"""What a child says on standard output and standard error, made sense of. Values in, values out."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from remuda.core.address import Address
from remuda.engines.launch import LoadProgress, Stage
from remuda.engines.llamacpp.child import FAILED, LISTENING

_STATE = b"cmd_child_to_router:state:"
_LISTENING = LISTENING.encode()
MAX_REASON_CHARS = 300

_LOG_ERROR = re.compile(r"^(?:[\d.:]+ )?E\s+(?:[A-Za-z_.~()]+\s+)*?[A-Za-z_.~()]+:\s*(?P<message>.+)$")
_TELLS_NOTHING = re.compile(
    r"failed to load model|exiting due to model loading error|error loading model$|llama_model_load_from_file_impl"
    r"|common_init_from_params|failed to fit params",
    re.IGNORECASE,
)
_PATH = re.compile(r"(?:/[^\s/'\":]+)+/([^\s/'\":,]+)")


def state_of(line: bytes) -> dict[str, Any] | None:
    """The state that the engine announces in `line`, `{"state": ..., "payload": {...}}`; None where it is another line.

    The line may be glued to the end of another one: engine and log share a descriptor.
    """
    start = line.find(_STATE)
    if start < 0:
        return None
    try:
        state = json.loads(line[start + len(_STATE) :])
    except ValueError:
        return None
    return state if isinstance(state, dict) and isinstance(state.get("state"), str) else None


def progress_of(state: dict[str, Any]) -> LoadProgress | None:
    """How far the load is by a state, or None where the state tells nothing of it."""
    if state["state"] == "ready":
        return LoadProgress(Stage.READY, 100)
    payload = state.get("payload")
    if state["state"] != "loading" or not isinstance(payload, dict):
        return None
    value, stages, current = payload.get("value"), payload.get("stages"), payload.get("current")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    names = stages if isinstance(stages, list) and stages else [current]
    done = names.index(current) if current in names else 0
    percent = int(100 * (done + min(max(value, 0.0), 1.0)) / len(names))
    if percent >= 100:
        return LoadProgress(Stage.WARMING_UP, 100)
    return LoadProgress(Stage.LOADING_WEIGHTS, percent)


def address_of(line: bytes) -> Address | None:
    """The address that our own child tells in `line`, or None where it is another line."""
    start = line.find(_LISTENING)
    if start < 0:
        return None
    told = line[start + len(_LISTENING) :].decode(errors="replace").strip()
    if told.startswith("unix://"):
        return Address(host="localhost", port=80, socket_path=told.removeprefix("unix://"))
    host, _, port = told.removeprefix("http://").rpartition(":")
    return Address(host=host, port=int(port)) if port.isdecimal() else None


def reason_in(log: Sequence[str], model: Path, return_code: int | None) -> str:
    """Why an engine ended, in one line: its first error that tells something, else our child's own, else the status."""
    errors = [found["message"] for line in log if (found := _LOG_ERROR.match(line))]
    failed = [line.partition(FAILED)[2] for line in log if FAILED in line]
    telling = [message for message in errors if not _TELLS_NOTHING.search(message)]
    if telling:
        return _one_line(telling[0], model)
    if failed:
        return _one_line(failed[-1], model)
    if errors:
        return _one_line(errors[0], model)
    if return_code is not None and return_code < 0:
        return f"the engine was ended by signal {-return_code}"
    if return_code:
        return f"the engine ended with status {return_code}"
    return "the engine ended"


def _one_line(message: str, model: Path) -> str:
    """`message` without the names of folders, bounded."""
    line = " ".join(_PATH.sub(r"\1", message.replace(str(model), model.name)).split())
    return line if len(line) <= MAX_REASON_CHARS else line[: MAX_REASON_CHARS - 1] + "…"
