"""`python -m bench.crashes`: tasks are answered while workers, the gateway and the store are killed again and again.

2,000 tasks on a fake, on SQLite (once more with a clock that jumps by hours) and on Postgres, and 200 on the real
engine. Ends with an error where one of them did not end exactly once.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from rich.console import Console
from tests.fixtures.crashes import see_through
from tests.fixtures.postgres import PostgresServer, private_postgres

from remuda.engines.tiny import CHAT_NAME
from remuda.store import store_url_in
from remuda.testing.upstream import FakeUpstream

DEADLINE_S = 1800.0


async def _run(
    console: Console, name: str, url: str, data: Path, tasks: int, server: PostgresServer | None, *, jumps: bool = False
) -> None:
    began = time.monotonic()
    async with FakeUpstream() as upstream:
        upstream.behave(ttft_s=0.005, token_delay_s=0.002)
        is_real = name.startswith("engine")
        kills = await see_through(
            data,
            url,
            seed=20_261_127,
            tasks=tasks,
            kills=8 if is_real else 20,
            offers=() if is_real else ("--upstream", upstream.url),
            model=CHAT_NAME if is_real else "fake",
            deadline_s=DEADLINE_S,
            server=server,
            jumps=jumps,
        )
    console.print(
        f"{name}: {tasks} tasks ended once each, in {time.monotonic() - began:.0f} s; killed: {', '.join(kills)}"
    )


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.crashes", description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000, help="on the fake (default: 2000)")
    parser.add_argument("--real", type=int, default=200, help="on the real engine (default: 200)")
    asked = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="remuda-crashes-") as folder:
        data = Path(folder)
        asyncio.run(_run(console, "sqlite", store_url_in(data / "a"), data / "a", asked.tasks, None))
        asyncio.run(_run(console, "engine, sqlite", store_url_in(data / "b"), data / "b", asked.real, None))
        url = store_url_in(data / "e")
        asyncio.run(_run(console, "sqlite, clock jumps", url, data / "e", asked.tasks, None, jumps=True))
        with private_postgres() as server:
            url = server.url(server.new_database())
            asyncio.run(_run(console, "postgres", url, data / "c", asked.tasks, server))
            url = server.url(server.new_database())
            asyncio.run(_run(console, "engine, postgres", url, data / "d", asked.real, server))


if __name__ == "__main__":
    main()
