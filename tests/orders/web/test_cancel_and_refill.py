"""Cancel and refill on the order's page: what is offered in which state, its texts, and what a click does."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import ServiceFigures, UpstreamService
from catalog.service_types import SPECS
from orders.models import CancelRequest, Order, OrderEvent, Refill
from orders.requests.refill_poll import poll_due_refills
from orders.requests.send import send_due_requests
from orders.states import CancelState, RefillState, ReviewReason, Status, Submission
from tests import make
from tests.scenes import create_accepted as accepted_orders
from tests.scenes import fresh, nothing_changes, poll_now, refunds_of, set_and_poll, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.once]

CANCEL, REFILL = "Cancel this order", "Ask for a refill"
AT_ONCE = "You get $0.25 back at once"
ASKS = "We ask the provider to stop it and refund what was not delivered. It may be too late."
HOSTILE = "<script>alert(1)</script> & no"


@pytest.fixture
def accepted(customer, service):
    order = make.accepted_order(customer, service)
    Order.objects.filter(pk=order.pk).update(status=Status.IN_PROGRESS, remains=60)
    return fresh(order)


@pytest.fixture
def completed(accepted):
    Order.objects.filter(pk=accepted.pk).update(status=Status.COMPLETED, remains=0)
    return fresh(accepted)


def html_of(client, order) -> str:
    return client.get(reverse("order_detail", args=[order.pk])).content.decode()


def text_of(client, order) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html_of(client, order)))


def act(client, name, order):
    return client.post(reverse(name, args=[order.pk]))


def messages_of(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def cancel_request(order, state=CancelState.WAITING, **values) -> CancelRequest:
    return CancelRequest.objects.create(order=order, provider_id=order.provider_id, state=state, **values)


def refill_of(order, state=RefillState.WAITING, **values) -> Refill:
    return Refill.objects.create(order=order, provider_id=order.provider_id, state=state, **values)


# -- what is offered -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "offers"),
    [
        ({"submission": Submission.QUEUED, "status": Status.PENDING, "upstream_id": None}, {CANCEL, AT_ONCE}),
        (
            {
                "submission": Submission.QUEUED,
                "status": Status.PENDING,
                "upstream_id": None,
                "review_reason": ReviewReason.UNKNOWN_ERROR,
            },
            set(),
        ),
        ({"submission": Submission.SUBMITTING, "status": Status.PENDING, "upstream_id": None}, set()),
        (
            {
                "submission": Submission.IN_DOUBT,
                "status": Status.PENDING,
                "upstream_id": None,
                "doubt_until": timezone.now(),
            },
            set(),
        ),
        ({"status": Status.PENDING}, {CANCEL, ASKS}),
        ({"status": Status.PROCESSING}, {CANCEL, ASKS}),
        ({"status": Status.IN_PROGRESS}, {CANCEL, ASKS}),
        ({"status": Status.COMPLETED}, {REFILL}),
        ({"status": Status.PARTIAL}, set()),
        ({"status": Status.CANCELED}, set()),
    ],
)
def test_order_page_when_in_a_state_then_offers_only_what_would_work(signed_in, accepted, values, offers):
    Order.objects.filter(pk=accepted.pk).update(**values)
    text = text_of(signed_in, accepted)
    assert {words for words in (CANCEL, AT_ONCE, ASKS, REFILL) if words in text} == offers


def test_order_page_when_the_service_has_neither_then_offers_nothing(signed_in, accepted):
    UpstreamService.objects.update(cancel=False, refill=False)
    assert CANCEL not in text_of(signed_in, accepted)
    Order.objects.filter(pk=accepted.pk).update(status=Status.COMPLETED)
    assert REFILL not in text_of(signed_in, accepted)


@pytest.mark.parametrize("state", RefillState.open())
def test_order_page_when_a_refill_is_open_then_offers_no_other(signed_in, completed, state):
    refill_of(completed, state)
    assert REFILL not in text_of(signed_in, completed)


# -- cancel ----------------------------------------------------------------------------------------


def test_cancel_when_not_sent_then_refunded_and_reported(signed_in, customer, service):
    order = make.order(customer, service)
    response = act(signed_in, "order_cancel", order)
    assert response.url == reverse("order_detail", args=[order.pk])
    assert messages_of(response) == f"Order {order.pk} was canceled. $0.25 is back in your wallet."
    assert make.wallet(customer).balance == 10_000_000
    text = text_of(signed_in, order)
    assert "Canceled" in text and CANCEL not in text and "0 of 100" in text


def test_cancel_when_clicked_twice_then_both_report_success(signed_in, customer, service):
    order = make.order(customer, service)
    first, second = act(signed_in, "order_cancel", order), act(signed_in, "order_cancel", order)
    assert messages_of(first).endswith("is back in your wallet.")
    assert messages_of(second) == messages_of(first)
    assert html_of(signed_in, order).count("is back in your wallet") == 1
    assert make.wallet(customer).balance == 10_000_000


def test_cancel_when_accepted_then_requested_once_and_explained(signed_in, accepted, customer):
    for _ in range(2):
        response = act(signed_in, "order_cancel", accepted)
        assert f"You asked to cancel order {accepted.pk}" in messages_of(response)
    assert CancelRequest.objects.get().order == accepted
    text = text_of(signed_in, accepted)
    assert "Cancellation asked for" in text and "It may be too late" in text
    assert CANCEL not in text
    assert make.wallet(customer).balance == 9_750_000


@pytest.mark.parametrize("state", [CancelState.WAITING, CancelState.ASKING, CancelState.ACCEPTED])
def test_order_page_when_cancel_open_then_shown_and_none_offered(signed_in, accepted, state):
    cancel_request(accepted, state, asked_at=timezone.now())
    text = text_of(signed_in, accepted)
    assert "Cancellation asked for" in text and CANCEL not in text
    assert ("The provider took the request" in text) == (state == CancelState.ACCEPTED)


def test_order_page_when_cancel_was_refused_then_reason_is_escaped(signed_in, accepted):
    now = timezone.now()
    refused = cancel_request(accepted, CancelState.REFUSED, finished_at=now, note=HOSTILE)
    html = html_of(signed_in, accepted)
    assert "The provider did not cancel this order" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; no" in html and "<script>alert" not in html
    assert "ask again an hour after" in html and CANCEL not in html
    CancelRequest.objects.filter(pk=refused.pk).update(finished_at=now - timedelta(hours=2))
    html = html_of(signed_in, accepted)
    assert CANCEL in html and "ask again" not in html


@pytest.mark.parametrize("state", [CancelState.REFUSED, CancelState.ENDED])
def test_order_page_when_order_ended_then_old_cancel_not_shown(signed_in, completed, state):
    cancel_request(completed, state, finished_at=timezone.now(), note="Reason")
    text = text_of(signed_in, completed)
    assert "Cancellation asked for" not in text and "did not cancel" not in text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"submission": Submission.SUBMITTING}, "being sent"),
        ({"status": Status.COMPLETED}, "ended already"),
        ({"status": Status.CANCELED}, "ended already"),
    ],
)
def test_cancel_when_too_late_then_says_why_and_changes_nothing(signed_in, accepted, values, words):
    Order.objects.filter(pk=accepted.pk).update(**values)
    with nothing_changes():
        response = act(signed_in, "order_cancel", accepted)
    assert f"Order {accepted.pk} was not canceled." in messages_of(response) and words in messages_of(response)
    assert CancelRequest.objects.count() == 0


# -- refill ----------------------------------------------------------------------------------------


def test_refill_when_clicked_twice_then_requested_once_for_free(signed_in, completed, customer):
    first, second = act(signed_in, "order_refill", completed), act(signed_in, "order_refill", completed)
    assert messages_of(first) == f"You asked for a refill of order {completed.pk}."
    assert "under way" in messages_of(second)
    assert Refill.objects.get().order == completed
    assert make.wallet(customer).balance == 9_750_000
    text = text_of(signed_in, completed)
    assert "Refills" in text and "Waiting to be sent" in text and REFILL not in text


def test_refill_when_order_is_not_completed_then_refusal_explained(signed_in, accepted):
    with nothing_changes():
        response = act(signed_in, "order_refill", accepted)
    assert messages_of(response) == "Only a completed order can be refilled."
    assert Refill.objects.count() == 0


@pytest.mark.parametrize("state", RefillState.values)
def test_refill_history_when_shown_then_states_have_icon_and_word(signed_in, completed, state):
    refill_of(completed, state, note=HOSTILE)
    html = html_of(signed_in, completed)
    [part] = re.findall(r'<section class="refills".*?</section>', html, re.DOTALL)
    assert re.search(rf'<span class="status is-\w+"><svg.*?</svg>{RefillState(state).label}</span>', part)
    assert "just now" in part
    explained = state in (RefillState.REFUSED, RefillState.UNFOLLOWED)  # The other states need no note.
    assert ("&lt;script&gt;" in part) == explained and "<script" not in part


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (RefillState.REJECTED, "The provider looked at it and did not refill."),
        (RefillState.REFUSED, "The provider did not take the request."),
        (RefillState.UNFOLLOWED, "The provider has the request, but does not report its progress."),
    ],
)
def test_refill_history_when_it_failed_then_says_so_plainly(signed_in, completed, state, words):
    refill_of(completed, state)
    assert words in text_of(signed_in, completed)


def test_refill_history_when_several_then_the_latest_is_first(signed_in, completed):
    refill_of(completed, RefillState.REJECTED)
    refill_of(completed, RefillState.PENDING)
    text = text_of(signed_in, completed).split("Refills")[1]
    assert text.index("Pending") < text.index("Rejected")


# -- with a provider -------------------------------------------------------------------------------


def page_after(client, page) -> str:
    """Return the page after its next poll."""
    [address] = re.findall(r'hx-get="([^"]+)"', page)
    response = client.get(address.replace("&amp;", "&"), headers={"HX-Request": "true"})
    assert response.status_code == 200
    return response.content.decode()


def test_cancel_when_the_provider_stops_then_refund_is_shown(signed_in, customer, service, upstream, invariants_hold):
    order = make.order(customer, service, quantity=1_000)
    submit_now()
    upstream.set_order(int(fresh(order).upstream_id), status="In progress", remains=157)
    poll_now()
    act(signed_in, "order_cancel", order)
    page = html_of(signed_in, order)
    assert "We ask the provider to stop this order" in page
    assert send_due_requests() == 1
    page = page_after(signed_in, page)
    assert "The provider took the request" in page
    poll_now()
    page = page_after(signed_in, page)
    assert "Partial" in page and "843 of 1,000" in page and "$0.39" in page
    assert "Cancellation asked for" not in page and "hx-get" not in page
    assert make.wallet(customer).balance == 10_000_000 - 2_500_000 + 392_500


def test_refill_when_the_provider_accepts_then_the_page_follows_it(
    signed_in, customer, service, upstream, invariants_hold
):
    upstream.set_service(1, refill=True)
    order = make.order(customer, service)
    submit_now()
    upstream.set_order(int(fresh(order).upstream_id), status="Completed", remains=0)
    poll_now()
    act(signed_in, "order_refill", order)
    page = html_of(signed_in, order)
    assert send_due_requests() == 1
    page = page_after(signed_in, page)
    assert "Waiting to be sent" not in page and "Pending" in page
    upstream.set_refill(int(Refill.objects.get().upstream_id), status="Rejected")
    Refill.objects.update(next_action_at=timezone.now())
    poll_due_refills()
    page = page_after(signed_in, page)
    assert "Rejected" in page and "did not refill" in page and "hx-get" not in page


# -- who may, and how ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["order_cancel", "order_refill"])
def test_action_when_order_is_anothers_then_404_and_no_change(signed_in, other, service, name):
    theirs = make.accepted_order(other, service)
    Order.objects.filter(pk=theirs.pk).update(status=Status.COMPLETED if name == "order_refill" else Status.IN_PROGRESS)
    with nothing_changes():
        assert act(signed_in, name, theirs).status_code == 404
    assert (CancelRequest.objects.count(), Refill.objects.count()) == (0, 0)


@pytest.mark.parametrize("name", ["order_cancel", "order_refill"])
def test_action_when_method_token_or_login_is_wrong_then_denied(signed_in, customer, accepted, name):
    address = reverse(name, args=[accepted.pk])
    with nothing_changes():
        asked = signed_in.get(address)
        assert asked.status_code == 405 or "Cancel order" in asked.content.decode()
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(customer)
        assert strict.post(address).status_code == 403
        assert Client().post(address).url.startswith(reverse("account_login"))
    assert (CancelRequest.objects.count(), Refill.objects.count()) == (0, 0)


def test_order_page_when_it_has_a_message_then_message_is_focused(signed_in, accepted):
    assert "autofocus" not in html_of(signed_in, accepted)
    act(signed_in, "order_cancel", accepted)
    assert '<div class="messages" role="status" tabindex="-1" autofocus>' in html_of(signed_in, accepted)


def test_timeline_when_the_customer_requested_then_listed(signed_in, accepted):
    act(signed_in, "order_cancel", accepted)
    assert OrderEvent.objects.filter(order=accepted, kind="cancel", is_public=True).count() == 1
    assert "You asked to cancel it" in text_of(signed_in, accepted)


# -- how much was delivered ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words", "bar"),
    [
        ({"status": Status.PENDING, "remains": None}, "0 of 100", 0),
        ({"status": Status.IN_PROGRESS, "remains": None}, "— of 100", 0),
        ({"status": Status.IN_PROGRESS, "remains": 16}, "84 of 100", 84),
        ({"status": Status.IN_PROGRESS, "remains": -20}, "100 of 100", 100),
        ({"status": Status.IN_PROGRESS, "remains": 500}, "0 of 100", 0),
        ({"status": Status.COMPLETED, "remains": None}, "100 of 100", 100),
        ({"status": Status.COMPLETED, "remains": 3}, "100 of 100", 100),
        ({"status": Status.PARTIAL, "remains": 40, "refunded": 100_000}, "60 of 100", 60),
        ({"status": Status.PARTIAL, "remains": None, "refunded": 100_000}, "— of 100", 0),
        ({"status": Status.CANCELED, "remains": 0, "refunded": 250_000}, "0 of 100", 0),
        ({"status": Status.CANCELED, "remains": 40, "refunded": 100_000}, "60 of 100", 60),
    ],
)
def test_progress_when_in_a_state_then_delivered_of_ordered(signed_in, accepted, values, words, bar):
    Order.objects.filter(pk=accepted.pk).update(**values)
    assert f'max="100" value="{bar}"' in html_of(signed_in, accepted)
    assert words.replace("— of 100", "100 ordered") in text_of(signed_in, accepted)


@pytest.mark.parametrize(("status", "bar"), [(Status.PENDING, 0), (Status.IN_PROGRESS, 0), (Status.COMPLETED, 1)])
def test_progress_when_a_package_then_one_whole_thing(signed_in, customer, provider, status, bar):
    order = make.accepted_order(customer, make.service(provider, type="package", rate="3"), quantity=None)
    Order.objects.filter(pk=order.pk).update(status=status, remains=500)  # of its contents
    html = html_of(signed_in, order)
    assert html.count("1 package") == 2 and f'max="1" value="{bar}"' in html
    text = text_of(signed_in, order)  # tokens among the markup have digits of their own
    assert "500" not in text and "Remaining" not in text


def test_last_check_when_open_then_shown_and_when_ended_then_the_end(signed_in, accepted, customer, service):
    assert "Not sent yet" in text_of(signed_in, make.order(customer, service))
    assert "Not checked yet" in text_of(signed_in, accepted)
    moment = timezone.now() - timedelta(minutes=2)
    Order.objects.filter(pk=accepted.pk).update(checked_at=moment)
    assert "Last checked 2 min ago" in text_of(signed_in, accepted)
    Order.objects.filter(pk=accepted.pk).update(status=Status.COMPLETED, finished_at=moment)
    text = text_of(signed_in, accepted)
    assert re.search(r"Ended \d+ \w+, \d\d:\d\d ·\s+2 min ago", text) and "checked" not in text


# -- other parts of the page -----------------------------------------------------------------------

TOLD = {
    "comments": "one\ntwo",
    "usernames": "anna\nbob\ncleo",
    "hashtags": "sun",
    "hashtag": "sun",
    "username": "anna",
    "media": "https://example.com/post",
    "answer_number": "2",
    "groups": "https://example.com/g",
    "keywords": "sun",
    "country": "WW",
    "device": "5",
    "type_of_traffic": "2",
    "google_keyword": "sun",
    "referring_url": "https://example.org/from",
}


@pytest.mark.parametrize("service_type", sorted(SPECS))
def test_order_page_when_type_has_params_then_shown_with_labels(signed_in, accepted, service_type):
    spec = SPECS[service_type]
    params = {param.name: TOLD[param.name] for param in spec.params if param.name != "google_keyword"}
    Order.objects.filter(pk=accepted.pk).update(service_type=service_type, params=params)
    text, html = text_of(signed_in, accepted), html_of(signed_in, accepted)
    for param in spec.params:
        assert (param.label in text) == (param.name in params), param
    shown = {
        "comments": "2 lines",
        "usernames": "3 lines",
        "hashtags": "1 line",
        "device": "Mobile and desktop",
        "type_of_traffic": "Another page",
    }
    for name in params:
        assert shown.get(name, "") in text, name
    for name in {"media", "referring_url"} & set(params):
        assert f'href="{TOLD[name]}"' in html


def test_order_page_when_params_are_hostile_or_unknown_then_escaped(signed_in, accepted):
    Order.objects.filter(pk=accepted.pk).update(service_type="gone", params={"odd_thing": HOSTILE, "empty": ""})
    html = html_of(signed_in, accepted)
    assert "Odd thing" in html and "&lt;script&gt;alert(1)" in html and "<script>alert(1)" not in html
    Order.objects.filter(pk=accepted.pk).update(
        service_type="mentions_media_likers", params={"media": "javascript:alert(1)"}
    )
    assert 'href="javascript' not in html_of(signed_in, accepted)


def test_order_page_when_refunded_in_parts_then_each_and_the_sum(
    signed_in, customer, service, upstream, invariants_hold
):
    [order] = accepted_orders(customer, service, quantity=1_000)
    set_and_poll(upstream, order, status="Partial", remains=100)
    set_and_poll(upstream, order, status="Partial", remains=157)
    page = signed_in.get(reverse("order_detail", args=[order.pk]))
    refunds = page.context["refunds"]
    assert [one.amount for one in refunds] == refunds_of(order) and len(refunds) == 2
    assert sum(one.amount for one in refunds) == fresh(order).refunded == 392_500
    text = text_of(signed_in, order)
    assert "Not delivered +$0.25" in text and "Not delivered +$0.14" in text and "Total $0.39" in text


def test_order_page_when_refunded_by_the_charge_then_sums_agree(
    signed_in, customer, service, upstream, invariants_hold
):
    """The page said "Not delivered 500" and "Refunded 166 of 1,000"."""
    [order] = accepted_orders(customer, service, quantity=1_000)
    set_and_poll(upstream, order, status="In progress", remains=500, charge="2")
    set_and_poll(upstream, order, status="Partial", remains=None, charge="1.668")
    text = text_of(signed_in, order)
    assert "Delivered834" in text and "Not delivered166" in text and "834 of 1,000 delivered" in text
    assert "Refunded $0.42: 166 of 1,000 not delivered" in text and "Not delivered500" not in text


def test_order_page_when_opened_then_offers_to_order_again(signed_in, accepted):
    html = html_of(signed_in, accepted)
    assert f'href="{reverse("order_new")}?again={accepted.pk}"' in html
    assert f'href="{reverse("order_new")}?again={accepted.pk}&amp;link="' in html


def test_order_page_when_it_is_a_run_then_links_its_drip_feed(signed_in, customer, service):
    drip = make.drip(customer, service, runs=3)
    order = drip.orders.get()
    assert f"Run 1 of 3 of drip-feed {drip.pk}" in text_of(signed_in, order)
    assert reverse("drip_detail", args=[drip.pk]) in html_of(signed_in, order)
    assert f"Run 1 of drip-feed {drip.pk}" in signed_in.get(reverse("order_list")).content.decode()


@pytest.mark.parametrize(("timed", "words"), [(4, ""), (5, "About 3 h")])
def test_order_page_when_enough_were_timed_then_shows_the_usual_time(signed_in, accepted, timed, words):
    ServiceFigures.objects.update_or_create(
        service=accepted.service, defaults={"timed": timed, "typical_seconds": 3 * 3_600}
    )
    text = text_of(signed_in, accepted)
    assert words in text and ("Usual time" in text) == bool(words)
