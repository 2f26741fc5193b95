"""What must not be kept is taken out of texts, and takes no longer than it may."""

from remuda.insight.redaction import BUDGET_S, Redaction
from tests.contract.store.samples import a_record

SLOW = "(x+x+)+y"
"""Takes for ever on a run of x."""


def redaction(*patterns: str) -> Redaction:
    return Redaction(patterns, lambda: 0.0)


def test_whatever_matches_is_hidden():
    record = a_record(
        prompt_text="Mail ann@example.org or bob@example.org, id 123-45.",
        answer_text="ann@example.org it is.",
        parameters='{"user":"ann@example.org","seed":7}',  # all of it up to there is one word
    )
    [kept] = redaction(r"\S+@example\.org", r"\d{3}-\d{2}")([record])
    assert kept.prompt_text == "Mail *** or ***, id ***."
    assert kept.answer_text == "*** it is."
    assert kept.parameters is None
    assert kept._replace(prompt_text=None, answer_text=None, parameters=None) == record._replace(
        prompt_text=None, answer_text=None, parameters=None
    )


def test_parameters():
    [kept] = redaction("ann@[a-z.]+")([a_record(prompt_text="p", parameters='{"user":"ann@example.org","seed":7}')])
    assert (kept.prompt_text, kept.parameters) == ("p", '{"user":"***","seed":7}')


def test_records_without_text_are_left_as_they_are():
    record = a_record()
    assert redaction("a")([record])[0] is record


def test_what_takes_too_long_is_not_kept():
    times = iter((0.0, 1.0, BUDGET_S - 0.01, BUDGET_S + 1))
    slow = a_record(prompt_text="x" * 5000, answer_text="fine")
    [kept] = Redaction([SLOW], lambda: next(times))([slow])
    assert (kept.prompt_text, kept.answer_text) == (None, None)
    assert kept.id == slow.id
