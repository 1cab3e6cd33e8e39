"""Submitting orders over real HTTP, and every way in which that can fail.

`upstream.orders()` has the orders that the sandbox accepted and would bill.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone

import orders.dispatch.submit
from billing import ledger
from billing.models import Entry
from catalog.models import Provider, Service, UpstreamService
from catalog.provider_accounts import set_api_key
from catalog.upstream.client import UpstreamClient
from orders.dispatch import submit
from orders.dispatch.submit import claim_next, submit_due_orders, submit_for_provider
from orders.dispatch.timeouts import expire_leases, meet_deadlines
from orders.marks.guard import may_send
from orders.models import Order, OrderEvent, PlacementAttempt
from orders.review import decisions
from orders.states import AttemptOutcome, ReviewReason, Status, Submission
from panel.alerts.models import Alert, RunningGap, RunningTime
from panel.lib.http.calls import HUNG_SECONDS
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from panel.site.submission_times import submission_times
from tests import make
from tests.make import reprice
from tests.scenes import (
    Killed,
    at_once,
    end_lease,
    fresh,
    make_all_due,
    money_of,
    most_in_flight,
    nothing_changes,
    poll_now,
    refunds_of,
    submit_now,
    use_short_timeouts,
)
from tests.threads import MAX_WAIT_SECONDS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

# Alice's wallet after an order of 100 for $0.25.
PAID = (9_750_000, [("deposit", 10_000_000), ("order", -250_000)])
PAID_AND_REFUNDED = (10_000_000, [*PAID[1], ("refund", 250_000)])


@pytest.fixture
def order(customer: Any, service: Service) -> Order:
    """100 for $0.25, which should cost us $0.20."""
    return make.order(customer, service)


def refuses_with(text: str, **values: Any) -> faults.Fault:
    """Return a fault: the provider answers `add` with this error and accepts nothing."""
    return faults.reply(body=b'{"error": "%s"}' % text.encode(), action="add", **values)


def outcomes(order: Order) -> list[str]:
    return list(order.submission_attempts.order_by("pk").values_list("outcome", flat=True))


def pause_seconds(provider: Provider) -> int | None:
    until = Provider.objects.get(pk=provider.pk).paused_until
    return until and round((until - timezone.now()).total_seconds())


def pass_deadline(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(doubt_until=timezone.now() - timedelta(seconds=1))


# -- accepted ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("frozen_clock")
def test_order_when_the_provider_accepts_it_then_it_is_sent_once(upstream, provider, customer, order):
    """An order was sent again on each round until a later one saw its id."""
    assert submit_due_orders() == 1
    for _ in range(5):
        assert submit_now() == 0
    accepted = fresh(order)
    [there] = upstream.orders()
    assert (accepted.submission, accepted.status, accepted.upstream_id) == (
        Submission.ACCEPTED,
        Status.PENDING,
        str(there.id),
    )
    assert accepted.next_action_at is None
    assert timezone.now() < accepted.next_check_at < timezone.now() + timedelta(seconds=90)
    assert upstream.requests_of("add")[0].params == {
        "action": "add",
        "service": "1",
        "link": "https://example.com/a",
        "quantity": "100",
    }
    [attempt] = order.submission_attempts.all()
    assert (attempt.outcome, attempt.http_status, attempt.phase) == (AttemptOutcome.ACCEPTED, 200, "answered")
    assert upstream.key not in attempt.body
    assert money_of(customer) == PAID


def test_round_when_third_order_fails_then_first_two_keep_ids(upstream, customer, service, monkeypatch):
    """With one transaction for the batch, an exception on the third order rolled back the ids of the first two, and all
    three were sent again.
    """
    made = [make.order(customer, service) for _ in range(3)]
    record = orders.dispatch.submit.record_outcome

    def dies_on_the_third(**values: Any) -> bool:
        if values["order"].pk == made[2].pk:
            raise Killed
        return record(**values)

    monkeypatch.setattr(orders.dispatch.submit, "record_outcome", dies_on_the_third)
    with pytest.raises(Killed):
        submit_due_orders()
    monkeypatch.undo()
    assert [fresh(one).submission for one in made] == ["placed", "placed", "placing"]
    for _ in range(3):
        end_lease(made[2])
        submit_now()
    # The third answer was kept on disk.
    assert [fresh(one).submission for one in made] == ["placed", "placed", "placed"]
    assert len(upstream.orders()) == 3


# -- refused -----------------------------------------------------------------------------------------

PERMANENT = [
    ("Incorrect service ID", "no longer available"),
    ("Bad link", "link was not accepted"),
    ("neworder.error.link", "link was not accepted"),
    ("Quantity less than minimal 50", "quantity was not accepted"),
    ("Incorrect comments", "details of this order"),
]


@pytest.mark.parametrize("status", [200, 400, 422])
@pytest.mark.parametrize(("text", "shown"), PERMANENT)
def test_order_when_refused_permanently_then_canceled_and_refunded(upstream, customer, order, text, shown, status):
    """A refused order was marked as failed first and refunded by another job, which skipped failed ones."""
    upstream.inject(refuses_with(text, status=status))
    submit_due_orders()
    refused = fresh(order)
    assert (refused.submission, refused.status, refused.refunded) == (Submission.REFUSED, Status.CANCELED, 250_000)
    assert shown in refused.status_note
    assert (refused.next_action_at, refused.next_check_at, refused.review_reason) == (None, None, "")
    assert money_of(customer) == PAID_AND_REFUNDED
    assert outcomes(order) == [AttemptOutcome.REFUSED]
    assert not OrderEvent.objects.filter(order=order, is_public=True, text__contains=text).exists()
    with nothing_changes():
        submit_now()
    assert len(upstream.requests_of("add")) == 1


def test_order_when_refused_and_refund_fails_then_neither_written(customer, order, upstream, monkeypatch):
    upstream.inject(refuses_with("Bad link"))

    def die(**values: Any) -> None:
        raise RuntimeError("the database went away")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "post_all", die)
        with pytest.raises(RuntimeError):
            submit_due_orders()
    assert (fresh(order).submission, fresh(order).status, fresh(order).refunded) == ("placing", "pending", 0)
    assert money_of(customer) == PAID
    end_lease(order)
    expire_leases()
    assert fresh(order).submission == Submission.IN_DOUBT


def test_refused_order_when_not_refunded_then_database_rejects_it(order):
    with nothing_changes(), pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(submission=Submission.REFUSED, status=Status.CANCELED)


# -- the provider accepts nothing for now ------------------------------------------------------------


@pytest.mark.usefixtures("frozen_clock")
def test_order_when_our_balance_runs_out_then_it_waits_with_alert(upstream, provider, customer, service):
    """The provider was out of money while customers' orders showed success, and nobody got an alert."""
    first, second = make.order(customer, service), make.order(customer, service)
    upstream.set_balance("0.05")
    waits = []
    for round_number in range(1, 8):
        assert submit_now() == 1  # One order is sent; the others wait.
        assert (fresh(first).submission, fresh(second).submission) == ("queued", "queued")
        assert submit_due_orders() == 0  # paused
        waits.append(pause_seconds(provider))
        [alert] = Alert.objects.all()
        assert (alert.count, alert.level, alert.resolved_at) == (round_number, "danger", None)
    assert waits == [60, 120, 240, 480, 960, 1_920, 3_600]
    assert (upstream.orders(), money_of(customer)[0]) == ([], 9_500_000)

    upstream.set_balance("100")
    assert submit_now() == 2
    assert (fresh(first).submission, fresh(second).submission) == ("placed", "placed")
    assert len(upstream.orders()) == 2
    assert Alert.objects.get().resolved_at is not None
    stored = Provider.objects.get(pk=provider.pk)
    assert (stored.paused_until, stored.pause_count, stored.pause_reason) == (None, 0, "")


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize(
    "fault",
    [
        refuses_with("Invalid API key"),
        refuses_with("user_inactive", status=401),
        refuses_with("Too many requests", status=429),
        faults.reply(status=429, body=b"", headers={"Retry-After": "5"}, action="add"),
        faults.reply(status=429, body=b"<html>slow down</html>", action="add"),
        refuses_with("not_enough_funds", status=402),
    ],
    ids=["key", "inactive", "throttled", "429 empty", "429 page", "402"],
)
def test_order_when_provider_is_not_accepting_then_it_stays_queued(upstream, provider, customer, order, fault):
    upstream.inject(fault)
    assert submit_due_orders() == 1
    assert (fresh(order).submission, fresh(order).review_reason) == ("queued", "")
    assert pause_seconds(provider) == 60
    assert Alert.objects.filter(resolved_at=None).count() == 1
    assert money_of(customer) == PAID
    assert submit_now() == 1
    assert fresh(order).submission == Submission.ACCEPTED
    assert len(upstream.orders()) == 1


