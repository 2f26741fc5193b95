"""Every fault in Django REST framework's words."""

import json

import pytest

import remuda.app.asgi  # noqa: F401 - with it every fault there is has been imported
from remuda.core.faults import InvalidRequest, InvalidToken, MissingCredential, UpstreamRefused, all_faults
from remuda.dialects.kit.status import status_of
from remuda.dialects.nodes.errors import refusal

OURS = [fault for fault in all_faults() if fault.__module__.startswith("remuda.")]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_fault_is_a_detail(kind):
    fault = kind(status=400) if issubclass(kind, UpstreamRefused) else kind()
    answer = refusal(fault, "req_1")
    assert (answer.status, json.loads(answer.body)["detail"]) == (status_of(fault), fault.message)


def test_a_field_that_is_wrong_is_named():
    answer = refusal(InvalidRequest("no", parameter="port"), "req_1")
    assert json.loads(answer.body) == {"port": ["no"]}
    assert (b"www-authenticate", b"Bearer") in refusal(MissingCredential(), "req_1").headers


def test_clients_refresh_their_token_by_its_code():
    assert json.loads(refusal(InvalidToken("no"), "req_1").body) == {"detail": "no", "code": "token_not_valid"}
    assert json.loads(refusal(MissingCredential("no"), "req_1").body) == {"detail": "no"}
