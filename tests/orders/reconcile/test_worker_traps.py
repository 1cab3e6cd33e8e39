"""Orders in doubt that were once bound to another customer's order, sent twice or forgotten.

The link shows which order an id really belongs to.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from billing import ledger
from catalog.models import Provider
from catalog.provider_accounts import set_api_key
from orders.dispatch import outcomes, submit
from orders.dispatch.timeouts import expire_leases
from orders.models import Order, PlacementAttempt
from orders.reconcile import findings, search
from orders.review import decisions
from orders.review.decisions import refund_unaccepted, send_again
from orders.states import AttemptOutcome, ReviewReason, Submission
from panel.alerts.models import Alert
from panel.lib.money import MAX_MICROS
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import (
    create_in_doubt,
    create_known_orders,
    end_lease,
    fresh,
    reconcile_now,
    refunds_of,
    submit_now,
    true_id,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

OURS, THEIRS = "https://example.com/ours", "https://example.com/theirs"


@pytest.fixture
def customer(db: None) -> Any:
    return make.customer("alice@example.org", funds="100")


@pytest.fixture
def known(upstream: SandboxServer, customer: Any, service: Any) -> list[Order]:
    return create_known_orders(upstream, customer, service)


def send(upstream: SandboxServer, order: Order, fault: faults.Fault) -> Order:
    upstream.inject(fault)
    submit_now()
    return fresh(order)


def links(upstream: SandboxServer) -> list[str]:
    return [one.link for one in upstream.orders()]


def is_not_bound_to_a_stranger(upstream: SandboxServer, order: Order) -> bool:
    there = {str(one.id): one.link for one in upstream.orders()}
    stands = fresh(order)
    return stands.upstream_id is None or there[stands.upstream_id] == order.link


# -- one customer's order in doubt, another's id -------------------------------------------------------


def test_other_candidate_when_its_rate_rose_then_its_id_is_not_bound(
    upstream, provider, customer, other, service, known
):
    """Since the import its rate rose, so its charge fits the other order better than itself."""
    upstream.set_service(2, rate="2.4", min=10, max=10_000, type="Default")
    dearer = make.service(provider, external_id="2", rate="2.4", name="Likes")
    upstream.set_service(1, rate="2.4")
    send(upstream, make.order(other, service, link=THEIRS), faults.drop_after("add"))
    doubt = send(upstream, make.order(customer, dearer, link=OURS), faults.drop_before("add"))
    reconcile_now()
    assert fresh(doubt).submission == Submission.IN_DOUBT


def test_other_candidate_when_it_is_a_package_then_id_is_not_bound(upstream, provider, customer, other, service, known):
    """The provider counts the contents of a package, we count packages."""
    upstream.set_service(7, rate="0.2", min=1, max=1, type="Package")
    package = make.service(provider, external_id="7", rate="0.2", type="package", name="Pack")
    send(upstream, make.order(other, package, quantity=None, link=THEIRS), faults.drop_after("add"))
    [there] = [one for one in upstream.orders() if one.link == THEIRS]
    upstream.set_order(there.id, status="Pending", remains=100, charge="0.2")
    doubt = send(upstream, make.order(customer, service, link=OURS), faults.drop_before("add"))
    reconcile_now()
    assert fresh(doubt).submission == Submission.IN_DOUBT


def test_other_candidate_when_exchange_rate_changed_then_not_bound(upstream, provider, customer, other, service, known):
    send(upstream, make.order(other, service, quantity=100, link=THEIRS), faults.drop_after("add"))
    doubt = send(upstream, make.order(customer, service, quantity=120, link=OURS), faults.drop_before("add"))
    Provider.objects.update(exchange_rate=1_200_000_000_000)
    [there] = [one for one in upstream.orders() if one.link == THEIRS]
    upstream.set_order(there.id, status="In progress", remains=100)
    reconcile_now()
    assert fresh(doubt).submission == Submission.IN_DOUBT


def test_other_candidate_when_refusal_is_unknown_then_id_not_bound(upstream, customer, other, service, known):
    odd = faults.reply(processed=True, body=b'{"error": "Something odd happened"}', action="add")
    held = send(upstream, make.order(other, service, link=THEIRS), odd)
    assert held.submission_attempts.get().outcome == AttemptOutcome.UNCLEAR
    doubt = send(upstream, make.order(customer, service, link=OURS), faults.drop_before("add"))
    reconcile_now()
    assert (fresh(doubt).submission, fresh(held).review_reason) == (Submission.IN_DOUBT, ReviewReason.UNKNOWN_ERROR)


def test_other_candidate_when_duplicated_then_duplicate_not_bound(upstream, customer, other, service, known):
    """A broken promise created a second order, and the first looked like another customer's order in doubt."""
    Provider.objects.update(request_id_parameter="request_id")
    send(upstream, make.order(other, service, link=THEIRS), faults.drop_after("add"))
    doubt = send(upstream, make.order(customer, service, link=OURS), faults.drop_before("add"))
    upstream.inject(faults.reply(processed=True, action="add"))
    upstream.inject(faults.drop_before("add"))
    reconcile_now()
    assert links(upstream).count(THEIRS) == 2
    assert is_not_bound_to_a_stranger(upstream, doubt)
    for _ in range(3):
        reconcile_now()
        assert is_not_bound_to_a_stranger(upstream, doubt)
    assert Provider.objects.get().request_id_parameter == ""
    assert Alert.objects.filter(cause__endswith=":request-ids").exists()