def test_order_when_our_key_is_wrong_then_it_waits_for_correct_key(upstream, provider, customer, order):
    set_api_key(provider=provider, api_key="revoked")
    provider.save()
    for _ in range(3):
        submit_now()
    assert (fresh(order).submission, upstream.orders(), money_of(customer)) == ("queued", [], PAID)
    set_api_key(provider=provider, api_key=upstream.key)
    provider.save()
    submit_now()
    assert fresh(order).submission == Submission.ACCEPTED


@pytest.mark.usefixtures("frozen_clock")
def test_order_when_the_key_cannot_be_decrypted_then_nothing_is_sent(upstream, provider, order):
    Provider.objects.update(api_key_encrypted="garbage")
    assert submit_now() == 0
    assert (fresh(order).submission, order.submission_attempts.count(), upstream.requests) == ("queued", 0, [])
    assert pause_seconds(provider) == 60


@pytest.mark.usefixtures("frozen_clock")
def test_order_when_link_is_busy_then_it_waits_and_others_are_sent(upstream, provider, customer, service):
    busy, free = make.order(customer, service), make.order(customer, service, link="https://example.com/b")
    upstream.inject(refuses_with("You have active order with this link. Please wait until order being completed."))
    assert submit_due_orders() == 2
    assert (fresh(busy).submission, fresh(free).submission) == ("queued", "placed")
    assert fresh(busy).next_action_at > timezone.now() + timedelta(seconds=20)
    assert Provider.objects.get(pk=provider.pk).paused_until is None
    assert submit_due_orders() == 0
    submit_now()
    assert fresh(busy).submission == Submission.ACCEPTED
    assert len(upstream.orders()) == 2


@pytest.mark.usefixtures("frozen_clock")
def test_order_when_its_link_stays_busy_then_its_waits_grow(upstream, order):
    upstream.inject(refuses_with("You have active order with this link", times=None))
    waits = []
    for _ in range(9):
        submit_now()
        waits.append(round((fresh(order).next_action_at - timezone.now()).total_seconds()))
    assert waits == [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]


# -- unknown words -----------------------------------------------------------------------------------


