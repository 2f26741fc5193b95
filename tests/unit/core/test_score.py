"""The score of a request, case by case."""

import pytest

from remuda.core.record import RequestRecord
from remuda.core.score import ScoreTargets, performance_score

BLANK = RequestRecord(
    "", 0.0, "openai", "chat", "m", "r", "", 200, "", False, 1, 0.0, None, 1.0, 10, 0, 0, False, 0, 0, "stop"
)


@pytest.mark.parametrize(
    ("score", "changes"),
    [
        (0.3, {}),
        (0.7, {"completion_tokens": 20}),
        (0.5, {"completion_tokens": 10}),
        (0.0, {"duration_s": 2.0}),
        (0.0, {"duration_s": 9.0}),
        (1.0, {"duration_s": 0.0001, "completion_tokens": 20}),
        # Longer answers may take longer: 4 s for 400 tokens are 1 s for each 100.
        (0.7, {"duration_s": 4.0, "completion_tokens": 400}),
        # Of a stream the first token counts, however long it goes on.
        (0.85, {"is_streamed": True, "ttft_s": 0.5, "duration_s": 9.0, "completion_tokens": 900}),
        (0.3, {"is_streamed": True, "ttft_s": None}),
        (0.0, {"status": 502, "completion_tokens": 20}),
        (0.0, {"fault": "stream_cut", "completion_tokens": 20}),
        (0.6, {"duration_s": 0.0}),
    ],
)
def test_a_request(score, changes):
    assert performance_score(BLANK._replace(**changes), ScoreTargets()) == score


def test_targets_of_ones_own():
    assert performance_score(BLANK._replace(completion_tokens=50), ScoreTargets(4000, 100)) == 0.65
