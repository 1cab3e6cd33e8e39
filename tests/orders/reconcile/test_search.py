"""Searching for orders in doubt over real HTTP: they are bound, or left to staff with evidence.

`upstream.orders()` has the orders that the sandbox accepted and would bill; no binding may contradict it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from catalog.models import Provider, Service, UpstreamService
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import NOT_ASKED, RowError
from orders.dispatch import submit
from orders.dispatch.timeouts import expire_leases
from orders.models import Order, PlacementAttempt
from orders.reconcile import findings, search
from orders.review.decisions import ReviewError, refund_unaccepted
from orders.states import ReviewReason, Submission
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import (
    Killed,
    count_adds,
    create_in_doubt,
    create_known_orders,
    end_lease,
    fresh,
    money_of,
    nothing_changes,
    pass_deadlines,
    poll_now,
    reconcile_now,
    refunds_of,
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


def order_outside_the_panel(upstream: SandboxServer, *, quantity: int) -> None:
    """Create an order with our key that the panel does not know."""
    form = {"key": upstream.key, "action": "add", "service": "1", "link": "https://example.com/h", "quantity": quantity}
    assert "order" in requests.post(upstream.url, data=form, timeout=5).json()


def evidence(order: Order) -> PlacementAttempt:
    found = findings.evidence_attempt(order)
    assert found is not None
    return found


# -- found by its id ---------------------------------------------------------------------------------


def test_order_in_doubt_when_accepted_then_it_is_found_and_polled(upstream, customer, service, known):
    order = create_in_doubt(upstream, customer, service)
    balance = money_of(customer)
    assert reconcile_now() == 1
    bound = fresh(order)
    assert (bound.submission, bound.upstream_id) == (Submission.ACCEPTED, true_id(upstream, order))
    assert (bound.doubt_until, bound.next_action_at, bound.review_reason) == (None, None, "")
    assert bound.next_check_at is not None
    assert money_of(customer) == balance
    assert (count_adds(upstream), len(upstream.orders())) == (4, 4)
    assert "is this order" in evidence(order).search_note
    upstream.set_order(int(bound.upstream_id), status="Partial", remains=50, charge="0.1")
    poll_now()
    assert refunds_of(order) == [125_000]


def test_order_in_doubt_when_not_accepted_then_it_goes_to_review(upstream, customer, service, known):
    order = create_in_doubt(upstream, customer, service, accepted=False)
    for _ in range(3):
        assert reconcile_now() == 0
    assert fresh(order).review_reason == ""
    assert "none of them" in evidence(order).search_note
    pass_deadlines()
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.IN_DOUBT, ReviewReason.DOUBT)
    upstream.clear_requests()
    assert reconcile_now() == 0
    assert upstream.requests == []  # It is in review now.


def test_order_in_doubt_when_worker_died_after_sending_then_found(upstream, customer, service, known, monkeypatch):
    order = make.order(customer, service)

    def die(**values: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(submit, "record_outcome", die)
        patch.setattr(submit, "keep_evidence", die)
        with pytest.raises(Killed):
            submit_now()
    end_lease(order)
    expire_leases()
    assert reconcile_now() == 1
    assert fresh(order).upstream_id == true_id(upstream, order)


def test_order_in_doubt_when_later_id_known_then_search_ends_there(upstream, customer, service, known):
    order = create_in_doubt(upstream, customer, service)
    upstream.skip_order_ids(30)
    later = make.order(customer, service, quantity=70)
    submit_now()
    upstream.clear_requests()
    assert reconcile_now() == 1
    polled = [int(one) for call in upstream.requests_of("status")[1:] for one in call.params["orders"].split(",")]
    assert min(polled) > int(fresh(known[-1]).upstream_id)
    assert max(polled) < int(fresh(later).upstream_id)
    assert fresh(order).upstream_id == true_id(upstream, order)


def test_orders_in_doubt_when_of_two_sizes_then_each_is_found(upstream, customer, service, known):
    first = create_in_doubt(upstream, customer, service, quantity=100)
    second = create_in_doubt(upstream, customer, service, quantity=300)
    assert reconcile_now() == 2
    assert fresh(first).upstream_id == true_id(upstream, first)
    assert fresh(second).upstream_id == true_id(upstream, second)


def test_order_when_the_rate_rose_before_it_was_sent_then_found(upstream, customer, service, known):
    """The rate rose at the provider and was imported only after the sending: a true match read "Does not agree"."""
    upstream.set_service(1, rate="2.4")
    order = create_in_doubt(upstream, customer, service, quantity=1_000)
    assert reconcile_now() == 0
    [shown] = evidence(order).orphans
    assert (shown["agrees"], shown["remains_agree"]) == (False, True)
    UpstreamService.objects.update(rate=make.micros("2.4"))
    make.reprice(services=Service.objects.all())
    assert reconcile_now() == 1
    assert fresh(order).upstream_id == true_id(upstream, order)


def test_orders_in_doubt_when_of_one_size_then_nothing_is_bound(upstream, customer, other, service, known):
    """With two customers' orders swapped, one is refunded by the other's status."""
    first = create_in_doubt(upstream, customer, service)
    second = create_in_doubt(upstream, other, service)
    for _ in range(2):
        assert reconcile_now() == 0
    pass_deadlines()
    assert {fresh(one).review_reason for one in (first, second)} == {ReviewReason.DOUBT}
    shown = evidence(first).orphans
    assert [one["agrees"] for one in shown] == [True, True]
    assert {one["id"] for one in shown} == {str(one.id) for one in upstream.orders()[-2:]}


@pytest.mark.parametrize("accepted", [True, False])
def test_order_in_doubt_when_another_orphan_is_near_then_not_bound(upstream, customer, service, known, accepted):
    order = create_in_doubt(upstream, customer, service, accepted=accepted)
    order_outside_the_panel(upstream, quantity=777)
    assert reconcile_now() == 0
    assert "777" in str(evidence(order).orphans)
    upstream.inject(faults.drop_before("status", times=None))
    assert reconcile_now() == 0
    assert "could not be asked" in evidence(order).search_note
    assert "777" in str(evidence(order).orphans)  # The earlier result is kept.


def test_order_in_doubt_when_an_id_is_not_answered_then_not_bound(upstream, customer, service, known):
    """The id without an answer may be the order, and the one with an answer another's."""
    order = create_in_doubt(upstream, customer, service)
    order_outside_the_panel(upstream, quantity=100)
    upstream.set_order(upstream.orders()[-1].id, omitted=True)
    assert reconcile_now() == 0
    assert "every id" in evidence(order).search_note
    assert fresh(order).submission == Submission.IN_DOUBT


