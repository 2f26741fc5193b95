"""Writes the pages that repeat the code: settings, the command line, routes, faults, the journal, rooms.

`make docs` writes them; a test compares them with what this would write, so that they cannot lag.
"""

import ast
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tools.code_pages import MADE, faults_page, journal_page, tour_page
from tools.postman import collection_text
from typer.main import get_command
from typer.testing import CliRunner

from remuda import __version__
from remuda.app import exits
from remuda.app.asgi import bare_parts
from remuda.app.cli import app
from remuda.app.routes import route_table
from remuda.app.settings import Settings, leaves

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = DOCS / "reference"

_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""pydantic's words for bounds, where it keeps its own, in JSON schema's."""

SETTINGS_HEAD = """
# Settings

Everything has a default: Remuda runs without any setting. A setting is taken from, the later the stronger:

1. its default,
2. the file `remuda.yaml`,
3. the environment,
4. the command line.

`remuda check` says what is wrong with them, `remuda check --origins` where each value comes from.

## The file

Read is what `--config` names, else what the variable `REMUDA_CONFIG` names, else `remuda.yaml` in the working folder,
else `remuda.yaml` in the data folder. An unknown key and a value of the wrong type are errors, told with file and line.

```yaml
# yaml-language-server: $schema=./remuda.schema.json
server:
  port: 7368
  listeners: ["127.0.0.1:11434"]
models:
  paths: [~/models]
upstreams:
  - url: http://10.0.0.5:8000/v1
    api_key: ${UPSTREAM_KEY}
    slots: 32
```

- `${NAME}` in a value stands for a variable of the environment, which must be set; `${NAME:-text}` for that text where
  it is not set or empty; `$${` for the characters themselves.
- A relative path is relative to the file it stands in; in the environment and on the command line, to the working
  folder. `~` is the home folder.
- Times are in seconds. Sizes are in bytes, or a text such as `32MiB`.
- Only `true` and `false` are truth values: `yes`, `no`, `on` and `off` are text.
- [remuda.schema.json](remuda.schema.json) lets an editor check the file while you write.

## The environment

The variable of a setting is its name in capitals with `REMUDA_` before it and `__` between its parts. Lists and
mappings are written as JSON: `REMUDA_MODELS__PATHS='["/models"]'`. An empty variable counts as not set. Two variables
have names of their own: `API_KEYS` (`auth.api_keys`, comma-separated) and `DATABASE_URL` (`database_url`); where both
are set, the one that begins with `REMUDA_` holds.

So have those of the task system whose API `POST /generate` is, and here too the one with `REMUDA_` comes first:

| variable | sets |
|---|---|
| `MODEL_BACKEND` | which engine the next two are about: `ollama` or `transformers` |
| `OLLAMA_MODEL` | `tasks.model`, with `MODEL_BACKEND=ollama` |
| `MODEL_NAME` | `tasks.model`, and `transformers.models` to this one model, with `MODEL_BACKEND=transformers` |
| `OLLAMA_BASE_URL`, else `OLLAMA_HOST` | the one entry of `upstreams`, with `MODEL_BACKEND=ollama` and where none is configured; default `http://127.0.0.1:11434` |
| `MAX_NEW_TOKENS` | `tasks.max_tokens` |
| `TEMPERATURE` | `tasks.temperature` |
| `TASK_TIME_LIMIT` | `tasks.time_limit_s` |
"""  # noqa: E501

CLI_HEAD = """
# The `remuda` command

`python -m remuda` is the same. What goes wrong is one line on stderr that begins with `remuda:` (one for each problem),
and an exit code; with `remuda --debug ...` also a traceback where the error was not foreseen. What commands print for
programs (`--json`, a new key) goes to stdout alone. Colours are used on a terminal only, and never where `NO_COLOR` is
set.
"""

ROUTES_HEAD = """
# Routes

