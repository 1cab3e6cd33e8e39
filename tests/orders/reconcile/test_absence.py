"""Orders that were refused in unknown words: refunded at their deadline only if they are surely not there."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db.models import F

from catalog.models import Provider
from catalog.provider_accounts import check_balance
from orders.dispatch.timeouts import meet_deadlines
from orders.models import Order, PlacementAttempt, ProviderMoney
from orders.reckoning.reckon import reckon_provider
from orders.reconcile.absence import is_absent
from orders.reconcile.match import IdWindow
from orders.states import ReviewReason
from panel.alerts.models import Alert
from panel.lib import clock
from panel.sandbox.http import faults
from tests import make
from tests.scenes import create_known_orders, fresh, money_of, pass_deadlines, reconcile_now, submit_now, true_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

A_DAY_LATER = timedelta(hours=25)


@pytest.fixture
def known(upstream, customer, service):
    return create_known_orders(upstream, customer, service)


@pytest.fixture
def refused(upstream, customer, service, known):
    """Return a maker of an order that was refused in unknown words a day ago; `taken`: it was accepted all the same."""

    def refuse(*, taken: bool) -> Order:
        body = json.dumps({"error": "Blarg glitch"}).encode()
        upstream.inject(faults.reply(body=body, action="add", processed=taken))
        order = make.order(customer, service, quantity=70)
        submit_now()
        assert fresh(order).review_reason == ReviewReason.UNKNOWN_ERROR
        pass_a_day()
        return order

    return refuse


def pass_a_day() -> None:
    attempts = PlacementAttempt.objects
    attempts.update(started_at=F("started_at") - A_DAY_LATER, finished_at=F("finished_at") - A_DAY_LATER)
    Order.objects.update(queued_at=F("queued_at") - A_DAY_LATER)
    Order.objects.exclude(review_reason="").update(review_since=clock.now() - A_DAY_LATER)
    Provider.objects.update(paused_until=None, unknown_in_row=0)


def accept_another(upstream, customer, service):
    provider = Provider.objects.get()
    check_balance(provider=provider)
    provider.refresh_from_db()
    reckon_provider(provider=provider)
    upstream.skip_order_ids(3)
    order = make.order(customer, service, quantity=80)
    submit_now()
    assert fresh(order).submission == "placed"


def test_order_when_surely_not_there_then_refunded(upstream, customer, service, refused):
    order = refused(taken=False)
    before = money_of(customer)[0]
    accept_another(upstream, customer, service)
    meet_deadlines()
    assert fresh(order).submission == "in_doubt"
    assert reconcile_now() == 1
    ended = fresh(order)
    assert (ended.submission, ended.status, ended.refunded) == ("refused", "canceled", ended.charge)
    assert "not accepted" in ended.status_note
    assert len(upstream.requests_of("add")) == 5
    assert money_of(customer)[0] > before - order.charge


def test_order_when_the_provider_has_it_after_all_then_bound(upstream, customer, service, refused):
    order = refused(taken=True)
    accept_another(upstream, customer, service)
    meet_deadlines()
    assert reconcile_now() == 1
    assert (fresh(order).submission, fresh(order).upstream_id) == ("placed", true_id(upstream, order))
    assert fresh(order).refunded == 0


def test_order_when_nothing_was_accepted_since_then_the_owner_decides(upstream, customer, refused):
    order = refused(taken=False)
    meet_deadlines()
    assert reconcile_now() == 0
    pass_deadlines()
    meet_deadlines()
    assert (fresh(order).submission, fresh(order).review_reason) == ("in_doubt", ReviewReason.DOUBT)
    assert fresh(order).refunded == 0
    alert = Alert.objects.get(cause="undecided")
    assert alert.level == "danger" and "1 order for" in alert.text


def test_alert_when_all_is_decided_then_resolved(upstream, customer, refused):
    refused(taken=False)
    meet_deadlines()
    Order.objects.update(review_reason="")
    meet_deadlines()
    assert not Alert.objects.filter(cause="undecided", resolved_at=None).exists()


def test_customer_when_the_order_is_looked_at_then_reads_so(client, customer, refused):
    order = refused(taken=False)
    client.force_login(customer)
    page = client.get(f"/orders/{order.pk}/").content.decode()
    assert "We are looking into this order" in page


def test_order_when_sent_twice_then_a_person_decides(upstream, customer, service, refused):
    order = refused(taken=False)
    PlacementAttempt.objects.create(
        order=order, token="x" * 32, outcome="taught", started_at=order.created_at - A_DAY_LATER
    )
    accept_another(upstream, customer, service)
    meet_deadlines()
    assert reconcile_now() == 0
    assert fresh(order).refunded == 0


def test_order_when_our_money_there_is_unknown_then_a_person_decides(upstream, customer, service, refused):
    order = refused(taken=False)
    accept_another(upstream, customer, service)
    ProviderMoney.objects.all().delete()
    meet_deadlines()
    assert reconcile_now() == 0
    assert fresh(order).refunded == 0


def test_order_when_request_ids_work_then_still_not_sent_again(upstream, provider, customer, service, refused):
    refused(taken=False)
    accept_another(upstream, customer, service)
    Provider.objects.update(request_id_parameter="external_id")
    adds = len(upstream.requests_of("add"))
    meet_deadlines()
    reconcile_now()
    assert len(upstream.requests_of("add")) == adds


@pytest.mark.parametrize(
    "changed",
    [{"is_explained": False}, {"orphans": 1}, {"window": IdWindow(10, None, None)}, {"window": None}],
)
def test_absence_when_one_proof_is_missing_then_not_proved(changed):
    proofs = {"is_explained": True, "orphans": 0, "window": IdWindow(10, 20, clock.now())}
    assert is_absent(**proofs)
    assert not is_absent(**{**proofs, **changed})
