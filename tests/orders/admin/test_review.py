"""The review page: what it shows, what each choice does, and what it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Provider, Service, UpstreamService
from catalog.provider_accounts import account_of, check_balance
from orders.models import Order, OrderEvent, PlacementAttempt
from orders.reconcile import search
from orders.review import decisions
from orders.states import ReviewReason, Status, Submission
from panel.lib.admin.base import shown_money
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.admin_calls import WHY
from tests.make import reprice
from tests.scenes import (
    count_adds,
    create_in_doubt,
    create_known_orders,
    fresh,
    money_of,
    nothing_changes,
    pass_deadlines,
    poll_now,
    reconcile_now,
    refunds_of,
    statements,
    submit_now,
    true_id,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold"), pytest.mark.once]

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
SORRY = "We could not make sure that your order was accepted"


@pytest.fixture
def customer(db: None) -> Any:
    return make.customer("alice@example.org", funds="100")


@pytest.fixture
def known(upstream: SandboxServer, customer: Any, service: Service) -> list[Order]:
    return [fresh(one) for one in create_known_orders(upstream, customer, service)]


@pytest.fixture
def doubt(upstream: SandboxServer, provider: Provider, customer: Any, service: Service, known: list[Order]) -> Order:
    """An order of 1,000 for $2.50, accepted but unanswered; a foreign order keeps the search from matching it."""
    check_balance(provider=provider)
    order = create_in_doubt(upstream, customer, service, quantity=1_000)
    by_hand(upstream, quantity=5_000)
    reconcile_now()
    pass_deadlines()
    upstream.clear_requests()
    assert fresh(order).review_reason == ReviewReason.DOUBT
    return fresh(order)


@pytest.fixture
def unknown_refusal(upstream: SandboxServer, customer: Any, service: Service) -> Order:
    """An order refused with an unknown message."""
    order = make.order(customer, service)
    upstream.inject(faults.reply(body=b'{"error": "Not today"}', action="add"))
    submit_now()
    assert fresh(order).review_reason == ReviewReason.UNKNOWN_ERROR
    return fresh(order)


@pytest.fixture
def losing(customer: Any, service: Service) -> Order:
    """An order that would cost more than the customer paid."""
    order = make.order(customer, service)
    set_rate(service, "9")
    submit_now()
    assert fresh(order).review_reason == ReviewReason.WOULD_LOSE
    return fresh(order)


@pytest.fixture
def over_limit(customer: Any, service: Service, provider: Provider) -> Order:
    """An order that alone costs more than its provider may get on a day."""
    Provider.objects.update(daily_limit=make.micros("0.1"))
    order = make.order(customer, service)
    submit_now()
    assert fresh(order).review_reason == ReviewReason.OVER_LIMIT
    return fresh(order)


def set_rate(service: Service, rate: str) -> None:
    UpstreamService.objects.filter(pk=service.upstream_id).update(rate=make.micros(rate))
    reprice(services=Service.objects.filter(pk=service.pk))


def by_hand(upstream: SandboxServer, *, quantity: int) -> str:
    """Create an order with our key outside the panel."""
    form = {"key": upstream.key, "action": "add", "service": "1", "link": "https://example.com/h", "quantity": quantity}
    return str(requests.post(upstream.url, data=form, timeout=5).json()["order"])


def note_balances() -> None:
    """Run a round that reads the balance and searches no ids."""
    Provider.objects.update(probes_ids=False)
    reconcile_now()


def page(order: Order) -> str:
    return reverse("admin:orders_order_decide", args=[order.pk])


def own_page(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


def text_of(client: Client, order: Order) -> str:
    response = client.get(page(order))
    assert response.status_code == 200
    return response.content.decode().replace("\xa0", " ")


def choose(client: Client, order: Order, choice: str, **data: str):
    """Open the page and post one of its forms, as a person does."""
    return client.post(page(order), {**WHY, **data, "choice": choice, "seen": client.get(page(order)).context["seen"]})


def errors_of(response, choice: str) -> list[str]:
    """Return the errors of this choice's form; check that the others have none."""
    assert response.status_code == 200
    found = {}
    for card in response.context["cards"]:
        found[card.choice] = [error for errors in card.form.errors.values() for error in errors]
        assert all(error in response.content.decode().replace("&#x27;", "'") for error in found[card.choice])
    assert not any(errors for name, errors in found.items() if name != choice)
    return found[choice]


