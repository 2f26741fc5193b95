"""The real clients against a real gateway process with the real engine."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from remuda.engines.tiny import CHAT, EMBED
from tests.fixtures.process import RemudaProcess, remuda_serve, until
from tests.random_model import write_random_model

SLOW = "slow"
SLOTS = 2


class Served:
    """The gateway, and what its engines say of themselves."""

    def __init__(self, process: RemudaProcess) -> None:
        self.process = process
        self.url = process.url

    @property
    def slots_in_use(self) -> float:
        """Slots that the gateway holds."""
        return self.process.metric("remuda_slots_in_use")

    @property
    def queued(self) -> float:
        """Requests that wait in the gateway."""
        return self.process.metric("remuda_queue_depth")

    def busy(self) -> list[dict[str, Any]]:
        """The slots that the engines say are at work, and engines that are still loading."""
        busy: list[dict[str, Any]] = []
        for path in self.process.sockets():
            try:
                answer = _asked(path, "/slots")
            except httpx.ConnectError:
                busy.append({"is_loading": True})  # it has its socket, and does not listen yet
                continue
            if answer.status_code == 503:
                busy.append({"is_loading": True})  # one that somebody asked for and left is still being loaded
            else:
                assert answer.status_code == 200, answer.text + self.process.output
                busy += [slot for slot in answer.json() if slot["is_processing"]]
        return busy

    def at_work(self) -> bool:
        """Whether a slot is at work, and no engine is still loading: such a one cannot be asked anything else."""
        busy = self.busy()
        return bool(busy) and not any(each.get("is_loading") for each in busy)

    def engine(self, model: str) -> Path:
        """The socket of the engine that serves `model`."""
        (path,) = (
            path
            for path in self.process.sockets()
            if model in (entry["id"] for entry in _asked(path, "/v1/models").json()["data"])
        )
        return path

    def engine_metric(self, model: str, name: str) -> float:
        """What the engine of `model` has counted."""
        lines = _asked(self.engine(model), "/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(f"llamacpp:{name} ")).split()[1])

    def at_rest(self) -> None:
        """Wait until no engine works, no slot is held and nothing waits."""
        until(lambda: not self.busy(), "the engines are idle")
        until(lambda: self.slots_in_use == 0, "all slots are free")
        assert self.queued == 0


def _asked(path: Path, question: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://engine", timeout=60) as client:
        return client.get(question)


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """A gateway that offers the two shipped models and one that takes seconds for a long prompt; two slots each."""
    # A path short enough for sockets; pytest's own are not everywhere.
    with tempfile.TemporaryDirectory(prefix="rmd") as place:
        folder = Path(place)
        models = folder / "models"
        models.mkdir()
        for path in (CHAT, EMBED):
            (models / path.name).symlink_to(path)
        write_random_model(models / f"{SLOW}.gguf", width=256, layers=8, feed_forward=1024, context=4096, name=SLOW)
        values = {
            "REMUDA_LLAMACPP__N_PARALLEL": str(SLOTS),
            "REMUDA_LLAMACPP__N_BATCH": "64",
            "REMUDA_MODELS__MAX_LOADED": "3",
        }
        with remuda_serve(folder / "data", "--model", models, **values) as process:
            yield Served(process)


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    """The synchronous client."""
    with client_of(f"{served.url}/v1") as made:
        yield made


@pytest.fixture
async def asynchronous(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous client."""
    http = httpx.AsyncClient(trust_env=False)
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, http_client=http) as made:
        yield made


def client_of(url: str, key: str = "none") -> openai.OpenAI:
    """A client that tries once and takes no proxy from the environment."""
    http = httpx.Client(trust_env=False, timeout=60)
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, http_client=http)
