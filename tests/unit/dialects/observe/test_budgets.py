"""`/api/budgets`, as the document has it and beyond."""

from collections.abc import AsyncIterator
from datetime import UTC

import httpx
import pytest

from remuda.core.keys import Scope
from remuda.dialects.observe.budgets import BudgetRoutes
from remuda.insight.budgets import Budgets
from remuda.store import Store, open_store
from remuda.store.budget_usage import Accrual
from remuda.store.journal_batch import Batch, write_batches
from remuda.store.ledger import Ledger
from remuda.testing.clock import FakeClock
from tests.contract.store.samples import a_record
from tests.fixtures.asgi import client, parts

BUDGETS = "/api/budgets"
TEN = 1737108000.0
SENT = {"name": "Monthly AI Budget", "budget_type": "monthly", "amount": "100.00"}
ROW = {
    "id": 1,
    "name": "Monthly AI Budget",
    "budget_type": "monthly",
    "amount": 100.0,
    "current_usage": 0.0,
    "is_active": True,
    "created_at": "2025-01-17T10:00:00Z",
    "reset_at": None,
    "hard_stop": False,
    "model_name": None,
    "key_id": None,
    "user_id": None,
    "ends_at": "2025-02-01T00:00:00Z",
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(wall=TEN)


@pytest.fixture
async def store(tmp_path, clock) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/remuda.db", Ledger(hooks=(Accrual(UTC, clock.wall),)))
    yield opened
    await opened.close()


@pytest.fixture
async def caller(store, clock) -> AsyncIterator[httpx.AsyncClient]:
    async with client(parts(observe=[BudgetRoutes(Budgets(store, clock, UTC))])) as asking:
        yield asking


async def spend(store: Store, clock: FakeClock, nano: int, number: int = 1) -> None:
    record = a_record(started_at=clock.wall(), cost_nano=nano)
    await write_batches(store, [Batch("w", number, [record])], clock.wall(), is_durable=True)


@pytest.mark.parametrize("how", ["data", "json", "params"])
async def test_the_documents_example(caller, store, clock, how):
    answer = await caller.post(BUDGETS, **{how: SENT})
    assert (answer.status_code, answer.json()) == (200, ROW)
    await spend(store, clock, 25_500_000_000)
    assert (await caller.get(BUDGETS)).json() == [ROW | {"current_usage": 25.5}]
    await clock.advance(20 * 86_400)
    [reset] = (await caller.get(BUDGETS)).json()
    assert (reset["current_usage"], reset["reset_at"]) == (0.0, "2025-02-01T00:00:00Z")
    assert reset["ends_at"] == "2025-03-01T00:00:00Z"


async def test_when_it_was_used_up(caller, store, clock):
    await caller.post(BUDGETS, data=SENT)
    assert (await caller.get(f"{BUDGETS}/1/events")).json() == []
    await spend(store, clock, 95 * 10**9)
    assert (await caller.get(f"{BUDGETS}/1/events")).json() == [
        {"id": id_, "percent": percent, "usage": 95.0, "amount": 100.0, "triggered_at": "2025-01-17T10:00:00Z"}
        for id_, percent in ((2, 90), (1, 70))
    ]
    assert (await caller.get(f"{BUDGETS}/2/events")).status_code == 404


async def test_by_its_number(caller):
    await caller.post(BUDGETS, data=SENT)
    one = f"{BUDGETS}/1"
    assert (await caller.get(one)).json() == ROW
    changed = await caller.patch(one, json={"amount": 5, "hard_stop": True, "is_active": False})
    assert changed.json() == ROW | {"amount": 5.0, "hard_stop": True, "is_active": False}
    changed = await caller.patch(one, data={"key_id": "key_1", "name": "of one"})
    assert changed.json() == ROW | {
        "amount": 5.0, "hard_stop": True, "is_active": False, "key_id": "key_1", "name": "of one",
    }  # fmt: skip
    replaced = await caller.put(one, json={"name": "n", "budget_type": "weekly", "amount": 1, "model_name": "llama2"})
    assert replaced.json() == ROW | {
        "name": "n", "budget_type": "weekly", "amount": 1.0, "model_name": "llama2", "ends_at": "2025-01-20T00:00:00Z",
    }  # fmt: skip
    assert (await caller.delete(one)).status_code == 204
    for answer in (
        await caller.get(one),
        await caller.put(one, data=SENT),
        await caller.patch(one, data=SENT),
        await caller.delete(one),
        await caller.get(f"{BUDGETS}/x"),
    ):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Budget not found"})


async def test_an_alias_is_its_model(store, clock):
    budgets = Budgets(store, clock, UTC)
    async with client(parts(observe=[BudgetRoutes(budgets, {"fast": "llama2"}.__getitem__)])) as caller:
        made = (await caller.post(BUDGETS, data=SENT | {"model_name": "fast"})).json()
        assert made["model_name"] == "llama2"
        kept = (await caller.patch(f"{BUDGETS}/{made['id']}", data={"amount": 1})).json()
        assert kept["model_name"] == "llama2"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"budget_type": "yearly"}, "budget_type"),
        ({"budget_type": ""}, "budget_type"),
        ({"name": ""}, "name"),
        ({"amount": ""}, "amount"),
        *[({"amount": amount}, "amount") for amount in ("0", "-5", "nan", "1e30", "much", "0.0000000001")],
        ({"hard_stop": "perhaps"}, "hard_stop"),
        ({"key_id": "k", "user_id": "u"}, "user_id"),
        ({"model_name": "x" * 257}, "model_name"),
    ],
)
async def test_what_is_wrong_is_named(caller, changes, named):
    for method in ("POST", "PUT"):
        answer = await caller.request(method, BUDGETS if method == "POST" else f"{BUDGETS}/1", data=SENT | changes)
        assert answer.status_code == 400
        assert named in answer.json()["detail"]
    assert (await caller.get(BUDGETS)).json() == []


async def test_a_change_of_nothing_is_none(caller):
    await caller.post(BUDGETS, data=SENT)
    answer = await caller.patch(f"{BUDGETS}/1", json={"amont": 5})
    assert answer.status_code == 400
    answer = await caller.patch(f"{BUDGETS}/1", json={"amount": 0})
    assert answer.status_code == 400


async def test_who_may_not_manage_sees_what_concerns_all_and_its_own(store, clock):
    routes = BudgetRoutes(Budgets(store, clock, UTC))
    made = parts(keyed=True, observe=[routes])
    async with client(made, scope=Scope.ADMIN) as manager:
        for scope in ({}, {"model_name": "m"}, {"key_id": "key_read"}, {"key_id": "key_manage"}, {"user_id": "u"}):
            assert (await manager.post(BUDGETS, json=SENT | scope)).status_code == 200
        assert len((await manager.get(BUDGETS)).json()) == 5
    async with client(made, scope=Scope.READ) as reader:
        assert [budget["id"] for budget in (await reader.get(BUDGETS)).json()] == [1, 2, 3]
        assert (await reader.get(f"{BUDGETS}/4")).status_code == 404
        assert (await reader.post(BUDGETS, json=SENT)).status_code == 403


async def test_with_nothing_behind_them():
    async with client(parts(observe=[BudgetRoutes()])) as asking:
        assert (await asking.get(BUDGETS)).status_code == 503