def staff_with(*codenames: str) -> Client:
    helper = make.customer("helper@example.org")
    helper.is_staff = True
    helper.save()
    helper.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(helper)
    return client


# -- what it shows -----------------------------------------------------------------------------------


def test_page_when_opened_then_nothing_is_sent_or_changed(staff_client, upstream, doubt):
    attempts = list(PlacementAttempt.objects.values())
    with nothing_changes():
        assert staff_client.get(page(doubt), {"choice": "refund", "note": "x"}).status_code == 200
    assert upstream.requests == []
    assert list(PlacementAttempt.objects.values()) == attempts
    assert LogEntry.objects.count() == 0


def test_page_when_in_doubt_then_shows_facts_evidence_and_choices(staff_client, upstream, doubt):
    text = text_of(staff_client, doubt)
    parts = [
        "Find out whether Upstream has this order, then choose below",
        "alice@example.org",
        "https://example.com/a",
        "It may have arrived, no answer",
        "Search again",
        f"Bind {true_id(upstream, doubt)}",
        "Only a hint, never a proof",
        "It was accepted: bind its id",
        "It was not accepted: send it again",
        "Give up: cancel and refund",
        "Cancel and refund $2.50",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert 'href="https://example.com/a"' not in text
    facts = dict(staff_client.get(page(doubt)).context["facts"])
    assert (facts["Quantity"], facts["Charge"], facts["Expected cost"]) == ("1,000", "$2.50", "$2.00")
    assert (facts["Provider"], facts["Its service id"]) == ("Upstream", "1")


def test_page_when_one_orphan_agrees_then_its_id_is_filled_in(staff_client, upstream, doubt):
    response = staff_client.get(page(doubt))
    shown = [(one.id, one.remains, one.charge, one.agrees.words) for one in response.context["search"].orphans]
    ours, theirs = (str(one.id) for one in upstream.orders()[-2:])
    assert shown == [(ours, "1,000", "$2.00", "Agrees"), (theirs, "5,000", "$10.00", "Does not agree")]
    assert response.context["cards"][0].form["upstream_id"].value() == ours


def test_page_when_two_orphans_agree_then_no_id_until_one_is_bound(
    staff_client, staff, upstream, customer, service, known
):
    first, second = (create_in_doubt(upstream, customer, service, quantity=1_000) for _ in range(2))
    reconcile_now()
    assert not staff_client.get(page(second)).context["cards"][0].form["upstream_id"].value()
    one, two = (str(order.id) for order in upstream.orders()[-2:])
    decisions.bind_upstream_id(order=fresh(first), upstream_id=one, actor=staff)
    response = staff_client.get(page(second))
    assert [orphan.id for orphan in response.context["search"].orphans] == [two]
    assert response.context["cards"][0].form["upstream_id"].value() == two


def test_page_when_balances_are_known_then_both_outcomes_computed(staff_client, provider, customer, service, doubt):
    # $1000 less the three others' $0.30 before it was sent, its own $2, and $10 outside the panel after it.
    lines = [(line.label, line.amount, line.note) for line in staff_client.get(page(doubt)).context["balance"]]
    assert [(label, amount) for label, amount, _ in lines] == [
        ("Before it was sent", "$999.70"),
        ("Others sent in between should have cost", "$0.00"),
        ("If it was not accepted, there would be", "$999.70"),
        ("If it was accepted, there would be", "$997.70"),
        ("What was there afterwards", "$987.70"),
    ]
    assert [note for _, _, note in lines[2:4]] == ["$12.00 less was there", "$10.00 less was there"]


def test_page_when_others_were_sent_in_between_then_counted_once(
    staff_client, upstream, provider, customer, other, service, known
):
    check_balance(provider=provider)
    order = create_in_doubt(upstream, customer, service, quantity=1_000)
    twice = make.order(customer, service, quantity=200)
    PlacementAttempt.objects.create(order=twice, token="first", outcome="unknown", account=account_of(provider))
    submit_now()
    found = create_in_doubt(upstream, customer, service, quantity=300)
    decisions.bind_upstream_id(order=found, upstream_id=true_id(upstream, found))
    create_in_doubt(upstream, customer, service, quantity=400, accepted=False)
    note_balances()
    make.order(other, service, quantity=500)  # sent after the second balance
    submit_now()
    context = staff_client.get(page(order)).context
    assert (context["balance"][1].amount, context["balance"][1].note) == ("−$1.00", "2 orders")
    assert context["not_counted"] == "Not counted: 1 order that may have been accepted too, for $0.80."


@pytest.mark.parametrize(("key", "counted"), [("upstream-key", "1 order"), ("another-key", "0 orders")])
def test_page_when_provider_set_up_twice_then_counted_by_account(
    staff_client, upstream, provider, customer, service, known, key, counted
):
    check_balance(provider=provider)
    order = create_in_doubt(upstream, customer, service, quantity=1_000)
    twin = make.provider(name="Twin", url=upstream.url, api_key=key)
    beside = make.accepted_order(customer, make.service(twin), upstream_id="1")
    PlacementAttempt.objects.create(order=beside, token="b", outcome="placed", account=account_of(twin))
    note_balances()
    assert staff_client.get(page(order)).context["balance"][1].note == counted


def test_page_when_attempt_has_no_account_then_counted_by_provider(
    staff_client, upstream, provider, customer, service, known
):
    check_balance(provider=provider)
    order = create_in_doubt(upstream, customer, service, quantity=1_000)
    for place in (provider, make.provider(name="Elsewhere", url="http://127.0.0.1:9/api", api_key="x")):
        beside = make.accepted_order(customer, make.service(place, external_id="8"), upstream_id="1")
        PlacementAttempt.objects.create(order=beside, token=place.name, outcome="placed")
    note_balances()
    PlacementAttempt.objects.update(account="")
    assert staff_client.get(page(order)).context["balance"][1].note == "1 order"


def test_page_when_billed_in_another_currency_then_costs_are_in_it(staff_client, provider, doubt):
    Provider.objects.update(currency="EUR", exchange_rate=1_250_000_000_000)
    context = staff_client.get(page(doubt)).context
    assert dict(context["facts"])["Expected cost"] == "$2.00 (€1.60 there)"
    assert context["cost_there"] == "€1.60"
    assert context["balance"][3].amount == "€998.10"


def test_page_when_others_wrote_its_texts_then_all_are_escaped(staff_client, doubt):
    Provider.objects.update(name=f"P {HOSTILE}"[:80])
    Order.objects.filter(pk=doubt.pk).update(
        link=f"https://example.com/{HOSTILE}",
        service_name=HOSTILE,
        upstream_service_id=HOSTILE[:64],
        review_note=f"note {HOSTILE}",
    )
    orphan = {"id": HOSTILE, "status": HOSTILE, "remains": HOSTILE, "charge": HOSTILE, "agrees": True}
    doubt.submission_attempts.update(
        body=f"body {HOSTILE}",
        detail=f"detail {HOSTILE}",
        request_id="<b>request</b>",
        search_note=f"look {HOSTILE}",
        orphans=[{**orphan, "remains": None}],
    )
    text = text_of(staff_client, doubt)
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text
    assert "<b>request" not in text
    escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;&quot;&#x27;&amp;"
    for mark in ("body ", "detail ", "look ", "note ", "https://example.com/"):
        assert mark + escaped in text
    assert f'value="{escaped}"' in text  # the id that would be bound
    denied = choose(staff_client, doubt, "bind", upstream_id=HOSTILE[:64]).content.decode()
    assert "<script>alert(1)" not in denied


def test_page_when_the_answer_had_a_body_then_folded(staff_client, unknown_refusal):
    text = text_of(staff_client, unknown_refusal)
    details = text[text.index("<details") : text.index("</details>")]
    assert "{&quot;error&quot;: &quot;Not today&quot;}</pre>" in details
    assert "open" not in details[: details.index(">")]


def test_page_when_sent_often_then_queries_stay_the_same(staff_client, doubt):
    def count() -> int:
        with statements() as found:
            text_of(staff_client, doubt)
        return len(found)

    count()
    few = count()
    for number in range(30):
        PlacementAttempt.objects.create(order=doubt, token=f"t{number}", outcome="unknown", phase="sent")
    assert count() == few
    assert len(staff_client.get(page(doubt)).context["attempts"]) == 31


# -- the links to it ---------------------------------------------------------------------------------


def test_list_when_an_order_in_doubt_is_clicked_then_the_review_page(staff_client, doubt, unknown_refusal):
    text = staff_client.get(reverse("admin:orders_orderinreview_changelist")).content.decode()
    for order in (doubt, unknown_refusal):
        link = reverse("admin:orders_orderinreview_change", args=[order.pk])
        assert link in text
        assert staff_client.get(link).headers["Location"] == page(order)


def test_list_when_an_accepted_order_is_clicked_then_its_own_page(staff_client, known):
    Order.objects.filter(pk=known[0].pk).update(review_reason=ReviewReason.CONTRADICTION, review_since=timezone.now())
    for order in known[:2]:  # in review, and decided meanwhile
        link = reverse("admin:orders_orderinreview_change", args=[order.pk])
        assert staff_client.get(link).headers["Location"] == own_page(order)


def test_list_when_the_search_still_runs_then_says_so(staff_client, upstream, customer, service):
    create_in_doubt(upstream, customer, service)
    text = staff_client.get(reverse("admin:orders_orderinreview_changelist")).content.decode()
    assert "In doubt: the panel searches for it until" in text


def test_order_page_when_in_doubt_then_links_the_review_page(staff_client, doubt, known):
    assert page(doubt) in staff_client.get(own_page(doubt)).content.decode()
    assert page(known[0]) not in staff_client.get(own_page(known[0])).content.decode()


def test_page_when_nothing_to_decide_then_redirects_to_the_order(staff_client, known):
    with nothing_changes():
        response = staff_client.get(page(known[0]), follow=True)
    assert response.redirect_chain == [(own_page(known[0]), 302)]
    assert "waits for no decision" in response.content.decode()


@pytest.mark.parametrize("object_id", ["999999", "x", "1 or 1"])
def test_page_when_there_is_no_such_order_then_404(staff_client, object_id):
    address = reverse("admin:orders_order_decide", args=[object_id])
    assert staff_client.get(address).status_code == 404
    assert staff_client.post(address, {"choice": "refund", "note": "x"}).status_code == 404


# -- bind --------------------------------------------------------------------------------------------


def test_bind_when_the_provider_has_it_then_polled(staff_client, staff, upstream, customer, doubt):
    there = true_id(upstream, doubt)
    response = choose(staff_client, doubt, "bind", upstream_id=f" {there} ")
    assert response.headers["Location"] == own_page(doubt)
    bound = fresh(doubt)
    assert (bound.submission, bound.upstream_id, bound.review_reason) == (Submission.ACCEPTED, there, "")
    assert [call.params["orders"] for call in upstream.requests_of("status")] == [there]
    assert OrderEvent.objects.filter(order=doubt, actor=staff, new=Submission.ACCEPTED).count() == 1
    assert there in LogEntry.objects.get(object_id=str(doubt.pk)).change_message
    upstream.set_order(int(there), status="Partial", remains=500, charge="1")
    poll_now()
    assert refunds_of(doubt) == [1_250_000]


def test_bind_when_provider_denies_id_then_error_and_input_is_kept(staff_client, upstream, doubt):
    with nothing_changes():
        response = choose(staff_client, doubt, "bind", upstream_id="424242")
    assert errors_of(response, "bind") == ["Upstream says that it has no order 424242 of ours."]
    assert 'value="424242"' in response.content.decode()
    assert LogEntry.objects.count() == 0


def test_bind_when_another_order_has_the_id_then_refused(staff_client, doubt, known):
    with nothing_changes():
        response = choose(staff_client, doubt, "bind", upstream_id=known[0].upstream_id)
    assert errors_of(response, "bind") == [f"Another order is already bound to {known[0].upstream_id}."]


def test_bind_when_the_id_is_malformed_then_refused_without_a_call(staff_client, upstream, doubt):
    seen = staff_client.get(page(doubt)).context["seen"]
    for upstream_id in ("", " ", "1,2", "1 2", "0", "null", "x" * 65, "12\x00"):
        with nothing_changes():
            response = staff_client.post(page(doubt), {"upstream_id": upstream_id, "choice": "bind", "seen": seen})
        assert len(errors_of(response, "bind")) == 1, upstream_id
    assert upstream.requests == []


def test_bind_when_provider_does_not_answer_then_staff_are_trusted(staff_client, upstream, doubt):
    there = true_id(upstream, doubt)
    upstream.close()
    choose(staff_client, doubt, "bind", upstream_id=there)
    assert fresh(doubt).upstream_id == there


def test_bind_when_another_decides_meanwhile_then_nothing_changes(staff_client, staff, upstream, doubt, monkeypatch):
    check_id = search.check_id

    def meanwhile(**values: Any) -> None:
        check_id(**values)
        decisions.refund_unaccepted(order=fresh(doubt), note="Sorry", actor=staff)

    monkeypatch.setattr(search, "check_id", meanwhile)
    response = choose(staff_client, doubt, "bind", upstream_id=true_id(upstream, doubt))
    assert response.headers["Location"] == own_page(doubt)
    assert (fresh(doubt).submission, refunds_of(doubt)) == (Submission.REFUSED, [2_500_000])
    assert "Nothing was done" in staff_client.get(own_page(doubt)).content.decode()
    assert LogEntry.objects.count() == 0


def test_bind_when_the_refusal_was_not_understood_then_allowed(staff_client, upstream, unknown_refusal):
    there = by_hand(upstream, quantity=100)
    choose(staff_client, unknown_refusal, "bind", upstream_id=there)
    assert (fresh(unknown_refusal).submission, fresh(unknown_refusal).upstream_id) == (Submission.ACCEPTED, there)


# -- send again --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["doubt", "unknown_refusal"])
def test_send_again_when_staff_are_sure_then_sent_once_more(staff_client, staff, upstream, request, fixture):
    order = request.getfixturevalue(fixture)
    before = count_adds(upstream)
    response = choose(staff_client, order, "send_again", sure="on")
    assert response.headers["Location"] == own_page(order)
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.QUEUED, "")
    assert LogEntry.objects.filter(object_id=str(order.pk), user=staff).count() == 1
    for _ in range(2):
        submit_now()
    assert (fresh(order).submission, count_adds(upstream)) == (Submission.ACCEPTED, before + 1)


