"""`remuda.yaml`, read with lines."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.app.settings.document import MAX_DEPTH, Document, read_document
from remuda.app.settings.kinds import Text
from remuda.app.settings.origins import SettingsError


def read(folder: Path, text: str | bytes, **environ: str) -> Document:
    path = folder / "remuda.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_document(path, environ)


def problems(document: Document) -> list[str]:
    return [str(problem) for problem in document.problems]


def test_values_have_their_lines(tmp_path: Path) -> None:
    document = read(tmp_path, "a: 1\n\nb:\n  - x\n  - y: 2.5\n    z: null\n")
    assert document.values == {"a": 1, "b": ["x", {"y": 2.5, "z": None}]}
    assert document.lines == {("a",): 1, ("b",): 3, ("b", 0): 4, ("b", 1): 5, ("b", 1, "y"): 5, ("b", 1, "z"): 6}
    assert document.place_of(("b", 1, "w")) == "remuda.yaml:5"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n", "\ufeff"])
def test_an_empty_file_sets_nothing(tmp_path: Path, text: str) -> None:
    document = read(tmp_path, text)
    assert (document.values, document.problems) == ({}, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [("off", "off"), ("yes", "yes"), ("1:30", "1:30"), ("2026-01-01", "2026-01-01"), ("0x10", "0x10"), ("~/x", "~/x")],
)
def test_the_traps_of_old_yaml_are_text(tmp_path: Path, text: str, value: str) -> None:
    assert read(tmp_path, f"a: {text}").values == {"a": value}


@pytest.mark.parametrize(("text", "value"), [("true", True), ("-3", -3), ("1e3", 1000.0), ("~", None), ('"7"', "7")])
def test_plain_values(tmp_path: Path, text: str, value: object) -> None:
    assert read(tmp_path, f"a: {text}").values == {"a": value}


def test_the_environment_is_put_in_place(tmp_path: Path) -> None:
    document = read(tmp_path, "a: ${X}\nb: 'x-${X}-${Y:-dflt}'\nc: $${X}\nd: ${E:-1}", X="7", E="")
    assert document.values == {"a": "7", "b": "x-7-dflt", "c": "${X}", "d": "1"}
    assert [document.values[key].is_untyped for key in "abcd"] == [True, True, False, True]
    assert all(isinstance(value, Text) and value.folder == tmp_path for value in document.values.values())


def test_what_the_environment_lacks_is_named_with_its_line(tmp_path: Path) -> None:
    document = read(tmp_path, "a: 1\nb:\n  c: ${NOT_THERE}\nd: ${1x}\n")
    assert problems(document) == [
        "remuda.yaml:3: b.c: the variable NOT_THERE is not set, and ${NOT_THERE:-default} gives no default",
        "remuda.yaml:4: d: ${ begins no ${NAME} or ${NAME:-default}: write $${ for the text itself",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "remuda.yaml:3: a: is given twice, first in line 1"),
        ("a: !!python/name:os.system x", "remuda.yaml:1: a: the tag !!python/name:os.system is not understood here"),
        ("a: !secret x", "remuda.yaml:1: a: the tag !secret is not understood here"),
        ("a: !!int x", "remuda.yaml:1: a: 'x' is no number"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "remuda.yaml:3: c: merge keys (<<) are not understood here"),
        ("? [a]\n: 1\n", "remuda.yaml:1: a key must be a plain word"),
        ("- a\n", "remuda.yaml:1: needs settings as `name: value` lines"),
        ("just words\n", "remuda.yaml:1: needs settings as `name: value` lines"),
    ],
)
def test_what_is_wrong_with_single_values(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(read(tmp_path, text))
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a:\n\tb: 1\n", "remuda.yaml:2: a tab: YAML is indented with spaces"),
        (b"a: [1\nb: 2\n", "remuda.yaml:2: is not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "remuda.yaml:2: a second document begins here"),
        (b"a: 1\nb: \xff\n", "remuda.yaml:2: is not UTF-8 text"),
        (b"a: 1\nb: \x01\n", "remuda.yaml:2: holds a control character"),
        (b"a: *nothing\n", "remuda.yaml:1: is not valid YAML"),
        (b"#" * (1024 * 1024 + 1), "is larger than 1 MiB"),
        (b"[" * 2000, "is nested more than"),
        (b"a: " + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "is nested more than"),
        (b"a: &a [*a]\n", "is nested more than"),
    ],
)
def test_what_is_no_settings_file(tmp_path: Path, text: bytes, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(SettingsError, match="more than 50000 values"):
        read(tmp_path, "\n".join(lines))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.yaml: cannot be read: No such file"):
        read_document(tmp_path / "absent.yaml", {})
    with pytest.raises(SettingsError, match="cannot be read"):
        read_document(tmp_path, {})


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_a_clear_error(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    with contextlib.suppress(SettingsError):
        read(folder, raw)