def test_order_in_doubt_when_refunded_then_id_not_bound_to_another(upstream, customer, other, service, known, staff):
    """Staff refunded the first; that the provider has it must not resolve a second of the same size."""
    first = create_in_doubt(upstream, customer, service)
    refund_unaccepted(order=first, note="We could not place it", actor=staff)
    second = create_in_doubt(upstream, other, service, accepted=False)
    assert reconcile_now() == 0
    assert fresh(second).submission == Submission.IN_DOUBT


def test_search_when_another_order_is_being_sent_then_id_not_bound(
    upstream, provider, customer, other, service, known, monkeypatch
):
    """Its id is at the provider before it is recorded here, so it looks like an orphan."""
    doubt = create_in_doubt(upstream, customer, service, accepted=False)
    rival = make.order(other, service)
    searched = []
    record = submit.record_outcome

    def search_first(**values: Any) -> bool:
        searched.append(reconcile_now())
        return record(**values)

    monkeypatch.setattr(submit, "record_outcome", search_first)
    submit_now()
    assert searched == [0]
    assert fresh(rival).upstream_id == true_id(upstream, rival)
    assert fresh(doubt).submission == Submission.IN_DOUBT
    assert reconcile_now() == 0


def test_search_when_another_is_recorded_meanwhile_then_not_bound(
    upstream, provider, customer, other, service, known, monkeypatch
):
    """If known ids were read first, its id would be unknown and the order no candidate any more."""
    doubt = create_in_doubt(upstream, customer, service, accepted=False)
    rival = make.order(other, service)
    record, candidates_of = submit.record_outcome, search.candidates_of
    searched = []

    def search_first(**values: Any) -> bool:
        def recorded_just_before(**arguments: Any) -> Any:
            monkeypatch.setattr(search, "candidates_of", candidates_of)
            record(**values)
            return candidates_of(**arguments)

        monkeypatch.setattr(search, "candidates_of", recorded_just_before)
        monkeypatch.setattr(search, "calibrate", lambda **arguments: None)
        searched.append(reconcile_now())
        return True

    monkeypatch.setattr(submit, "record_outcome", search_first)
    submit_now()
    assert searched == [0]
    assert evidence(doubt).orphans == []
    assert fresh(rival).upstream_id == true_id(upstream, rival)
    assert fresh(doubt).submission == Submission.IN_DOUBT