def test_order_when_the_error_is_unknown_then_only_staff_decide(upstream, provider, customer, order, staff):
    """Unknown words were handled as a refusal in one place and as a reason to send again in another."""
    upstream.inject(refuses_with("The moon is in the wrong house"))
    submit_due_orders()
    held = fresh(order)
    assert (held.submission, held.review_reason) == (Submission.QUEUED, ReviewReason.UNKNOWN_ERROR)
    assert "moon" in held.review_note
    for _ in range(5):
        assert submit_now() == 0
    assert len(upstream.requests_of("add")) == 1
    assert money_of(customer) == PAID
    assert Provider.objects.get(pk=provider.pk).paused_until is None

    decisions.send_again(order=fresh(order), actor=staff)
    submit_now()
    assert fresh(order).submission == Submission.ACCEPTED
    assert len(upstream.orders()) == 1


def test_order_when_the_error_is_unknown_then_staff_can_refund_it(upstream, customer, order, staff):
    upstream.inject(refuses_with("Internal problem, please contact support"))
    submit_due_orders()
    decisions.refund_unaccepted(order=fresh(order), note="We could not place it", actor=staff)
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.REFUSED, "")
    assert money_of(customer) == PAID_AND_REFUNDED


# -- nothing was sent --------------------------------------------------------------------------------


@pytest.mark.usefixtures("frozen_clock")
def test_order_when_the_connection_is_refused_then_it_stays_queued(customer):
    dead = make.provider(url="http://127.0.0.1:9/api/v2")
    order = make.order(customer, make.service(dead))
    for wait in (None, None, 60, 120, 240):
        assert submit_now() == 1
        assert (fresh(order).submission, pause_seconds(dead)) == ("queued", wait)
    assert outcomes(order) == [AttemptOutcome.NOT_SENT] * 5
    assert Alert.objects.get().count == 3
    assert money_of(customer) == PAID


def test_order_when_address_does_not_resolve_then_it_stays_queued(customer):
    order = make.order(customer, make.service(make.provider(url="http://nowhere.invalid/api/v2")))
    submit_now()
    assert (fresh(order).submission, outcomes(order)) == ("queued", [AttemptOutcome.NOT_SENT])
    assert money_of(customer) == PAID


def test_order_when_redirected_then_not_followed_and_stays_queued(upstream, customer, order):
    upstream.inject(faults.redirect(upstream.url, action="add"))
    submit_due_orders()
    assert (fresh(order).submission, len(upstream.requests), upstream.orders()) == ("queued", 1, [])


def test_order_when_lease_ran_out_before_sending_then_nothing_sent(upstream, provider, customer, order):
    claim = claim_next(provider_id=provider.pk)
    outcome = orders.dispatch.submit.client_for(provider).add({"service": "1"}, not_after=claim.not_after - 10_000)
    assert type(outcome).__name__ == "NotSent"
    assert upstream.requests == []
    end_lease(order)
    expire_leases()


@pytest.mark.parametrize(("own", "expected"), [(80, 80), (30, 60), (500, 88)])
def test_order_when_provider_is_slow_to_answer_then_waits_within_lease(provider, order, own, expected):
    """Its own time can only lengthen the panel's, and what is sent by then is still answered within the lease."""
    Provider.objects.update(dialect={"add_timeout": own})
    began = time.monotonic()
    claim = claim_next(provider_id=provider.pk)
    assert claim.add_timeout == expected
    assert claim.not_after + claim.add_timeout <= began + submission_times()[1] + (time.monotonic() - began)
    assert fresh(order).lease_until - claim.attempt.started_at == timedelta(seconds=submission_times()[1])


def test_order_when_redirected_then_attempt_tells_the_address(upstream, provider, order):
    upstream.inject(faults.reply(status=301, body=b"", headers={"Location": "https://b.example/v2/?key=x"}))
    submit_now()
    assert fresh(order).submission == Submission.QUEUED
    attempt = PlacementAttempt.objects.get()
    assert (attempt.outcome, attempt.detail) == (
        AttemptOutcome.NOT_SENT,
        "It redirects to https://b.example/v2/: enter that address.",
    )


@pytest.mark.parametrize(
    "stored",
    [
        {"names": {"link": "url", "key": "api_key"}},
        {"key_header": "X-Api-Key"},
        {"get_actions": ["balance", "refill_status", "services", "status"]},
        {"addresses": {"add": "/other"}},
    ],
    ids=lambda stored: next(iter(stored)),
)
def test_order_when_provider_has_a_dialect_then_sent_in_it_by_post(upstream, provider, order, stored):
    """The sandbox knows no dialect: what counts is what it was sent."""
    Provider.objects.update(dialect=stored)
    submit_now()
    if "get_actions" in stored:
        assert fresh(order).submission == Submission.ACCEPTED
    else:
        assert upstream.orders() == []


def test_order_when_timeout_grows_after_claim_then_old_one_is_used(upstream, provider, order, settings, monkeypatch):
    """The lease was made for the time of the claim: a client that waited longer would answer after it."""
    made = []
    make_client = submit.client_for
    monkeypatch.setattr(submit, "client_for", lambda *args, **named: made.append(named) or make_client(*args, **named))
    settings.UPSTREAM_ADD_TIMEOUT = 20
    claim = claim_next(provider_id=provider.pk)
    settings.UPSTREAM_ADD_TIMEOUT, settings.SUBMISSION_LEASE_SECONDS = 300, 400
    submit.send_add(claim=claim)
    assert made == [{"add_timeout": 20}]
    order.refresh_from_db()
    assert order.submission == Submission.ACCEPTED


