"""The page "Needs you": what a decision does, what follows it, and two people at one queue."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse
from django.utils import timezone

from billing.models import Deposit
from billing.wallets import wallet_of
from orders.models import Order, OrderPoll
from panel.accounts.roles import SUPPORT, set_up_roles
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.ops.needs_you.queue import first_items
from panel.staff.models import SecondLook, StaffLimit
from tests import make
from tests.panel.ops.needs_you.conftest import deposit, late, one_of_each, review, url_of
from tests.panel.routes.shop import with_role

pytestmark = pytest.mark.django_db

PAGE = reverse("needs_you")
# What the customer has before.
HELD = make.micros("10")


def fields(page, key):
    """Return what the form of a choice sends as it stands."""
    choice = next(one for one in page.context["choices"].all if one.key == key)
    values = {field.html_name: field.value() for field in choice.fields}
    return dict(choice.hidden) | {name: value for name, value in values.items() if value is not None}


def texts(response):
    return [str(one) for one in get_messages(response.wsgi_request)]


def balance(user):
    return wallet_of(customer=user).balance


def test_page_when_one_of_each_kind_waits_then_each_opens_and_nothing_is_decided(staff, staff_client, customer, sold):
    one_of_each(customer, sold)
    items = first_items(staff, later=(), count=20)
    assert staff_client.get(PAGE).url == items[0].url
    for item in items:
        page = staff_client.get(item.url)
        assert page.context["choices"].all, item.kind.key
        assert page.context["evidence"], item.kind.key
        assert "12 of 12 left" in page.content.decode()
    assert [one.key for one in first_items(staff, later=(), count=20)] == [one.key for one in items]


def test_decision_when_made_then_the_next_opens_and_says_what_was_done(staff, staff_client, customer):
    first, second = deposit(customer, "50"), deposit(customer, "70")
    page = staff_client.get(url_of("deposit", first))
    answer = staff_client.post(url_of("deposit", first), fields(page, "approve"))
    assert answer.url == url_of("deposit", second)
    following = staff_client.get(answer.url)
    assert "$50.00 was added to the wallet of alice@example.org." in texts(following)
    assert "1 of 2 left" in following.content.decode()
    assert balance(customer) == HELD + make.micros("50")
    answer = staff_client.post(answer.url, fields(following, "approve"))
    assert answer.url == PAGE
    assert "Nothing waits for you" in staff_client.get(PAGE).content.decode()


def test_page_when_more_wait_than_are_counted_then_says_so(staff_client, customer, monkeypatch):
    first, _ = deposit(customer, "50"), deposit(customer, "70")
    monkeypatch.setattr("panel.ops.needs_you.queue.MAX_COUNTED", 1)
    page = staff_client.get(url_of("deposit", first)).content.decode()
    assert "1+ left" in page and "of 1 left" not in page


def test_late_orders_when_asked_about_then_put_off_and_polled(staff_client, customer, sold):
    counted, order = late(sold), make.accepted_order(customer, sold)
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(days=2))
    type(sold).objects.filter(pk=sold.pk).update(late_hours=1)
    OrderPoll.objects.filter(order=order).update(due_at=timezone.now() + timedelta(hours=5))
    page = staff_client.get(url_of("late", counted))
    assert page.context["item"].line.amount == "$2.50" and "Open the list" in page.content.decode()
    answer = staff_client.post(url_of("late", counted), fields(page, "ask_late"))
    assert any("is asked about 1 late order of" in text for text in texts(answer))
    assert OrderPoll.objects.get(order=order).due_at <= timezone.now()
    assert balance(customer) == HELD - order.charge


def test_line_when_an_amount_has_millionths_then_rounded_and_exact_as_evidence(staff_client, customer):
    one = deposit(customer, "50.123456")
    page = staff_client.get(url_of("deposit", one))
    assert page.context["item"].line.amount == "$50.12"
    assert "sent $50.123456 by" in page.content.decode()


def test_decision_when_a_colleague_was_faster_then_told_by_whom_and_the_next(staff_client, signed_in, customer):
    other = signed_in(make.owner("other@example.org"))
    first, second = deposit(customer, "50"), deposit(customer, "70")
    address = url_of("deposit", first)
    seen = fields(other.get(address), "approve")
    staff_client.post(address, fields(staff_client.get(address), "approve"))
    answer = other.post(address, seen)
    assert answer.url == url_of("deposit", second)
    [text] = texts(answer)
    decided_by = Deposit.objects.get(pk=first.pk).decided_by
    assert f"It was decided by {decided_by} already. Nothing more was done." in text
    assert balance(customer) == HELD + make.micros("50")
    assert other.get(address).status_code == 302


def test_decision_when_a_form_is_wrong_then_its_errors_and_nothing_done(staff_client, customer):
    waiting = deposit(customer)
    address = url_of("deposit", waiting)
    page = staff_client.post(address, fields(staff_client.get(address), "refuse") | {"reason": ""})
    refused = next(one for one in page.context["choices"].all if one.key == "refuse")
    assert refused.form.errors["reason"] and refused.needs_typing
    approve = next(one for one in page.context["choices"].all if one.key == "approve")
    assert not approve.form.is_bound
    assert Deposit.objects.get().state == Deposit.State.PENDING


def test_decision_when_the_state_that_was_seen_is_gone_then_nothing_done(staff_client, customer, sold):
    order = review(customer, sold)
    address = url_of("review", order)
    sent = fields(staff_client.get(address), "dismiss") | {"note": "All is well."}
    Order.objects.filter(pk=order.pk).update(review_note="y", review_reason="lost_upstream")
    page = staff_client.post(address, sent)
    assert any("changed" in error for choice in page.context["choices"].all for error in choice.errors)
    assert Order.objects.get().review_reason == "lost_upstream"


def test_decision_when_above_the_limit_then_it_waits_at_the_end(staff_client, signed_in, customer):
    set_up_roles()
    StaffLimit.objects.update_or_create(role="Manager", kind="deposit", defaults={"at_once": 1, "a_day": 1})
    manager = signed_in(with_role("Manager"))
    first, second = deposit(customer, "50"), deposit(customer, "70")
    address = url_of("deposit", first)
    answer = manager.post(address, fields(manager.get(address), "approve"))
    assert answer.url == url_of("deposit", second)
    assert SecondLook.objects.count() == 1 and balance(customer) == HELD
    assert [item.obj.pk for item in manager.get(answer.url).context["following"]] == [first.pk]
    assert manager.get(PAGE).url == url_of("deposit", second)


def test_later_when_chosen_then_the_others_come_first(staff_client, customer):
    first, second = deposit(customer, "50"), deposit(customer, "70")
    answer = staff_client.post(reverse("needs_you_later", args=["deposit", first.pk]))
    assert answer.url == url_of("deposit", second)
    assert staff_client.get(PAGE).url == url_of("deposit", second)
    assert staff_client.post(reverse("needs_you_later", args=["deposit", second.pk])).url == url_of("deposit", first)


def test_item_when_not_for_the_person_then_refused(signed_in, customer, sold):
    set_up_roles()
    support = signed_in(with_role(SUPPORT))
    waiting = deposit(customer)
    assert support.get(url_of("deposit", waiting)).status_code == 403
    assert support.post(url_of("deposit", waiting), {"page": "approve"}).status_code == 403
    assert support.get(f"{PAGE}nothing/1/").status_code == 404
    assert Deposit.objects.get().state == Deposit.State.PENDING


def test_item_when_a_page_is_no_choice_then_nothing_done(staff_client, customer):
    waiting = deposit(customer)
    for page in ("delete_view", "changelist_view", ""):
        assert staff_client.post(url_of("deposit", waiting), {"page": page}).url == url_of("deposit", waiting)
    assert Deposit.objects.get().state == Deposit.State.PENDING


def test_alert_when_marked_as_resolved_then_it_is_closed_once(staff, staff_client, customer, sold):
    one_of_each(customer, sold)
    alert = Alert.objects.get(cause=Cause.LEDGER)
    address = url_of("urgent", alert)
    staff_client.post(address, fields(staff_client.get(address), "resolve_one"))
    assert Alert.objects.get(pk=alert.pk).resolved_at
    [text] = texts(staff_client.get(address))[-1:]
    assert "decided by you already" in text
