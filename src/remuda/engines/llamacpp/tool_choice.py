"""A `tool_choice` that names a function, in words llama.cpp understands.

It knows `auto`, `none` and `required`, and takes an object for `auto` without a word. Offered that one function alone
and required to call one, the model does what the client asked for.
"""

import msgspec

from remuda.core.faults import InvalidRequest
from remuda.engines.body import Fields


class _Function(msgspec.Struct):
    name: str = ""


class _Named(msgspec.Struct):
    """A tool, or the choice of one: chat has the name inside `function`, the responses API beside `type`."""

    type: str = ""
    name: str = ""
    function: _Function | None = None

    @property
    def called(self) -> str:
        return self.function.name if self.function is not None else self.name


def chosen_tool(fields: Fields) -> dict[str, bytes]:
    """The fields that stand for the choice of one function; empty where none is named.

    Raises InvalidRequest where no tool has that name.
    """
    choice = fields.get("tool_choice")
    if choice is None or not bytes(choice).startswith(b"{"):
        return {}
    try:
        named = msgspec.json.decode(choice, type=_Named)
        tools = msgspec.json.decode(fields.get("tools", b"[]"), type=list[msgspec.Raw])
        offered = [tool for tool in tools if msgspec.json.decode(tool, type=_Named).called == named.called]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}  # whatever it is, the engine has its own words for it
    if named.type != "function" or not named.called:
        return {}
    if not offered:
        raise InvalidRequest(
            f"tool_choice names the function {named.called[:200]!r}, which is not among the tools.",
            parameter="tool_choice",
        )
    return {"tools": msgspec.json.encode(offered), "tool_choice": b'"required"'}
