"""Part of the step `read`: parameters that requests for a model get where they do not say otherwise."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from remuda.core.ask import Ask, Operation
from remuda.core.faults import InvalidRequest
from remuda.core.model_names import by_either_name
from remuda.engines.body import fields_of, with_fields

GENERATING: Final = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.RESPONSE})
BOUNDS: Final = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})
"""Names of one thing: a client that says one of them has said it."""
OF_RESPONSES: Final = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
"""What the responses API calls fields that have another name in the others."""
OF_OTHERS: Final = {"max_output_tokens": "max_tokens"}
"""The other way round."""


class Defaults:
    """The parameters by the names of models and aliases, with or without the tag `:latest`."""

    def __init__(self, by_name: Mapping[str, Mapping[str, Any]]) -> None:
        self._by_name = {
            name: {field: msgspec.json.encode(value) for field, value in parameters.items()}
            for name, parameters in by_either_name(by_name).items()
        }

    def apply(self, ask: Ask, model: str) -> None:
        """Give `ask`, which was made of an alias or a model and means `model`, what it does not say itself; in its
        dialect's own words too, where some engines speak it."""
        of_model, of_alias = self._by_name.get(model), self._by_name.get(ask.model)
        if (of_model is None and of_alias is None) or ask.operation not in GENERATING:
            return
        wanted = {**(of_model or {}), **(of_alias or {})}
        native = ask.native
        try:
            ask.body = _under(ask, wanted)
            if native is not None and native.with_defaults is not None:
                ask.native = msgspec.structs.replace(native, body=native.with_defaults(native.body, wanted))
        except InvalidRequest:
            return  # the engine says what is wrong with it


def _under(ask: Ask, wanted: Mapping[str, bytes]) -> bytes:
    """The body of `ask` with what it does not say of `wanted`."""
    fields = fields_of(ask.body)
    words = OF_RESPONSES if ask.operation is Operation.RESPONSE else OF_OTHERS
    wanted = {words.get(field, field): value for field, value in wanted.items()}
    said = set(fields)
    if ask.is_unbounded or not BOUNDS.isdisjoint(said):
        said |= BOUNDS
    return with_fields(ask.body, fields, {field: value for field, value in wanted.items() if field not in said})