def test_send_again_when_the_checkbox_is_empty_then_required(staff_client, doubt):
    with nothing_changes():
        response = choose(staff_client, doubt, "send_again")
    assert errors_of(response, "send_again") == ["Tick this only if it is so, then send it again."]
    assert "I made sure that Upstream does not have it." in response.content.decode()


@pytest.mark.parametrize("fixture", ["doubt", "losing"])
def test_send_again_when_at_a_loss_then_refused_and_box_unchecked(staff_client, service, request, fixture):
    order = request.getfixturevalue(fixture)
    set_rate(service, "9")
    assert "It cannot be sent while that is so." in text_of(staff_client, order)
    with nothing_changes():
        response = choose(staff_client, order, "send_again", sure="on")
    [error] = errors_of(response, "send_again")
    assert "the customer paid" in error
    [card] = [card for card in response.context["cards"] if card.choice == "send_again"]
    assert "checked" not in str(card.form["sure"]).replace("checked:", "")


def test_send_again_when_the_loss_is_gone_then_sent(staff_client, service, losing):
    set_rate(service, "2")
    text = text_of(staff_client, losing)
    assert "It cannot be sent" not in text
    assert "I made sure that it costs no more than the customer paid." in text
    choose(staff_client, losing, "send_again", sure="on")
    submit_now()
    assert fresh(losing).submission == Submission.ACCEPTED


