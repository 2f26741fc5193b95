"""Estimates of what no engine has said."""

import pytest

from remuda.core.usage import MAX_ESTIMATE, Usage, prompt_estimate, with_prompt


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (3, 0), (400, 100), (10**9, MAX_ESTIMATE)])
def test_prompts(size, tokens):
    assert prompt_estimate(size) == tokens


def test_only_what_is_an_estimate_gets_another():
    assert with_prompt(Usage(0, 5, is_estimated=True), 400) == Usage(100, 5, is_estimated=True)
    for said in (Usage(7, 5, is_estimated=True), Usage(0, 5)):
        assert with_prompt(said, 400) is said
