"""Services sold one order of a link at a time: the second waits behind the first, and is never lost."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from orders.checkout.bulk_orders import create_bulk
from orders.checkout.bulk_quotes import quote_bulk
from orders.checkout.drip_feeds import begin_next_run
from orders.common.link_waits import waits_for
from orders.dispatch.timeouts import end_held_orders, end_waits
from orders.models import DripFeed, Order
from orders.requests.cancel import CancelOutcome, cancel_order
from orders.states import Status, Submission
from tests import make
from tests.scenes import at_once, count_adds, fresh, make_all_due, statements, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LINK, SAME = "https://www.instagram.com/p/A1/?igsh=x", "instagram.com/reel/A1"


@pytest.fixture
def single(service):
    service.one_at_a_time = True
    service.save()
    return service


def due_again(order: Order) -> None:
    """Let the time pass after which a waiting order is looked at again."""
    Order.objects.filter(pk=order.pk).update(next_action_at=timezone.now() - timedelta(seconds=1))
    end_waits()


def test_order_when_another_of_its_link_runs_then_it_waits_for_its_end(upstream, customer, single):
    first, second = make.order(customer, single, link=LINK), make.order(customer, single, link=SAME)
    other = make.order(customer, single, link="https://www.instagram.com/p/B2/")
    submit_now()
    assert [fresh(order).submission for order in (first, second, other)] == [
        Submission.ACCEPTED,
        Submission.QUEUED,
        Submission.ACCEPTED,
    ]
    assert (waits_for(order=fresh(second)), waits_for(order=fresh(first))) == (first.pk, None)
    due_again(second)
    submit_now()
    assert fresh(second).submission == Submission.QUEUED and count_adds(upstream) == 2
    Order.objects.filter(pk=first.pk).update(status=Status.COMPLETED)
    assert waits_for(order=fresh(second)) is None
    due_again(second)
    submit_now()
    assert fresh(second).submission == Submission.ACCEPTED


def test_orders_when_three_are_of_one_link_then_one_after_another(upstream, customer, single):
    orders = [make.order(customer, single, link=LINK) for _number in range(3)]
    sent = []
    for _round in orders:
        make_all_due()
        for order in orders:
            due_again(order) if fresh(order).turn < 0 else None
        submit_now()
        sent.append([order.pk for order in orders if fresh(order).submission == Submission.ACCEPTED])
        Order.objects.filter(submission=Submission.ACCEPTED).update(status=Status.COMPLETED)
    assert sent == [[order.pk for order in orders[: number + 1]] for number in range(3)]


def test_orders_when_nothing_says_they_wait_then_all_are_sent(upstream, customer, service):
    assert not service.one_at_a_time
    both = [make.order(customer, service, link=LINK) for _number in range(2)]
    submit_now()
    assert {fresh(order).submission for order in both} == {Submission.ACCEPTED}


def test_order_when_another_customers_runs_then_it_does_not_wait(upstream, customer, single):
    make.order(customer, single, link=LINK)
    other = make.order(make.customer("other@example.org", funds="10"), single, link=LINK)
    assert fresh(other).turn > 0


def test_order_when_another_service_of_the_provider_runs_then_not_waiting(upstream, customer, single):
    other = make.service(single.upstream.provider, external_id="2")
    make.order(customer, other, link=LINK)
    assert fresh(make.order(customer, single, link=LINK)).turn > 0


def test_order_when_the_release_before_wrote_the_key_then_it_waits(customer, single):
    first = make.order(customer, single, link=LINK)
    Order.objects.update(link_key="instagram.com/p/A1/?igsh=x")
    assert waits_for(order=fresh(make.order(customer, single, link=LINK))) == first.pk


def test_waiting_order_when_canceled_then_withdrawn_and_the_next_goes_on(customer, single):
    first, second, third = (make.order(customer, single, link=LINK) for _number in range(3))
    assert cancel_order(order=fresh(second), actor=customer) is CancelOutcome.WITHDRAWN
    assert fresh(second).refunded == fresh(second).charge
    cancel_order(order=fresh(first), actor=customer)
    due_again(third)
    assert fresh(third).turn > 0


def test_waiting_order_when_the_service_is_sold_otherwise_then_it_goes_on(customer, single):
    make.order(customer, single, link=LINK)
    second = make.order(customer, single, link=LINK)
    single.one_at_a_time = False
    single.save()
    assert waits_for(order=fresh(second)) is None
    due_again(second)
    assert fresh(second).turn > 0


def test_waiting_order_when_the_limit_of_the_queue_passes_then_not_refunded(upstream, customer, single):
    make.order(customer, single, link=LINK)
    submit_now()
    second = make.order(customer, single, link=LINK)
    Order.objects.filter(pk=second.pk).update(queued_at=timezone.now() - timedelta(days=30))
    due_again(second)
    assert end_held_orders() == 0
    assert fresh(second).queued_at > timezone.now() - timedelta(minutes=1)


def test_waiting_order_when_it_waited_longest_then_sent_all_the_same(upstream, customer, single):
    first = make.order(customer, single, link=LINK)
    submit_now()
    second, third = (make.order(customer, single, link=LINK) for _number in range(2))
    Order.objects.filter(pk=second.pk).update(created_at=timezone.now() - timedelta(days=7, minutes=1))
    due_again(second)
    due_again(third)
    submit_now()
    assert [fresh(order).submission for order in (second, third)] == [Submission.ACCEPTED, Submission.QUEUED]
    assert waits_for(order=fresh(second)) is None
    note = f"It waited 7 days for order {first.pk} to end, and is sent now"
    assert [event.text for event in second.events.filter(is_public=True)].count(note) == 1


def test_lines_when_two_are_of_one_link_then_the_second_waits(customer, single):
    text = f"{single.pk} | {LINK} | 100\n{single.pk} | {SAME} | 100\n{single.pk} | instagram.com/p/C3 | 100"
    seal = quote_bulk(customer=customer, text=text).seal
    quoted = quote_bulk(customer=customer, text=text)
    assert [line.warning.startswith("Waits until line 1 has") for line in quoted.lines] == [False, True, False]
    create_bulk(customer=customer, text=text, request_key=uuid4().hex, seal=seal)
    assert quote_bulk(customer=customer, text=text).lines[0].warning.startswith("Waits until your order")
    assert [order.turn > 0 for order in Order.objects.order_by("pk")] == [True, False, True]


def test_run_when_the_one_before_still_runs_then_it_waits(customer, single):
    drip = make.drip(customer, single)
    DripFeed.objects.update(next_run_at=timezone.now())
    assert begin_next_run(pk=drip.pk)
    assert [order.turn > 0 for order in Order.objects.order_by("pk")] == [True, False]


def test_order_when_services_are_sold_as_ever_then_no_more_statements(customer, service):
    make.order(customer, service, link=LINK)
    with statements() as plain:
        make.order(customer, service, link=LINK)
    service.one_at_a_time = True
    service.save()
    with statements() as single:
        make.order(customer, service, link=LINK)
    assert len(single) == len(plain) + 1


@pytest.mark.django_db(transaction=True)
def test_orders_when_created_at_once_then_all_but_one_wait(customer, single):
    at_once(4, lambda _number: make.order(customer, single, link=LINK))
    assert sorted(order.turn > 0 for order in Order.objects.all()) == [False, False, False, True]
    assert Order.objects.order_by("pk")[0].turn > 0


def test_page_when_the_order_waits_then_it_names_the_other(signed_in, customer, single):
    first, second = make.order(customer, single, link=LINK), make.order(customer, single, link=LINK)
    page = signed_in.get(reverse("order_detail", args=[second.pk]))
    text = page.content.decode()
    assert f'<a href="{reverse("order_detail", args=[first.pk])}">order {first.pk}</a> on this link' in text
    assert page.context["can_withdraw"]
    assert "It waits for your" not in signed_in.get(reverse("order_detail", args=[first.pk])).content.decode()


def test_form_when_the_link_has_a_running_order_then_it_says_so(signed_in, customer, single):
    make.order(customer, single, link=LINK)
    typed = {"service": single.pk, "link": SAME, "quantity": "100"}
    live = signed_in.post(reverse("order_quote"), typed, headers={"HX-Request": "true"})
    assert "This one waits until it ends." in live.content.decode()
