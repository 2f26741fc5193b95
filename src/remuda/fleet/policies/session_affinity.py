"""The replica where a session is at home, found without remembering any session."""

from collections.abc import Iterable
from hashlib import blake2b

from remuda.fleet.replica import Replica


def home_of(session: bytes, replicas: Iterable[Replica]) -> Replica | None:
    """That one of `replicas` where `session` is at home; None where there are none.

    Always the same for the same replicas, whatever their order, in every process (rendezvous hashing). Sessions are
    spread evenly. When a replica goes, only the sessions that were at home there move; when one comes, it gets its
    share from all others.
    """
    return max(replicas, key=lambda replica: _score(session, replica.id), default=None)


def _score(session: bytes, replica_id: str) -> bytes:
    return blake2b(b"%b\0%b" % (replica_id.encode(), session), digest_size=8).digest()
