"""Lay defaults, file, environment and command line over each other, and say everything that is wrong at once."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from remuda.app.settings.document import Document, read_document
from remuda.app.settings.documents import upstream_of_documents
from remuda.app.settings.environment import CONFIG_VARIABLE, leaves, read_environment
from remuda.app.settings.model import Settings
from remuda.app.settings.origins import Loc, Origin, Origins, Problem, SettingsError, dotted
from remuda.app.settings.platform import default_data_dir

FILE_NAME = "remuda.yaml"


@dataclass(frozen=True, slots=True)
class Override:
    """A setting given on the command line."""

    setting: Loc
    option: str
    """As the user wrote it: `--port`."""
    value: Any


def load(
    config: Path | None = None,
    overrides: list[Override] | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> Settings:
    """The settings: defaults < file < environment < command line. Raises SettingsError with all problems at once.

    The file is `config`, else `REMUDA_CONFIG` (each must exist), else the first there is of `remuda.yaml` in `folder`
    (the working folder) and in the data folder. Relative paths are relative to the file, elsewhere to `folder`.
    """
    folder = folder or Path.cwd()
    given = overrides or []
    path = find_file(config, given, environ, folder)
    document = read_document(path, environ) if path else Document("")
    merged = _Merged(document)
    from_environment, problems = read_environment(environ, folder)
    for loc, variable, value in from_environment:
        merged.set(loc, value, Origin("environment", variable))
    for override in given:
        placed = _placed_override(override.value, folder)
        merged.set(override.setting, placed, Origin("command line", override.option))
    if not merged.values.get("upstreams") and (named := upstream_of_documents(environ, folder)) is not None:
        variable, upstream = named
        merged.set(("upstreams",), [upstream], Origin("environment", variable))
    problems = [*document.problems, *problems]
    try:
        settings = Settings.model_validate(merged.values)
    except ValidationError as error:
        problems += _problems_of(error, merged, {(problem.place, problem.setting) for problem in problems})
    if problems:
        raise SettingsError(sorted(problems, key=_by_line))
    return settings.with_origins(merged.origins, path, partial(load, config, given, environ, folder))


def find_file(config: Path | None, overrides: list[Override], environ: Mapping[str, str], folder: Path) -> Path | None:
    """The settings file to read, or None where there is none."""
    if config is not None:
        return folder / config.expanduser()
    if named := environ.get(CONFIG_VARIABLE):
        return folder / Path(named).expanduser()
    data_dir = next((override.value for override in overrides if override.setting == ("data_dir",)), None)
    data_dir = data_dir or environ.get("REMUDA_DATA_DIR") or default_data_dir(environ)
    candidates = (folder / FILE_NAME, folder / Path(data_dir).expanduser() / FILE_NAME)
    return next((path for path in candidates if path.is_file()), None)


def _placed_override(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value.expanduser()
    if isinstance(value, list | tuple):
        return [_placed_override(item, folder) for item in value]
    return value


class _Merged:
    """The layers so far: raw values, and where each came from."""

    def __init__(self, document: Document) -> None:
        self.document = document
        # A section whose settings are all commented out is null in YAML: nothing is set.
        self.values: dict[str, Any] = {key: value for key, value in document.values.items() if value is not None}
        self.origins = Origins()
        roots = [leaf.loc for leaf in leaves()]
        for loc in document.lines:
            if any(loc[: len(root)] == root for root in roots):
                self.origins.replace(loc, Origin("file", document.place_of(loc)))

    def set(self, loc: Loc, value: Any, origin: Origin) -> None:
        """Put `value` at `loc`, in place of whatever a weaker layer had there."""
        target = self.values
        for part in loc[:-1]:
            inner = target.get(str(part), {})
            if not isinstance(inner, dict):
                return  # the file has no section there: that is reported, and this value cannot mend it
            target[str(part)] = target = dict(inner)
        target[str(loc[-1])] = value
        self.origins.replace(loc, origin)

    def place_of(self, loc: Loc) -> str:
        found = self.origins.find(loc)
        if found is not None:
            return found.place
        return self.document.place_of(loc) if loc[:1] in self.document.lines else ""


def _problems_of(error: ValidationError, merged: _Merged, known: set[tuple[str, str]]) -> list[Problem]:
    """The validation's errors in our words, but for those whose cause was reported while reading."""
    problems = []
    for entry in error.errors(include_url=False, include_input=False):
        loc: Loc = entry["loc"]
        if len(loc) > 2 and loc[-1] == "[key]":
            loc = loc[:-1]
        place, setting = merged.place_of(loc), dotted(loc)
        if (place, setting) not in known:
            problems.append(Problem(place, setting, _sentence(entry["type"], entry, loc)))
    return problems


def _by_line(problem: Problem) -> tuple[str, int]:
    name, _, line = problem.place.rpartition(":")
    return (name, int(line)) if line.isdigit() else (problem.place, 0)


def _sentence(kind: str, entry: Any, loc: Loc) -> str:
    context = entry.get("ctx", {})
    match kind:
        case "extra_forbidden":
            close = difflib.get_close_matches(str(loc[-1]), _names_beside(loc), n=1)
            return f"unknown key (did you mean {close[0]}?)" if close else "unknown key"
        case "value_error":
            return str(context["error"])
        case "missing":
            return "is missing"
        case "literal_error":
            return f"needs one of {context['expected'].replace(' or ', ', ')}".replace("'", "")
        case "greater_than_equal":
            return f"is too small: at least {context['ge']:g}"
        case "greater_than":
            return f"is too small: more than {context['gt']:g}"
        case "less_than_equal":
            return f"is too large: at most {context['le']:g}"
        case "finite_number":
            return "needs a finite number"
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            return "needs a section: settings as `name: value` lines below it"
        case "tuple_type" | "list_type":
            return "needs a list"
    return str(entry["msg"])


def _names_beside(loc: Loc) -> list[str]:
    """The names that could stand where `loc` does."""
    model: Any = Settings
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = get_args(annotation)[0] if get_origin(annotation) is tuple else annotation
        model = getattr(model, "__origin__", model)  # of what is Annotated
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