def test_provider_when_unreachable_then_other_still_gets_orders(upstream, provider, service, customer):
    """One unreachable provider stopped all others. Its orders must not go to the next provider either."""
    dead = make.provider(name="Dead")
    stuck = make.order(customer, make.service(dead))
    fine = make.order(customer, service)
    submit_due_orders()
    assert (fresh(stuck).submission, fresh(fine).submission) == ("queued", "placed")
    assert len(upstream.orders()) == 1
    assert fresh(stuck).provider_id == dead.pk


# -- in doubt ----------------------------------------------------------------------------------------

LOST_ANSWERS: dict[str, tuple[Callable[[], faults.Fault], int]] = {
    "dropped after": (lambda: faults.drop_after("add"), 1),
    "dropped before": (lambda: faults.drop_before("add"), 0),
    "reset after": (lambda: faults.reset_after("add"), 1),
    "reset before": (lambda: faults.reset_before("add"), 0),
    "truncated": (lambda: faults.truncate("add"), 1),
    "slow, accepted at once": (lambda: faults.delay_after(1.0, "add"), 1),
    "slow, accepted later": (lambda: faults.delay_before(1.0, "add"), 1),
    "dripping": (lambda: faults.drip(0.1, "add"), 1),
    "500 with an empty body": (lambda: faults.reply(status=500, body=b"", processed=True, action="add"), 1),
    "500 with an error": (lambda: refuses_with("Bad link", status=500, processed=True), 1),
    "502 page": (lambda: faults.reply(status=502, body=b"<html>502</html>", processed=True, action="add"), 1),
    "503 throttled": (lambda: refuses_with("Too many requests", status=503, processed=True), 1),
    "200 page": (lambda: faults.reply(body=b"<html>Just a moment...</html>", processed=True, action="add"), 1),
    "200 empty": (lambda: faults.reply(body=b"", processed=True, action="add"), 1),
    "200 null": (lambda: faults.reply(body=b"null", processed=True, action="add"), 1),
    "200 without an id": (lambda: faults.reply(body=b'{"status": "ok"}', processed=True, action="add"), 1),
    "id and error": (lambda: faults.reply(body=b'{"order": 5, "error": "x"}', processed=True, action="add"), 1),
    "id is null": (lambda: faults.reply(body=b'{"order": null}', processed=True, action="add"), 1),
    "303": (lambda: faults.redirect("http://127.0.0.1:9/", status=303, processed=True, action="add"), 1),
}


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize(("fault", "there"), LOST_ANSWERS.values(), ids=LOST_ANSWERS.keys())
def test_order_when_answer_is_lost_then_not_sent_again_or_refunded(
    upstream, provider, customer, order, monkeypatch, fault, there
):
    """After a read timeout an order was sent up to nine times, or refunded in full while it ran, or given to the next
    provider so that both delivered it.
    """
    use_short_timeouts(monkeypatch, seconds=0.4)
    make.service(make.provider(name="Next", url=upstream.url, api_key=upstream.key), external_id="1")
    upstream.inject(fault())
    assert submit_due_orders() == 1
    doubted = fresh(order)
    assert (doubted.submission, doubted.status, doubted.refunded) == (Submission.IN_DOUBT, Status.PENDING, 0)
    assert doubted.review_reason == ""
    assert outcomes(order) == [AttemptOutcome.UNKNOWN]
    deadline = doubted.doubt_until - timezone.now()
    assert timedelta(minutes=29) < deadline < timedelta(minutes=31)

    for _ in range(10):
        assert submit_now() == 0
    assert (fresh(order).submission, fresh(order).provider_id) == (Submission.IN_DOUBT, provider.pk)

    pass_deadline(order)
    for _ in range(3):
        submit_now()
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.IN_DOUBT, ReviewReason.DOUBT)
    assert len(upstream.requests_of("add")) == 1
    assert money_of(customer) == PAID
    wait_for_orders(upstream, there)


def wait_for_orders(upstream: SandboxServer, count: int) -> None:
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while len(upstream.orders()) < count and time.monotonic() < deadline:
        upstream.pause(0.02)
    assert len(upstream.orders()) == count


@pytest.mark.usefixtures("frozen_clock")
def test_provider_when_it_gives_no_clear_answer_then_it_is_paused(upstream, provider, customer, service):
    """A maintenance page put the whole queue in doubt, one order after another."""
    for _ in range(6):
        make.order(customer, service)
    upstream.inject(faults.reply(status=503, body=b"<html>maintenance</html>", action="add", times=None))
    for _ in range(5):
        submit_due_orders()
    submissions = Counter(Order.objects.values_list("submission", flat=True))
    assert submissions == {Submission.IN_DOUBT: 3, Submission.QUEUED: 3}
    provider.refresh_from_db()
    assert provider.paused_until > timezone.now()
    # After the pause one order is tried, and its failure begins the next.
    submit_now()
    assert Order.objects.filter(submission=Submission.IN_DOUBT).count() == 4
    upstream.clear_faults()
    submit_now()
    provider.refresh_from_db()
    assert provider.pause_count == 0


def test_provider_when_one_answer_is_lost_then_the_next_order_is_sent(upstream, provider, customer, service):
    """Seen: each lost answer idled the provider for a minute."""
    made = [make.order(customer, service) for _ in range(6)]
    for _ in range(2):
        upstream.inject(faults.drop_after("add"))
    submit_due_orders()
    assert [fresh(one).submission for one in made] == [Submission.IN_DOUBT] * 2 + [Submission.ACCEPTED] * 4
    provider.refresh_from_db()
    assert (provider.pause_count, provider.failures_in_row) == (0, 0)


