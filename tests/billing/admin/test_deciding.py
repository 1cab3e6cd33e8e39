"""From the message about a deposit to its decision, and on to the next one."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Deposit
from billing.said_paid import say_paid
from panel.alerts.advice import decision_path, path_about
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.channels.messages import link_of
from panel.ops.watch.business import watch_business
from tests import make
from tests.admin_calls import WHY
from tests.scenes import money_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def deposit(customer):
    return make.pending_deposit(customer, reference="TX 1")


def told_link():
    watch_business()
    return urlsplit(link_of(Alert.objects.get())).path


def approve(client, deposit):
    data = {"seen": "pending", "credited": "100", **WHY}
    return client.post(reverse("admin:billing_deposit_approve", args=[deposit.pk]), data, follow=True)


def test_link_when_opened_then_the_decision_is_filled_in_and_nothing_decided(staff_client, deposit):
    link = told_link()
    assert f"{deposit.code[:4]}-{deposit.code[4:]}" in Alert.objects.get().text
    text = staff_client.get(link).content.decode()
    assert 'value="100"' in text and "Add the money" in text and "Refuse it instead" in text
    assert f"Look for {deposit.code[:4]}-{deposit.code[4:]}." in text
    assert Deposit.objects.get().state == "pending"
    assert approve(staff_client, deposit).status_code == 200
    assert Deposit.objects.get().state == "approved"


def test_page_about_the_alert_when_no_decision_is_named_then_the_same(deposit):
    assert decision_path(Cause.REVIEWS) == path_about(Cause.REVIEWS)
    assert decision_path("gone:7") == path_about("gone:7")
    shown = path_about(Cause.DEPOSIT_WAITS.of(deposit.pk))
    assert shown == reverse("admin:billing_deposit_change", args=[deposit.pk])


def test_link_when_not_signed_in_then_leads_back_after_it(deposit):
    link = told_link()
    answer = Client().get(link)
    assert answer.status_code == 302 and f"next={link}" in answer.url


def test_link_when_a_customer_opens_it_then_nothing_changes(signed_in, deposit, customer):
    assert signed_in.get(told_link()).status_code in (302, 403, 404)
    assert money_of(customer)[0] == 10_000_000


def test_decision_when_another_waits_then_it_is_offered_longest_first(staff_client, deposit, other, customer):
    later, unpaid = make.pending_deposit(other, "50"), make.pending_deposit(customer)
    say_paid(deposit_id=later.pk)
    following = reverse("admin:billing_deposit_decide_next", args=[deposit.pk])
    assert following in approve(staff_client, deposit).content.decode()
    assert staff_client.get(following).url == reverse("admin:billing_deposit_approve", args=[later.pk])
    done = approve(staff_client, later).content.decode()
    assert reverse("admin:billing_deposit_decide_next", args=[later.pk]) not in done
    assert "No deposit waits for you." in staff_client.get(following, follow=True).content.decode()
    unpaid.refresh_from_db()
    assert unpaid.state == "pending"


def test_approval_when_not_said_to_be_paid_then_that_is_told(staff_client, customer):
    deposit = make.pending_deposit(customer)
    text = staff_client.get(reverse("admin:billing_deposit_approve", args=[deposit.pk])).content.decode()
    assert "has not said yet that they sent" in text


def test_list_when_searched_by_our_reference_then_found(staff_client, deposit, other):
    make.pending_deposit(other)
    for query in (deposit.code, f"{deposit.code[:4]}-{deposit.code[4:]}".lower()):
        page = staff_client.get(reverse("admin:billing_deposit_changelist"), {"q": query})
        assert page.context["cl"].result_count == 1, query
