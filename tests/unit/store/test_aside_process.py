"""The other process by itself: frames in, frames out."""

import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.aside import COMMAND, fail, talk, where
from tests.fixtures.process import DEADLINE_S

from remuda.core.faults import Fault, UpstreamRefused, all_faults
from remuda.store.aside_process import HEADER, HELLO, carried
from remuda.store.errors import StoreError, StoreRefused, StoreTooNew, StoreUnavailable
from remuda.store.rollup_reading import TooManySingly

MESSAGES = [each for each in all_faults(Fault) if each is not UpstreamRefused]


def a_frame(number: int, value: Any) -> bytes:
    pickled = pickle.dumps(value)
    return HEADER.pack(number, len(pickled)) + pickled


def answers_to(*sent: bytes) -> dict[int, Any]:
    """What it answers to one frame after the other, until its input ends; nothing else may come out of it."""
    found: dict[int, Any] = {}
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for each in sent:
            process.stdin.write(each)
            process.stdin.flush()
            if head := process.stdout.read(HEADER.size):
                number, size = HEADER.unpack(head)
                found[number] = pickle.loads(process.stdout.read(size))
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(DEADLINE_S) == 0
    return found


def test_it_answers_and_ends_with_its_input(tmp_path: Path) -> None:
    hello = a_frame(HELLO, (f"sqlite:///{tmp_path}/remuda.db", where))
    questions = ((talk, ("words",), {}), (fail, (ValueError("wrong"),), {}), (print, (), {}))
    found = answers_to(hello, *(a_frame(number, each) for number, each in enumerate(questions, 1)))
    assert found[HELLO] == (None, None)
    assert found[1] == (None, None), "what is printed stands elsewhere"
    assert repr(found[2][1]) == "ValueError('wrong')"
    assert isinstance(found[3][1], TypeError), "what is no question is told"


@pytest.mark.parametrize(
    ("url", "told"), [("mysql://db/x", "a store is on sqlite"), ("sqlite:////nowhere/db", "folder")]
)
def test_where_there_is_no_store(url: str, told: str) -> None:
    found = answers_to(a_frame(HELLO, (url, where)))
    assert isinstance(found[HELLO][1], StoreError)
    assert told in str(found[HELLO][1])


def test_it_ends_where_nobody_greets_it() -> None:
    assert answers_to() == {}


def test_what_it_cannot_make_is_told(tmp_path: Path) -> None:
    hello = a_frame(HELLO, (f"sqlite:///{tmp_path}/remuda.db", where))
    unknown = b"cnowhere\nnothing\n."
    found = answers_to(hello, HEADER.pack(1, len(unknown)) + unknown)
    assert isinstance(found[1][1], ModuleNotFoundError)


@pytest.mark.parametrize(
    "kind", [StoreError, StoreUnavailable, StoreRefused, StoreTooNew, TooManySingly, ValueError, *MESSAGES]
)
def test_errors_are_carried_as_they_are(kind: type[Exception]) -> None:
    _, error = pickle.loads(carried(kind("in words")))
    assert (type(error), str(error)) == (kind, "in words")
    assert f"{kind.__name__}: in words" in error.__notes__[0]


def test_a_fault_that_cannot_be_made_again_is_told_in_words() -> None:
    _, error = pickle.loads(carried(UpstreamRefused("no", status=418)))
    assert (type(error), str(error)) == (StoreError, "UpstreamRefused: no")