# -- cancel and refund -------------------------------------------------------------------------------


def test_send_again_when_the_limit_was_raised_then_sent(staff_client, over_limit):
    assert "I raised the daily limit of this provider." in text_of(staff_client, over_limit)
    Provider.objects.update(daily_limit=make.micros("5"))
    choose(staff_client, over_limit, "send_again", sure="on")
    submit_now()
    assert fresh(over_limit).submission == Submission.ACCEPTED


@pytest.mark.parametrize("fixture", ["doubt", "unknown_refusal", "losing"])
def test_refund_when_staff_give_up_then_full_refund_with_reason(staff_client, customer, request, fixture):
    order = request.getfixturevalue(fixture)
    before = money_of(customer)[0]
    response = choose(staff_client, order, "refund", note="The provider is gone.")
    assert response.headers["Location"] == own_page(order)
    refused = fresh(order)
    assert (refused.submission, refused.status, refused.status_note) == (
        Submission.REFUSED,
        Status.CANCELED,
        "The provider is gone.",
    )
    assert refunds_of(order) == [order.charge]
    assert money_of(customer)[0] == before + order.charge
    assert shown_money(order.charge) in LogEntry.objects.get(object_id=str(order.pk)).change_message


@pytest.mark.parametrize("note", ["", "  ", "x" * 301])
def test_refund_when_the_reason_is_missing_or_too_long_then_an_error(staff_client, doubt, note):
    with nothing_changes():
        response = choose(staff_client, doubt, "refund", note=note)
    assert len(errors_of(response, "refund")) == 1
    [card] = [card for card in response.context["cards"] if card.choice == "refund"]
    assert card.form["note"].value() == note
    assert note in response.content.decode()


