"""Faults as Django REST framework says them: `{"detail": "a sentence"}`, or sentences by the field that is wrong."""

import msgspec

from remuda.core.faults import Fault, InvalidRequest, InvalidToken
from remuda.dialects.kit.status import status_of
from remuda.dialects.kit.waiting import waiting_headers
from remuda.gateway.face import Refusal


def refusal(fault: Fault, request_id: str) -> Refusal:
    """The whole answer that says `fault`; the request's id stands in its head."""
    headers = [(b"content-type", b"application/json"), *waiting_headers(fault)]
    status = status_of(fault)
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    said: dict[str, object] = {"detail": fault.message}
    if isinstance(fault, InvalidToken):
        said["code"] = fault.code  # clients refresh their token by it
    elif type(fault) is InvalidRequest and fault.parameter is not None:
        said = {fault.parameter: [fault.message]}
    return Refusal(status, tuple(headers), msgspec.json.encode(said))
