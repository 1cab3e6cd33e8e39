"""The pages of drip-feeds: the list, one with its runs, live updates, and stopping."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.checkout.drip_feeds import begin_due_runs, stop_drip_feed
from orders.models import DripFeed, Order
from orders.states import Status
from tests import make
from tests.admin_calls import WHY
from tests.scenes import money_of, nothing_changes, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def drip(customer, service) -> DripFeed:
    """A drip-feed of three runs of 100 at $0.25, an hour apart; one has begun."""
    return make.drip(customer, service)


def begin(drip: DripFeed) -> None:
    DripFeed.objects.filter(pk=drip.pk, state="running").update(next_run_at=timezone.now() - timedelta(seconds=1))
    begin_due_runs()


def page(client: Client, name: str, *args: Any, **params: Any) -> str:
    response = client.get(reverse(name, args=args), params)
    assert response.status_code == 200
    return response.content.decode()


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def poll_of(html: str) -> str:
    [address] = re.findall(r'hx-get="([^"]*drip-feeds[^"]*)"', html)
    return address.replace("&amp;", "&")


def poll(client: Client, address: str) -> Any:
    return client.get(address, headers={"HX-Request": "true"})


def test_list_when_there_are_drip_feeds_then_each_shows_its_progress(signed_in, drip, other, service):
    make.drip(other, service, runs=9)
    text = words(page(signed_in, "drip_list"))
    assert f"{drip.pk} Followers" in text
    assert "Run 1 of 3" in text
    assert "Running" in text
    assert "of 9" not in text


def test_list_when_empty_then_says_what_to_do(signed_in):
    assert "No drip-feeds yet" in page(signed_in, "drip_list")


def test_list_when_long_then_paged_with_the_same_statements(signed_in, customer, service):
    make.deposit(customer, "100")
    made = [make.drip(customer, service) for _ in range(27)]
    first = page(signed_in, "drip_list")
    assert first.count("Run 1 of 3") == 25
    [older] = re.findall(r'rel="next" href="([^"]+)"', first)
    assert (
        f'<span class="row-number">{made[0].pk}</span>' in signed_in.get(reverse("drip_list") + older).content.decode()
    )
    with statements() as found:
        page(signed_in, "drip_list")
    assert len(found) <= 5


def test_page_when_running_then_shows_money_runs_and_stop_refund(signed_in, drip):
    text = words(page(signed_in, "drip_detail", drip.pk))
    assert "Run 1 of 3" in text
    assert re.search(r"Next run \d+ \w+, \d\d:\d\d · in 60 min", text)
    assert "Stop and get back $0.50" in text
    assert "100 for $0.25" in text
    assert "Charged for 3 runs $0.75" in text
    order = drip.orders.get()
    assert f"Run 1 · order {order.pk}" in text
    assert reverse("order_detail", args=[order.pk]) in page(signed_in, "drip_detail", drip.pk)


def test_page_when_many_runs_then_paged_without_more_statements(signed_in, customer, service):
    long = make.drip(customer, service, quantity=10, runs=30, interval=1)
    page(signed_in, "drip_detail", long.pk)
    with statements() as few:
        page(signed_in, "drip_detail", long.pk)
    for _ in range(29):
        begin(long)
    with statements() as many:
        html = page(signed_in, "drip_detail", long.pk)
    assert len(few) == len(many) <= 7
    assert "Run 30 of 30" in words(html)
    [older] = re.findall(r'rel="next" href="([^"]+)"', html)
    rest = signed_in.get(reverse("drip_detail", args=[long.pk]) + older).content.decode()
    assert "Run 5 <" in rest
    assert "Run 6 <" not in rest
    assert poll(signed_in, poll_of(rest)).status_code == 204


def test_page_when_the_link_is_hostile_then_escaped(signed_in, customer, service):
    drip = make.drip(customer, service)
    DripFeed.objects.filter(pk=drip.pk).update(link='javascript:alert("<b>")', service_name="<script>x</script>")
    for name, args in (("drip_list", []), ("drip_detail", [drip.pk])):
        html = page(signed_in, name, *args)
        assert 'href="javascript' not in html
        assert "<script>x" not in html


# -- live --------------------------------------------------------------------------------------------


def test_live_when_nothing_changed_then_no_content(signed_in, drip):
    answer = poll(signed_in, poll_of(page(signed_in, "drip_detail", drip.pk)))
    assert (answer.status_code, answer.content) == (204, b"")


def test_live_when_a_run_begins_or_moves_then_the_part_is_new(signed_in, drip):
    address = poll_of(page(signed_in, "drip_detail", drip.pk))
    begin(drip)
    answer = poll(signed_in, address).content.decode()
    assert "Run 2 of 3 began." in answer
    assert "Stop and get back $0.25" in answer
    address = poll_of(answer)
    assert poll(signed_in, address).status_code == 204
    Order.objects.filter(drip_feed=drip, run=2).update(status=Status.IN_PROGRESS, remains=60)
    answer = poll(signed_in, address).content.decode()
    assert "40 of 100" in words(answer)
    assert "began." not in answer


def test_live_when_all_has_ended_then_polling_stops(signed_in, customer, drip):
    stop_drip_feed(drip=drip, actor=customer)
    Order.objects.filter(drip_feed=drip).update(status=Status.COMPLETED)
    html = page(signed_in, "drip_detail", drip.pk)
    assert "every" not in html
    assert "Stop and get back" not in html
    assert "Refunded for runs not begun $0.50" in words(html)


# -- stopping ----------------------------------------------------------------------------------------


def stop(client: Client, drip: DripFeed) -> str:
    answer = client.post(reverse("drip_stop", args=[drip.pk]))
    assert answer.url == reverse("drip_detail", args=[drip.pk])
    return words(client.get(answer.url).content.decode())


def test_stop_when_clicked_twice_then_the_refund_is_reported_once(signed_in, customer, drip):
    signed_in.post(reverse("drip_stop", args=[drip.pk]))
    text = stop(signed_in, drip)
    assert text.count(f"Drip-feed {drip.pk} was stopped. $0.50 is back in your wallet.") == 1
    assert money_of(customer)[0] == 9_750_000


def test_stop_when_a_run_began_meanwhile_then_true_refund_is_shown(signed_in, drip):
    page(signed_in, "drip_detail", drip.pk)
    begin(drip)
    assert "$0.25 is back in your wallet" in stop(signed_in, drip)


def test_stop_when_all_runs_have_begun_then_refused(signed_in, drip):
    begin(drip)
    begin(drip)
    with nothing_changes():
        assert "All of its runs have begun" in stop(signed_in, drip)


# -- pauses ------------------------------------------------------------------------------------------


def send(client: Client, name: str, drip: DripFeed) -> str:
    answer = client.post(reverse(name, args=[drip.pk]))
    return words(client.get(answer.url).content.decode())


def test_pause_when_clicked_twice_then_reported_once_and_shown(signed_in, staff_client, drip):
    signed_in.post(reverse("drip_pause", args=[drip.pk]))
    text = send(signed_in, "drip_pause", drip)
    assert text.count(f"Drip-feed {drip.pk} is paused. No run begins until you resume it.") == 1
    assert "The next run begins 60 min after you resume" in text
    assert "Stop and get back $0.50" in text
    assert "Paused" in words(page(signed_in, "drip_list"))
    assert "Paused" in staff_client.get(reverse("admin:orders_dripfeed_changelist")).content.decode()
    text = send(signed_in, "drip_resume", drip)
    assert f"Drip-feed {drip.pk} goes on." in text
    assert "Next run" in text


def test_pause_when_it_has_ended_then_says_why(signed_in, customer, drip):
    stop_drip_feed(drip=drip, actor=customer)
    for name in ("drip_pause", "drip_resume"):
        with nothing_changes():
            assert "All of its runs have begun, or it was stopped." in send(signed_in, name, drip)


def test_live_when_paused_elsewhere_then_the_part_is_new(signed_in, drip):
    address = poll_of(page(signed_in, "drip_detail", drip.pk))
    signed_in.post(reverse("drip_pause", args=[drip.pk]))
    assert "Resume" in poll(signed_in, address).content.decode()


def test_page_when_runs_are_delivered_then_all_of_them_count(signed_in, drip):
    begin(drip)
    Order.objects.filter(drip_feed=drip, run=1).update(status=Status.COMPLETED)
    Order.objects.filter(drip_feed=drip, run=2).update(status=Status.IN_PROGRESS, remains=60)
    assert "140 of 300 delivered" in words(page(signed_in, "drip_detail", drip.pk))


@pytest.mark.parametrize("name", ["drip_detail", "drip_live", "drip_stop", "drip_pause", "drip_resume"])
def test_drip_feed_when_it_is_another_customers_then_404(name, other, drip):
    client = Client()
    client.force_login(other)
    with nothing_changes():
        for send in (client.get, client.post):
            assert send(reverse(name, args=[drip.pk])).status_code in (404, 405)
        assert client.post(reverse("drip_stop", args=[drip.pk])).status_code == 404
    assert DripFeed.objects.get().state == "running"


# -- staff -------------------------------------------------------------------------------------------


def test_admin_when_drip_feed_stopped_then_confirmed_and_done_once(staff_client, customer, drip):
    change = reverse("admin:orders_dripfeed_change", args=[drip.pk])
    assert "Stop and refund" in staff_client.get(change).content.decode()
    address = reverse("admin:orders_dripfeed_stop", args=[drip.pk])
    asked = staff_client.get(address)
    assert "2 runs have not begun and never will: $0.50 are refunded" in asked.content.decode()
    assert money_of(customer)[0] == 9_250_000
    for _ in range(2):
        staff_client.post(address, {"seen": asked.context["seen"], **WHY})
    assert money_of(customer)[0] == 9_750_000
    assert "Stop and refund" not in staff_client.get(change).content.decode()


def test_admin_when_a_run_began_meanwhile_then_confirmed_again(staff_client, customer, drip):
    address = reverse("admin:orders_dripfeed_stop", args=[drip.pk])
    seen = staff_client.get(address).context["seen"]
    begin(drip)
    answer = staff_client.post(address, {"seen": seen, **WHY})
    assert "It changed since you opened this page" in answer.content.decode()
    assert DripFeed.objects.get().state == "running"


def test_admin_list_when_shown_then_orders_linked_no_extra_queries(staff_client, customer, service):
    address = reverse("admin:orders_dripfeed_changelist")
    drip = make.drip(customer, service)
    other_order = make.order(customer, service)

    def asked() -> int:
        with statements() as found:
            assert staff_client.get(address).status_code == 200
        return len(found)

    asked()
    few = asked()
    for _ in range(5):
        make.drip(customer, service, quantity=10)
    assert asked() == few
    html = staff_client.get(reverse("admin:orders_dripfeed_change", args=[drip.pk])).content.decode()
    [orders] = re.findall(r'href="([^"]*drip_feed__id__exact=\d+)"', html)
    listed = staff_client.get(orders)
    assert [order.pk for order in listed.context["cl"].result_list] == [drip.orders.get().pk]
    assert other_order.pk not in {order.pk for order in listed.context["cl"].result_list}
