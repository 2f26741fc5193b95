"""Passwords for tokens, off the event loop."""

import asyncio
import threading

import pytest

from remuda.core.faults import InvalidCredential, RateLimited, Unavailable
from remuda.core.keys import Scope
from remuda.core.users import Cost, Session, User, Users, hashed
from remuda.gateway.guesses import PER_USER, Guesses
from remuda.gateway.log_in import MOST_WAITING, LogIn
from remuda.gateway.tokens import Tokens
from tests.fixtures.asgi import PASSWORD, SIGNING_KEY, count_up, user

SLOW = User("slow", hashed(PASSWORD, bytes(16), Cost(ln=14, r=8, p=4)), frozenset({Scope.READ}), 2, 0.0)


def log_in(*users: User) -> LogIn:
    tokens = Tokens(lambda: SIGNING_KEY, lambda: 100.0, count_up())
    tokens.users = Users(users or (user(),))
    return LogIn(tokens, Guesses(lambda: 0.0))


async def test_the_right_password_gets_both_tokens():
    made = log_in()
    pair = await made.log_in("root", PASSWORD, "10.0.0.1")
    assert made.tokens.caller_of(pair.access.encode()).key_id == "user:root"
    assert made.tokens.caller_of(made.tokens.renewed(pair.refresh).encode()).name == "root"
    made.close()


@pytest.mark.parametrize(
    ("name", "password"), [("root", "wrong"), ("nobody", PASSWORD), ("Root", PASSWORD), ("root", "")]
)
async def test_whatever_is_wrong_gets_the_same_answer(name: str, password: str):
    made = log_in()
    with pytest.raises(InvalidCredential, match=r"^Invalid credentials\.$"):
        await made.log_in(name, password, None)
    made.close()


async def test_refused_log_ins_are_logged_without_what_was_typed(caplog: pytest.LogCaptureFixture):
    made = log_in()
    for name, password in (("root", "wrong password"), ("hunter2 typed here", "x")):
        with pytest.raises(InvalidCredential):
            await made.log_in(name, password, "10.0.0.1")
    assert [record.getMessage() for record in caplog.records] == [
        "a log-in for root from 10.0.0.1 was refused",
        "a log-in for nobody from 10.0.0.1 was refused",
    ]
    made.close()


async def test_guessing_is_bounded_and_then_costs_nothing():
    made = log_in()
    for _ in range(PER_USER):
        with pytest.raises(InvalidCredential):
            await made.log_in("root", "wrong", None)
    with pytest.raises(RateLimited, match="try again in 60 s"):
        await made.log_in("root", PASSWORD, None)
    made.close()


async def test_the_event_loop_goes_on_meanwhile():
    made = log_in(SLOW)
    turns = 0
    task = asyncio.ensure_future(made.log_in("slow", PASSWORD, None))
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    await task
    assert turns > 10
    made.close()


async def test_only_so_many_at_once():
    made = log_in(*(user(f"user{n}") for n in range(MOST_WAITING)), user())
    go = threading.Event()
    held = [made._threads.submit(go.wait) for _ in range(2)]
    tasks = [asyncio.ensure_future(made.log_in(f"user{n}", PASSWORD, None)) for n in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited) as refused:
        await made.log_in("root", PASSWORD, None)
    assert refused.value.retry_after_s == 1
    go.set()
    assert all(pair.access for pair in await asyncio.gather(*tasks))
    assert (await made.log_in("root", PASSWORD, None)).access
    assert all(each.result() for each in held)
    made.close()


async def test_who_was_removed_meanwhile_gets_a_token_that_is_none():
    made = log_in(SLOW)
    task = asyncio.ensure_future(made.log_in("slow", PASSWORD, None))
    await asyncio.sleep(0)
    made.tokens.users = Users([user()])
    pair = await task
    with pytest.raises(InvalidCredential):
        made.tokens.caller_of(pair.access.encode())
    made.close()


async def test_a_log_in_is_told():
    told: list[str] = []

    async def note(name: str) -> None:
        told.append(name)

    tokens = Tokens(lambda: SIGNING_KEY, lambda: 100.0, count_up())
    tokens.users = Users([user()])
    made = LogIn(tokens, Guesses(lambda: 0.0), note)
    await made.log_in("root", PASSWORD, None)
    with pytest.raises(InvalidCredential):
        await made.log_in("root", "wrong", None)
    assert told == ["root"]
    made.close()


async def test_logging_out_ends_the_sessions_of_what_is_shown():
    told: list[Session] = []

    async def note(session: Session) -> None:
        told.append(session)

    tokens = Tokens(lambda: SIGNING_KEY, lambda: 100.0, count_up())
    tokens.users = Users([user()])
    made = LogIn(tokens, Guesses(lambda: 0.0), on_logout=note)
    one, other, third = [await made.log_in("root", PASSWORD, None) for _ in range(3)]
    shown = (one.access, one.refresh, "rmd_a_key", other.refresh)
    await made.log_out(token.encode() for token in shown)
    assert [session.id for session in told] == sorted(tokens.ended) == ["1", "4"]
    for pair in (one, other):
        with pytest.raises(InvalidCredential):
            tokens.renewed(pair.refresh)
    assert tokens.renewed(third.refresh)
    made.close()


async def test_what_could_not_be_made_known_has_not_ended():
    async def fail(session: Session) -> None:
        raise Unavailable

    tokens = Tokens(lambda: SIGNING_KEY, lambda: 100.0, count_up())
    tokens.users = Users([user()])
    made = LogIn(tokens, Guesses(lambda: 0.0), on_logout=fail)
    pair = await made.log_in("root", PASSWORD, None)
    with pytest.raises(Unavailable):
        await made.log_out([pair.access.encode()])
    assert tokens.renewed(pair.refresh)
    made.close()
