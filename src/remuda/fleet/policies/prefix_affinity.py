"""The replica that has most of the prompt in its cache already, as far as can be told.

What it was sent is known when it is chosen; what it had kept of that, where its engine reports it, when the request is
over. Two things are learnt of such a report:

- A replica that has kept far less of a prompt than it was believed to has been started anew, or has let go of what it
  had not used for longest. Either way it no longer has what it was sent before that prompt was used last. What it has
  just read for the request itself it has again.
- Where that happens twice in a row it keeps nothing for long: it is no holder of what it has just read either.

Engines that never report anything kept are believed, since many do not report at all.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final

from remuda.core.faults import ClientGone
from remuda.core.record import RequestRecord
from remuda.fleet.policies.least_active import least_active
from remuda.fleet.replica import Replica

FIRST_CHARS: Final = 256
"""Length of the shortest prefix that counts; a shorter one saves an engine nothing worth a detour."""
MAX_LENGTHS: Final = 64
"""Prefixes of one prompt, each an eighth (at least `FIRST_CHARS`) longer than the one before: a million characters."""
MAX_PREFIXES: Final = 65_536
"""Prefixes of which is remembered who holds them, all prompts together; the one unused for longest makes room."""
MAX_HOLDERS: Final = 4
"""Replicas remembered for one prefix, those that were sent it last."""
MAX_REPLICAS: Final = 4096
"""Replicas that are told apart; the one known for longest makes room."""
MAX_AWAITED: Final = 4096
"""Requests under way whose reports are waited for; of those that came before, nothing is learnt."""
HOT_SHARE: Final = 0.5
"""A replica with this much more of its slots in use than the least active one is hot."""
HOT_REQUESTS: Final = 4
"""So is one with more than twice as many requests as the least active one would have with so many more, for where slots
are only a bound their share tells nothing."""
JUDGED_SHARE: Final = 0.5
"""Part of a prompt that a replica must be believed to hold for a report to tell anything: an engine may well read a
short beginning again, rather than give up for it what else it has kept."""
FAR_LESS: Final = 0.5
"""Less than this part of what was believed is far less: characters are no tokens."""


def prefix_affinity(candidates: Sequence[Replica], turn: int, holders: Iterable[Collection[str]]) -> Replica:
    """The least active of those candidates that hold the longest prefix; where it is hot, the least active of all.

    `holders` has the ids of the replicas that hold the prompt's prefixes, those of the longest first. `candidates` is
    not empty and each has a free slot.
    """
    coolest = least_active(candidates, turn)
    for ids in holders:
        holding = [candidate for candidate in candidates if candidate.id in ids]
        if holding:
            best = least_active(holding, turn)
            return coolest if _is_hot(best, coolest) else best
    return coolest


def _is_hot(replica: Replica, coolest: Replica) -> bool:
    slots, cool = replica.slots, coolest.slots
    return slots.in_use / slots.total - cool.in_use / cool.total >= HOT_SHARE or slots.in_use > 2 * (
        cool.in_use + HOT_REQUESTS
    )


def _lengths() -> Iterator[int]:
    end = FIRST_CHARS
    for _ in range(MAX_LENGTHS):
        yield end
        end += max(FIRST_CHARS, end // 8)


LENGTHS: Final = tuple(_lengths())
"""Of the prefixes, in characters, the shortest first."""


def prefixes_of(prompt: str) -> list[bytes]:
    """Hashes of the prompt's prefixes, that of the longest first; the same for every prompt that begins alike."""
    hashes: list[bytes] = []
    digest = blake2b(digest_size=8)
    start = 0
    for end in LENGTHS:
        if end > len(prompt):
            break
        digest.update(prompt[start:end].encode("utf-8", "surrogatepass"))
        hashes.append(digest.digest())
        start = end
    return hashes[::-1]


def had_kept(believed_chars: int, prompt_chars: int, prompt_tokens: int, cached_tokens: int) -> bool | None:
    """Whether an engine that reports `cached_tokens` of a prompt had kept what it was believed to, the prompt's first
    `believed_chars` (0: nothing was believed); None where the report does not tell."""
    kept_chars = prompt_chars * min(1.0, cached_tokens / prompt_tokens) if prompt_tokens > 0 else 0.0
    if believed_chars >= prompt_chars * JUDGED_SHARE:
        return kept_chars >= believed_chars * FAR_LESS
    return True if kept_chars >= prompt_chars * JUDGED_SHARE else None


class _Holder:
    """A replica, from the moment at which it is first sent something until it is active no longer."""

    __slots__ = ("id", "is_gone", "is_reporting", "misses", "since")

    def __init__(self, replica_id: str) -> None:
        self.id = replica_id
        self.is_gone = False
        self.is_reporting = False
        """Whether it has ever reported anything kept."""
        self.misses = 0
        """How many times in a row it had not kept what it was believed to."""
        self.since = 0
        """Number of the first sending that it may still hold."""