def test_refund_when_opened_then_a_polite_reason_is_filled_in(staff_client, doubt, unknown_refusal):
    assert SORRY in text_of(staff_client, doubt)
    assert "We could not get your order accepted" in text_of(staff_client, unknown_refusal)


# -- search again ------------------------------------------------------------------------------------


def test_search_again_when_it_is_there_now_then_bound(staff_client, upstream, doubt, known):
    # The foreign order is bound: nothing else is in the way.
    make_known(upstream, known[0], upstream.orders()[-1].id)
    response = choose(staff_client, doubt, "search")
    assert response.headers["Location"] == own_page(doubt)
    assert (fresh(doubt).submission, fresh(doubt).upstream_id) == (Submission.ACCEPTED, true_id(upstream, doubt))
    assert LogEntry.objects.filter(object_id=str(doubt.pk)).count() == 1


def make_known(upstream: SandboxServer, like: Order, number: int) -> None:
    """Create an order of ours with this id."""
    made = make.order(like.customer, like.service)
    Order.objects.filter(pk=made.pk).update(
        submission=Submission.ACCEPTED, upstream_id=str(number), upstream_number=number, next_action_at=None
    )


def test_search_again_when_nothing_is_found_then_evidence_is_updated(staff_client, upstream, customer, service, known):
    order = create_in_doubt(upstream, customer, service, accepted=False)
    pass_deadlines()
    sent = count_adds(upstream)
    assert "Not searched yet." in text_of(staff_client, order)
    before = fresh(order)
    response = choose(staff_client, order, "search")
    assert response.headers["Location"] == page(order)
    text = text_of(staff_client, order)
    assert "Searched again. Asked for the ids from" in text
    assert order.submission_attempts.get().searches == 1
    assert (fresh(order).submission, fresh(order).review_reason) == (before.submission, before.review_reason)
    assert count_adds(upstream) == sent


