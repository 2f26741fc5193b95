"""How fast, how good and how busy: what the journal comes to, in all and apart."""

import logging
from typing import ParamSpec, TypeVar

from remuda.core.faults import Fault, Unavailable
from remuda.store.aside import Aside, Work
from remuda.store.errors import StoreError, StoreUnavailable
from remuda.store.rollup_reading import TooManySingly

log = logging.getLogger(__name__)

Given = ParamSpec("Given")
Told = TypeVar("Told")


class Analytics:
    """Has questions about spans of time answered."""

    def __init__(self, aside: Aside) -> None:
        self._aside = aside

    async def ask(self, work: Work[Given, Told], *args: Given.args, **kwargs: Given.kwargs) -> Told:
        """What `work` reads from the store, here or beside. Raises Unavailable while the store is away, and Fault where
        it fails."""
        try:
            return await self._aside.run(work, *args, **kwargs)
        except StoreUnavailable as error:
            raise Unavailable("the journal does not answer at the moment", retry_after_s=1) from error
        except TooManySingly as error:
            raise Unavailable(f"{error} yet: ask for a shorter span, or later", retry_after_s=60) from error
        except (StoreError, ValueError) as error:
            # Its words may tell where the store lies, which is nobody's business who only reads.
            log.exception("analytics: what is kept could not be added up")
            raise Fault("Analytics calculation failed: what is kept cannot be read; the log has the reason") from error