def test_search_when_another_is_sent_meanwhile_then_not_bound(
    upstream, provider, customer, other, service, known, monkeypatch
):
    """If candidates were read first, its id would be at the provider with no candidate to explain it."""
    doubt = create_in_doubt(upstream, customer, service, accepted=False)
    rival = make.order(other, service)
    ask, record = search.ProviderIds.ask, submit.record_outcome
    answers: list[dict[str, Any]] = []

    def not_recorded_yet(**values: Any) -> bool:
        answers.append(values)
        return True

    def sent_just_before(ids: search.ProviderIds, low: int, high: int) -> bool:
        monkeypatch.setattr(search.ProviderIds, "ask", ask)
        submit_now()
        return ask(ids, low, high)

    monkeypatch.setattr(submit, "record_outcome", not_recorded_yet)
    monkeypatch.setattr(search.ProviderIds, "ask", sent_just_before)
    assert reconcile_now() == 0
    [answer] = answers
    record(**answer)
    assert fresh(rival).upstream_id == true_id(upstream, rival)
    assert fresh(doubt).submission == Submission.IN_DOUBT


def test_late_answer_when_search_found_the_order_then_stays_bound(upstream, customer, service, known, monkeypatch):
    order = make.order(customer, service)
    record = submit.record_outcome

    def late(**values: Any) -> bool:
        end_lease(order)
        expire_leases()
        assert reconcile_now() == 1
        with nothing_changes():
            return record(**values)

    monkeypatch.setattr(submit, "record_outcome", late)
    submit_now()
    assert fresh(order).upstream_id == true_id(upstream, order)
    assert not Alert.objects.filter(cause__endswith=":late").exists()


def test_search_when_providers_share_account_then_both_ids_known(upstream, provider, customer, other, service, known):
    same_account = make.provider(name="Twin", url=upstream.url, api_key=upstream.key)
    same = make.service(same_account, external_id="1")
    order = create_in_doubt(upstream, customer, service, accepted=False)
    accepted = make.order(other, same)
    submit_now()
    assert fresh(accepted).submission == Submission.ACCEPTED
    assert reconcile_now() == 0
    assert fresh(order).submission == Submission.IN_DOUBT


def test_search_when_staff_decide_meanwhile_then_decision_is_kept(
    upstream, customer, service, known, staff, monkeypatch
):
    order = create_in_doubt(upstream, customer, service)
    match = search.sole_match

    def meanwhile(**values: Any) -> int | None:
        refund_unaccepted(order=fresh(order), note="We could not place it", actor=staff)
        return match(**values)

    monkeypatch.setattr(search, "sole_match", meanwhile)
    assert reconcile_now() == 0
    assert (fresh(order).submission, fresh(order).upstream_id) == (Submission.REFUSED, None)


# -- where ids cannot be trusted ---------------------------------------------------------------------


def status_of_everything(params: Any) -> Any:
    """A provider that answers for every id."""
    return {
        one: {"charge": "0.2", "status": "Pending", "remains": "777", "start_count": "1", "currency": "USD"}
        for one in params["orders"].split(",")
    }


def status_of_every_order(params: Any) -> Any:
    """A provider that answers for every order, whoever's it is."""
    denied = {"error": "Incorrect order ID"}
    return {one: denied if int(one) > 10**9 else row for one, row in status_of_everything(params).items()}


def status_of_ours_only(upstream: SandboxServer) -> Any:
    """A provider that leaves ids out of its answer that are not ours."""
    answer = upstream.api._status

    def trimmed(params: Any) -> Any:
        return {one: row for one, row in answer(params).items() if "error" not in row}

    return trimmed


@pytest.mark.parametrize("fault", ["answers for all", "answers for others", "leaves out", "refuses the list"])
def test_search_when_ids_of_others_answered_then_order_in_review(
    upstream, provider, customer, service, known, monkeypatch, fault
):
    order = create_in_doubt(upstream, customer, service)
    answers = {
        "answers for all": status_of_everything,
        "answers for others": status_of_every_order,
        "leaves out": status_of_ours_only(upstream),
        "refuses the list": lambda params: {"error": "Incorrect order ID"},
    }
    monkeypatch.setitem(upstream.api._actions, "status", answers[fault])
    assert reconcile_now() == 0
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.IN_DOUBT, ReviewReason.DOUBT)
    provider.refresh_from_db()
    assert provider.probe_works is False
    assert provider.probe_note == fresh(order).review_note == evidence(order).search_note


@pytest.mark.parametrize("ids", [["ord_a", "ord_b", "ord_c"], ["905", "17", "402"], ["0017", "0018", "0019"]])
def test_search_when_ids_do_not_count_up_then_order_goes_to_review(upstream, customer, service, ids):
    for number, upstream_id in enumerate(ids):
        make.order(customer, service, quantity=40 + number)
        upstream.inject(faults.reply(body=b'{"order": "%s"}' % upstream_id.encode(), action="add"))
        submit_now()
    assert Order.objects.filter(submission=Submission.ACCEPTED).count() == 3
    order = create_in_doubt(upstream, customer, service)
    upstream.clear_requests()
    assert reconcile_now() == 0
    assert fresh(order).review_reason == ReviewReason.DOUBT
    assert upstream.requests_of("status") == []