`remuda routes` prints the same. HEAD is answered wherever GET is, OPTIONS for web pages of allowed origins
(`server.cors_origins`). *Needs* is what a key must hold (one with `admin` may do everything); while no key exists,
programs on this machine need none. `/openapi.json` describes each route's request and answer. `/v2` is the same as
`/v1`.

| method | path | dialect | needs | what for |
|---|---|---|---|---|
"""

NOT_OFFERED_HEAD = """
## Not offered

The rest of OpenAI's and Ollama's surfaces is answered 501 with a sentence that says what to do instead, whatever the
method:

"""


def schema() -> dict[str, Any]:
    """The JSON schema of remuda.yaml."""
    made = Settings.model_json_schema()
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "remuda.yaml"
    made["description"] = "Settings of the Remuda gateway."
    for model in (made, *made["$defs"].values()):
        for name, field in model["properties"].items():
            field.pop("title", None)
            model["properties"][name] = _with_placeholder(field)
    return made


def settings_page() -> str:
    """docs/reference/settings.md."""
    made = Settings.model_json_schema()
    parts = [MADE, SETTINGS_HEAD.lstrip()]
    top = [leaf for leaf in leaves() if len(leaf.loc) == 1]
    parts.append("\n## General\n\n" + _table(made, made, [(leaf.loc, leaf.variable) for leaf in top]))
    for name, field in made["properties"].items():
        if "$ref" in field:
            section = _resolved(made, field)
            rows = [(leaf.loc, leaf.variable) for leaf in leaves() if leaf.loc[0] == name]
            parts.append(f"\n## `{name}`\n\n{section['description']}\n\n" + _table(made, section, rows))
    upstream = made["$defs"]["UpstreamSettings"]
    rows = [((key,), "") for key in upstream["properties"]]
    parts.append(f"\n## An entry of `upstreams`\n\n{upstream['description']}\n\n" + _table(made, upstream, rows))
    return "".join(parts)


def cli_page() -> str:
    """docs/reference/cli.md."""
    parts = [MADE, CLI_HEAD.lstrip(), "\n## Exit codes\n\n| code | meaning |\n|---|---|\n"]
    parts += [f"| {value} | {meaning} |\n" for value, meaning in _exit_codes()]
    for words in _commands(get_command(app), ()):
        shown = CliRunner().invoke(app, [*words, "--help"], prog_name="remuda", env={"COLUMNS": "100"})
        title = " ".join(("remuda", *words))
        parts.append(f"\n## `{title}`\n\n```text\n{shown.stdout.strip()}\n```\n")
    return "".join(parts)


def routes_page() -> str:
    """docs/reference/routes.md."""
    rows = [row for row in route_table(bare_parts(__version__)) if not row.path.startswith("/v2/")]
    parts = [MADE, ROUTES_HEAD.lstrip()]
    parts += [
        f"| {row.method} | `{row.path}` | {row.dialect} | {row.scope} | {_cell(row.summary)} |\n"
        for row in rows
        if row.method != "*"
    ]
    parts.append(NOT_OFFERED_HEAD)
    parts += [f"- `{row.path}`\n" for row in rows if row.method == "*"]
    return "".join(parts)


def schema_text() -> str:
    """docs/reference/remuda.schema.json."""
    return json.dumps(schema(), indent=2) + "\n"


def postman_text() -> str:
    """docs/postman/remuda.postman_collection.json."""
    return collection_text(__version__)


MADE_BY: dict[Callable[[], str], Path] = {
    settings_page: REFERENCE / "settings.md",
    schema_text: REFERENCE / "remuda.schema.json",
    cli_page: REFERENCE / "cli.md",
    faults_page: REFERENCE / "faults.md",
    journal_page: REFERENCE / "journal.md",
    tour_page: DOCS / "explanation" / "tour.md",
    routes_page: REFERENCE / "routes.md",
    postman_text: DOCS / "postman" / "remuda.postman_collection.json",
}
"""Every page that is made."""


def _resolved(made: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    return made["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field


def _table(made: dict[str, Any], section: dict[str, Any], rows: list[tuple[tuple[str | int, ...], str]]) -> str:
    lines = ["| setting | kind | default | what for |\n|---|---|---|---|\n"]
    for loc, variable in rows:
        field = section["properties"][loc[-1]]
        name = f"`{'.'.join(map(str, loc))}`" + (f"<br>`{variable}`" if variable else "")
        default = _default(field, is_required=loc[-1] in section.get("required", ()))
        kind = _kind(made, field)
        if kind == "seconds" and not str(loc[-1]).endswith("_s"):
            kind = "number"
        lines.append(f"| {name} | {kind} | {default} | {_cell(field['description'])} |\n")
    return "".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _kind(made: dict[str, Any], field: dict[str, Any]) -> str:
    field = _resolved(made, field)
    match field:
        case {"anyOf": [{"type": "integer"}, {"type": "string"}]}:
            return "size"
        case {"anyOf": [{"type": "boolean"}, {"type": "array"} as listed]}:
            return f"true or false, or {_kind(made, listed)}"
        case {"anyOf": [inner, {"type": "null"}]}:
            return _kind(made, inner)
        case {"enum": words}:
            return ", ".join(f"`{word}`" for word in words)
        case {"type": "array", "items": items}:
            return f"list: {_kind(made, items)}"
        case {"type": "object", "additionalProperties": {"enum": _} as words}:
            return f"mapping: text to {_kind(made, words)}"
        case {"type": "object", "additionalProperties": {"type": "string"}}:
            return "mapping: text to text"
        case {"type": "object"}:
            return "section"
        case {"format": "path"}:
            return "path"
        case {"format": "password"}:
            return "secret"
    return {"integer": "whole number", "number": "seconds", "boolean": "true or false", "string": "text"}[field["type"]]


def _default(field: dict[str, Any], *, is_required: bool) -> str:
    if is_required:
        return "must be given"
    value = field.get("default")
    if value is None:
        return "none" if field.get("type") == "object" else ""
    if value in ([], {}):
        return "none"
    if "anyOf" in field and isinstance(value, int):
        unit, size = next(
            (unit, size) for unit, size in (("MiB", 2**20), ("KiB", 2**10), ("B", 1)) if value % size == 0
        )
        return f"`{value // size}{unit}`"
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`"


def _with_placeholder(field: dict[str, Any]) -> dict[str, Any]:
    """The same in the words of JSON schema, and where no text would do, `${NAME}` may stand for the value."""
    outer = {key: field[key] for key in ("description", "default") if key in field}
    choices = field.get("anyOf") or [{key: value for key, value in field.items() if key not in outer}]
    for choice in choices:
        if "enum" in (inner := choice.get("additionalProperties") or {}):
            choice["additionalProperties"] = _with_placeholder(inner)
    choices = [{_BOUNDS.get(key, key): value for key, value in choice.items()} for choice in choices]
    if any(choice.get("type") in ("integer", "number", "boolean") or "enum" in choice for choice in choices):
        choices.append({"type": "string", "pattern": r"\$\{"})
    return outer | (choices[0] if len(choices) == 1 else {"anyOf": choices})


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*words, name))


def _exit_codes() -> Iterator[tuple[int, str]]:
    """Each exit code with the sentence that stands under it in the source."""
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(exits)).body
        if isinstance(node, ast.ClassDef) and node.name == "Exit"
    )
    for assigned, said in zip(body[1::2], body[2::2], strict=True):
        assert isinstance(assigned, ast.Assign)
        assert isinstance(said, ast.Expr)
        yield ast.literal_eval(assigned.value), _cell(ast.literal_eval(said.value))


if __name__ == "__main__":
    for made, path in MADE_BY.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made(), encoding="utf-8")
        print(path.name)