def test_other_candidate_when_resent_in_other_scope_then_not_bound(upstream, customer, other, service, known, staff):
    Provider.objects.update(request_id_parameter="request_id")
    theirs = send(upstream, make.order(other, service, link=THEIRS), faults.drop_after("add"))
    doubt = send(upstream, make.order(customer, service, link=OURS), faults.drop_before("add"))
    provider = Provider.objects.get()
    provider.api_url += "/"
    provider.save()
    send_again(order=theirs, actor=staff)
    submit_now()
    reconcile_now()
    assert fresh(theirs).submission == Submission.ACCEPTED
    assert fresh(doubt).submission == Submission.IN_DOUBT


def test_other_candidate_when_resent_later_then_first_id_not_bound(upstream, customer, other, service, known, staff):
    """The id of its second attempt is above the window; the id of its first is not."""
    theirs = send(upstream, make.order(other, service, link=THEIRS), faults.drop_after("add"))
    doubt = send(upstream, make.order(customer, service, link=OURS), faults.drop_before("add"))
    make.order(customer, service, quantity=70)
    submit_now()
    send_again(order=theirs, actor=staff)
    send(upstream, theirs, faults.drop_before("add"))
    reconcile_now()
    assert fresh(doubt).submission == Submission.IN_DOUBT


def test_account_when_it_has_two_host_names_then_treated_as_one(upstream, customer, other, service, known):
    """Two customers were bound to one id: known under one host name, it was an orphan under the other."""
    same_account = make.provider(name="Twin", url=upstream.url.replace("127.0.0.1", "localhost"), api_key=upstream.key)
    doubt = send(upstream, make.order(customer, service, link=OURS), faults.drop_before("add"))
    theirs = make.order(other, make.service(same_account, external_id="1"), link=THEIRS)
    submit_now()
    assert fresh(theirs).submission == Submission.ACCEPTED
    reconcile_now()
    assert fresh(doubt).submission == Submission.IN_DOUBT


def test_search_when_no_id_lies_between_ours_then_nothing_is_bound(upstream, customer, service, monkeypatch):
    """That unused ids are denied does not show that other customers' ids are."""

    def next_id_is_one_higher() -> None:
        with upstream._store.transaction() as connection:
            last = connection.execute("SELECT max(id) FROM orders").fetchone()[0]
            connection.execute("UPDATE account SET next_order_id = ?", (last + 1,))

    for quantity in (40, 50, 60):
        make.order(customer, service, quantity=quantity)
        submit_now()
        next_id_is_one_higher()
    doubt = create_in_doubt(upstream, customer, service)
    assert reconcile_now() == 0
    assert (fresh(doubt).submission, fresh(doubt).review_reason) == (Submission.IN_DOUBT, "")
    assert "Too few ids" in Provider.objects.get().probe_note


# -- evidence that misleads ----------------------------------------------------------------------------


