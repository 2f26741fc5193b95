"""Faults as Django REST framework says them: `{"detail": "a sentence"}`, or sentences by the field that is wrong."""

from typing import Final

import msgspec

from remuda.core import faults
from remuda.core.faults import Fault
from remuda.gateway.face import Refusal

STATUS: Final[dict[type[Fault], int]] = {
    Fault: 500,
    faults.InvalidRequest: 400,
    faults.InvalidJson: 400,
    faults.ContextOverflow: 400,
    faults.MissingCredential: 401,
    faults.InvalidCredential: 401,
    faults.ExpiredCredential: 401,
    faults.InvalidToken: 401,
    faults.Forbidden: 403,
    faults.ForeignOrigin: 403,
    faults.UnknownModel: 404,
    faults.UnknownRoute: 404,
    faults.MethodNotAllowed: 405,
    faults.RequestTimeout: 408,
    faults.BodyTooLarge: 413,
    faults.UnsupportedMedia: 415,
    faults.RateLimited: 429,
    faults.HeadTooLarge: 431,
    faults.NotOffered: 501,
    faults.UpstreamFailed: 502,
    faults.StreamCut: 502,
    faults.Unavailable: 503,
    faults.QueueFull: 503,
    faults.EngineDown: 503,
    faults.ShuttingDown: 503,
    faults.WaitedTooLong: 504,
    faults.UpstreamSilent: 504,
    faults.ClientGone: 499,
    faults.UpstreamRefused: 400,
}
"""HTTP status of each fault; a test holds it complete."""
_JSON: Final = (b"content-type", b"application/json")


def refusal(fault: Fault, request_id: str) -> Refusal:
    """The whole answer that says `fault`; the request's id stands in its head."""
    headers = [_JSON]
    if fault.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % fault.retry_after_s))
    status = fault.status if isinstance(fault, faults.UpstreamRefused) else STATUS[type(fault)]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    said: dict[str, object] = {"detail": fault.message}
    if isinstance(fault, faults.InvalidToken):
        said["code"] = fault.code  # clients refresh their token by it
    elif type(fault) is faults.InvalidRequest and fault.parameter is not None:
        said = {fault.parameter: [fault.message]}
    return Refusal(status, tuple(headers), msgspec.json.encode(said))
