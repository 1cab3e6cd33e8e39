"""Rounds over orders in doubt, and sending one again under its request id.

Only an id resolves such an order, and a request id means nothing to another account. `promising.orders()` has the
orders that the sandbox would bill.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from orders.common.backoff import next_search_after
from orders.common.transitions import OrderMoved
from orders.dispatch import submit
from orders.dispatch.submit import claim_next, submit_due_orders
from orders.dispatch.timeouts import expire_leases
from orders.models import Order
from orders.reconcile import worker
from orders.reconcile.worker import reconcile_due_orders, reconcile_provider
from orders.review.decisions import ReviewError, refund_unaccepted, send_again
from orders.states import ReviewReason, Submission
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import (
    Killed,
    at_once,
    count_adds,
    create_in_doubt,
    create_known_orders,
    end_lease,
    fresh,
    money_of,
    nothing_changes,
    pass_deadlines,
    reconcile_now,
    submit_now,
    true_id,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def customer(db: None) -> Any:
    return make.customer("alice@example.org", funds="100")


@pytest.fixture
def known(upstream: SandboxServer, customer: Any, service: Any) -> list[Order]:
    return create_known_orders(upstream, customer, service)


@pytest.fixture
def promising() -> Any:
    """A provider that accepts a request id once."""
    with SandboxServer(key="upstream-key", speed=0, request_ids=True) as server:
        server.set_service(1, rate="2", min=10, max=10_000, type="Default")
        yield server


@pytest.fixture
def prompt(promising: SandboxServer, db: None) -> Provider:
    return make.provider(url=promising.url, api_key=promising.key, request_id_parameter="request_id")


def request_ids(upstream: SandboxServer) -> list[str]:
    return [one.params["request_id"] for one in upstream.requests_of("add")]


@pytest.mark.parametrize("accepted", [True, False])
def test_request_id_when_answer_lost_then_retry_makes_no_duplicate(promising, prompt, customer, accepted):
    order = create_in_doubt(promising, customer, make.service(prompt), accepted=accepted)
    assert reconcile_now() == 1
    [there] = promising.orders()
    assert (fresh(order).submission, fresh(order).upstream_id) == (Submission.ACCEPTED, str(there.id))
    assert len(set(request_ids(promising))) == 1
    assert (count_adds(promising), money_of(customer)[0]) == (2, 99_750_000)
    assert Provider.objects.get().paused_until is None


def test_request_id_when_orders_are_sent_then_each_has_its_own(promising, prompt, customer):
    of = make.service(prompt)
    for _ in range(3):
        make.order(customer, of)
    submit_now()
    assert len(set(request_ids(promising))) == len(promising.orders()) == 3


@pytest.mark.parametrize(
    "text", ["Not enough funds on balance", "Incorrect service ID", "Bad link", "Odd words", "Invalid API key"]
)
def test_repetition_when_refused_then_the_order_stays_in_doubt(promising, prompt, customer, text):
    """The service was switched off meanwhile: the refusal says nothing about the first attempt."""
    order = create_in_doubt(promising, customer, make.service(prompt))
    promising.inject(faults.reply(body=b'{"error": "%s"}' % text.encode(), action="add"))
    until, balance = fresh(order).doubt_until, money_of(customer)
    assert reconcile_now() == 0
    assert (fresh(order).submission, fresh(order).doubt_until) == (Submission.IN_DOUBT, until)
    assert money_of(customer) == balance
    # From the first attempt; a repetition counts no failure.
    assert (Provider.objects.get().failures_in_row, Provider.objects.get().pause_count) == (1, 0)
    assert reconcile_now() == 1
    assert len(set(request_ids(promising))) == 1
    assert len(promising.orders()) == 1


@pytest.mark.parametrize("is_searched", [True, False])
@pytest.mark.usefixtures("frozen_clock")
def test_repetition_when_never_answered_then_first_deadline_kept(promising, prompt, customer, is_searched):
    Provider.objects.update(probes_ids=is_searched)
    order = create_in_doubt(promising, customer, make.service(prompt))
    promising.inject(faults.drop_after("add", times=None))
    until = fresh(order).doubt_until
    for _ in range(4):
        reconcile_now()
        due = fresh(order).next_action_at
        assert due > timezone.now() + timedelta(seconds=10)
    assert (fresh(order).submission, fresh(order).doubt_until) == (Submission.IN_DOUBT, until)
    assert fresh(order).review_reason == ""
    pass_deadlines()
    assert fresh(order).review_reason == ReviewReason.DOUBT
    sent = count_adds(promising)
    assert reconcile_now() == 0
    assert (count_adds(promising), len(promising.orders())) == (sent, 1)


def test_repetition_when_worker_dies_then_id_and_deadline_are_kept(promising, prompt, customer, monkeypatch):
    order = create_in_doubt(promising, customer, make.service(prompt))
    until = fresh(order).doubt_until

    def die(**values: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(worker, "send_add", die)
        with pytest.raises(Killed):
            reconcile_now()
    assert fresh(order).submission == Submission.SUBMITTING
    end_lease(order)
    expire_leases()
    assert (fresh(order).submission, fresh(order).doubt_until) == (Submission.IN_DOUBT, until)
    assert reconcile_now() == 1
    assert len(promising.orders()) == 1


@pytest.mark.parametrize("change", ["key", "url", "parameter", "off", "never sent with one"])
def test_request_id_when_provider_cannot_know_it_then_not_repeated(promising, prompt, customer, change):
    """To another account, or under another parameter, the order would be new and created twice."""
    with SandboxServer(key="other-key", speed=0, request_ids=True) as elsewhere:
        if change == "never sent with one":
            Provider.objects.update(request_id_parameter="")
        order = create_in_doubt(promising, customer, make.service(prompt))
        provider = Provider.objects.get()
        if change == "key":
            make.set_api_key(provider=provider, api_key="another")
            provider.save()
        values = {
            "url": {"api_url": elsewhere.url},
            "parameter": {"request_id_parameter": "idempotency_key"},
            "off": {"is_active": False},
            "never sent with one": {"request_id_parameter": "request_id"},
        }.get(change)
        if values:
            Provider.objects.update(**values)
        sent = count_adds(promising)
        assert reconcile_now() == 0
        assert (count_adds(promising), count_adds(elsewhere)) == (sent, 0)
        assert fresh(order).submission == Submission.IN_DOUBT


def test_request_id_when_accepted_twice_then_request_ids_disabled(upstream, provider, customer, service):
    """The owner set up that the provider accepts a request id once, but it does not."""
    Provider.objects.update(request_id_parameter="request_id")
    create_known_orders(upstream, customer, service)
    create_in_doubt(upstream, customer, service)
    assert reconcile_now() == 1
    assert len([one for one in upstream.orders() if one.quantity == 100]) == 2
    assert Provider.objects.get().request_id_parameter == ""
    alert = Alert.objects.get(cause=f"provider:{provider.pk}:request-ids")
    assert str(min(one.id for one in upstream.orders() if one.quantity == 100)) in alert.text
    second = create_in_doubt(upstream, customer, service, quantity=300)
    reconcile_now()
    assert len([one for one in upstream.orders() if one.quantity == 300]) == 1
    assert fresh(second).upstream_id == true_id(upstream, second)


def test_promise_when_another_recorded_meanwhile_then_no_duplicate(promising, prompt, customer, other, monkeypatch):
    """Its id was at the provider and not yet recorded here, so a provider that keeps its promise raised an alert."""
    service = make.service(prompt)
    create_known_orders(promising, customer, service)
    order = create_in_doubt(promising, customer, service)
    rival = make.order(other, service)
    record, others, finish = submit.record_outcome, worker._others, []

    def recorded_just_before(*args: Any) -> Any:
        while finish:
            finish.pop()()
        return others(*args)

    def while_the_other_is_sent(**values: Any) -> bool:
        if values["order"].pk == rival.pk:
            finish.append(lambda: record(**values))
            return True
        return record(**values)

    monkeypatch.setattr(submit, "record_outcome", while_the_other_is_sent)
    monkeypatch.setattr(worker, "_others", recorded_just_before)
    Provider.objects.update(max_parallel_adds=2)
    submit_now()
    assert fresh(rival).submission == Submission.SUBMITTING
    assert reconcile_now() == 1
    assert (fresh(order).submission, fresh(rival).submission) == (Submission.ACCEPTED, Submission.ACCEPTED)
    assert Provider.objects.get().request_id_parameter == "request_id"
    assert not Alert.objects.filter(cause__endswith=":request-ids").exists()


def test_promise_when_another_order_is_in_doubt_then_no_duplicate(promising, prompt, customer, other):
    """Until it is repeated too, its id is unknown and could be a duplicate of the first."""
    service = make.service(prompt)
    create_known_orders(promising, customer, service)
    doubts = [create_in_doubt(promising, customer, service), create_in_doubt(promising, other, service)]
    assert reconcile_now() == 2
    assert {fresh(one).submission for one in doubts} == {Submission.ACCEPTED}
    assert Provider.objects.get().request_id_parameter == "request_id"


def test_request_id_when_staff_requeue_the_order_then_unchanged(promising, prompt, customer, staff):
    """Staff believed that the order was not accepted. It was, and the provider knows its request id."""
    order = create_in_doubt(promising, customer, make.service(prompt))
    send_again(order=order, actor=staff)
    submit_now()
    assert len(set(request_ids(promising))) == 1
    assert fresh(order).upstream_id == str(promising.orders()[0].id)


def test_request_id_when_refused_for_now_then_next_try_has_new_one(promising, prompt, customer):
    """Nothing was accepted, so nothing is repeated. Some providers answer a known id with its first error for ever."""
    order = make.order(customer, make.service(prompt))
    promising.inject(faults.reply(body=b'{"error": "Not enough funds on balance"}', action="add"))
    submit_now()
    submit_now()
    assert fresh(order).submission == Submission.ACCEPTED
    assert len(set(request_ids(promising))) == 2


def test_repetition_when_the_lane_is_taken_then_it_waits(promising, prompt, customer):
    of = make.service(prompt)
    order = create_in_doubt(promising, customer, of)
    make.order(customer, of, quantity=50)
    Provider.objects.update(paused_until=None)
    assert claim_next(provider_id=prompt.pk) is not None
    sent = count_adds(promising)
    assert reconcile_now() == 0
    assert count_adds(promising) == sent
    assert fresh(order).submission == Submission.IN_DOUBT


@pytest.mark.django_db(transaction=True)
def test_repetition_when_many_workers_search_then_one_sends(promising, prompt, customer):
    order = create_in_doubt(promising, customer, make.service(prompt))
    Order.objects.update(next_action_at=timezone.now())
    at_once(6, lambda number: reconcile_provider(provider=Provider.objects.get()))
    assert count_adds(promising) == 2
    assert fresh(order).upstream_id == str(promising.orders()[0].id)


def test_repetition_when_staff_decide_meanwhile_then_it_is_not_sent(promising, prompt, customer, staff):
    order = create_in_doubt(promising, customer, make.service(prompt))
    seen = fresh(order)
    assert submit.claim_repetition(order=fresh(order)) is not None
    with nothing_changes(), pytest.raises((OrderMoved, ReviewError)):
        refund_unaccepted(order=seen, note="x", actor=staff)
    end_lease(order)
    expire_leases()
    assert submit.claim_repetition(order=seen) is None  # Another repetition was sent meanwhile.
    refund_unaccepted(order=fresh(order), note="x", actor=staff)
    assert submit.claim_repetition(order=fresh(order)) is None
    assert submit_due_orders() == 0


# -- rounds -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("frozen_clock")
def test_searches_when_nothing_is_found_then_their_waits_double(upstream, customer, service, known):
    elapsed, waits = timedelta(0), []
    while elapsed < timedelta(minutes=30):
        waits.append(next_search_after(elapsed).total_seconds())
        elapsed += timedelta(seconds=waits[-1])
    assert waits == [15, 30, 60, 120, 240, 480, 960]
    order = create_in_doubt(upstream, customer, service, accepted=False)
    assert reconcile_due_orders() == 0
    assert order.submission_attempts.get().searches == 0  # The first search is due in 15 seconds.
    began = timezone.now() - timedelta(minutes=10)
    order.submission_attempts.update(started_at=began)
    Order.objects.filter(pk=order.pk).update(queued_at=began, next_action_at=timezone.now())
    reconcile_due_orders()
    assert order.submission_attempts.get().searches == 1
    wait = fresh(order).next_action_at - timezone.now()
    assert timedelta(minutes=10) < wait < timedelta(minutes=10, seconds=20)


def test_order_in_doubt_when_a_worker_searches_then_no_other_does(upstream, customer, service, known, monkeypatch):
    create_in_doubt(upstream, customer, service)
    search_for, due_meanwhile = worker.search_for, []

    def search_while_others_are_free(**values: Any) -> int:
        due_meanwhile.extend(worker.providers_with_due_doubts())
        return search_for(**values)

    monkeypatch.setattr(worker, "search_for", search_while_others_are_free)
    assert reconcile_now() == 1
    assert due_meanwhile == []


def test_orders_in_doubt_when_a_provider_is_down_then_others_found(upstream, customer, service, known):
    order = create_in_doubt(upstream, customer, service)
    dead = make.provider(name="Dead")
    stuck = make.order(customer, make.service(dead))
    Order.objects.filter(pk=stuck.pk).update(
        submission=Submission.IN_DOUBT, doubt_until=timezone.now() + timedelta(minutes=9), claim_token="x"
    )
    assert reconcile_now() == 1
    assert (fresh(order).submission, fresh(stuck).submission) == (Submission.ACCEPTED, Submission.IN_DOUBT)


@pytest.mark.parametrize("values", [{"is_active": False}, {"paused_until": "2999-01-01T00:00:00Z"}])
def test_order_in_doubt_when_provider_is_off_or_paused_then_found(upstream, customer, service, known, values):
    order = create_in_doubt(upstream, customer, service)
    Provider.objects.update(**values)
    assert reconcile_now() == 1
    assert fresh(order).submission == Submission.ACCEPTED


@pytest.mark.django_db(transaction=True)
def test_order_in_doubt_when_many_workers_search_then_bound_once(upstream, provider, customer, service, known):
    order = create_in_doubt(upstream, customer, service)
    Order.objects.filter(pk=order.pk).update(next_action_at=timezone.now())
    results = at_once(4, lambda number: reconcile_provider(provider=Provider.objects.get(pk=provider.pk)))
    assert sorted(results) == [0, 0, 0, 1]
    assert fresh(order).upstream_id == true_id(upstream, order)
    assert fresh(order).events.filter(new=Submission.ACCEPTED).count() == 1


@pytest.mark.parametrize("minutes", [1, 10_080])
def test_next_search_when_setting_changed_then_before_the_deadline(upstream, customer, service, settings, minutes):
    """From the deadline alone the doubt seemed a week old, and the next search was due after a week."""
    order = create_in_doubt(upstream, customer, service)
    settings.DOUBT_DEADLINE_MINUTES = minutes
    for _ in range(2):
        reconcile_now()
        again = fresh(order)
        assert timezone.now() < again.next_action_at < again.doubt_until
        assert again.next_action_at - timezone.now() < timedelta(minutes=1)
