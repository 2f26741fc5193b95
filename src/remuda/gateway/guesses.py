"""How often somebody may try to log in: a bound on guessing, by user and by address, whether right or not."""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final

from remuda.core.faults import RateLimited
from remuda.core.users import MAX_NAME_CHARS

PER_USER: Final = 10
"""Wrong passwords for one name within the window, from anywhere."""
PER_ADDRESS: Final = 30
"""Wrong passwords from one address within the window, for any name."""
WINDOW_S: Final = 60.0
MOST: Final = 4096
"""Names and addresses that are counted; beyond that the one counted for longest is forgotten."""


class Guesses:
    """Counts log-ins that have not been right, in memory."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._counts: dict[str, tuple[int, float]] = {}
        """How many, and when they are forgotten; in the order in which counting began."""

    def __len__(self) -> int:
        return len(self._counts)

    def begin(self, name: str, address: str | None) -> None:
        """Somebody tries. Counts as wrong until `right` is told; raises RateLimited where there were too many."""
        now = self._monotonic()
        named = self._named(name, address)
        waits = [self._counts[key][1] - now for key, most in named.items() if self._count(key, now) >= most]
        if waits:
            seconds = max(1, -int(-max(waits) // 1))
            raise RateLimited(f"too many attempts to log in: try again in {seconds} s", retry_after_s=seconds)
        for key in named:
            count = self._count(key, now)
            ends_at = self._counts[key][1] if count else now + WINDOW_S
            if not count:
                self._make_room(now)
            self._counts[key] = count + 1, ends_at

    def right(self, name: str, address: str | None) -> None:
        """It was the right password after all."""
        for key in self._named(name, address):
            count, ends_at = self._counts.get(key, (0, 0.0))
            if count > 1:
                self._counts[key] = count - 1, ends_at
            else:
                self._counts.pop(key, None)

    def _named(self, name: str, address: str | None) -> dict[str, int]:
        named = {"user " + name[: MAX_NAME_CHARS + 1]: PER_USER}
        if address is not None:
            named["from " + network_of(address)] = PER_ADDRESS
        return named

    def _count(self, key: str, now: float) -> int:
        count, ends_at = self._counts.get(key, (0, 0.0))
        if count and ends_at <= now:
            del self._counts[key]
            return 0
        return count

    def _make_room(self, now: float) -> None:
        while len(self._counts) >= MOST or (self._counts and next(iter(self._counts.values()))[1] <= now):
            del self._counts[next(iter(self._counts))]


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 its /64, since whoever has one address there has all of these."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(IPv6Address(int(found) >> 64 << 64)) + "/64"
    return str(found)