def test_search_when_the_account_was_changed_then_the_note_says_so(upstream, customer, service, known):
    """ "None of them is ours" invites staff to send it again while the old account delivers it."""
    doubt = create_in_doubt(upstream, customer, service)
    with SandboxServer(key="another", speed=0) as elsewhere:
        elsewhere.set_service(1, rate="2", min=10, max=10_000, type="Default")
        elsewhere.skip_order_ids(500)
        provider = Provider.objects.get()
        provider.api_url = elsewhere.url
        set_api_key(provider=provider, api_key="another")
        provider.save()
        create_known_orders(elsewhere, customer, service)
        assert reconcile_now() == 0
        assert "another account" in fresh(doubt).review_note
        assert doubt.submission_attempts.get().balance_after is None  # It would be the other account's.
        search.check_id(order=fresh(doubt), upstream_id=true_id(upstream, doubt))


def test_search_when_old_id_was_far_higher_then_window_ignores_it(upstream, customer, service, known):
    """One id of seven digits, bound by staff or from an old account, moved every later window above it."""
    bound = create_in_doubt(upstream, customer, service, quantity=999)
    decisions.bind_upstream_id(order=bound, upstream_id="5000000")
    for quantity in (41, 42, 43):
        make.order(customer, service, quantity=quantity)
        submit_now()
    doubt = create_in_doubt(upstream, customer, service)
    found = search.window_of(order=doubt)
    assert found is not None and found.low < 100_000


def test_search_when_a_retry_was_answered_then_ids_still_count_up(customer, other):
    """A repetition is answered with the id of its first attempt, lower than ids of orders sent before it."""
    with SandboxServer(key="k", speed=0, request_ids=True) as upstream:
        upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
        provider = make.provider(url=upstream.url, api_key="k", request_id_parameter="request_id")
        service = make.service(provider)
        create_known_orders(upstream, customer, service)
        kept = create_in_doubt(upstream, customer, service)
        make.order(other, service, quantity=70)
        submit_now()
        assert reconcile_now() == 1
        assert fresh(kept).upstream_id == true_id(upstream, kept)
        client = search.client_for(provider)
        assert search.calibrate(client=client, provider=provider, accounts=[provider.pk]) is None


# -- sent twice, refunded though accepted -------------------------------------------------------------


def test_late_answer_when_staff_requeued_order_then_it_is_not_sent(
    upstream, customer, service, known, staff, monkeypatch
):
    """The order is known to be accepted by now, but the next round sent it once more."""
    order = make.order(customer, service)
    record = submit.record_outcome

    def late(**values: Any) -> bool:
        monkeypatch.setattr(submit, "record_outcome", record)
        end_lease(order)
        expire_leases()
        send_again(order=fresh(order), actor=staff)
        return record(**values)

    monkeypatch.setattr(submit, "record_outcome", late)
    submit_now()
    for _ in range(3):
        submit_now()
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.QUEUED, ReviewReason.DOUBT)
    assert true_id(upstream, order) in fresh(order).review_note


def test_late_answer_when_request_id_repeated_then_order_accepted(upstream, customer, service, monkeypatch):
    Provider.objects.update(request_id_parameter="request_id", probes_ids=False)
    order = make.order(customer, service)
    record = submit.record_outcome

    def late(**values: Any) -> bool:
        monkeypatch.setattr(submit, "record_outcome", record)
        end_lease(order)
        expire_leases()
        upstream.inject(faults.drop_before("add"))
        reconcile_now()
        return record(**values)

    monkeypatch.setattr(submit, "record_outcome", late)
    submit_now()
    assert (fresh(order).submission, fresh(order).upstream_id) == (Submission.ACCEPTED, true_id(upstream, order))


def test_busy_link_when_staff_requeued_order_then_goes_to_review(upstream, customer, service, known, staff):
    order = create_in_doubt(upstream, customer, service)
    send_again(order=order, actor=staff)
    upstream.inject(faults.reply(body=b'{"error": "You have active order with this link."}', action="add"))
    for _ in range(3):
        submit_now()
    assert fresh(order).review_reason == ReviewReason.DOUBT
    assert len([one for one in upstream.orders() if one.quantity == 100]) == 1


def test_refusal_when_staff_requeued_order_then_it_is_not_refunded(upstream, customer, service, known, staff):
    order = create_in_doubt(upstream, customer, service)
    send_again(order=order, actor=staff)
    upstream.inject(faults.reply(body=b'{"error": "Incorrect service ID"}', action="add"))
    submit_now()
    assert refunds_of(order) == []
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.QUEUED, ReviewReason.DOUBT)


