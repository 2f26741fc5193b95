"""Every fault in the words of Django REST framework; a new fault without a rendering fails here."""

import json

import pytest

import remuda.app.asgi  # noqa: F401 - with it every fault there is has been imported
from remuda.core.faults import InvalidRequest, InvalidToken, MissingCredential, RateLimited, UpstreamRefused, all_faults
from remuda.dialects.nodes.errors import refusal
from remuda.dialects.openai.errors import refusal as openais

OURS = [fault for fault in all_faults() if fault.__module__.startswith("remuda.")]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_fault_is_a_detail_with_the_status_it_has_everywhere(kind):
    fault = kind(status=400) if issubclass(kind, UpstreamRefused) else kind()
    answer = refusal(fault, "req_1")
    assert answer.status == openais(fault, "req_1").status
    assert json.loads(answer.body)["detail"] == fault.message


def test_clients_refresh_their_token_by_its_code():
    assert json.loads(refusal(InvalidToken("no"), "req_1").body) == {"detail": "no", "code": "token_not_valid"}
    assert json.loads(refusal(MissingCredential("no"), "req_1").body) == {"detail": "no"}


def test_a_wrong_field_has_its_own_sentences():
    assert json.loads(refusal(InvalidRequest("no", parameter="name"), "req_1").body) == {"name": ["no"]}


def test_what_a_client_can_do_stands_in_the_head():
    assert (b"retry-after", b"7") in refusal(RateLimited(retry_after_s=7), "req_1").headers
    assert (b"www-authenticate", b"Bearer") in refusal(MissingCredential(), "req_1").headers
    assert refusal(UpstreamRefused("no", status=422), "req_1").status == 422
