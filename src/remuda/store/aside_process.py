"""Answers questions about a store: the process that `aside` starts, `python -m remuda.store.aside_process`.

It ends when its standard input does, so it does not outlive its parent, however that ends.
"""

import asyncio
import logging
import os
import pickle
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Final

from remuda.core.tasks import Tasks
from remuda.store.database import Store, store_at
from remuda.store.errors import StoreError

HEADER: Final = struct.Struct("<QQ")
"""Before each frame, either way: the number of the question, and how many bytes of pickle follow.

Questions are `(work, args, kwargs)`, answers `(what it returned, None)` or `(None, what it raised)`."""
HELLO: Final = 0
"""The number of the first frame: `(URL of the store, the first work there will be)`. It is answered when its modules
are imported and the store is open."""
NICENESS: Final = 10
"""Requests, in the other process, go first."""

log = logging.getLogger(__name__)

Frame = tuple[int, bytes]


def main(niceness: int = NICENESS) -> None:
    """Answer until the input ends."""
    # They are sent to whole groups of processes: what is asked meanwhile is still answered.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform != "win32":
        os.nice(niceness)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints must not come between the frames
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(sys.stdin.buffer, answers))
        sys.stderr.flush()
        os._exit(0)  # at once: threads may still work on what nobody waits for


async def _serve(questions: BinaryIO, answers: BinaryIO) -> None:
    frames: asyncio.Queue[Frame | None] = asyncio.Queue()  # bounded by the parent, which asks few at a time
    loop = asyncio.get_running_loop()

    def put(frame: Frame | None) -> None:
        loop.call_soon_threadsafe(frames.put_nowait, frame)

    # In a thread, since Windows cannot wait for pipes otherwise; it ends with the process.
    threading.Thread(target=_read, args=(questions, put), daemon=True).start()
    hello = await frames.get()
    if hello is None:
        return
    try:
        url, _ = pickle.loads(hello[1])
        store = store_at(url)
    except Exception as error:  # noqa: BLE001 - the parent tells it, whatever it is
        return _write(answers, HELLO, carried(error))
    _write(answers, HELLO, pickle.dumps((None, None)))
    working = Tasks("aside")
    while (frame := await frames.get()) is not None:
        number, question = frame
        working.start(_answer(store, answers, number, question), f"question {number}")
    if not len(working):
        await store.close()


async def _answer(store: Store, answers: BinaryIO, number: int, question: bytes) -> None:
    try:
        work, args, kwargs = pickle.loads(question)
        answer = pickle.dumps((await work(store, *args, **kwargs), None))
    except Exception as error:  # noqa: BLE001 - whoever asked gets it, whatever it is
        answer = carried(error)
    _write(answers, number, answer)


def carried(error: Exception) -> bytes:
    """The answer that raises `error` over there, its traceback as a note; a StoreError with its words where it cannot
    be pickled."""
    trace = "".join(traceback.format_exception(error))
    error.add_note(trace)
    try:
        pickled = pickle.dumps((None, error))
        pickle.loads(pickled)  # not all that can be pickled can be made again
    except Exception:  # whatever pickling or making it again raises: the error may be of anybody's class
        log.exception("what a question raised cannot be handed on: %s", trace)
        return pickle.dumps((None, StoreError(f"{type(error).__name__}: {error}")))
    return pickled


def _read(questions: BinaryIO, put: Callable[[Frame | None], None]) -> None:
    with suppress(OSError):
        while len(head := questions.read(HEADER.size)) == HEADER.size:
            number, size = HEADER.unpack(head)
            put((number, questions.read(size)))
    put(None)


def _write(answers: BinaryIO, number: int, answer: bytes) -> None:
    with suppress(OSError):  # nobody reads any more: the end of the input comes next
        answers.write(HEADER.pack(number, len(answer)))
        answers.write(answer)
        answers.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
