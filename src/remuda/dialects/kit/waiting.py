"""What every dialect says of waiting, in headers."""

from remuda.core.faults import Fault


def waiting_headers(fault: Fault) -> list[tuple[bytes, bytes]]:
    """When to try again (RFC 9110, 10.2.3), and the place in the queue that was given up, or could not be had."""
    headers = []
    if fault.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % fault.retry_after_s))
    if fault.position is not None:
        headers.append((b"x-remuda-queue-position", b"%d" % fault.position))
    if fault.eta_s is not None:
        headers.append((b"x-remuda-queue-eta", b"%d" % fault.eta_s))
    return headers
