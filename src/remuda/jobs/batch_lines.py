"""The lines of a batch's files: what stands in the input, and what is written into the results (OpenAI's batch API)."""

from array import array
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from remuda.core.batch import FinishedLine, LineError
from remuda.core.task import TaskState

MAX_CUSTOM_ID: Final = 512
MAX_MODEL_NAME: Final = 256
MAX_LINE_BYTES: Final = 1024 * 1024
SHOWN_CHARS: Final = 100
NUL: Final = "\x00"


class Asked(NamedTuple):
    """What one line asks."""

    custom_id: str
    model: str
    body: bytes


class _Line(msgspec.Struct):
    custom_id: Any = msgspec.UNSET
    method: Any = msgspec.UNSET
    url: Any = msgspec.UNSET
    body: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Body(msgspec.Struct):
    model: Any = msgspec.UNSET
    stream: Any = None


_decode_line: Final = msgspec.json.Decoder(_Line).decode
_decode_body: Final = msgspec.json.Decoder(_Body).decode


def line_in(data: bytes | None, number: int, endpoint: str) -> Asked | LineError:
    """What the line of that number asks of `endpoint`, or what is wrong with it. None stands for a line that is longer
    than MAX_LINE_BYTES."""
    if data is None:
        return LineError("line_too_long", f"This line is longer than {MAX_LINE_BYTES} bytes.", number)
    try:
        data.decode("utf-8")
        line = _decode_line(data)
    except UnicodeDecodeError:
        return LineError("invalid_encoding", "This line is not UTF-8.", number)
    except (msgspec.DecodeError, RecursionError):
        return LineError("invalid_json_line", "This line is not parseable as a JSON object.", number)
    wrong = _wrong_with(line, number, endpoint)
    if wrong is not None:
        return wrong
    raw = bytes(line.body)  # type: ignore[arg-type]  # it is there, as was just looked at
    try:
        body = _decode_body(raw)
    except (msgspec.DecodeError, RecursionError):
        return LineError("invalid_body", "'body' must be an object.", number, "body")
    model = body.model
    if not isinstance(model, str) or not 0 < len(model) <= MAX_MODEL_NAME or NUL in model:
        return LineError("missing_required_parameter", "'body.model' must name a model.", number, "body.model")
    if body.stream not in (None, False):
        return LineError("invalid_stream", "Answers of a batch are not streamed.", number, "body.stream")
    return Asked(line.custom_id, model, raw)


def _wrong_with(line: _Line, number: int, endpoint: str) -> LineError | None:
    for name in ("custom_id", "method", "url", "body"):
        if getattr(line, name) is msgspec.UNSET:
            return LineError("missing_required_parameter", f"Missing required parameter: '{name}'.", number, name)
    id_ = line.custom_id
    if not isinstance(id_, str) or not 0 < len(id_) <= MAX_CUSTOM_ID or NUL in id_:
        said = f"'custom_id' must be a text of 1 to {MAX_CUSTOM_ID} characters."
        return LineError("invalid_custom_id", said, number, "custom_id")
    if line.method != "POST":
        return LineError("invalid_method", "'method' must be POST.", number, "method")
    if line.url != endpoint:
        return LineError("invalid_url", f"'url' must be the batch's endpoint, {endpoint}.", number, "url")
    return None


class Seen:
    """Which custom ids were there, in 16 to 32 bytes for each: a table of 64-bit digests with open addresses.

    Two of a million different ones fall together once in thirty million files; then the second is called a duplicate.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * 1024))
        self._count = 0

    def add(self, custom_id: str) -> bool:
        """Whether it was not there before."""
        digest = int.from_bytes(blake2b(custom_id.encode(), digest_size=8).digest(), "big") or 1
        if self._count * 2 >= len(self._table):
            self._grow()
        is_new = _put(self._table, digest)
        self._count += is_new
        return is_new

    def _grow(self) -> None:
        larger = array("Q", bytes(16 * len(self._table)))
        for digest in self._table:
            if digest:
                _put(larger, digest)
        self._table = larger


def _put(table: "array[int]", digest: int) -> bool:
    mask = len(table) - 1
    at = digest & mask
    while (there := table[at]) != 0:
        if there == digest:
            return False
        at = (at + 1) & mask
    table[at] = digest
    return True


def duplicated(custom_id: str, number: int) -> LineError:
    """What is wrong with a line whose custom id was there before."""
    said = f"The custom_id '{custom_id[:SHOWN_CHARS]}' was used by a line before this one."
    return LineError("duplicate_custom_id", said, number, "custom_id")


def is_answer(line: FinishedLine) -> bool:
    """Whether the line was answered, and stands in the output file."""
    return line.state is TaskState.COMPLETED


def result_line(line: FinishedLine) -> bytes:
    """The line of the output or error file that says how a line ended."""
    body = None if line.state is TaskState.CANCELLED else _in_one_line(line.result)
    if body is None:
        if line.state is TaskState.CANCELLED:
            return _written(line.id, line.custom_id, None, "batch_cancelled", "This request was cancelled.")
        return _written(line.id, line.custom_id, None, line.error_type or "failed", line.error_message or "It failed.")
    response = {"status_code": line.status, "request_id": line.id, "body": msgspec.Raw(body)}
    return _written(line.id, line.custom_id, response)


def expired_line(id_: str, custom_id: str) -> bytes:
    """The line of the error file for one that was not asked in time."""
    said = "This request could not be executed before the completion window expired."
    return _written(id_, custom_id, None, "batch_expired", said)


def _written(id_: str, custom_id: str, response: Any, code: str = "", message: str = "") -> bytes:
    said = {
        "id": "batch_req_" + id_.replace("-", ""),
        "custom_id": custom_id,
        "response": response,
        "error": {"code": code, "message": message} if code else None,
    }
    return msgspec.json.encode(said) + b"\n"


def _in_one_line(body: bytes | None) -> bytes | None:
    """An answer as it may stand inside a line; None where it is no JSON."""
    if not body:
        return None
    try:
        return msgspec.json.format(body, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        return None
