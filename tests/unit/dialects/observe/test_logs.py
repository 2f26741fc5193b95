"""An entry of the journal in the document's shape."""

import msgspec
import pytest

from remuda.dialects.observe.logs import LogRoutes, entry_shown, input_shown, metadata_of
from remuda.insight.log import Log
from remuda.store import open_store
from remuda.store.journal_reading import JournalEntry, JournalPage
from tests.contract.store.samples import a_record
from tests.fixtures.asgi import client, parts


def test_the_documents_own_example():
    record = a_record(
        started_at=1737109800.0,
        model="llama2",
        duration_s=2.0,
        prompt_tokens=50,
        completion_tokens=75,
        ttft_s=0.5,
        is_streamed=False,
        temperature=0.7,
        max_tokens=100,
        prompt_text="user: Hello, how are you?",
        answer_text="I'm doing well, thank you for asking!",
    )
    shown = msgspec.to_builtins(entry_shown(JournalEntry(123, record, 0.85)))
    assert (
        shown
        | {
            "id": 123,
            "model_name": "llama2",
            "start_time": "2025-01-17T10:30:00Z",
            "end_time": "2025-01-17T10:30:02Z",
            "latency_ms": 2000.0,
            "prompt_tokens": 50,
            "completion_tokens": 75,
            "total_tokens": 125,
            "tokens_per_second": 37.5,
            "time_to_first_token_ms": 500.0,
            "performance_score": 0.85,
            "is_streaming": False,
            "temperature": 0.7,
            "max_tokens": 100,
            "request_metadata": {"temperature": 0.7, "max_tokens": 100},
            "input_text": "Hello, how are you?",
            "output_text": "I'm doing well, thank you for asking!",
            "error_message": None,
        }
        == shown
    )


class SlowLog(Log):
    """Finds nothing, and does not look to the end."""

    async def page(self, wanted, limit, before_id):
        return JournalPage([], 5, 1737109800.0)


async def test_a_page_that_ends_early_says_how_far_it_looked(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/remuda.db")
    async with client(parts(observe=[LogRoutes(SlowLog(store, lambda: 0.0))])) as caller:
        page = (await caller.get("/api/logs?status=404")).json()
    assert page == {"logs": [], "next_cursor": "5", "searched_to": "2025-01-17T10:30:00Z"}
    await store.close()


def test_what_was_kept_of_the_requests_fields_tells_more():
    assert metadata_of(a_record(parameters='{"seed":7}', temperature=0.5)) == {"seed": 7}
    assert metadata_of(a_record()) == {}


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (None, None),
        ("user: Hello", "Hello"),
        ("user: Hello\n\nthere", "Hello\n\nthere"),
        ("user: Hello\n\nassistant: Hi\n\nuser: Bye", "user: Hello\n\nassistant: Hi\n\nuser: Bye"),
        ("system: Be brief", "system: Be brief"),
        ("a completion", "a completion"),
    ],
)
def test_a_users_single_message_is_shown_without_the_role(kept, shown):
    assert input_shown(kept) == shown
