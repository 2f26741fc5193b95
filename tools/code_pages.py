"""Pages that repeat what the code says of itself: faults, the journal's fields, and the tour of the rooms."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import remuda
import remuda.app.asgi  # with it every fault there is has been imported
from remuda.core import decision, record
from remuda.core.faults import Fault, UpstreamRefused, all_faults
from remuda.dialects.openai.errors import STATUS
from remuda.gateway.attempts import RETRIED

MADE: Final = "<!-- Written by tools/docs.py (make docs): change the code, not this page. -->\n"
ROOMS: Final = Path(remuda.__file__).parent

FAULTS_HEAD = """
# Faults

Whatever goes wrong is one of these, wherever it happens. The OpenAI face says a fault so:

```json
{"error": {"message": "there is no model called 'nope' here", "type": "invalid_request_error", "param": "model",
           "code": "model_not_found", "request_id": "req_d5250f260075549b77f63e5e",
           "details": {"parameter": "model", "received_value": null, "expected_type": null}}}
```

`code` is stable: programs go by it, and the journal (`fault`) and the metrics (`remuda_request_faults_total`) use the
same word. `message` is a sentence for people and often more exact than the one in the table. `details` is there where
the fault lies in one parameter. A `Retry-After` header says after how many seconds another try makes sense, where that
is known.

The Ollama face says the same with the same status in Ollama's shape, `{"error": "a sentence"}`. The Anthropic face says
it in [Anthropic's](anthropic-api.md#errors), with its types, and with status 529 where the table has 503.

Once a stream has begun, its status cannot change any more: the fault comes as an event `data: {"error": {...}}` and the
stream ends without `[DONE]`; in Ollama's API it is the last line, and none with `done: true` follows; in Anthropic's it
is an `event: error`, and no `message_stop` follows. A whole answer that has begun and cannot be finished is broken off:
the connection is closed, so that nobody takes a part for the whole.

*Elsewhere* means: before anything of the answer was sent, another replica of the model is tried first, up to
`routing.max_attempts`.

| code | status | type | elsewhere | message |
|---|---|---|---|---|
"""

FAULTS_TAIL = """
`499` is never sent: it is what the journal holds where the client left first. For `upstream_refused`, status and
type are the upstream's own.
"""

JOURNAL_HEAD = """
# The journal

One record for each inference request, refused ones included. It is written off the request's way (see
[durability](../explanation/durability.md)) and kept for `journal.retention_days`. Times are in seconds, sizes in bytes.
The text of prompts and answers is kept only where `journal.content` says so
([log content and privacy](../howto/log-content-and-privacy.md)).

| field | kind | what it says |
|---|---|---|
"""

JOURNAL_DECISIONS = """
## Decisions

Why each attempt of a request went where it went. `remuda explain REQUEST-ID` says it in words; in the record it
stands as JSON: a list with an object for each decision, without the fields that have nothing to say.

Nothing is kept where only one replica could take a request at its first attempt and the name it asked for does not
stand for several models: then `replica` says it all. Of a request that was tried again or continued each attempt is
told, the last 20 of them. All is at most 4,096 bytes; where it would be more, fewer candidates are listed. Policies are
explained in [balancing](../explanation/balancing.md).

| field | kind | what it says |
|---|---|---|
"""

TOUR_HEAD = """
# A tour of the rooms

The package is divided into rooms. Each imports only rooms that stand below it in this list; import-linter holds them to
that (`make check`). What follows is each room's own docstring, from the top down.
"""


def faults_page() -> str:
    """docs/reference/faults.md."""
    rows = []
    for fault in (kind for kind in all_faults() if kind.__module__.startswith("remuda.")):
        status, kind = STATUS[fault]
        is_own = issubclass(fault, UpstreamRefused)
        shown = ("upstream's own", "upstream's own") if is_own else (str(status), f"`{kind}`")
        elsewhere = "yes" if issubclass(fault, RETRIED) else ""
        rows.append(f"| `{fault.code}` | {shown[0]} | {shown[1]} | {elsewhere} | {_message(fault)} |\n")
    return MADE + FAULTS_HEAD.lstrip() + "".join(rows) + FAULTS_TAIL


def journal_page() -> str:
    """docs/reference/journal.md."""
    of_a_record, of_a_decision = (
        "".join(f"| `{name}` | {kind} | {said} |\n" for name, kind, said in fields)
        for fields in (fields_of_a_record(), _fields_of(decision, "Decision"))
    )
    return MADE + JOURNAL_HEAD.lstrip() + of_a_record + JOURNAL_DECISIONS + of_a_decision


def fields_of_a_record() -> Iterator[tuple[str, str, str]]:
    """Name, kind and documentation of each field, as they stand in the source."""
    return _fields_of(record, "RequestRecord")


def _fields_of(module: ModuleType, name: str) -> Iterator[tuple[str, str, str]]:
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    for field, said in zip(body, [*body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = said.value.value if isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant) else ""
            yield field.target.id, _kind(ast.unparse(field.annotation)), _line(str(text))


def tour_page() -> str:
    """docs/explanation/tour.md."""
    parts = [MADE, TOUR_HEAD.lstrip()]
    for room in rooms():
        said = ast.get_docstring(ast.parse((ROOMS / room / "__init__.py").read_text(encoding="utf-8"))) or ""
        title, _, rest = said.partition("\n\n")
        parts.append(f"\n## `{room}`\n\n**{_line(title)}**\n" + (f"\n{rest}\n" if rest else ""))
    return "".join(parts)


def rooms() -> list[str]:
    """The rooms from the top down, in the order in which the package's own docstring names them."""
    return re.findall(r"`(\w+)`", (remuda.__doc__ or "").partition("Each room's")[0])


def _message(fault: type[Fault]) -> str:
    return _line(fault().message if not issubclass(fault, UpstreamRefused) else fault(status=400).message)


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _kind(annotation: str) -> str:
    words = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
    base, _, optional = annotation.partition(" | ")
    if base.startswith("tuple["):
        return "list"
    return words[base] + (" or none" if optional else "")