def test_provider_when_paused_before_then_one_order_is_tried_at_a_time(upstream, provider, customer, service):
    for number in range(3):
        make.order(customer, service, link=f"https://example.com/{number}")
    Provider.objects.update(max_parallel_adds=5, pause_count=2, paused_until=timezone.now())
    assert submit.may_send()
    assert claim_next(provider_id=provider.pk)
    assert claim_next(provider_id=provider.pk) is None
    Provider.objects.update(pause_count=0)
    assert claim_next(provider_id=provider.pk)


@pytest.mark.parametrize(
    ("lanes", "submitting", "late", "expected"),
    [(1, 0, 0, True), (1, 1, 0, False), (1, 1, 1, True), (1, 4, 4, False), (1, 4, 3, False), (5, 7, 3, True)],
)
def test_lane_when_answers_are_late_then_others_take_their_place(lanes, submitting, late, expected):
    assert submit.has_free_lane(lanes=lanes, submitting=submitting, late=late, max_late=3) is expected


def test_lane_when_an_answer_is_late_then_the_next_order_is_claimed(provider, customer, service):
    made = [make.order(customer, service, link=f"https://example.com/{number}") for number in range(2)]
    assert submit.may_send()
    assert claim_next(provider_id=provider.pk)
    assert claim_next(provider_id=provider.pk) is None
    _, lease = submission_times()
    late = timezone.now() + timedelta(seconds=lease - HUNG_SECONDS - 1)
    Order.objects.filter(pk=made[0].pk).update(lease_until=late)
    claim = claim_next(provider_id=provider.pk)
    assert claim and claim.order == made[1]


def test_order_when_sent_later_then_expected_cost_uses_new_rate(customer, service, order):
    assert order.expected_cost == 200_000
    set_rate(service, "2.2")
    submit_due_orders()
    assert fresh(order).expected_cost == 220_000


def wait_in_the_queue(hours: float) -> None:
    Order.objects.update(queued_at=timezone.now() - timedelta(hours=hours))


@pytest.mark.parametrize("why", ["switched off", "out of money", "would lose"])
def test_order_when_it_waits_for_a_day_then_canceled_and_refunded(upstream, customer, service, order, why):
    """Orders of a provider that was off or out of money waited for ever, with the customers' money."""
    provider = service.upstream.provider
    if why == "switched off":
        Provider.objects.update(is_active=False)
    elif why == "would lose":
        set_rate(service, "2.500001")
    upstream.set_balance("0.01")
    wait_in_the_queue(23.9)
    submit_now()
    assert (fresh(order).submission, money_of(customer)) == (Submission.QUEUED, PAID)
    wait_in_the_queue(24.1)
    for _ in range(3):
        submit_now()
    ended = fresh(order)
    assert (ended.submission, ended.status, ended.review_reason) == (Submission.REFUSED, Status.CANCELED, "")
    assert "within 24 hours" in ended.status_note and "money back" in ended.status_note
    assert money_of(customer) == PAID_AND_REFUNDED
    assert "1 order was canceled" in Alert.objects.get(cause=f"provider:{provider.pk}:held").text
    assert upstream.orders() == []


@pytest.mark.usefixtures("real_running")
def test_order_when_the_clock_jumps_a_day_then_not_refunded(customer, order):
    """All orders in the queue were canceled and refunded by a clock that was a day ahead."""
    meet_deadlines()
    jumped = timezone.now() - timedelta(hours=24.1)
    Order.objects.update(queued_at=jumped)
    RunningTime.objects.update(since=jumped - timedelta(days=1), seen_at=jumped)
    for _ in range(3):
        meet_deadlines()
        assert (fresh(order).submission, money_of(customer)) == (Submission.QUEUED, PAID)
    assert Alert.objects.get(resolved_at=None).cause == "clock-jump"
    # After an hour without a jump, deadlines are met again; this order still waits for its day.
    RunningTime.objects.update(doubted_since=timezone.now() - timedelta(hours=1))
    meet_deadlines()
    assert not Alert.objects.filter(resolved_at=None).exists()
    assert (fresh(order).submission, money_of(customer)) == (Submission.QUEUED, PAID)
    RunningGap.objects.update(ended_at=F("began_at"))
    meet_deadlines()
    assert (fresh(order).submission, money_of(customer)) == (Submission.REFUSED, PAID_AND_REFUNDED)


def test_order_when_refusal_is_unknown_then_no_deadline_refunds_it(upstream, customer, order):
    upstream.inject(refuses_with("The moon is in the wrong house"))
    submit_due_orders()
    wait_in_the_queue(1_000)
    with nothing_changes():
        meet_deadlines()
        assert submit_due_orders() == 0


def test_order_when_staff_queue_it_again_then_it_has_another_day(upstream, customer, order, staff):
    upstream.inject(refuses_with("The moon is in the wrong house"))
    submit_due_orders()
    wait_in_the_queue(1_000)
    decisions.send_again(order=fresh(order), actor=staff)
    submit_now()
    assert fresh(order).submission == Submission.ACCEPTED


def test_answer_when_database_connection_broke_then_still_recorded(upstream, order, monkeypatch):
    """The connection broke during the call, and the order's id was lost."""
    failures = [OperationalError("server closed the connection"), None]
    original = submit.record_outcome

    def record(**values: Any) -> bool:
        error = failures.pop(0)
        if error:
            raise error
        return original(**values)

    monkeypatch.setattr(submit, "record_outcome", record)
    monkeypatch.setattr(submit, "FIRST_RECORD_WAIT", 0)
    monkeypatch.setattr(submit, "connection", SimpleNamespace(close=lambda: None))
    submit_due_orders()
    assert fresh(order).upstream_id == str(upstream.orders()[0].id)