def test_search_again_when_the_provider_does_not_answer_then_says_so(staff_client, upstream, doubt):
    upstream.close()
    with nothing_changes():
        choose(staff_client, doubt, "search")
    assert "The provider could not be asked" in text_of(staff_client, doubt)


# -- orders in review before they are accepted -------------------------------------------------------


@pytest.mark.parametrize(
    ("fixture", "cards"), [("unknown_refusal", ["bind", "send_again", "refund"]), ("losing", ["send_again", "refund"])]
)
def test_page_when_queued_in_review_then_only_what_applies(staff_client, upstream, request, fixture, cards):
    order = request.getfixturevalue(fixture)
    response = staff_client.get(page(order))
    assert [card.choice for card in response.context["cards"]] == cards
    text = response.content.decode()
    assert "Search again" not in text
    assert "The balance there" not in text
    assert ("It was not sent yet." in text) == (fixture == "losing")


def test_page_when_sent_again_and_in_doubt_then_it_keeps_evidence(staff_client, staff, upstream, doubt):
    there = true_id(upstream, doubt)
    decisions.send_again(order=doubt, actor=staff)
    decisions.ask_for_review(order=fresh(doubt), reason=ReviewReason.DOUBT, note="A late answer.")
    text = text_of(staff_client, doubt)
    assert "Find out whether Upstream has this order" in text
    assert "A late answer." in text
    assert "Search again" not in text
    assert "The balance there" in text
    assert f"Bind {there}" in text
    choose(staff_client, fresh(doubt), "bind", upstream_id=there)
    assert (fresh(doubt).submission, fresh(doubt).upstream_id) == (Submission.ACCEPTED, there)


