"""The order form: finding a service, the fields of each type, the summary, and what it keeps."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from catalog.models import Category, CustomerPrice, Favourite, Service, ServiceFigures, UpstreamService
from catalog.service_types import SPECS
from orders.models import DripFeed, Order
from orders.states import Status, Submission
from orders.web.service_search import MAX_FOUND, Asked, find_services
from tests import make
from tests.scenes import nothing_changes, statements, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold"), pytest.mark.once]

LINK = "https://example.com/page"
# What a customer types for each parameter of the protocol.
TYPED = {
    "comments": "Nice\nGreat\n\nWow",
    "usernames": "anna\nben\ncarl",
    "hashtags": "#one\n#two",
    "hashtag": "sunset",
    "username": "anna",
    "media": "https://example.com/p/1",
    "answer_number": "2",
    "groups": "group one\ngroup two",
    "keywords": "blue shoes",
    "country": "US",
    "device": "4",
    "type_of_traffic": "1",
    "google_keyword": "blue shoes",
    "referring_url": "https://example.com/from",
}
# The sandbox's names; the panel's are those of its import.
UPSTREAM_NAMES = {
    "mentions_hashtag": "Mentions Hashtag",
    "mentions_with_hashtags": "Mentions with Hashtags",
    "invites_from_groups": "Invites from Groups",
    "seo": "SEO",
}


def sell(upstream: Any, provider: Any, service_type: str) -> Service:
    """Put a service of the type on sale, here and at the provider."""
    name = UPSTREAM_NAMES.get(service_type, service_type.replace("_", " ").title())
    upstream.set_service(1, rate="2", min=1, max=10_000, type=name)
    return make.service(provider, type=service_type, low=1)


def typed_for(of: Service) -> dict[str, str]:
    spec = SPECS[of.type]
    typed = {param.name: TYPED[param.name] for param in spec.params}
    return {**typed, "quantity": "100"} if spec.takes_quantity else typed


def post(client: Client, of: Service | None, **changes: Any) -> Any:
    data = {"service": of.pk if of else "", "link": LINK, "request_key": uuid4().hex, "seen_charge": 10**9, **changes}
    return client.post(reverse("order_new"), {name: value for name, value in data.items() if value is not None})


def page_of(client: Client, **query: Any) -> str:
    return client.get(reverse("order_new"), query).content.decode()


def find(client: Client, query: str) -> Any:
    return client.get(reverse("order_find"), {"q": query})


def found_in(response: Any) -> dict[str, list[int]]:
    return {group.name: [offer.service.pk for offer in group.offers] for group in response.context["found"].groups}


# -- every type --------------------------------------------------------------------------------------


@pytest.mark.parametrize("service_type", SPECS)
def test_form_when_a_type_is_chosen_then_exactly_its_fields(signed_in, upstream, provider, service_type):
    form = signed_in.get(reverse("order_new"), {"service": sell(upstream, provider, service_type).pk}).context["form"]
    spec = SPECS[service_type]
    expected = {"service", "link", "request_key", *(param.name for param in spec.params)}
    expected |= {"quantity"} if spec.takes_quantity else set()
    expected |= {"runs", "interval"} if spec.drips else set()
    assert set(form.fields) == expected


@pytest.mark.parametrize("service_type", SPECS)
def test_order_when_of_any_type_then_the_provider_accepts_it(signed_in, upstream, provider, service_type):
    service = sell(upstream, provider, service_type)
    response = post(signed_in, service, **typed_for(service))
    assert response.status_code == 302, response.context["form"].errors
    submit_now()
    order = Order.objects.get()
    assert order.submission == Submission.ACCEPTED, order.status_note
    [there] = upstream.orders()
    dropped = {"referring_url"}  # The visitors come from a search.
    sent = {name: text for name, text in typed_for(service).items() if name not in dropped | {"quantity"}}
    assert {name: there.params[name].split() for name in sent} == {name: text.split() for name, text in sent.items()}
    assert not dropped & set(there.params)
    assert there.quantity == order.quantity


@pytest.mark.parametrize("service_type", [name for name, spec in SPECS.items() if spec.params])
def test_form_when_a_parameter_is_missing_then_its_field_says_so(signed_in, upstream, provider, service_type):
    service = sell(upstream, provider, service_type)
    with nothing_changes():
        errors = post(signed_in, service, quantity="100").context["form"].errors
    assert set(errors) == {param.name for param in SPECS[service_type].params if param.only_if is None}
    assert "This field is required" not in str(errors)


@pytest.mark.parametrize(("traffic", "asked"), [("1", "google_keyword"), ("2", "referring_url"), ("3", None)])
def test_traffic_when_source_chosen_then_only_its_field_required(signed_in, upstream, provider, traffic, asked):
    service = sell(upstream, provider, "web_traffic")
    typed = {"country": "US", "device": "1", "type_of_traffic": traffic, "quantity": "100"}
    response = post(signed_in, service, **typed)
    if asked is None:
        assert response.status_code == 302
        assert set(Order.objects.get().params) == {"country", "device", "type_of_traffic"}
    else:
        assert set(response.context["form"].errors) == {asked}
        post(signed_in, service, **typed, **{asked: TYPED[asked]})
        assert Order.objects.get().params[asked] == TYPED[asked]


@pytest.mark.parametrize(
    ("typed", "kept"), [(" de ", "DE"), ("ww", "WW"), ("Germany", None), ("D1", None), ("ÄÖ", None)]
)
def test_country_when_typed_then_two_letters_sent_in_capitals(signed_in, upstream, provider, typed, kept):
    service = sell(upstream, provider, "web_traffic")
    answers = {"country": typed, "device": "1", "type_of_traffic": "3", "quantity": "100"}
    response = post(signed_in, service, **answers)
    if kept:
        assert Order.objects.get().params["country"] == kept
    else:
        assert response.context["form"].errors == {"country": ["Write the country's two-letter code, such as DE."]}
        assert not Order.objects.exists()


def test_quantity_when_below_the_limits_then_one_error(signed_in, upstream, provider):
    service = sell(upstream, provider, "default")
    service.min_quantity = 50
    service.save()
    text = post(signed_in, service, quantity="5").content.decode()
    assert "Order between 50 and" in text and "smallest order" not in text
    live = signed_in.post(reverse("order_quote"), {"service": service.pk, "quantity": "5"}, HTTP_HX_REQUEST="true")
    assert "The smallest order of this service is 50." in live.content.decode()


def test_form_when_shown_then_limits_and_required_fields_are_visible(signed_in, upstream, provider):
    service = sell(upstream, provider, "comment_replies")
    text = page_of(signed_in, service=service.pk)
    assert "1 to 10,000 lines" in text
    assert "(optional)" not in text
    assert "<bdi>1–10,000</bdi>" in text


def test_type_when_switched_and_back_then_nothing_typed_is_lost(signed_in, upstream, provider):
    comments = sell(upstream, provider, "custom_comments")
    likes = make.service(provider, external_id="2")
    typed = {"service": likes.pk, "link": LINK, "comments": "one\n<two>"}
    there = signed_in.post(reverse("order_fields"), typed).content.decode()
    assert '<input type="hidden" name="comments" value="one\n&lt;two&gt;">' in there
    back = signed_in.post(reverse("order_fields"), {**typed, "service": comments.pk}).content.decode()
    assert back.count('name="comments"') == 1


# -- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("service_type", SPECS)
def test_field_when_it_holds_a_nul_then_its_error_and_no_charge(signed_in, upstream, provider, service_type):
    service = sell(upstream, provider, service_type)
    spec = SPECS[service_type]
    fields = ["link", *typed_for(service), *(("runs", "interval") if spec.drips else ())]
    fields = [name for name in fields if name != "referring_url"]  # Not a field of this choice, so it is dropped.
    for name in fields:
        typed = {"link": LINK, **typed_for(service)}
        with nothing_changes():
            response = post(signed_in, service, **{**typed, name: f"{typed.get(name, '2')}\x00"})
        assert response.status_code == 200
        assert name in response.context["form"].errors, name
    with nothing_changes():
        assert post(signed_in, None, service=f"{service.pk}\x00", **typed_for(service)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"runs": "1", "interval": "60"}, "runs"),
        ({"runs": "-3", "interval": "60"}, "runs"),
        ({"runs": "0", "interval": "60"}, "runs"),
        ({"runs": "1001", "interval": "60"}, "runs"),
        ({"runs": "9" * 40, "interval": "60"}, "runs"),
        ({"runs": "1.5", "interval": "60"}, "runs"),
        ({"runs": "10", "interval": ""}, "interval"),
        ({"runs": "", "interval": "60"}, "runs"),
        ({"runs": ",", "interval": ""}, "runs"),
        ({"runs": "", "interval": " , "}, "interval"),
        ({"runs": "10", "interval": "0"}, "interval"),
        ({"runs": "10", "interval": "43201"}, "interval"),
        ({"runs": "1000", "interval": "43200"}, "interval"),
        ({"runs": "10", "interval": "60", "quantity": "5"}, "quantity"),
    ],
)
def test_runs_when_bad_then_the_error_is_at_their_field(signed_in, service, changes, field):
    with nothing_changes():
        response = post(signed_in, service, **{"quantity": "100", **changes})
    assert field in response.context["form"].errors
    assert '<details class="runs" open>' in response.content.decode()
    assert DripFeed.objects.count() == 0


@pytest.mark.parametrize("quantity", ["-5", "0", "10001", "9" * 15, "9" * 40, "1.0", "1e3", "0x10", "10.5"])
def test_quantity_when_bad_then_an_error_before_and_after_posting(signed_in, service, quantity):
    live = signed_in.post(reverse("order_quote"), {"service": service.pk, "quantity": quantity})
    assert not live.context["summary"].can_order
    with nothing_changes():
        assert "quantity" in post(signed_in, service, quantity=quantity).context["form"].errors


def test_service_when_hidden_meanwhile_then_error_and_input_kept(signed_in, service):
    Service.objects.filter(pk=service.pk).update(is_on_sale=False)
    with nothing_changes():
        response = post(signed_in, service, quantity="100")
    assert "no longer on sale" in response.content.decode()
    assert LINK in response.content.decode()
    assert '<input type="hidden" name="quantity" value="100">' in response.content.decode()
    for address in (reverse("order_quote"), reverse("order_fields")):
        answer = signed_in.post(address, {"service": service.pk, "link": LINK, "quantity": "100"})
        assert answer.status_code == 200
        assert answer.context["offer"] is None
    make.service(service.upstream.provider, external_id="2")
    assert "Choose another" in page_of(signed_in, service=service.pk)


@pytest.mark.parametrize(
    "query", ["service=x", "service=%00", "link=%00", "quantity=%00", "again=x", "again=%00", "service=" + "9" * 30]
)
def test_form_when_the_query_string_is_odd_then_it_opens(signed_in, service, query):
    assert signed_in.get(f"{reverse('order_new')}?{query}").status_code in (200, 404)


# -- the summary -------------------------------------------------------------------------------------


def test_summary_when_typing_then_charge_and_balance_after(signed_in, service):
    typed = {"service": service.pk, "link": LINK, "quantity": "1,000"}
    response = signed_in.post(reverse("order_quote"), typed, headers={"HX-Request": "true"})
    text = response.content.decode()
    assert 'value="2500000"' in text
    assert "Order for $2.50" in strip_tags(text)
    assert "$7.50" in text


def test_summary_when_lines_are_counted_then_says_how_many(signed_in, upstream, provider):
    service = sell(upstream, provider, "custom_comments")
    live = signed_in.post(reverse("order_quote"), {"service": service.pk, "comments": "a\n\nb\r\nc"})
    assert "3 lines" in live.content.decode()
    assert live.context["summary"].quote.charge == 7_500


def test_summary_when_several_runs_then_plan_and_total_charge(signed_in, service):
    typed = {"service": service.pk, "link": LINK, "quantity": "100", "runs": "10", "interval": "60"}
    live = signed_in.post(reverse("order_quote"), typed)
    text = strip_tags(live.content.decode())
    assert "10 runs × 100 × $2.50 per 1,000" in text
    assert "one run every 1 h, over 9 h" in text
    assert "Order for $2.50" in text
    assert live.context["summary"].quote.total == 1_000
    half = signed_in.post(reverse("order_quote"), {**typed, "interval": ""})
    assert not half.context["summary"].can_order
    assert "minutes between them" in half.content.decode()


def test_drip_feed_when_ordered_then_all_runs_are_charged_once(signed_in, customer, service):
    key = uuid4().hex
    typed = {"quantity": "100", "runs": "10", "interval": "60", "request_key": key, "seen_charge": 2_500_000}
    first, second = post(signed_in, service, **typed), post(signed_in, service, **typed)
    drip = DripFeed.objects.get()
    assert first.url == second.url == reverse("drip_detail", args=[drip.pk])
    assert (drip.runs, drip.interval, drip.quantity) == (10, 60, 100)
    assert make.wallet(customer).balance == 7_500_000


def test_drip_feed_when_only_one_run_was_seen_then_confirmed_again(signed_in, service):
    with nothing_changes():
        response = post(signed_in, service, quantity="100", runs="10", interval="60", seen_charge=250_000)
    assert "$2.50" in " ".join(response.context["form"].non_field_errors())
    assert 'value="2500000"' in response.content.decode()


def figures(of: Service, **values: Any) -> None:
    ServiceFigures.objects.create(
        service=of,
        **{"timed": 20, "fast_seconds": 7_200, "typical_seconds": 10_800, "slow_seconds": 18_000, **values},
    )


def test_time_when_enough_orders_were_timed_then_median_and_spread(signed_in, service):
    figures(service)
    assert "Usually about 3 h; half take 2 h to 5 h" in page_of(signed_in, service=service.pk)


def test_time_when_too_few_were_timed_then_no_word(signed_in, service):
    assert "service-time" not in page_of(signed_in, service=service.pk)
    figures(service, timed=4)
    assert "service-time" not in page_of(signed_in, service=service.pk)


# -- the same link -----------------------------------------------------------------------------------


def warning(client: Client, link: str) -> str:
    text = client.post(reverse("order_quote"), {"link": link}).content.decode()
    return text[text.index('id="running-order"') :]


def test_link_when_it_has_an_active_order_then_warned_but_allowed(signed_in, customer, service):
    order = make.order(customer, service, link=LINK)
    for same in (LINK, "http://www.EXAMPLE.com/page/", " example.com/page "):
        text = warning(signed_in, same)
        assert reverse("order_detail", args=[order.pk]) in text
        assert "still running for this link" in text
    assert "still running" not in warning(signed_in, LINK + "2")
    assert "still running" in page_of(signed_in, service=service.pk, link=LINK)
    assert post(signed_in, service, quantity="100").status_code == 302


def test_link_when_its_orders_ended_or_are_anothers_then_no_warning(signed_in, customer, other, service):
    ended = make.accepted_order(customer, service, link=LINK)
    Order.objects.filter(pk=ended.pk).update(status=Status.COMPLETED, finished_at=timezone.now())
    make.order(other, service, link=LINK)
    assert "still running" not in warning(signed_in, LINK)


@pytest.mark.parametrize("link", ["", "nonsense here", "https://example.com/\x00", "x" * 5_000])
def test_link_when_malformed_then_not_queried(signed_in, customer, service, link):
    make.order(customer, service, link=LINK)
    assert "still running" not in warning(signed_in, link)


def test_link_when_a_drip_feed_is_between_runs_then_warned(signed_in, customer, service, upstream):
    drip = make.drip(customer, service)
    submit_now()
    Order.objects.update(status=Status.COMPLETED, remains=0, finished_at=timezone.now(), next_poll_at=None)
    assert reverse("drip_detail", args=[drip.pk]) in warning(signed_in, drip.link)


# -- order again -------------------------------------------------------------------------------------


def test_order_again_when_opened_then_filled_in(signed_in, customer, upstream, provider):
    service = sell(upstream, provider, "web_traffic")
    post(signed_in, service, **typed_for(service))
    form = signed_in.get(reverse("order_new"), {"again": Order.objects.get().pk}).context["form"]
    kept = {"link": LINK, **{name: text for name, text in typed_for(service).items() if name != "referring_url"}}
    assert {name: form[name].value() for name in kept} == kept
    assert form["service"].value() == str(service.pk)
    assert form["request_key"].value() != Order.objects.get().request_key


def test_order_again_when_for_another_link_then_empty_and_focused(signed_in, customer, service):
    order = make.order(customer, service, link=LINK)
    response = signed_in.get(f"{reverse('order_new')}?again={order.pk}&link=")
    assert response.context["form"]["link"].value() == ""
    assert response.context["form"]["quantity"].value() == "100"
    assert "autofocus" in str(response.context["form"]["link"])


def test_order_again_when_the_order_is_anothers_then_404(signed_in, other, service):
    order = make.order(other, service, link=LINK)
    assert signed_in.get(reverse("order_new"), {"again": order.pk}).status_code == 404


def test_order_again_when_service_gone_then_notice_and_link_kept(signed_in, customer, service):
    order = make.order(customer, service, link=LINK)
    Service.objects.update(is_on_sale=False)
    make.service(service.upstream.provider, external_id="2")
    text = page_of(signed_in, again=order.pk)
    assert "no longer on sale" in text
    assert LINK in text


def test_form_when_the_query_string_has_fields_then_filled_in(signed_in, service):
    query = {"service": service.pk, "link": LINK, "quantity": "100", "runs": "3", "interval": "60", "request_key": "x"}
    form = signed_in.get(reverse("order_new"), query).context["form"]
    assert [form[name].value() for name in ("link", "quantity", "runs", "interval")] == [LINK, "100", "3", "60"]
    assert form["request_key"].value() != "x"


# -- a session that ended ----------------------------------------------------------------------------


def test_session_when_ended_then_not_ordered_and_draft_is_restored(customer, upstream, provider):
    service = sell(upstream, provider, "custom_comments")
    comments = "\n".join(f"Comment {number}: größer & „besser“" for number in range(500))
    client = Client()
    with nothing_changes():
        response = post(client, service, comments=comments, owner=make.form_owner(customer, reverse("order_new")))
    assert response.status_code == 302
    assert response.url == f"{reverse('account_login')}?{urlencode({'next': reverse('order_new')}, safe='/')}"
    back = client.post(response.url, {"login": customer.email, "password": "correct horse battery"}, follow=True)
    assert back.redirect_chain[-1][0] == reverse("order_new")
    form = back.context["form"]
    assert (form["link"].value(), form["comments"].value()) == (LINK, comments)
    assert form["service"].value() == str(service.pk)
    assert not form.is_bound
    assert client.get(reverse("order_new")).context["form"]["link"].value() == LINK  # still there after a reload
    client.post(reverse("order_discard"))
    assert client.get(reverse("order_new")).context["form"]["link"].value() is None


def test_session_when_ended_then_no_other_customer_gets_the_draft(customer, other, service):
    client = Client()
    post(client, service, owner=make.form_owner(customer, reverse("order_new")))
    client.force_login(other)
    assert client.get(reverse("order_new")).context["form"]["link"].value() is None


@pytest.mark.parametrize("owner", ["", "1", "1:abc:def"])
def test_session_when_a_visitor_has_no_signed_form_then_stays_empty(service, owner):
    client = Client()
    assert post(client, service, owner=owner).status_code == 302
    assert settings.SESSION_COOKIE_NAME not in client.cookies


def test_session_when_ended_an_hour_ago_then_the_draft_is_gone(customer, service, monkeypatch):
    client = Client()
    post(client, service, owner=make.form_owner(customer, reverse("order_new")))
    client.force_login(customer)
    monkeypatch.setattr("orders.web.views.drafts.SECONDS", -1)
    assert client.get(reverse("order_new")).context["form"]["link"].value() is None


def test_session_when_one_text_is_too_large_then_the_rest_is_kept(customer, service):
    client = Client()
    owner = make.form_owner(customer, reverse("order_new"))
    post(client, service, quantity="100", comments="x" * 200_000, owner=owner)
    client.force_login(customer)
    form = client.get(reverse("order_new")).context["form"]
    assert (form["link"].value(), form["quantity"].value()) == (LINK, "100")


# -- a service that changes while its form is open -----------------------------------------------------


def test_type_when_changed_upstream_meanwhile_then_confirmed_again(signed_in, customer, service):
    """The customer saw 1,000 for $2.50; for a package the quantity would be dropped silently."""
    UpstreamService.objects.update(type="package")
    with nothing_changes():
        response = post(signed_in, service, quantity="1000", seen_type="default", seen_charge=2_500_000)
    assert "has changed meanwhile" in response.content.decode()
    assert 'name="seen_type" value="package"' in response.content.decode()


# -- finding a service -------------------------------------------------------------------------------


def test_find_when_words_given_then_all_match_name_category_or_id(signed_in, provider):
    blue = make.service(provider, external_id="1", name="Blue likes, fast")
    make.service(provider, external_id="2", name="Blue views")
    for query in ("blue likes", "LIKES social", str(blue.pk), f"{blue.pk} · Blue likes, fast", "  fast  "):
        assert [blue.pk] == found_in(find(signed_in, query))["Social"], query
    nothing = find(signed_in, "blue green")
    assert "No service matches" in nothing.content.decode()


def test_find_when_empty_then_recent_favorites_and_most_ordered_first(signed_in, customer, other, provider):
    first, star, bought, gone, best = (make.service(provider, external_id=str(n), rate="0.1") for n in range(5))
    Favourite.objects.create(customer=customer, service=star)
    Favourite.objects.create(customer=customer, service=bought)
    Favourite.objects.create(customer=other, service=first)
    for service in (bought, gone, bought):
        make.order(customer, service, quantity=10)
    make.order(other, first, quantity=10)
    for service, count in ((best, 5), (bought, 9), (gone, 20), (first, 0)):
        ServiceFigures.objects.create(service=service, orders=count)
    Service.objects.filter(pk=gone.pk).update(is_on_sale=False)
    assert list(found_in(find(signed_in, "")).items()) == [
        ("Recent", [bought.pk]),
        ("Favorites", [star.pk]),
        ("Most ordered this month", [best.pk]),
        ("Social", [first.pk]),
    ]


def test_find_when_words_match_then_favorites_and_recent_services_first(signed_in, customer, provider):
    services = [make.service(provider, external_id=str(n), name=f"Blue likes {n}", rate="0.1") for n in range(4)]
    make.order(customer, services[3], quantity=10)
    Favourite.objects.create(customer=customer, service=services[2])
    assert list(found_in(find(signed_in, "blue")).items()) == [
        ("Favorites", [services[2].pk]),
        ("Recent", [services[3].pk]),
        ("Social", [services[0].pk, services[1].pk]),
    ]


def test_find_when_a_number_then_that_service_is_first(signed_in, provider):
    services = [make.service(provider, external_id=str(n), name=f"{n} in 1 pack") for n in range(3)]
    wanted = services[2]
    Service.objects.exclude(pk=wanted.pk).update(name=f"Pack of {wanted.pk}")
    assert found_in(find(signed_in, str(wanted.pk)))["Social"] == [wanted.pk, services[0].pk, services[1].pk]


def test_find_when_shown_then_the_customers_price_and_escaped_names(signed_in, customer, provider):
    service = make.service(provider, name='<img src=x onerror="alert(1)">')
    CustomerPrice.objects.create(customer=customer, service=service, price=2_250_000)
    text = find(signed_in, "").content.decode()
    assert "$2.25" in text
    assert "<img" not in text


@pytest.mark.parametrize("query", ["\x00", "%", "_", "' OR 1=1", "9" * 50, "１２", "a " * 400, "·", "\u202e"])
def test_find_when_the_text_is_odd_then_it_opens(signed_in, service, query):
    assert find(signed_in, query).status_code == 200


def many_services(provider: Any, count: int) -> None:
    category, _ = Category.objects.get_or_create(name="Many")
    rows = UpstreamService.objects.bulk_create(
        UpstreamService(
            provider=provider,
            external_id=f"m{number}",
            name=f"Service {number}",
            category="Many",
            type="default",
            rate=2_000_000,
            min_quantity=1,
            max_quantity=100,
        )
        for number in range(count)
    )
    Service.objects.bulk_create(
        Service(upstream=row, category=category, name=row.name, price=2_500_000, cost=2_000_000, is_on_sale=True)
        for row in rows
    )


@pytest.mark.parametrize("query", ["", "service 7"])
def test_find_when_services_are_many_then_statements_limited(signed_in, customer, provider, query):
    make.order(customer, make.service(provider), quantity=10)
    counts = []
    for count in (50, 950):
        Service.objects.filter(category__name="Many").delete()
        UpstreamService.objects.filter(external_id__startswith="m").delete()
        many_services(provider, count)
        with statements() as found:
            response = find(signed_in, query)
        counts.append(len(found))
    assert counts[0] == counts[1] <= 10, counts
    assert response.context["found"].count == (MAX_FOUND if query else 10)
    assert response.context["found"].more


@pytest.mark.parametrize("preview", [None, "1", "find"])
def test_form_when_there_is_more_data_then_statements_stay_the_same(signed_in, customer, provider, preview):
    service = make.service(provider, rate="0.1")
    signed_in.get(reverse("order_new"))
    counts = []
    for start in (10, 30):
        for number in range(start, start + 10):
            one = make.service(provider, external_id=str(number), rate="0.1")
            make.order(customer, one, quantity=10, link=LINK)
            Favourite.objects.create(customer=customer, service=one)
        data = {"service": service.pk, "link": LINK, "quantity": "10", "find": "followers"}
        with statements() as found:
            if preview:
                signed_in.post(reverse("order_new"), {**data, "preview": preview})
            else:
                signed_in.get(reverse("order_new"), data)
        counts.append(len(found))
    assert counts[0] == counts[1] <= 17, counts


# -- without scripts ---------------------------------------------------------------------------------


def test_find_button_when_no_scripts_then_lists_and_keeps_fields(signed_in, provider):
    chosen = make.service(provider, name="Followers")
    wanted = make.service(provider, external_id="2", name="Blue likes")
    data = {"service": chosen.pk, "link": LINK, "quantity": "77", "find": "blue", "preview": "find"}
    with nothing_changes():
        text = signed_in.post(reverse("order_new"), data).content.decode()
    assert f'<input class="form-check-input" type="radio" name="service" value="{wanted.pk}"' in text
    assert LINK in text
    assert 'value="77"' in text
    # The chosen one is posted too; the choice from the list comes after it.
    data |= {"service": [chosen.pk, wanted.pk], "preview": "1"}
    assert signed_in.post(reverse("order_new"), data).context["form"].chosen == wanted


def test_form_when_no_service_is_chosen_then_offers_some(signed_in, service):
    assert f'type="radio" name="service" value="{service.pk}"' in page_of(signed_in)


def test_find_when_a_chosen_name_then_its_dot_is_ignored(customer, service):
    assert find_services(customer=customer, asked=Asked(str(service))).count == 1


def test_star_when_shown_then_says_if_the_service_is_a_favorite(signed_in, customer, service):
    assert 'aria-pressed="false" aria-label="Favorite: Followers"' in page_of(signed_in, service=service.pk)
    Favourite.objects.create(customer=customer, service=service)
    assert 'aria-pressed="true" aria-label="Favorite: Followers"' in page_of(signed_in, service=service.pk)


def test_form_when_words_are_hostile_then_escaped(signed_in, customer, provider):
    evil = '"><script>alert(1)</script>'
    service = make.service(provider, name=evil)
    Service.objects.update(description=evil)
    make.order(customer, service, link=LINK)
    for text in (
        page_of(signed_in, service=service.pk, link=LINK, quantity=evil),
        page_of(signed_in, link=evil),
        find(signed_in, evil).content.decode(),
        find(signed_in, "").content.decode(),
        signed_in.post(reverse("order_new"), {"find": evil, "preview": "find", "link": LINK}).content.decode(),
    ):
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text


def test_form_when_creating_is_refused_then_kept(signed_in, customer, service):
    response = post(signed_in, service, quantity="5000")
    assert "is missing" in response.content.decode()
    assert 'value="5000"' in response.content.decode()
    assert not Order.objects.exists()