def test_order_in_doubt_when_another_is_due_then_that_one_is_sent(upstream, customer, service):
    lost, next_one = make.order(customer, service), make.order(customer, service)
    upstream.inject(faults.drop_after("add"))
    submit_due_orders()
    submit_now()
    assert (fresh(lost).submission, fresh(next_one).submission) == ("in_doubt", "placed")
    assert len(upstream.orders()) == 2


# -- killed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "there"), [("before", 0), ("after", 1)])
def test_worker_when_killed_around_sending_then_order_is_in_doubt(
    upstream, provider, customer, order, monkeypatch, place, there
):
    """A worker that died may have sent its order. Back in the queue it would be sent twice."""
    add = UpstreamClient.add

    def die(self: UpstreamClient, *args: Any, **values: Any) -> Any:
        if place == "after":
            add(self, *args, **values)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(UpstreamClient, "add", die)
        with pytest.raises(Killed):
            submit_due_orders()
    # The order does not move until the lease has run out.
    for _ in range(3):
        assert submit_now() == 0
    assert fresh(order).submission == Submission.SUBMITTING

    end_lease(order)
    for _ in range(5):
        assert submit_now() == 0
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.IN_DOUBT, "")
    assert (len(upstream.orders()), money_of(customer)) == (there, PAID)
    assert OrderEvent.objects.filter(order=order, old="placing", new="in_doubt", is_public=False).count() == 1
    pass_deadline(order)
    submit_now()
    assert fresh(order).review_reason == ReviewReason.DOUBT


def test_worker_when_killed_while_claiming_then_order_stays_queued(upstream, order, monkeypatch):
    def die(row: PlacementAttempt) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(orders.dispatch.submit, "insert_row", die)
        with pytest.raises(Killed):
            submit_due_orders()
    assert (fresh(order).submission, fresh(order).attempts, upstream.requests) == ("queued", 0, [])
    assert submit_now() == 1


def test_answer_when_received_after_lease_then_order_is_accepted(upstream, customer, order, monkeypatch):
    record = orders.dispatch.submit.record_outcome

    def late(**values: Any) -> bool:
        end_lease(order)
        assert expire_leases() == 1
        return record(**values)

    monkeypatch.setattr(orders.dispatch.submit, "record_outcome", late)
    submit_due_orders()
    accepted = fresh(order)
    assert (accepted.submission, accepted.upstream_id) == (Submission.ACCEPTED, str(upstream.orders()[0].id))
    assert accepted.next_check_at is not None
    assert (accepted.next_action_at, accepted.review_reason) == (None, "")


def test_answer_when_received_after_deadline_then_review_is_closed(upstream, order, monkeypatch):
    record = orders.dispatch.submit.record_outcome

    def very_late(**values: Any) -> bool:
        end_lease(order)
        expire_leases()
        pass_deadline(order)
        meet_deadlines()
        assert fresh(order).review_reason == ReviewReason.DOUBT
        return record(**values)

    monkeypatch.setattr(orders.dispatch.submit, "record_outcome", very_late)
    submit_due_orders()
    assert (fresh(order).submission, fresh(order).review_reason, fresh(order).review_since) == ("placed", "", None)


@pytest.mark.parametrize("text", ["Bad link", "Not enough funds on balance", "Words never seen", None])
def test_late_refusal_when_order_is_in_doubt_then_order_unchanged(upstream, customer, order, monkeypatch, text):
    """Only an id resolves an order in doubt: any other late answer is kept as evidence for staff."""
    upstream.inject(refuses_with(text) if text else faults.drop_after("add"))
    record = orders.dispatch.submit.record_outcome

    def late(**values: Any) -> bool:
        end_lease(order)
        expire_leases()
        return record(**values)

    monkeypatch.setattr(orders.dispatch.submit, "record_outcome", late)
    submit_due_orders()
    monkeypatch.undo()
    for _ in range(3):
        submit_now()
    assert (fresh(order).submission, fresh(order).status, money_of(customer)) == ("in_doubt", "pending", PAID)
    assert len(upstream.requests_of("add")) == 1


@pytest.mark.parametrize("decision", ["sent again", "sent again and claimed", "refunded", "withdrawn by hand"])
def test_answer_when_staff_decided_first_then_nothing_overwritten(
    upstream, provider, customer, order, staff, monkeypatch, decision
):
    """A late answer must not end a newer attempt. That the provider has the order still raises an alert."""
    record = orders.dispatch.submit.record_outcome
    states = []

    def outrun(**values: Any) -> bool:
        end_lease(order)
        expire_leases()
        if decision.startswith("sent again"):
            decisions.send_again(order=fresh(order), actor=staff)
            if decision.endswith("claimed"):
                assert claim_next(provider_id=provider.pk) is not None
        else:
            decisions.refund_unaccepted(order=fresh(order), note="We could not place it", actor=staff)
        states.append(Order.objects.filter(pk=order.pk).values().get())
        result = record(**values)
        states.append(Order.objects.filter(pk=order.pk).values().get())
        raise Killed if result else AssertionError

    monkeypatch.setattr(orders.dispatch.submit, "record_outcome", outrun)
    with pytest.raises(Killed):
        submit_due_orders()
    if decision == "sent again":
        # Staff queued it because they believed that it was not accepted: it must not be sent.
        assert (states[1]["submission"], states[1]["review_reason"]) == (Submission.QUEUED, ReviewReason.DOUBT)
        assert submit_now() == 0
    else:
        assert states[0] == states[1]
    assert money_of(customer) == (PAID if decision.startswith("sent again") else PAID_AND_REFUNDED)
    there = str(upstream.orders()[0].id)
    alert = Alert.objects.get(cause=f"order:{order.pk}:late")
    assert there in alert.text
    assert outcomes(order)[0] == AttemptOutcome.ACCEPTED
    end_lease(order)
    expire_leases()


