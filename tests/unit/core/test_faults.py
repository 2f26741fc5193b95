"""Faults say something by themselves, and programs can tell them apart."""

import re
from collections import Counter

import pytest

from remuda.core.faults import Fault, QueueFull, UpstreamRefused, all_faults

OURS = [fault for fault in all_faults() if fault.__module__ == "remuda.core.faults"]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_the_docstring_is_the_message(kind: type[Fault]):
    fault = kind(status=400) if issubclass(kind, UpstreamRefused) else kind()
    assert fault.message == str(fault) == (kind.__doc__ or "").strip()
    assert fault.message.endswith(".")


def test_each_has_a_code_of_its_own():
    codes = Counter(kind.code for kind in OURS)
    assert not [code for code, count in codes.items() if count > 1]
    assert all(re.fullmatch("[a-z][a-z_]+", code) for code in codes)


def test_a_message_of_its_own_takes_the_place():
    assert str(QueueFull("12 wait already", retry_after_s=3)) == "12 wait already"


def test_parents_come_first():
    listed = all_faults()
    assert all(listed.index(kind.__mro__[1]) < listed.index(kind) for kind in OURS if kind is not Fault)