@pytest.mark.parametrize(
    ("fixture", "choice"),
    [("losing", "bind"), ("losing", "search"), ("unknown_refusal", "search"), ("doubt", ""), ("doubt", "dismiss")],
)
def test_choice_when_not_offered_then_nothing_changes(staff_client, upstream, request, fixture, choice):
    order = request.getfixturevalue(fixture)
    upstream.clear_requests()
    with nothing_changes():
        response = choose(staff_client, order, choice, upstream_id="77", note="x", sure="on")
    assert "This order does not have that choice now." in response.content.decode()
    assert upstream.requests == []


# -- what each choice refuses ------------------------------------------------------------------------

FILLED = {
    "bind": {"upstream_id": "424242"},
    "send_again": {"sure": "on"},
    "refund": {"note": "My own words", **WHY},
    "search": {},
}


@pytest.mark.parametrize("seen", ["older", "made up", "missing"])
def test_choice_when_page_is_stale_then_nothing_changes_or_is_lost(staff_client, upstream, doubt, seen):
    """A tab opened at the first doubt sent the order again after the second."""
    form = {"seen": staff_client.get(page(doubt)).context["seen"]}
    if seen == "older":
        Order.objects.filter(pk=doubt.pk).update(claim_token="another sending", attempts=2)
    elif seen == "made up":
        form["seen"] = "x"
    else:
        del form["seen"]
    for choice, filled in FILLED.items():
        with nothing_changes():
            response = staff_client.post(page(doubt), {**form, **filled, "choice": choice})
        text = response.content.decode()
        assert text.count("It changed since you opened this page") == 1, choice
        assert all(typed in text for typed in filled.values()), choice
    assert upstream.requests == []
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize("choice", ["bind", "send_again", "refund"])
def test_choice_when_posted_twice_then_done_once(staff_client, upstream, customer, doubt, choice):
    form = {**FILLED[choice], "choice": choice, "seen": staff_client.get(page(doubt)).context["seen"]}
    if choice == "bind":
        form["upstream_id"] = true_id(upstream, doubt)
    assert staff_client.post(page(doubt), form).headers["Location"] == own_page(doubt)
    with nothing_changes():
        again = staff_client.post(page(doubt), form)
    assert again.headers["Location"] == own_page(doubt)
    assert "Nothing was done." in staff_client.get(own_page(doubt)).content.decode()
    assert LogEntry.objects.filter(object_id=str(doubt.pk)).count() == 1