@pytest.mark.parametrize("text", ["Bad link", "Not enough funds on balance", "Words never seen", None])
def test_late_refusal_when_newer_attempt_runs_then_order_unchanged(
    upstream, provider, customer, order, staff, monkeypatch, text
):
    """A refusal of the first attempt must not queue or refund an order that a second worker is sending."""
    upstream.inject(refuses_with(text) if text else faults.drop_after("add"))
    record = orders.dispatch.submit.record_outcome
    states = []

    def outrun(**values: Any) -> bool:
        end_lease(order)
        expire_leases()
        decisions.send_again(order=fresh(order), actor=staff)
        assert claim_next(provider_id=provider.pk) is not None
        states.append(Order.objects.filter(pk=order.pk).values().get())
        record(**values)
        states.append(Order.objects.filter(pk=order.pk).values().get())
        raise Killed

    monkeypatch.setattr(orders.dispatch.submit, "record_outcome", outrun)
    with pytest.raises(Killed):
        submit_due_orders()
    assert states[0] == states[1]
    assert (states[1]["submission"], money_of(customer)) == (Submission.SUBMITTING, PAID)
    end_lease(order)
    expire_leases()


# -- ids, prices -------------------------------------------------------------------------------------


def test_order_when_another_order_has_its_id_then_it_goes_to_review(upstream, provider, customer, other, service):
    """Two orders with one id would be refunded by each other's status."""
    first = make.order(customer, service)
    submit_due_orders()
    second = make.order(other, service)
    same = fresh(first).upstream_id
    upstream.inject(faults.reply(body=b'{"order": %s}' % same.encode(), action="add"))
    submit_now()
    doubted = fresh(second)
    assert (doubted.submission, doubted.upstream_id) == (Submission.IN_DOUBT, None)
    assert (doubted.review_reason, same in doubted.review_note) == (ReviewReason.DUPLICATE_ID, True)
    assert fresh(first).submission == Submission.ACCEPTED
    upstream.set_order(int(same), status="Canceled", remains=100, charge="0")
    poll_now()
    assert (refunds_of(first), refunds_of(second)) == ([250_000], [])
    for _ in range(3):
        assert submit_now() == 0


def test_orders_when_two_providers_give_same_id_then_both_accepted(upstream, provider, customer, service):
    with SandboxServer(key="second-key", speed=0) as second_upstream:
        second_upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
        second = make.provider(name="Second", url=second_upstream.url, api_key=second_upstream.key)
        one, two = make.order(customer, service), make.order(customer, make.service(second))
        submit_due_orders()
    assert fresh(one).upstream_id == fresh(two).upstream_id
    assert {fresh(one).submission, fresh(two).submission} == {Submission.ACCEPTED}


def set_rate(service: Service, rate: str) -> None:
    UpstreamService.objects.filter(pk=service.upstream_id).update(rate=make.micros(rate))
    reprice(services=Service.objects.filter(pk=service.pk))


def test_order_when_cost_now_exceeds_charge_then_it_goes_to_review(upstream, customer, service, staff):
    """The provider raised its rate while orders waited, and each was sent at a loss."""
    dear, fine = (
        make.order(customer, service),
        make.order(customer, make.service(service.upstream.provider, rate="2", external_id="2", name="Fine")),
    )
    upstream.set_service(2, rate="2", min=10, max=10_000, type="Default")
    set_rate(service, "2.500001")
    assert submit_due_orders() == 1
    held = fresh(dear)
    assert (held.submission, held.review_reason) == (Submission.QUEUED, ReviewReason.WOULD_LOSE)
    assert "250001" in held.review_note
    assert fresh(fine).submission == Submission.ACCEPTED
    for _ in range(3):
        assert submit_now() == 0
    assert len(upstream.orders()) == 1
    with pytest.raises(decisions.ReviewError, match="would cost"):
        decisions.send_again(order=fresh(dear), actor=staff)
    assert fresh(dear).review_reason == ReviewReason.WOULD_LOSE
    decisions.refund_unaccepted(order=fresh(dear), note="The price rose", actor=staff)
    assert refunds_of(dear) == [250_000]


def test_order_when_it_costs_exactly_the_charge_then_it_is_sent(upstream, customer, service, order):
    set_rate(service, "2.5")
    assert submit_due_orders() == 1


def test_order_when_new_rate_is_out_of_range_then_goes_to_review(upstream, customer, service, order):
    """A cost out of range is stored as 0, which looked like a bargain."""
    UpstreamService.objects.filter(pk=service.upstream_id).update(rate=10**15)
    Provider.objects.update(exchange_rate=2 * 10**12)
    reprice(services=Service.objects.filter(pk=service.pk))
    assert Service.objects.get(pk=service.pk).cost == 0
    assert submit_due_orders() == 0
    assert (fresh(order).review_reason, upstream.requests) == (ReviewReason.WOULD_LOSE, [])


# -- which provider, how often -----------------------------------------------------------------------


@pytest.mark.parametrize("values", [{"is_active": False}, {"paused_until": "2999-01-01T00:00:00Z"}])
def test_provider_when_off_or_paused_then_nothing_is_sent_to_it(upstream, provider, order, values):
    Provider.objects.filter(pk=provider.pk).update(**values)
    with nothing_changes():
        assert submit_due_orders() == 0
        assert submit_for_provider(provider=Provider.objects.get(pk=provider.pk)) == 0
        assert claim_next(provider_id=provider.pk) is None
    assert upstream.requests == []


