"""Settings from the environment: `REMUDA_SECTION__KEY`, and the names of the field that need no prefix."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from remuda.app.settings.documents import read_documents
from remuda.app.settings.kinds import Text
from remuda.app.settings.model import Settings
from remuda.app.settings.origins import Loc, Problem
from remuda.app.settings.section import Section

PREFIX = "REMUDA_"
CONFIG_VARIABLE = "REMUDA_CONFIG"
"""Path of the settings file."""
_OTHERS = {CONFIG_VARIABLE, "REMUDA_API_KEY"}
"""Variables with the prefix that are no settings."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting: a field that is not a section."""

    loc: Loc
    annotation: Any
    is_compound: bool
    """A list or a mapping: written as JSON in the environment."""

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + "__".join(str(part) for part in self.loc).upper()


def leaves(section: type[BaseModel] = Settings, above: Loc = ()) -> Iterator[Leaf]:
    """Every setting, in the order of the models."""
    for name, info in section.model_fields.items():
        annotation, loc = info.annotation, (*above, name)
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from leaves(annotation, loc)
        else:
            yield Leaf(loc, annotation, is_compound=_is_compound(annotation))


def _is_compound(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, tuple | Mapping) and bool(get_args(annotation))


def read_environment(environ: Mapping[str, str], folder: Path) -> tuple[list[tuple[Loc, str, Any]], list[Problem]]:
    """What the environment sets, as (setting, variable, value), weakest first; and what is wrong with it.

    An empty variable counts as not set: that is how compose files leave one out.
    """
    known = {leaf.variable: leaf for leaf in leaves()}
    found, problems = read_documents(environ, folder)
    if csv := environ.get("API_KEYS", "").strip():
        keys = dict.fromkeys(part.strip() for part in csv.split(",") if part.strip())
        found.append((("auth", "api_keys"), "API_KEYS", list(keys)))
    if url := environ.get("DATABASE_URL", "").strip():
        found.append((("database_url",), "DATABASE_URL", Text(url, folder)))
    if url := environ.get("REDIS_URL", "").strip():
        found.append((("redis_url",), "REDIS_URL", Text(url, folder)))
    for variable in sorted(environ):
        value = environ[variable]
        if not variable.startswith(PREFIX) or not value or variable in _OTHERS:
            continue
        leaf = known.get(variable)
        if leaf is None:
            if (problem := _unknown(variable, value, known)) is not None:
                problems.append(problem)
        elif not leaf.is_compound:
            found.append((leaf.loc, variable, Text(value, folder, is_untyped=True)))
        else:
            try:
                found.append((leaf.loc, variable, _placed(json.loads(value), folder)))
            except (ValueError, RecursionError):
                example = '["one", "two"]' if get_origin(leaf.annotation) is tuple else '{"alias": "model"}'
                problems.append(Problem(variable, "", f"needs JSON, such as {example}"))
    return found, problems


def _placed(value: Any, folder: Path) -> Any:
    """JSON values with their texts placed, so that relative paths in them are found."""
    if isinstance(value, str):
        return Text(value, folder)
    if isinstance(value, list):
        return [_placed(item, folder) for item in value]
    if isinstance(value, dict):
        return {key: _placed(item, folder) for key, item in value.items()}
    return value


def _unknown(variable: str, value: str, known: Mapping[str, Leaf]) -> Problem | None:
    """The problem with a variable that is no setting, or None where it is none of ours.

    Container platforms put variables such as REMUDA_PORT=tcp://10.0.0.1:7368 and REMUDA_SERVICE_HOST beside a service
    called remuda. So without a double underscore only what is nearly the name of a setting counts as a mistake.
    """
    close = difflib.get_close_matches(variable, known, n=1, cutoff=0.8)
    hint = f" (did you mean {close[0]}?)" if close else ""
    if "__" in variable:
        return Problem(variable, "", f"no such setting{hint}")
    is_slip = bool(close) and variable.replace("_", "") == close[0].replace("_", "")
    return Problem(variable, "", f"no such setting{hint}") if is_slip and not value.startswith("tcp://") else None
