"""The HTTP status of each fault, which is the same in all dialects but where one says otherwise itself."""

from typing import Final

from remuda.core import faults
from remuda.core.faults import Fault

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
    faults.UnknownNode: 404,
    faults.UnknownEntry: 404,
    faults.UnknownTask: 404,
    faults.UnknownFile: 404,
    faults.UnknownBatch: 404,
    faults.UnknownRoute: 404,
    faults.MethodNotAllowed: 405,
    faults.Taken: 409,
    faults.RequestTimeout: 408,
    faults.BodyTooLarge: 413,
    faults.UnsupportedMedia: 415,
    faults.RateLimited: 429,
    faults.BudgetExceeded: 429,
    faults.HeadTooLarge: 431,
    faults.NotOffered: 501,
    faults.LoopDetected: 508,
    faults.UpstreamFailed: 502,
    faults.StreamCut: 502,
    faults.Unavailable: 503,
    faults.QueueFull: 503,
    faults.EngineDown: 503,
    faults.ShuttingDown: 503,
    faults.WaitedTooLong: 504,
    faults.UpstreamSilent: 504,
    faults.TaskTimeLimit: 504,
    faults.MadeRoom: 503,
    faults.ClientGone: 499,
    faults.UpstreamRefused: 400,
}
"""HTTP status of each fault; a test holds it complete."""


def status_of(fault: Fault) -> int:
    """The HTTP status that says `fault`."""
    return fault.status if isinstance(fault, faults.UpstreamRefused) else STATUS[type(fault)]
