"""Usage of several choices."""

import pytest

from remuda.core.usage import NO_USAGE, Usage
from remuda.wire.fold import UsageSum


@pytest.mark.parametrize(
    ("choices", "reports", "total"),
    [
        (1, [], NO_USAGE),
        (1, [Usage(10, 5, 3)], Usage(10, 5, 3)),
        (2, [Usage(10, 5, 3), Usage(10, 7, 5)], Usage(10, 12, 4)),
        (2, [Usage(10, 12, 4)], Usage(10, 12, 4)),
        (3, [Usage(10, 5, 0), Usage(10, 7, 0)], Usage(10, 12, 0)),
        (1, [Usage(10, 5, 0), Usage(20, 7, 0)], Usage(30, 12, 0)),
        (2, [Usage(10, 5, 0), Usage(10, 5, 0), Usage(20, 7, 0), Usage(20, 7, 0)], Usage(30, 24, 0)),
    ],
    ids=["none", "one", "one each", "one for all", "not all yet", "two prompts", "two prompts, two choices"],
)
def test_answers_add_up_and_a_shared_prompt_counts_once(choices: int, reports: list[Usage], total: Usage) -> None:
    usage = UsageSum(choices)
    for report in reports:
        usage.add(report)
    assert usage.total == total
