"""Headers of those who waited in vain."""

from remuda.core.faults import Fault, QueueFull
from remuda.dialects.kit.waiting import waiting_headers


def test_what_is_known_is_said() -> None:
    assert waiting_headers(Fault()) == []
    assert waiting_headers(QueueFull(retry_after_s=7, position=1025, eta_s=6)) == [
        (b"retry-after", b"7"),
        (b"x-remuda-queue-position", b"1025"),
        (b"x-remuda-queue-eta", b"6"),
    ]
