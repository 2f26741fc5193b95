"""What a child says on standard output and standard error, made sense of. Values in, values out."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from remuda.core.address import Address
from remuda.engines.children.parent import FAILED, LISTENING
from remuda.engines.launch import LoadProgress, Stage

_STATE = b"cmd_child_to_router:state:"
_LISTENING = LISTENING.encode()
MAX_REASON_CHARS = 300

_LOG_ERROR = re.compile(r"^(?:[\d.:]+ )?E\s+(?:[A-Za-z_.~()]+\s+)*?[A-Za-z_.~()]+:\s*(?P<message>.+)$")
_TELLS_NOTHING = re.compile(
    r"failed to load model|exiting due to model loading error|error loading model$|llama_model_load_from_file_impl"
    r"|common_init_from_params|failed to fit params",
    re.IGNORECASE,
)
_ASSERTION = re.compile(r"GGML_ASSERT\(.*failed|terminate called after|ggml_abort")
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


def reason_not_loaded(log: Sequence[str], model: Path, return_code: int | None) -> str:
    """Why an engine ended while it loaded, in one line: its first error that tells something, else what our child said
    last, else its status.
    """
    errors = [found["message"] for line in log if (found := _LOG_ERROR.match(line))]
    telling = [message for message in errors if not _TELLS_NOTHING.search(message)]
    failed = [line.partition(FAILED)[2] for line in log if FAILED in line]
    if reasons := [*telling[:1], *failed[-1:], *errors[:1]]:
        return _one_line(reasons[0], model)
    return reason_ended(log, model, return_code)


def reason_ended(log: Sequence[str], model: Path, return_code: int | None) -> str:
    """Why an engine ended that had been ready, in one line. Errors in its log are then those of requests."""
    if return_code is not None and return_code < 0:
        reason = f"the engine was ended by signal {-return_code}"
    elif return_code:
        reason = f"the engine ended with status {return_code}"
    else:
        reason = "the engine ended"
    failed = [line for line in log if _ASSERTION.search(line)]
    return _one_line(f"{reason}: {failed[-1]}" if failed else reason, model)


def _one_line(message: str, model: Path) -> str:
    """`message` without the names of folders, bounded."""
    line = " ".join(_PATH.sub(r"\1", message.replace(str(model), model.name)).split())
    return line if len(line) <= MAX_REASON_CHARS else line[: MAX_REASON_CHARS - 1] + "…"
