"""What a face may answer without any engine."""

from pathlib import Path
from typing import Never

from remuda.core.ask import Operation
from remuda.dialects.openai.face import OpenAIFace
from remuda.gateway.face import Answered, LaneRoute
from tests.fixtures.gateway import running_gateway


class Knowing(OpenAIFace):
    """Knows its answer as soon as it has read what is asked."""

    def read(self, operation: Operation, body: bytes) -> Never:
        raise Answered("mine", b"content-type: text/plain\r\n", body.upper())


async def test_its_answer_is_passed_on_and_recorded(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, upstreams=[{"url": "http://127.0.0.1:9"}]) as gateway:
        asked = gateway.remuda.durable.inside.ask(LaneRoute("/x", Knowing(), Operation.CHAT), b"hello", "", "id")
        answer = await asked.answer
    record = answer.record
    assert (answer.status, answer.body) == (200, b"HELLO")
    assert (record.status, record.fault, record.model, record.replica, record.attempts) == (200, "", "mine", "", 0)