def test_promise_when_check_failed_then_nothing_else_is_repeated(upstream, customer, service, known):
    """The check failed once, and three more orders were created twice before anyone knew."""
    Provider.objects.update(request_id_parameter="request_id")
    first = create_in_doubt(upstream, customer, service, quantity=100)
    upstream.inject(faults.drop_before("status", times=None))
    assert reconcile_now() == 1
    create_in_doubt(upstream, customer, service, quantity=300)
    assert reconcile_now() == 0
    upstream.clear_faults()
    assert reconcile_now() == 1
    assert len([one for one in upstream.orders() if one.quantity == 100]) == 2  # The duplicate that showed it.
    assert len([one for one in upstream.orders() if one.quantity == 300]) == 1
    assert Provider.objects.get().request_id_parameter == ""
    assert fresh(first).submission == Submission.ACCEPTED


@pytest.mark.parametrize("name", ["quantity", "link", "key", "action"])
def test_parameter_when_protocol_uses_it_then_order_stays_queued(upstream, provider, customer, service, name):
    Provider.objects.update(request_id_parameter=name)
    order = make.order(customer, service)
    submit_now()
    assert (fresh(order).submission, upstream.requests_of("add")) == (Submission.QUEUED, [])
    assert Alert.objects.filter(cause=f"provider:{provider.pk}:trouble").exists()


# -- one order's trouble ------------------------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", ["refund", "send again", "bind"])
def test_review_when_order_moved_during_search_then_not_requested(
    upstream, customer, service, known, staff, monkeypatch, meanwhile
):
    """An outdated finding put an order in review that was being sent or was accepted long before."""
    doubt = create_in_doubt(upstream, customer, service)
    monkeypatch.setitem(upstream.api._actions, "status", lambda params: {"error": "Incorrect order ID"})
    note = findings.note_search

    def moves(order: Order, text: str, **values: Any) -> None:
        note(order, text, **values)
        if meanwhile == "refund":
            refund_unaccepted(order=fresh(order), note="x", actor=staff)
        elif meanwhile == "send again":
            send_again(order=fresh(order), actor=staff)
        else:
            decisions.bind_upstream_id(order=fresh(order), upstream_id="123456")

    monkeypatch.setattr(findings, "note_search", moves)
    reconcile_now()
    assert fresh(doubt).review_reason == ""


def test_refund_when_posting_fails_then_other_orders_still_sent(customer, other, service):
    """One wallet at its limit stopped the submission of all orders."""
    stuck = make.order(customer, service)
    Order.objects.update(queued_at=timezone.now() - timedelta(hours=25))
    fine = make.order(other, service)
    wallet = make.wallet(customer)
    ledger.post(wallet_id=wallet.pk, amount=MAX_MICROS - wallet.balance, kind="deposit", key="x")
    submit_now()
    assert fresh(fine).submission == Submission.ACCEPTED
    assert Alert.objects.filter(cause=f"order:{stuck.pk}:held").exists()
    Order.objects.filter(pk=stuck.pk).update(queued_at=timezone.now())  # For the check of the books.


def test_sweep_when_one_fails_then_the_others_still_run(upstream, customer, service, monkeypatch):
    def breaks() -> int:
        raise RuntimeError("no")

    monkeypatch.setattr("orders.dispatch.timeouts.expire_leases", breaks)
    order = make.order(customer, service)
    submit_now()
    assert fresh(order).submission == Submission.ACCEPTED
    assert Alert.objects.filter(cause="deadlines").exists()


def test_refusal_when_database_fails_once_then_still_recorded(upstream, customer, service, monkeypatch):
    """The order kept what was rolled back, so its second try matched nothing and a clear refusal became an order in
    doubt.
    """
    order = make.order(customer, service)
    upstream.inject(faults.reply(body=b'{"error": "Not enough funds on balance"}', action="add"))
    write, failures = outcomes.write_event, [OperationalError("deadlock detected")]

    def once(**values: Any) -> None:
        if failures:
            raise failures.pop()
        write(**values)

    monkeypatch.setattr(submit, "FIRST_RECORD_WAIT", 0)
    monkeypatch.setattr(submit.connection, "close", lambda: None)
    monkeypatch.setattr(outcomes, "write_event", once)
    submit_now()
    assert fresh(order).submission == Submission.QUEUED
    assert PlacementAttempt.objects.get().outcome == AttemptOutcome.REFUSED
