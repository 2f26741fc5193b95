"""`remuda.yaml`: read with the line of every value, and with the environment put in place of `${NAME}`.

YAML's composer keeps the place of each node, which its constructor throws away; so the values are made here, from the
nodes. Only plain data comes out, and the traps of YAML 1.1 (`off` is false, `1:30` is ninety) are shut.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from remuda.app.settings.kinds import Text
from remuda.app.settings.origins import Loc, Problem, SettingsError, dotted

MAX_FILE_BYTES = 1024 * 1024
"""A settings file of a fleet of thousands is well below this; more is a mistake."""
MAX_VALUES = 50_000
"""Bound on values after aliases (`*name`) are expanded: nine short lines can stand for a billion."""
MAX_DEPTH = 32

_PLACEHOLDER = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<broken>\$\{)")
_CORE = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Reads YAML with the words of its version 1.2, and only those: `yes`, `off` and `12:30` are text."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  the library's own attribute


_Loader.add_implicit_resolver(_CORE + "null", re.compile(r"(null|Null|NULL|~|)\Z"), ["n", "N", "~", ""])
_Loader.add_implicit_resolver(_CORE + "bool", re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Loader.add_implicit_resolver(_CORE + "int", re.compile(r"[-+]?[0-9]+\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _CORE + "float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z"), list("-+0123456789.")
)
_Loader.add_implicit_resolver(_CORE + "merge", re.compile(r"<<\Z"), ["<"])


@dataclass(slots=True)
class Document:
    """A settings file, read."""

    name: str
    """As messages call it."""
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Loc, int] = field(default_factory=dict)
    """Line of every key and list item, counted from 1."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with single values; the rest can still be checked."""

    def place_of(self, loc: Loc) -> str:
        """`remuda.yaml:12`: the line of `loc`, or of what it stands in."""
        for length in range(len(loc), 0, -1):
            if (line := self.lines.get(loc[:length])) is not None:
                return f"{self.name}:{line}"
        return self.name


def read_document(path: Path, environ: Mapping[str, str]) -> Document:
    """Read the settings file at `path`. Raises SettingsError where it cannot be read or is no YAML at all."""
    name = path.name
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError([Problem(str(path), "", f"cannot be read: {error.strerror or error}")]) from None
    if len(raw) > MAX_FILE_BYTES:
        raise SettingsError([Problem(str(path), "", "is larger than 1 MiB: that is no settings file")])
    try:
        root = yaml.compose(raw.decode("utf-8-sig"), Loader=_Loader)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SettingsError([Problem(f"{name}:{line}", "", "is not UTF-8 text")]) from None
    except yaml.YAMLError as error:
        raise SettingsError([_syntax_problem(name, raw, error)]) from None
    except RecursionError:
        raise SettingsError([Problem(name, "", f"is nested more than {MAX_DEPTH} deep")]) from None
    document = Document(name)
    if root is None:
        return document
    builder = _Builder(document, path.absolute().parent, environ)
    values = builder.build(root, (), 0)
    if values is not None and not isinstance(values, dict):
        document.problems.append(Problem(f"{name}:{_line(root)}", "", "needs settings as `name: value` lines"))
    elif values:
        document.values = values
    return document


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax_problem(name: str, raw: bytes, error: yaml.YAMLError) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        before = raw.decode("utf-8-sig")[: error.position]
        return Problem(f"{name}:{before.count(chr(10)) + 1}", "", "holds a control character that YAML does not allow")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = name if mark is None else f"{name}:{mark.line + 1}"
    said = str(getattr(error, "problem", None) or error).splitlines()[0]
    if "'\\t'" in said:
        return Problem(place, "", "a tab: YAML is indented with spaces")
    if "another document" in said:
        return Problem(place, "", "a second document begins here: one file holds one set of settings")
    return Problem(place, "", f"is not valid YAML: {said}")


class _Builder:
    """Makes plain values of YAML nodes, noting lines and problems in the document."""

    def __init__(self, document: Document, folder: Path, environ: Mapping[str, str]) -> None:
        self._document = document
        self._folder = folder
        self._environ = environ
        self._budget = MAX_VALUES

    def build(self, node: yaml.Node, loc: Loc, depth: int) -> Any:
        """The value of `node`, which stands at `loc`."""
        self._budget -= 1
        if self._budget < 0:
            raise SettingsError([Problem(self._document.name, "", f"holds more than {MAX_VALUES} values")])
        if depth > MAX_DEPTH:
            where = f"{self._document.name}:{_line(node)}"
            raise SettingsError([Problem(where, "", f"is nested more than {MAX_DEPTH} deep")])
        if isinstance(node, yaml.MappingNode) and node.tag == _CORE + "map":
            return self._mapping(node, loc, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _CORE + "seq":
            return [self._item(item, (*loc, index), depth) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc)
        return self._problem(node, loc, f"the tag {_tag(node)} is not understood here")

    def _item(self, node: yaml.Node, loc: Loc, depth: int) -> Any:
        self._document.lines[loc] = _line(node)
        return self.build(node, loc, depth + 1)

    def _mapping(self, node: yaml.MappingNode, loc: Loc, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, loc, "a key must be a plain word")
                continue
            if key_node.tag == _CORE + "merge":
                self._problem(key_node, loc, "merge keys (<<) are not understood here: write the settings out")
                continue
            key = str(key_node.value)
            below = (*loc, key)
            if key in values:
                first = self._document.lines[below]
                self._problem(key_node, below, f"is given twice, first in line {first}")
                continue
            self._document.lines[below] = _line(key_node)
            values[key] = self.build(value_node, below, depth + 1)
        return values

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        text = str(node.value)
        match node.tag.removeprefix(_CORE):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" if re.fullmatch(r"[-+]?[0-9]{1,18}", text):
                return int(text)
            case "int" | "float":
                return self._number(node, loc, text)
            case "str" | "merge":
                return self._text(node, loc, text)
        return self._problem(node, loc, f"the tag {_tag(node)} is not understood here")

    def _number(self, node: yaml.ScalarNode, loc: Loc, text: str) -> Any:
        try:
            return float(text)
        except ValueError:
            return self._problem(node, loc, f"{text[:40]!r} is no number")

    def _text(self, node: yaml.ScalarNode, loc: Loc, text: str) -> Text:
        is_untyped = False

        def value_of(match: re.Match[str]) -> str:
            nonlocal is_untyped
            if match["broken"]:
                self._problem(node, loc, "${ begins no ${NAME} or ${NAME:-default}: write $${ for the text itself")
                return ""
            if (name := match["name"]) is None:
                return "${"
            is_untyped = True
            value = self._environ.get(name)
            if match["default"] is not None:
                return value or match["default"]
            if value is None:
                self._problem(node, loc, f"the variable {name} is not set, and ${{{name}:-default}} gives no default")
                return ""
            return value

        return Text(_PLACEHOLDER.sub(value_of, text), self._folder, is_untyped=is_untyped)

    def _problem(self, node: yaml.Node, loc: Loc, message: str) -> None:
        self._document.problems.append(Problem(f"{self._document.name}:{_line(node)}", dotted(loc), message))


def _tag(node: yaml.Node) -> str:
    return str(node.tag).replace(_CORE, "!!")
