"""Customers' news: what becomes an item, once, in few statements, and nothing from before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from billing import ledger
from billing.deposits import approve_deposit, refuse_deposit
from billing.models import Entry
from catalog.models import Favourite, ShelfNews
from orders.models import OrderEvent, Refill
from orders.states import EventKind
from panel.accounts.models import User
from panel.news.choices import choose_mails
from panel.news.collect import MAX_SPAN, SETTLED, collect_news
from panel.news.found import SPAN, span_begin
from panel.news.models import NewsItem, NewsProgress
from panel.news.words import line_of
from panel.ops.pruning.old_rows import prune_news
from tests import make
from tests.panel.news.conftest import earlier, ended_order
from tests.scenes import kill_at_each_statement, nothing_changes, statements
from tests.threads import in_threads

pytestmark = pytest.mark.django_db


def texts(customer: User) -> list[str]:
    return [line_of(item).text for item in NewsItem.objects.filter(customer=customer)]


def test_order_when_it_ended_then_one_item_however_often_it_is_collected(customer, service, started):
    order = ended_order(customer, service, at=earlier())
    with nothing_changes():
        assert collect_news() == 1
        assert collect_news() == 0
    NewsProgress.objects.update(collected_until=timezone.now() - timedelta(minutes=30))
    assert collect_news() == 0
    assert texts(customer) == [f"Order {order.pk} was completed: Followers <b>real</b>"]


def test_orders_when_many_end_at_once_then_one_item_with_their_number(customer, other, service, started):
    for number in range(12):
        ended_order(customer, service, at=earlier(number / 12))
    ended_order(customer, service, at=earlier(), status="canceled")
    ended_order(other, service, at=earlier())
    assert collect_news() == 3
    assert sorted(texts(customer))[0] == "12 orders were completed."
    item = NewsItem.objects.get(customer=customer, word="completed")
    assert line_of(item).path == "/orders/?status=completed"


def test_orders_when_one_commits_late_then_the_item_grows_and_is_unread_again(customer, service, started):
    at = span_begin(timezone.now())
    ended_order(customer, service, at=at)
    collect_news()
    NewsItem.objects.update(seen_at=timezone.now())
    ended_order(customer, service, at=at)
    assert collect_news() == 1
    item = NewsItem.objects.get()
    assert (item.count, item.number, item.seen_at) == (2, None, None)


def test_order_when_it_ended_before_the_feature_then_no_item(customer, service):
    ended_order(customer, service, at=timezone.now() - timedelta(seconds=1))
    assert collect_news() == 0
    ended_order(customer, service, at=timezone.now())
    assert collect_news() == 1
    assert NewsItem.objects.get().count == 1


def test_round_when_the_panel_stood_still_then_each_takes_a_part(customer, service, started):
    now = timezone.now()
    NewsProgress.objects.update(collected_until=now - 3 * MAX_SPAN)
    ended_order(customer, service, at=now - timedelta(minutes=1))
    assert [collect_news() for _ in range(4)] == [0, 0, 1, 0]


@pytest.mark.django_db(transaction=True)
def test_round_when_killed_at_any_statement_then_the_next_one_completes_it(customer, service, started):
    ended_order(customer, service, at=earlier())
    kills = kill_at_each_statement(collect_news, lambda: None)
    assert kills >= 5
    assert NewsItem.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_round_when_two_run_at_once_then_one_item(customer, service, started):
    for _ in range(3):
        ended_order(customer, service, at=earlier())
    assert [one for one in in_threads(collect_news, collect_news) if isinstance(one, Exception)] == []
    assert [item.count for item in NewsItem.objects.all()] == [3]


def test_round_when_there_is_more_then_no_more_statements(customer, other, service, started):
    def round_of(count: int, at: Any) -> int:
        for number in range(count):
            ended_order((customer, other)[number % 2], service, at=at)
        NewsProgress.objects.update(collected_until=timezone.now() - timedelta(minutes=30))
        with statements() as found:
            assert collect_news()
        return len(found)

    few = round_of(1, earlier())
    assert round_of(20, earlier(SPAN / timedelta(minutes=1))) == few <= 13


def test_refunds_when_posted_then_their_sum(customer, started):
    for number, order in enumerate((17, 17, 18)):
        with transaction.atomic():
            ledger.post(
                wallet_id=make.wallet(customer).pk,
                amount=250_000,
                kind=Entry.Kind.REFUND,
                key=f"test:{number}",
                order_ref=order,
            )
    assert collect_news() == 1
    assert texts(customer) == ["$0.75 was refunded for 2 orders."]


def test_deposits_when_decided_then_an_item_each(customer, started):
    staff = make.owner()
    first, second = make.pending_deposit(customer, "10"), make.pending_deposit(customer, "20")
    approve_deposit(deposit_id=first.pk, credited=10_000_000, actor=staff)
    refuse_deposit(deposit_id=second.pk, reason="No.", actor=staff)
    make.pending_deposit(customer, "30")
    assert collect_news() == 2
    assert sorted(texts(customer)) == ["$10.00 was added to your wallet.", "Your request to add $20.00 was refused."]


def test_refill_when_it_ended_then_an_item(customer, service, started):
    order = ended_order(customer, service, at=timezone.now() - timedelta(days=2))
    Refill.objects.create(order=order, provider=order.provider, state="completed", finished_at=timezone.now())
    Refill.objects.create(order=order, provider=order.provider, state="unfollowed", finished_at=timezone.now())
    collect_news()
    assert texts(customer) == [f"The refill of order {order.pk} was completed: Followers <b>real</b>"]


def test_offers_when_made_then_one_item_that_leads_to_the_orders(customer, service, started):
    orders = [ended_order(customer, service, at=earlier() - timedelta(days=2), status="canceled") for _ in range(2)]
    for count, text, path in (
        (1, f"Our team offers to order {orders[0].pk} again", f"/orders/{orders[0].pk}/"),
        (2, "Our team offers to order 2 canceled orders again.", "/orders/?status=canceled"),
    ):
        OrderEvent.objects.create(order=orders[count - 1], kind=EventKind.OFFER, created_at=span_begin(timezone.now()))
        assert collect_news() == 1
        line = line_of(NewsItem.objects.get(kind="order_offered"))
        assert (line.text[: len(text)], line.path) == (text, path)


def test_price_when_a_favorite_changes_then_told_to_whom_it_is_one(customer, other, service, started):
    Favourite.objects.create(customer=customer, service=service)
    ShelfNews.objects.create(service=service, kind="cheaper", old_price=1_000_000, new_price=880_000)
    ShelfNews.objects.create(service=service, kind="new", new_price=880_000)
    collect_news()
    assert texts(customer) == ["A favorite of yours is cheaper now (−12%): Followers <b>real</b>"]
    assert texts(other) == []


def test_item_when_mails_are_chosen_then_due_once_its_span_is_over(customer, other, service, started):
    choose_mails(customer=customer, paces={"order_ended": "at_once"})
    choose_mails(customer=other, paces={"order_ended": "daily", "refunded": "at_once"})
    at = span_begin(timezone.now())
    for user in (customer, other, make.customer("third@example.org", funds="10")):
        ended_order(user, service, at=at)
    collect_news()
    due = {item.customer_id: item.mail_at for item in NewsItem.objects.all()}
    assert due[customer.pk] == at + SPAN + SETTLED
    assert timezone.localtime(due[other.pk]).hour == 8
    assert sorted(due.values(), key=str)[-1] is None


def test_news_when_old_then_pruned(customer, service, started):
    ended_order(customer, service, at=earlier())
    collect_news()
    assert prune_news() is None
    NewsItem.objects.update(happened_at=timezone.now() - timedelta(days=91))
    assert (prune_news(), prune_news()) == (1, None)