def test_claim_when_the_lane_is_taken_then_there_is_none(provider, customer, service):
    for _ in range(3):
        make.order(customer, service)
    assert may_send()
    assert claim_next(provider_id=provider.pk) is not None
    assert claim_next(provider_id=provider.pk) is None
    Provider.objects.update(max_parallel_adds=2)
    assert claim_next(provider_id=provider.pk) is not None
    assert claim_next(provider_id=provider.pk) is None


def test_claim_when_no_order_is_due_then_there_is_none(provider, order):
    Order.objects.update(next_action_at=timezone.now() + timedelta(seconds=30))
    assert claim_next(provider_id=provider.pk) is None


def test_orders_when_due_then_by_turn_and_not_by_due_time(upstream, customer, service):
    links = [f"https://example.com/{number}" for number in range(5)]
    made = [make.order(customer, service, link=link) for link in links]
    for number, one in enumerate(reversed(made)):
        Order.objects.filter(pk=one.pk).update(next_action_at=timezone.now() - timedelta(minutes=10 - number))
    submit_due_orders()
    assert [there.link for there in upstream.orders()] == links


# -- threads -----------------------------------------------------------------------------------------


def send_all(provider: Provider) -> Callable[[int], None]:
    def work(number: int) -> None:
        mine = Provider.objects.get(pk=provider.pk)
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while time.monotonic() < deadline:
            submit_for_provider(provider=mine, seconds=10)
            if not Order.objects.filter(submission__in=("queued", "placing")).exists():
                return

    return work


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("lanes", "workers"), [(1, 2), (1, 6), (3, 6)])
def test_workers_when_many_run_at_once_then_each_order_is_sent_once(upstream, customer, service, lanes, workers):
    """Two overlapping rounds sent the same orders."""
    provider = service.upstream.provider
    Provider.objects.update(max_parallel_adds=lanes)
    made = [make.order(customer, service, link=f"https://example.com/{number}") for number in range(12)]
    upstream.inject(faults.delay_after(0.03 if lanes == 1 else 0.3, "add", times=None))
    assert at_once(workers, send_all(provider)) == [None] * workers
    there = upstream.orders()
    assert sorted(one.link for one in there) == sorted(one.link for one in made)
    assert {fresh(one).upstream_id for one in made} == {str(one.id) for one in there}
    assert PlacementAttempt.objects.count() == 12
    assert most_in_flight(upstream.requests_of("add")) <= lanes
    if lanes > 1:
        # With many lanes the calls overlap, which shows that the measurement works.
        assert most_in_flight(upstream.requests_of("add")) > 1


@pytest.mark.django_db(transaction=True)
def test_workers_when_one_claims_then_no_other_gets_the_same_order(provider, customer, service):
    Provider.objects.update(max_parallel_adds=20)
    make.order(customer, service)
    claims = at_once(8, lambda number: claim_next(provider_id=provider.pk))
    assert sum(claim is not None for claim in claims) == 1
    assert PlacementAttempt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgresql
def test_claim_when_a_customer_is_ordering_then_the_lane_is_free(provider, customer, service):
    """Until it commits, a new order holds a key-share lock on its provider. On a busy shop the claim would rarely find
    the row unlocked.
    """
    waiting = make.order(customer, service)
    with transaction.atomic():
        make.order(customer, service)
        with connection.cursor() as cursor:
            # Checks the foreign key now, not at the commit, so that its lock is held for longer.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        [claim] = at_once(1, lambda number: claim_next(provider_id=provider.pk))
    assert claim is not None
    assert claim.order.pk == waiting.pk


@pytest.mark.django_db(transaction=True)
def test_http_when_sent_then_no_transaction_is_open(upstream, order, monkeypatch):
    """A call inside a transaction would hold its locks for as long as the provider takes."""
    add, seen = UpstreamClient.add, []

    def watched(self: UpstreamClient, *args: Any, **values: Any) -> Any:
        seen.append((connection.in_atomic_block, fresh(order).submission))
        return add(self, *args, **values)

    monkeypatch.setattr(UpstreamClient, "add", watched)
    submit_due_orders()
    assert seen == [(False, Submission.SUBMITTING)]


def test_order_when_refused_after_two_waits_then_refunded_once(upstream, customer, order):
    upstream.inject(refuses_with("Not enough funds on balance"))
    upstream.inject(refuses_with("You have active order with this link"))
    upstream.inject(refuses_with("Bad link"))
    for _ in range(3):
        make_all_due()
        submit_due_orders()
    assert outcomes(order) == [AttemptOutcome.REFUSED] * 3
    assert fresh(order).submission == Submission.REFUSED
    assert Entry.objects.filter(order_ref=order.pk).count() == 2
    assert money_of(customer) == PAID_AND_REFUNDED


def test_order_when_too_dear_for_our_balance_then_cheaper_ones_are_sent(upstream, provider, customer, other, service):
    """One that the balance does not suffice for must not keep all others waiting until its day is over."""
    upstream.set_balance("0.25")
    dear = make.order(customer, service, quantity=1_000)
    cheap = make.order(other, service, quantity=100)
    for _ in range(3):
        Provider.objects.update(paused_until=timezone.now())
        submit_due_orders()
    assert (fresh(dear).submission, fresh(cheap).submission) == (Submission.QUEUED, Submission.ACCEPTED)
