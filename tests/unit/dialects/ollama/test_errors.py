"""Every fault in Ollama's words; a new fault without a rendering fails here."""

import json

import pytest

import remuda.app.asgi  # noqa: F401 - with it every fault there is has been imported
from remuda.core.faults import Fault, MissingCredential, RateLimited, UnknownModel, UpstreamRefused, all_faults
from remuda.dialects.ollama.errors import refusal, stream_error
from remuda.dialects.openai.errors import refusal as openais

OURS = [fault for fault in all_faults() if fault.__module__.startswith("remuda.")]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_fault_is_one_sentence_with_the_status_it_has_everywhere(kind):
    fault = kind(status=400) if issubclass(kind, UpstreamRefused) else kind()
    answer = refusal(fault, "req_1")
    assert answer.status == openais(fault, "req_1").status
    assert json.loads(answer.body) == {"error": fault.message}


def test_unknown_model_is_said_in_ollamas_own_words():
    answer = refusal(UnknownModel("there is none", received="x"), "req_1")
    assert (answer.status, json.loads(answer.body)) == (404, {"error": "model 'x' not found"})


def test_what_a_client_can_do_stands_in_the_head():
    assert (b"retry-after", b"7") in refusal(RateLimited(retry_after_s=7), "req_1").headers
    assert (b"www-authenticate", b"Bearer") in refusal(MissingCredential(), "req_1").headers
    assert refusal(UpstreamRefused("no", status=422), "req_1").status == 422


def test_error_in_a_stream_is_a_line():
    line = stream_error(Fault(), "req_1")
    assert json.loads(line) == {"error": Fault.__doc__}
    assert line.endswith(b"}\n")
