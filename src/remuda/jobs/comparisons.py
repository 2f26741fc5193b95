"""The way in: comparisons are made, looked up and deleted here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remuda.core.clock import Clock
from remuda.core.comparison import Comparison, NewComparison, Prompt, Run, RunState, Side, messages_of
from remuda.core.faults import Forbidden, InvalidRequest, RateLimited, UnknownEntry, UnknownModel
from remuda.core.threads import in_thread
from remuda.jobs.files import Files
from remuda.jobs.prompt_files import prompts_in
from remuda.jobs.queue import TaskQueue
from remuda.jobs.translated import translated
from remuda.store.comparison_replay import stored_prompts
from remuda.store.comparisons import (
    add_comparison,
    comparison_page,
    delete_comparison,
    find_comparison,
    first_answers,
    runs_of,
)
from remuda.store.database import Store

MANY_RETRY_S: Final = 60


@dataclass(frozen=True, slots=True)
class ComparisonBounds:
    """How much may be compared."""

    open_per_key: int = 20
    """Comparisons that are not over."""
    prompts: int = 200
    prompt_chars: int = 32_000
    """Of one prompt, its messages together."""
    total_chars: int = 2_000_000
    """Of all prompts of a comparison."""
    repeats: int = 50
    runs: int = 2000
    """Asks of both models together."""
    keep_s: float = 90 * 86_400.0
    """How long a comparison is kept after its end."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Which stored prompts are asked again."""

    model: str
    last: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A comparison as it is asked for; the prompts are in one of four places."""

    name: str
    model_a: str
    model_b: str
    test_prompt: str | None = None
    prompts: Sequence[Prompt] | None = None
    file_id: str | None = None
    replay: Replay | None = None
    repeats: int = 1
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


class Comparisons:
    """All comparisons, as one caller or another may see them."""

    def __init__(
        self,
        store: Store,
        queue: TaskQueue,
        files: Files,
        clock: Clock,
        *,
        is_known: Callable[[str], bool],
        max_tokens: int,
        cut_chars: int | None = None,
        bounds: ComparisonBounds | None = None,
        wake: Callable[[], None] = lambda: None,
        cancelled: Callable[[str], None] = lambda id_: None,
    ) -> None:
        """`is_known`: whether there is a model of that name; `max_tokens`: the bound of answers where none is asked
        for; `cut_chars`: where the journal cuts prompts off, the others of which may be asked again (None: none
        may); `wake` tells the driver of this process, `cancelled` its worker."""
        self._store = store
        self._queue = queue
        self._files = files
        self._clock = clock
        self._is_known = is_known
        self._max_tokens = max_tokens
        self._cut_chars = cut_chars
        self.bounds = bounds or ComparisonBounds()
        self._wake = wake
        self._cancelled = cancelled

    async def create(self, wanted: Wanted, key_id: str, *, sees_all: bool) -> Comparison:
        """Have the two models compared.

        Raises UnknownModel, UnknownFile, InvalidRequest, Forbidden where traffic may not be replayed, RateLimited where
        the key has as many comparisons under way as it may, Unavailable.
        """
        for model in (wanted.model_a, wanted.model_b):
            if not self._is_known(model):
                raise UnknownModel(f"there is no model called {model!r} here")
        source, prompts = await self._prompts(wanted, key_id, sees_all=sees_all)
        self._check(prompts, wanted.repeats)
        parameters: dict[str, Any] = {"max_tokens": wanted.max_tokens or self._max_tokens}
        parameters |= {
            name: value
            for name, value in (("temperature", wanted.temperature), ("seed", wanted.seed))
            if value is not None
        }
        new = NewComparison(
            key_id, wanted.name, wanted.model_a, wanted.model_b, source, prompts, wanted.repeats, parameters
        )
        most = self.bounds.open_per_key
        with translated():
            comparison = await add_comparison(self._store, new, most, self._clock.wall())
        if comparison is None:
            raise RateLimited(
                f"this key has {most} comparisons under way, and may not have more", retry_after_s=MANY_RETRY_S
            )
        self._wake()
        return comparison

    async def find(self, id_: int, key_id: str | None) -> Comparison:
        """The comparison, if it is that key's (None: whoever's); raises UnknownEntry, Unavailable."""
        with translated():
            found = await find_comparison(self._store, id_)
        if found is None or (key_id is not None and found.key_id != key_id):
            raise UnknownEntry("Comparison not found")
        return found

    async def runs(self, id_: int) -> list[Run]:
        """All runs of a comparison, in the order in which they are asked; raises Unavailable."""
        with translated():
            return await runs_of(self._store, id_)

    async def position(self, runs: Sequence[Run]) -> int | None:
        """Where the run that is under way stands in the queue of its model, 1 is next; None where none waits."""
        running = next((run.task_id for run in runs if run.state is RunState.RUNNING), None)
        return None if running is None else await self._queue.position(running)

    async def page(self, key_id: str | None, limit: int, before: int | None) -> list[Comparison]:
        """Comparisons, newest first; raises Unavailable."""
        with translated():
            return await comparison_page(self._store, key_id, limit, before)

    async def answers(self, page: Sequence[Comparison]) -> dict[tuple[int, Side], str]:
        """The first answer of each side of these comparisons, by id and side; raises Unavailable."""
        with translated():
            return await first_answers(self._store, [each.id for each in page])

    async def delete(self, id_: int, key_id: str | None) -> None:
        """Forget a comparison, and call off what it has under way; raises UnknownEntry, Unavailable."""
        await self.find(id_, key_id)
        with translated():
            cancelled = await delete_comparison(self._store, id_, self._clock.wall())
        for task_id in cancelled or ():
            self._cancelled(task_id)
            self._queue.live.changed(task_id)

    async def _prompts(self, wanted: Wanted, key_id: str, *, sees_all: bool) -> tuple[str, Sequence[Prompt]]:
        """Where the prompts come from, and the prompts."""
        places = {
            "test_prompt": wanted.test_prompt,
            "prompts": wanted.prompts,
            "file_id": wanted.file_id,
            "replay": wanted.replay,
        }
        given = [name for name, value in places.items() if value is not None]
        if len(given) != 1:
            said = " and ".join(given) if given else "none"
            raise InvalidRequest(
                f"one of {', '.join(places)} says what is asked, not {said}", parameter=(given or ["test_prompt"])[0]
            )
        if wanted.replay is not None:
            return "replay", await self._stored(wanted.replay, sees_all=sees_all)
        if wanted.file_id is not None:
            _, path = await self._files.content(wanted.file_id, None if sees_all else key_id)
            return "file", await in_thread(prompts_in, path, self.bounds.prompts)
        if wanted.prompts is not None:
            return "prompts", wanted.prompts
        assert wanted.test_prompt is not None
        return "prompt", [wanted.test_prompt]

    async def _stored(self, replay: Replay, *, sees_all: bool) -> list[Prompt]:
        if self._cut_chars is None:
            raise Forbidden("what was asked is not asked again here: insight.replay allows it")
        if not sees_all:
            raise Forbidden("what others asked may only be asked again by who may see it: the scope manage")
        if not 1 <= replay.last <= self.bounds.prompts:
            raise InvalidRequest(f"replay is a whole number from 1 to {self.bounds.prompts}", parameter="replay")
        with translated():
            found = await stored_prompts(
                self._store,
                replay.model,
                replay.last,
                cut_chars=self._cut_chars,
                max_chars=self.bounds.prompt_chars,
            )
        if not found:
            raise InvalidRequest(
                f"no prompt to {replay.model!r} is stored whole: journal.content says what is stored",
                parameter="replay_model",
            )
        return found

    def _check(self, prompts: Sequence[Prompt], repeats: int) -> None:
        bounds = self.bounds
        if not 1 <= len(prompts) <= bounds.prompts:
            raise InvalidRequest(f"a comparison has 1 to {bounds.prompts} prompts", parameter="prompts")
        sizes = [_chars(prompt) for prompt in prompts]
        if not all(0 < size <= bounds.prompt_chars for size in sizes):
            raise InvalidRequest(
                f"a prompt has 1 to {bounds.prompt_chars} characters",
                parameter="test_prompt" if len(prompts) == 1 else "prompts",
            )
        if sum(sizes) > bounds.total_chars:
            raise InvalidRequest(f"all prompts have {bounds.total_chars} characters at most", parameter="prompts")
        if not 1 <= repeats <= bounds.repeats:
            raise InvalidRequest(f"repeats is a whole number from 1 to {bounds.repeats}", parameter="repeats")
        if 2 * repeats * len(prompts) > bounds.runs:
            raise InvalidRequest(f"prompts times repeats is {bounds.runs // 2} at most", parameter="repeats")


def _chars(prompt: Prompt) -> int:
    return sum(len(str(message.get("content") or "")) for message in messages_of(prompt))
