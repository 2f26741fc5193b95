"""What can go wrong, typed once and without HTTP.

A fault's docstring is its default message. Each dialect renders every fault in its own error shape
(`dialects/<name>/errors.py`); a test walks the subclasses, so that a new fault without a rendering fails.
"""

from typing import Any, ClassVar


class Fault(Exception):
    """Something went wrong inside the gateway."""

    code: ClassVar[str] = "internal_error"
    """Stable, lower-case word for programs."""
    is_dated = False
    """Whether `retry_after_s` is what a model's server itself has said."""

    def __init__(
        self,
        message: str | None = None,
        *,
        parameter: str | None = None,
        received: Any = None,
        expected: str | None = None,
        retry_after_s: int | None = None,
        position: int | None = None,
        eta_s: int | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.parameter = parameter
        """Name of the offending parameter, where there is one."""
        self.received = received
        """The offending value; only ever what the client itself sent."""
        self.expected = expected
        """What would have been right, in words."""
        self.retry_after_s = retry_after_s
        """Whole seconds after which another try makes sense."""
        self.position = position
        """The place in a queue that the request had, or would have had; 1 is next."""
        self.eta_s = eta_s
        """Whole seconds until it would have been served, as it went so far."""
        super().__init__(self.message)


class InvalidRequest(Fault):
    """The request is not valid."""

    code = "invalid_request"


class InvalidJson(InvalidRequest):
    """The request body is not valid JSON."""

    code = "invalid_json"


class ContextOverflow(InvalidRequest):
    """The prompt is longer than the model's context."""

    code = "context_length_exceeded"


class MissingCredential(Fault):
    """This needs an API key: send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`."""

    code = "missing_api_key"


class InvalidCredential(Fault):
    """The API key is not known here, or has been revoked."""

    code = "invalid_api_key"


class ExpiredCredential(Fault):
    """The API key has expired."""

    code = "expired_api_key"


class InvalidToken(InvalidCredential):
    """The token is not valid or has expired: log in again, or refresh it."""

    code = "token_not_valid"


class Forbidden(Fault):
    """The API key may not do this."""

    code = "permission_denied"
    key_id = ""
    """Whose request it was, where it is a known key that lacks a scope."""


class ForeignOrigin(Forbidden):
    """Without a key, only programs on this machine are served: the Host or Origin header names another place."""

    code = "foreign_origin"


class UnknownModel(Fault):
    """No model of that name is offered here."""

    code = "model_not_found"


class UnknownNode(Fault):
    """There is no node of that id."""

    code = "node_not_found"


class UnknownEntry(Fault):
    """What is asked for by its number is not there, or not any more, or somebody else's."""

    code = "entry_not_found"


class UnknownTask(Fault):
    """There is no task of that id, or no longer."""

    code = "task_not_found"


class UnknownFile(Fault):
    """There is no such file here, or none any more."""

    code = "file_not_found"


class UnknownBatch(Fault):
    """There is no such batch here, or none any more."""

    code = "batch_not_found"


class TaskTimeLimit(Fault):
    """The task took longer than it may."""

    code = "task_time_limit"


class MadeRoom(Fault):
    """The task gave its slot to somebody who waits, and begins again later."""

    code = "made_room"


class Taken(Fault):
    """There is one of that name or address already."""

    code = "conflict"


class UnknownRoute(Fault):
    """There is nothing at this address."""

    code = "not_found"


class MethodNotAllowed(Fault):
    """This address does not take that method."""

    code = "method_not_allowed"


class RequestTimeout(Fault):
    """The request took too long to arrive."""

    code = "request_timeout"


class BodyTooLarge(Fault):
    """The request body is larger than this gateway accepts."""

    code = "body_too_large"


class UnsupportedMedia(Fault):
    """The request body's type or encoding is not understood here."""

    code = "unsupported_media_type"


class RateLimited(Fault):
    """Too many requests."""

    code = "rate_limit_exceeded"


class BudgetExceeded(RateLimited):
    """What is left of a budget does not cover this request."""

    code = "budget_exceeded"


class HeadTooLarge(Fault):
    """The request's headers are larger than this gateway accepts."""

    code = "head_too_large"


class NotOffered(Fault):
    """This gateway does not offer that."""

    code = "not_implemented"


class LoopDetected(Fault):
    """The request has come back to a gateway that has passed it on already."""

    code = "loop_detected"


class UpstreamFailed(Fault):
    """The model's server failed before it had answered."""

    code = "upstream_failed"
    is_unsent = False
    """Whether nobody was there: the request has not been sent."""
    is_hang_up = False
    """Whether the connection was closed before the answer was complete."""


class StreamCut(UpstreamFailed):
    """The model's server broke off in the middle of its answer."""

    code = "stream_cut"
    is_hang_up = True


class Unavailable(Fault):
    """The model cannot be served at the moment."""

    code = "unavailable"


class QueueFull(Unavailable):
    """Too many requests are waiting for this model."""

    code = "queue_full"


class EngineDown(Unavailable):
    """The engine that serves this model is not running; it is being restarted."""

    code = "engine_down"


class ShuttingDown(Unavailable):
    """The gateway is shutting down."""

    code = "shutting_down"


class WaitedTooLong(Fault):
    """The request waited too long for a free slot."""

    code = "queue_timeout"
    is_nobody_there = False
    """Whether no server that could have answered was there in the end."""


class UpstreamSilent(Fault):
    """The model's server stayed silent for too long."""

    code = "upstream_timeout"


class ClientGone(Fault):
    """The client left before the answer was complete."""

    code = "client_gone"


class UpstreamRefused(Fault):
    """The model's server refused the request."""

    code = "upstream_refused"

    def __init__(self, message: str | None = None, *, status: int, type_: str | None = None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.status = status
        """HTTP status of the upstream's own answer, 400 to 499."""
        self.type = type_
        """The upstream's own word for the error, where it gave one."""


def all_faults(base: type[Fault] = Fault) -> list[type[Fault]]:
    """`base` and every subclass of it, parents first."""
    return [base, *(found for child in base.__subclasses__() for found in all_faults(child))]
