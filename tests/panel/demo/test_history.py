"""The month of the demo: complete, proven, the same at each writing, and written once."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import pytest
from django.apps import apps
from django.db import connection

from billing.models import Deposit, Entry, Wallet
from catalog.models import CatalogChange, Provider, ShelfNews, SyncRun
from orders.models import CancelRequest, DripFeed, MoneyDay, Order, OrderEvent, PlacementAttempt, Refill
from orders.states import CancelState, DripState, RefillState, ReviewReason, Status, Submission
from panel.accounts.models import User
from panel.demo import setup
from panel.demo.history import goods, people, write
from panel.demo.history.story import tell
from panel.news.models import NewsItem
from panel.ops.invariants import find_breaches
from panel.sandbox.delivery import plan_delivery
from panel.sandbox.past import PastOrder
from panel.sandbox.server import SandboxServer
from tests import make

Fill = Callable[[], None]


def counts() -> dict[str, int]:
    """Return the number of rows of every model."""
    return {model._meta.label: model._default_manager.count() for model in apps.get_models()}


def values(model: type, column: str) -> set[object]:
    return set(model.objects.values_list(column, flat=True))


@pytest.mark.core
@pytest.mark.django_db(transaction=True)
def test_history_when_written_then_every_state_is_there_and_the_books_are_proven(fill: Fill) -> None:
    fill()
    connection.check_constraints()
    assert find_breaches() == []
    assert values(Order, "status") == set(Status)
    # Nothing is being sent while it is written.
    assert values(Order, "submission") == set(Submission) - {Submission.SUBMITTING}
    assert list(Order.objects.exclude(review_reason="").values_list("review_reason", flat=True)) == [ReviewReason.DOUBT]
    assert values(Deposit, "state") == set(Deposit.State)
    assert values(DripFeed, "state") == set(DripState)
    assert sorted(one.is_paused for one in DripFeed.objects.filter(state=DripState.RUNNING)) == [False, True]
    assert values(CancelRequest, "state") == {CancelState.ENDED, CancelState.REFUSED, CancelState.ACCEPTED}
    assert values(Refill, "state") == {
        *(RefillState.COMPLETED, RefillState.REJECTED, RefillState.REFUSED, RefillState.PENDING)
    }
    assert values(Entry, "kind") == set(Entry.Kind) - {Entry.Kind.ADJUSTMENT, Entry.Kind.FEE}
    assert CatalogChange.objects.filter(accepted_at=None, is_urgent=True).count() == 1
    assert Order.objects.filter(api_key_ref__isnull=False).exists()
    assert Order.objects.filter(turn__lt=0, submission=Submission.QUEUED).count() == 1
    assert ShelfNews.objects.exists() and NewsItem.objects.filter(seen_at=None).exists()
    assert SyncRun.objects.filter(outcome=SyncRun.Outcome.FAILED).count() == 1
    provider = Provider.objects.get()
    days = list(MoneyDay.objects.order_by("day"))
    assert days[-1].closing == provider.balance == provider.money.base_balance
    assert all(before.closing == after.opening for before, after in zip(days, days[1:], strict=False))
    wallet = Wallet.objects.get(customer__email=setup.CUSTOMER)
    assert wallet.balance >= 50_000_000
    assert not Wallet.objects.get(customer__email=people.NEWCOMER).entry_count


@pytest.mark.django_db(transaction=True)
def test_history_when_the_demo_starts_again_then_nothing_changes(fill: Fill) -> None:
    fill()
    before = counts()
    fill()
    assert counts() == before


@pytest.mark.django_db(transaction=True)
def test_history_when_killed_half_way_then_the_next_start_writes_it(
    fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(write, "write_news", die)
        with pytest.raises(KeyboardInterrupt):
            fill()
    left = [Order, OrderEvent, PlacementAttempt, Entry, Wallet, Deposit, MoneyDay, DripFeed]
    assert [model.objects.count() for model in left] == [0] * len(left)
    assert User.objects.count() == 2
    fill()
    assert find_breaches() == []
    assert values(Order, "status") == set(Status)


@pytest.mark.django_db(transaction=True)
def test_history_when_the_sandbox_is_of_an_older_demo_then_complete_too(fill: Fill, ports: setup.Ports) -> None:
    with SandboxServer(db_path=setup.SANDBOX_DB, port=ports.sandbox, key=setup.SANDBOX_KEY) as server:
        for name, changes in goods.TODAYS_LIST.items():
            server.set_service(goods.SERVICES[name].id, **changes)
        plan = plan_delivery(order_id=1, quantity=100, link="https://example.com/a")
        old = PastOrder(1, "Default", "https://example.com/a", 100, 65_000, {}, plan, age=10.0)
        number = server.record_past(orders=[old], refills=[], balance=0, wall=time.time()).order_ids[0]
    fill()
    assert CatalogChange.objects.filter(accepted_at=None, is_urgent=True).count() == 1
    assert min(Order.objects.exclude(upstream_number=None).values_list("upstream_number", flat=True)) > number


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("found", ["an order", "a customer", "another provider", "money"])
def test_history_when_the_database_is_used_then_not_written(fill: Fill, found: str) -> None:
    if found == "an order":
        make.order(make.customer(funds="5"), make.service(make.provider()))
    elif found == "a customer":
        make.customer()
        make.customer("bob@example.org")
    elif found == "another provider":
        make.provider(name="Another")
    else:
        make.customer(setup.CUSTOMER, funds="50")
    orders = Order.objects.count()
    fill()
    assert Order.objects.count() == orders


def test_story_when_told_twice_then_the_same() -> None:
    one, other = tell(Random(write.SEED)), tell(Random(write.SEED))
    assert one == other
    assert one != tell(Random(write.SEED + 1))
    assert 400 < len(one) < 800
    assert [purchase.age for purchase in one] == sorted((purchase.age for purchase in one), reverse=True)
