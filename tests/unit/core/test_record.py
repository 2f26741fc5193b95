"""Records of those who saw little."""

from remuda.core.record import bare_record, columns_of, without_text
from tests.contract.store.samples import a_record


def test_what_is_not_known_counts_as_nothing() -> None:
    record = bare_record(
        "id",
        dialect="tasks",
        model="m",
        key_id="k",
        user_id="u",
        status=499,
        fault="client_gone",
        attempts=2,
        started_at=5.0,
        completion_tokens=7,
    )
    assert (record.id, record.status, record.fault, record.attempts, record.completion_tokens) == (
        "id",
        499,
        "client_gone",
        2,
        7,
    )
    assert record.tokens_estimated
    assert (record.prompt_tokens, record.replica, record.ttft_s, record.prompt_text) == (0, "", None, None)


def test_columns():
    columns = columns_of([a_record(1, model="a"), a_record(2, model="b")])
    assert (columns.model, columns.is_streamed) == (("a", "b"), (True, True))


def test_without_text():
    bare = a_record(1)
    assert without_text(bare) is bare
    assert without_text(bare._replace(prompt_text="p", parameters="{}")) == bare
    assert without_text(bare._replace(answer_text="a")) == bare
