"""Comparisons of models, put together: the way in, and what drives them."""

from collections.abc import Callable

from remuda.app.settings import Settings
from remuda.core.clock import Clock
from remuda.core.ids import Ids
from remuda.jobs.comparison_driver import ComparisonDriver
from remuda.jobs.comparisons import ComparisonBounds, Comparisons
from remuda.jobs.files import Files
from remuda.jobs.queue import TaskQueue
from remuda.store.database import Store


class Comparing:
    """The comparisons, and their driver."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        ids: Ids,
        queue: TaskQueue,
        files: Files,
        is_known: Callable[[str], bool],
        fed: Callable[[], None],
        cancelled: Callable[[str], None],
    ) -> None:
        """`fed` and `cancelled` tell the worker of this process."""
        bounds = ComparisonBounds()
        self.driver = ComparisonDriver(
            store, clock, ids, keep_s=bounds.keep_s, time_limit_s=settings.tasks.time_limit_s, fed=fed
        )
        self.comparisons = Comparisons(
            store,
            queue,
            files,
            clock,
            is_known=is_known,
            max_tokens=settings.tasks.max_tokens,
            # Also where all is kept now: what was kept before may have been cut.
            cut_chars=settings.journal.content_max_chars if settings.insight.replay else None,
            bounds=bounds,
            wake=self.driver.wake,
            cancelled=cancelled,
        )