@pytest.mark.parametrize("choice", FILLED)
def test_choice_when_decided_already_then_nothing_changes(staff_client, upstream, known, choice):
    upstream.clear_requests()
    with nothing_changes():
        response = staff_client.post(page(known[0]), {**FILLED[choice], "choice": choice, "seen": "placed::1::0"})
    assert response.headers["Location"] == own_page(known[0])
    assert upstream.requests == []


def test_choice_when_being_submitted_then_nothing_changes(staff_client, doubt):
    seen = staff_client.get(page(doubt)).context["seen"]
    Order.objects.filter(pk=doubt.pk).update(
        submission=Submission.SUBMITTING, lease_until=timezone.now() + timedelta(minutes=1), review_reason=""
    )
    with nothing_changes():
        staff_client.post(page(doubt), {**FILLED["refund"], "choice": "refund", "seen": seen})


def test_page_when_it_has_forms_then_each_has_csrf_token_and_state(staff_client, doubt):
    text = text_of(staff_client, doubt)
    forms = [form.partition("</form>")[0] for form in text.split('<form method="post"')[1:]]
    ours = [form for form in forms if 'name="choice"' in form]
    assert len(ours) == 6  # search again, two orphans, three choices
    assert all('name="csrfmiddlewaretoken"' in form and 'name="seen" value="in_doubt:' in form for form in ours)


@pytest.mark.parametrize("choice", FILLED)
def test_choice_when_the_csrf_token_is_missing_then_refused(staff, upstream, doubt, choice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)
    seen = client.get(page(doubt)).context["seen"]
    with nothing_changes():
        assert client.post(page(doubt), {**FILLED[choice], "choice": choice, "seen": seen}).status_code == 403
    assert upstream.requests == []


# -- who may -----------------------------------------------------------------------------------------


def test_page_when_staff_may_only_view_then_evidence_without_forms(staff_client, upstream, doubt):
    client = staff_with("view_order")
    text = text_of(client, doubt)
    assert "It may have arrived, no answer" in text
    assert "You may look, but not decide" in text
    assert 'name="choice"' not in text
    assert client.get(reverse("admin:orders_orderinreview_changelist")).status_code == 200
    seen = staff_client.get(page(doubt)).context["seen"]
    for choice, data in FILLED.items():
        with nothing_changes():
            assert client.post(page(doubt), {**data, "choice": choice, "seen": seen}).status_code == 403
    assert upstream.requests == []


@pytest.mark.parametrize("codenames", [(), ("view_orderinreview", "change_orderinreview", "view_placementattempt")])
def test_page_when_staff_may_not_see_orders_then_403(staff_client, doubt, codenames):
    client = staff_with(*codenames)
    seen = staff_client.get(page(doubt)).context["seen"]
    with nothing_changes():
        assert client.get(page(doubt)).status_code == 403
        assert client.post(page(doubt), {**FILLED["refund"], "choice": "refund", "seen": seen}).status_code == 403
    assert client.get(reverse("admin:orders_orderinreview_changelist")).status_code == 403


def test_page_when_staff_may_change_orders_then_they_decide(doubt):
    client = staff_with("change_order")
    choose(client, doubt, "refund", note="Sorry")
    assert fresh(doubt).submission == Submission.REFUSED


@pytest.mark.parametrize("who", ["visitor", "customer"])
def test_page_when_not_staff_then_redirected_to_sign_in(customer, doubt, who):
    client = Client()
    if who == "customer":
        client.force_login(customer)
    with nothing_changes():
        for response in (client.get(page(doubt)), client.post(page(doubt), {"choice": "refund", "note": "x"})):
            assert response.headers["Location"].startswith(reverse("admin:login"))