class _Sending:
    """A prompt that a replica was sent."""

    __slots__ = ("before", "believed_chars", "chars", "holder", "is_lost", "is_read", "number")

    def __init__(
        self, holder: _Holder, number: int, chars: int, before: "_Sending | None", believed_chars: int
    ) -> None:
        self.holder = holder
        self.number = number
        self.chars = chars
        self.before = before.number if before is not None else 0
        """Number of the sending for which the replica was believed to hold `believed_chars` of this one."""
        self.believed_chars = believed_chars
        self.is_read = False
        """Whether it has been answered: until then it may stand in a slot from which no other can take it."""
        self.is_lost = False

    @property
    def is_held(self) -> bool:
        return not self.is_lost and not self.holder.is_gone and self.number >= self.holder.since


class Prefixes:
    """Remembers which replicas hold which prefixes. Texts are not kept, only hashes of them."""

    def __init__(self) -> None:
        self._sendings: dict[bytes, tuple[_Sending, ...]] = {}
        """By prefix; those used last stand last."""
        self._holders: dict[str, _Holder] = {}
        self._awaited: dict[str, _Sending] = {}
        """By the request's id."""
        self._count = 0

    def __len__(self) -> int:
        return len(self._sendings)

    @property
    def awaited(self) -> int:
        """Requests whose reports are waited for."""
        return len(self._awaited)

    def holders(self, prefixes: Iterable[bytes]) -> Iterator[Sequence[str]]:
        """Ids of the replicas that hold each of these; empty where none is known to."""
        for prefix in prefixes:
            yield [each.holder.id for each in self._sendings.get(prefix, ()) if each.is_held]

    def sent(self, prefixes: Sequence[bytes], replica_id: str, request_id: str, chars: int) -> None:
        """That replica holds these, of a prompt of so many characters, from now on. Where the same request was sent
        elsewhere before, that one has failed, and holds nothing of it."""
        if (failed := self._awaited.pop(request_id, None)) is not None:
            failed.is_lost = True
        if not prefixes:
            return
        holder = self._holders.get(replica_id)
        if holder is None:
            holder = self._holders[replica_id] = _Holder(replica_id)
            _make_room(self._holders, MAX_REPLICAS)
        self._count += 1
        sending = _Sending(holder, self._count, chars, *self._believed(prefixes, holder))
        for prefix in prefixes:
            others = [each for each in self._sendings.pop(prefix, ()) if each.is_held and each.holder is not holder]
            self._sendings[prefix] = (*others, sending)[-MAX_HOLDERS:]
        _make_room(self._sendings, MAX_PREFIXES)
        self._awaited[request_id] = sending
        _make_room(self._awaited, MAX_AWAITED)

    def _believed(self, prefixes: Sequence[bytes], holder: _Holder) -> tuple[_Sending | None, int]:
        """The sending for which that replica is believed to hold the longest of these, and how long that is."""
        for place, prefix in enumerate(prefixes):
            for each in self._sendings.get(prefix, ()):
                if each.holder is holder and each.is_held:
                    return (each, LENGTHS[len(prefixes) - 1 - place]) if each.is_read else (None, 0)
        return None, 0

    def learn(self, records: Sequence[RequestRecord]) -> None:
        """Take in finished requests, with what engines report of their caches."""
        if self._awaited:
            for record in records:
                if (sending := self._awaited.pop(record.id, None)) is not None:
                    _learn(sending, record)

    def left(self, replica_ids: Collection[str]) -> None:
        """Those replicas are active no longer: nothing is known of what they hold."""
        for replica_id in replica_ids:
            if (holder := self._holders.pop(replica_id, None)) is not None:
                holder.is_gone = True


def _learn(sending: _Sending, record: RequestRecord) -> None:
    holder = sending.holder
    is_answered = not record.fault or record.ttft_s is not None
    if record.replica != holder.id or not (is_answered or record.fault == ClientGone.code):
        sending.is_lost = True  # it went elsewhere in the end, or was not answered
        return
    sending.is_read = is_answered
    if not is_answered or record.tokens_estimated or not record.prompt_tokens:
        return
    holder.is_reporting = holder.is_reporting or record.cached_tokens > 0
    kept = had_kept(sending.believed_chars, sending.chars, record.prompt_tokens, record.cached_tokens)
    if kept is None or not holder.is_reporting:
        return
    if kept:
        holder.misses = 0
        return
    holder.misses += 1
    holder.since = max(holder.since, sending.before + 1)
    sending.is_lost = holder.misses > 1


def _make_room(held: dict[Any, Any], most: int) -> None:
    """Let go of those that came first."""
    while len(held) > most:
        del held[next(iter(held))]
