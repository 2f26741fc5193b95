"""Words that stand in a query as they are."""

import pytest
from sqlalchemy import column, create_engine, literal, select, union_all
from sqlalchemy.dialects import postgresql, sqlite

from remuda.store.queries import is_one_of


def test_words_stand_in_the_query_and_nothing_is_left_to_bind() -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        compiled = is_one_of(column("state"), ("queued", "running")).compile(dialect=dialect)
        assert str(compiled) == "state IN ('queued', 'running')"
        assert compiled.params == {}


def test_it_holds_for_those_words_only() -> None:
    states = union_all(*(select(literal(word).label("state")) for word in ("queued", "running", "over"))).subquery()
    with create_engine("sqlite://").connect() as connection:
        found = connection.execute(select(states.c.state).where(is_one_of(states.c.state, ["queued", "over"])))
        assert sorted(found.scalars()) == ["over", "queued"]
        others = connection.execute(select(states.c.state).where(~is_one_of(states.c.state, ["queued", "over"])))
        assert list(others.scalars()) == ["running"]


@pytest.mark.parametrize("word", ["", "it's", "two words", "a'--"])
def test_what_is_not_a_word_cannot_stand_there(word: str) -> None:
    with pytest.raises(ValueError, match="as it is"):
        is_one_of(column("state"), [word])
