"""Request ids: ours are new each time, a client's are taken only where they are safe to echo and store."""

import re

import pytest

from remuda.core.ids import accepted_request_id, made_pseudonym, random_ids, request_ids


def test_each_is_new_also_across_sources():
    first, second = request_ids(), request_ids()
    made = [first() for _ in range(1000)] + [second() for _ in range(1000)]
    assert len(set(made)) == 2000
    assert all(re.fullmatch("req_[0-9a-f]{24}", each) for each in made)


@pytest.mark.parametrize("given", [b"a", b"my-id_1.2:3/4+5=6@7", b"x" * 128])
def test_plain_ones_are_taken(given: bytes):
    assert accepted_request_id(given) == given.decode()


@pytest.mark.parametrize("given", [b"", b"x" * 129, b"a b", b"a\r\nx: y", b"a\n", b"\xff", b'"', b"{id}"])
def test_others_are_not(given: bytes):
    assert accepted_request_id(given) is None


def test_ids_that_hold_a_secret_are_not():
    assert accepted_request_id(b"about-rmd_abc") is None
    assert accepted_request_id(b"about-hunter2", b"hunter2") is None
    assert accepted_request_id(b"about", b"hunter2") == "about"


def test_each_gateway_has_a_pseudonym_of_its_own():
    made = {made_pseudonym() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("remuda-[0-9a-f]{16}", each) for each in made)


def test_random_ones_cannot_be_guessed():
    ids = random_ids()
    made = {ids() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in made)