def test_search_when_too_few_ids_are_known_then_the_order_waits(upstream, customer, service):
    make.order(customer, service, quantity=30)
    submit_now()
    order = create_in_doubt(upstream, customer, service)
    assert reconcile_now() == 0
    assert fresh(order).review_reason == ""
    create_known_orders(upstream, customer, service)
    assert reconcile_now() == 1
    assert fresh(order).upstream_id == true_id(upstream, order)


def test_search_when_known_orders_are_denied_then_nothing_is_bound(upstream, provider, customer, service, known):
    """The key belongs to another account now, so an id that it denies may still be the order's."""
    order = create_in_doubt(upstream, customer, service)
    for one in known:
        upstream.set_order(int(fresh(one).upstream_id), omitted=True)
    assert reconcile_now() == 0
    assert fresh(order).review_reason == ""
    assert "surely ours" in evidence(order).search_note


def test_search_when_provider_is_asked_singly_then_found_all_the_same(upstream, customer, service, known):
    order = create_in_doubt(upstream, customer, service)
    Provider.objects.update(dialect={"asks_singly": True})
    assert reconcile_now() == 1
    assert fresh(order).upstream_id == true_id(upstream, order)
    assert not any("orders" in request.params for request in upstream.requests_of("status"))


def test_search_when_singly_and_time_runs_out_then_not_given_up(upstream, customer, service, known, monkeypatch):
    """Ids that were not asked about say nothing about how the provider answers."""
    order = create_in_doubt(upstream, customer, service)
    statuses = UpstreamClient.statuses

    def few(client: UpstreamClient, ids: list[str]) -> Any:
        rest = {one: RowError(one, ErrorCode.THROTTLED, NOT_ASKED) for one in ids[5:]}
        return statuses(client, ids[:5]) | rest

    monkeypatch.setattr(UpstreamClient, "statuses", few)
    assert reconcile_now() == 0
    assert fresh(order).review_reason == ""
    assert "no time" in evidence(order).search_note


def test_search_when_window_is_too_wide_then_order_goes_to_review(upstream, customer, service, known):
    order = create_in_doubt(upstream, customer, service)
    upstream.skip_order_ids(5_000)
    make.order(customer, service, quantity=70)
    submit_now()
    assert reconcile_now() == 0
    assert fresh(order).review_reason == ReviewReason.DOUBT
    assert "too much" in fresh(order).review_note


def test_search_when_switched_off_then_no_id_is_polled(upstream, provider, customer, service, known):
    Provider.objects.update(probes_ids=False)
    order = create_in_doubt(upstream, customer, service)
    upstream.clear_requests()
    assert reconcile_now() == 0
    assert upstream.requests_of("status") == []
    assert fresh(order).review_reason == ReviewReason.DOUBT


@pytest.mark.parametrize("fault", [faults.drop_before, faults.drop_after, faults.truncate])
def test_search_when_provider_does_not_answer_then_retried_later(upstream, customer, service, known, fault):
    order = create_in_doubt(upstream, customer, service)
    upstream.inject(fault("status", times=10))
    assert reconcile_now() == 0
    assert fresh(order).review_reason == ""
    upstream.clear_faults()
    assert reconcile_now() == 1


# -- what is kept for staff --------------------------------------------------------------------------


def test_balance_when_order_in_doubt_then_before_and_after_stored(upstream, provider, customer, service, known):
    Provider.objects.update(balance=900_000_000, balance_checked_at=timezone.now() - timedelta(minutes=3))
    order = create_in_doubt(upstream, customer, service)
    reconcile_now()
    kept = evidence(order)
    assert (kept.balance_before, kept.balance_after) == (900_000_000, int(upstream.balance * 1_000_000))
    assert kept.balance_before_at < kept.started_at < kept.balance_after_at


# -- staff -------------------------------------------------------------------------------------------


def test_staff_search_when_in_review_then_order_can_still_be_found(upstream, customer, service, known):
    order = create_in_doubt(upstream, customer, service)
    pass_deadlines()
    assert search.search_now(order=fresh(order))
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.ACCEPTED, "")
    with nothing_changes(), pytest.raises(ReviewError):
        search.search_now(order=fresh(order))


def test_staff_bind_when_provider_denies_the_id_then_it_is_refused(upstream, customer, service, known):
    order = create_in_doubt(upstream, customer, service)
    search.check_id(order=order, upstream_id=true_id(upstream, order))
    with pytest.raises(ReviewError, match="already bound"):
        search.check_id(order=order, upstream_id=fresh(known[0]).upstream_id)
    with pytest.raises(ReviewError, match="no order 99999999"):
        search.check_id(order=order, upstream_id="99999999")
    upstream.inject(faults.drop_before("status", times=9))
    search.check_id(order=order, upstream_id="99999999")
    search.check_id(order=order, upstream_id="1,2")
