"""The shop: what is found, in which order, at whose price; favorites; and what visitors may see of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Category, CustomerPrice, Favourite, PricePolicy, Service, ServiceFigures, UpstreamService
from catalog.shop.service_list import ServiceFilters, read_wanted
from panel.lib.templatetags.display import duration
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(provider) -> dict[str, Service]:
    """Four services on two shelves: followers (refill, cancel), likes (refill), a package (cancel), dear views."""
    rows = (
        ("followers", "2", "default", True, True),
        ("likes", "1", "default", True, False),
        ("box", "3", "package", False, True),
        ("views", "9", "default", False, False),
    )
    made = {}
    for name, rate, kind, refill, cancel in rows:
        made[name] = make.service(provider, external_id=name, name=f"Best {name}", rate=rate, type=kind)
        UpstreamService.objects.filter(external_id=name).update(refill=refill, cancel=cancel)
    video = Category.objects.create(name="Video", position=1)
    Service.objects.filter(pk=made["views"].pk).update(category=video)
    return made


def find(client: Client, **query: Any) -> list[str]:
    """The names of the services on the page, in its order, without "Best"."""
    response = client.get(reverse("services"), query)
    assert response.status_code == 200
    return [offer.service.name.removeprefix("Best ") for offer in response.context["shelves"].page.rows]


def favourite(client: Client, service: Service, on: str = "1", **more: Any) -> Any:
    return client.post(reverse("service_favourite", args=[service.pk]), {"on": on, **more.pop("data", {})}, **more)


# -- finding ---------------------------------------------------------------------------------------


def test_shop_shows_the_shelves_in_their_order_with_counts(signed_in, shop):
    shelves = signed_in.get(reverse("services")).context["shelves"]
    assert [(shelf.category.name, len(shelf.offers)) for shelf in shelves.groups] == [("Social", 3), ("Video", 1)]
    assert [(choice.label, choice.count) for choice in shelves.categories] == [("Social", 3), ("Video", 1)]
    assert [(choice.value, choice.count) for choice in shelves.types] == [("default", 3), ("package", 1)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"refill": "1"}, ["followers", "likes"]),
        ({"refill": "1", "cancel": "1"}, ["followers"]),
        ({"cancel": "1", "type": "package"}, ["box"]),
        ({"type": "package", "refill": "1"}, []),
        ({"q": "best social"}, ["followers", "likes", "box"]),
        ({"q": "video", "cancel": "1"}, []),
        ({"q": "BEST vie"}, ["views"]),
        ({"sort": "cheapest"}, ["likes", "followers", "box", "views"]),
        ({"sort": "cheapest", "q": "social", "refill": "1"}, ["likes", "followers"]),
    ],
)
def test_filters_search_and_sort_combine(signed_in, shop, query, expected):
    assert find(signed_in, **query) == expected


def test_category_narrows_the_list_and_the_counts_of_the_others_stay(signed_in, shop):
    video = shop["views"].pk and Category.objects.get(name="Video")
    shelves = signed_in.get(reverse("services"), {"category": video.pk, "q": "best"}).context["shelves"]
    assert [offer.service for offer in shelves.page.rows] == [shop["views"]]
    assert [(choice.count, choice.is_current) for choice in shelves.categories] == [(3, False), (1, True)]
    assert parse_qs(urlsplit(shelves.categories[0].address).query)["q"] == ["best"]


def test_fastest_first_counts_only_services_with_enough_completed_orders(signed_in, shop):
    for name, timed, seconds in (("views", 5, 60), ("likes", 9, 7200), ("box", 4, 1)):
        ServiceFigures.objects.create(service=shop[name], timed=timed, typical_seconds=seconds)
    assert find(signed_in, sort="fastest") == ["views", "likes", "followers", "box"]
    text = signed_in.get(reverse("services"), {"sort": "fastest"}).content.decode()
    assert "2 h" in text
    assert text.count('class="no-time"') == 2


@pytest.mark.parametrize(
    "params",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "999999999"},
        {"page": "１"},
        {"category": "x"},
        {"category": "9" * 40},
        {"type": "nonsense", "sort": "price"},
        {"refill": "yes", "q": "\x00"},
    ],
)
def test_what_is_not_understood_is_not_asked_for(signed_in, shop, params):
    assert find(signed_in, **params) == ["followers", "likes", "box", "views"]


def test_address_and_what_is_read_from_it_are_the_same():
    wanted = ServiceFilters(
        q="a b&c", category=7, type="package", refill=True, cancel=True, favorites=True, sort="fastest"
    )
    query = urlsplit(wanted.address(page=3)).query
    assert read_wanted({name: value for name, (value,) in parse_qs(query).items()}) == ServiceFilters(
        **{name: getattr(wanted, name) for name in ServiceFilters.__slots__ if name != "page"}, page=3
    )
    assert ServiceFilters().address() == "?"


def test_live_search_answers_with_the_clean_address(signed_in, shop):
    response = signed_in.get(
        reverse("services"), {"q": "best", "category": "", "type": "", "sort": ""}, headers={"HX-Request": "true"}
    )
    assert response.headers["HX-Replace-Url"] == reverse("services") + "?q=best"


def test_pages_hold_fifty_each_and_lead_on_with_what_was_asked(signed_in, provider):
    for number in range(120):
        make.service(provider, external_id=str(number), name=f"Follower {number}")
    response = signed_in.get(reverse("services"), {"q": "follower", "page": "2"})
    shelves = response.context["shelves"]
    assert len(shelves.page.rows) == 50
    assert shelves.place == "51–100 of 120"
    assert "?q=follower&amp;page=3" in response.content.decode()
    assert len(find(signed_in, q="follower", page="3")) == 20
    assert len(find(signed_in, q="follower", page="77")) == 20


def test_only_what_can_be_ordered_is_shown(signed_in, shop):
    Service.objects.filter(pk=shop["likes"].pk).update(is_on_sale=False)
    UpstreamService.objects.filter(external_id="box").update(is_listed=False)
    assert find(signed_in) == ["followers", "views"]


def test_names_and_descriptions_are_escaped(signed_in, shop):
    evil = '<script>alert("x")</script>'
    Service.objects.update(name=evil, description=evil)
    Category.objects.filter(name="Video").update(name=evil)
    for query in ({}, {"sort": "cheapest"}, {"q": evil}):
        text = signed_in.get(reverse("services"), query).content.decode()
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text


def test_page_takes_as_many_queries_for_many_services(signed_in, customer, provider):
    make.service(provider)
    PricePolicy.objects.get_or_create(pk=1)
    counts = []
    for start in (100, 200):
        for number in range(start, start + 60):
            added = make.service(provider, external_id=str(number))
            CustomerPrice.objects.create(customer=customer, service=added, price=2_400_000)
            Favourite.objects.create(customer=customer, service=added)
        for query in ({}, {"favorites": "1", "sort": "fastest", "q": "follow"}):
            with statements() as found:
                assert len(find(signed_in, **query)) == 50
            counts.append(len(found))
    assert len(set(counts)) == 1
    assert counts[0] <= 12


# -- favorites -------------------------------------------------------------------------------------


def test_favorite_is_marked_once_however_often_it_is_clicked_and_taken_away_again(signed_in, customer, service):
    for _ in range(2):
        assert favourite(signed_in, service).status_code == 302
        assert list(Favourite.objects.values_list("customer", "service")) == [(customer.pk, service.pk)]
    for _ in range(2):
        assert favourite(signed_in, service, on="0").status_code == 302
        assert not Favourite.objects.exists()


def test_favorite_when_asked_live_then_the_answer_is_the_star_alone(signed_in, service):
    answer = favourite(signed_in, service, headers={"HX-Request": "true"}, data={"next": "/services/?q=x"})
    text = answer.content.decode()
    assert 'aria-pressed="true"' in text and 'name="on" value="0"' in text
    assert 'name="next" value="/services/?q=x"' in text
    assert "<html" not in text
    answer = favourite(signed_in, service, on="0", headers={"HX-Request": "true"})
    assert 'aria-pressed="false"' in answer.content.decode()


@pytest.mark.parametrize(
    ("back", "leads_to"),
    [
        ("/services/?q=likes", "/services/?q=likes"),
        ("https://evil.example/", "/services/"),
        ("//evil.example", "/services/"),
        ("javascript:alert(1)", "/services/"),
        ("0", "/services/"),
        ("home", "/services/"),
        ("\x00", "/services/"),
        ("", "/services/"),
    ],
)
def test_favorite_leads_back_to_this_site_alone(signed_in, service, back, leads_to):
    assert favourite(signed_in, service, data={"next": back}).url == leads_to


def test_favorite_of_what_is_not_sold_cannot_be_marked_but_taken_away(signed_in, customer, service):
    favourite(signed_in, service)
    Service.objects.update(is_on_sale=False)
    assert favourite(signed_in, service).status_code == 404
    assert favourite(signed_in, service, on="0").status_code == 302
    assert favourite(signed_in, service).status_code == 404
    assert not Favourite.objects.exists()
    for on in "10":
        assert signed_in.post(reverse("service_favourite", args=[2**31]), {"on": on}).status_code == 404
        assert signed_in.post(reverse("service_favourite", args=[10**30]), {"on": on}).status_code == 404


def test_favorites_are_those_of_each_customer(signed_in, customer, other, shop):
    favourite(signed_in, shop["likes"])
    Favourite.objects.create(customer=other, service=shop["box"])
    assert find(signed_in, favorites="1") == ["likes"]
    assert signed_in.get(reverse("services")).content.decode().count('aria-pressed="true"') == 1
    client = Client()
    client.force_login(other)
    favourite(client, shop["likes"], on="0")
    assert Favourite.objects.filter(customer=customer).count() == 1


# -- the shop window -------------------------------------------------------------------------------


def test_visitor_signs_in_first_where_the_shop_is_not_public(shop):
    for name in ("services", "service_changes"):
        response = Client().get(reverse(name), {"q": "likes"})
        assert response.url == f"{reverse('account_login')}?next={reverse(name)}%3Fq%3Dlikes"
    assert "Best likes" not in Client().get(reverse("home")).content.decode()


def test_visitor_sees_list_prices_and_is_led_to_sign_up(settings, shop):
    settings.PUBLIC_SHOP = True
    text = Client().get(reverse("services")).content.decode()
    assert "$1.25" in text
    assert "Sign up to order" in text
    assert f"{reverse('account_signup')}?next={reverse('order_new')}%3Fservice%3D{shop['likes'].pk}" in text
    assert reverse("service_favourite", args=[shop["likes"].pk]) not in text
    assert find(Client(), favorites="1", q="likes") == ["likes"]


def test_visitor_who_signs_up_from_the_window_lands_on_the_order_form_of_the_service(settings, shop):
    settings.PUBLIC_SHOP = True
    client = Client()
    wanted = f"{reverse('order_new')}?service={shop['likes'].pk}"
    response = client.post(
        reverse("account_signup"),
        {"email": "new@example.org", "password1": "correct horse battery", "next": wanted},
    )
    assert response.url == wanted
    assert client.get(wanted).status_code == 200


def test_start_page_shows_a_piece_of_the_public_shop_and_what_sold_best_first(settings, shop):
    settings.PUBLIC_SHOP = True
    ServiceFigures.objects.create(service=shop["views"], orders=9)
    ServiceFigures.objects.create(service=shop["likes"], orders=3)
    response = Client().get(reverse("home"))
    offers = response.context["window"].offers
    assert [offer.service.name for offer in offers[:3]] == ["Best views", "Best likes", "Best followers"]
    text = response.content.decode()
    assert "4 services on sale" in text and "$11.25" in text
    Service.objects.update(is_on_sale=False)
    assert "on sale" not in Client().get(reverse("home")).content.decode()


def test_visitors_cause_no_queries_about_customers_and_few_in_all(settings, shop):
    settings.PUBLIC_SHOP = True
    for address in (reverse("services"), reverse("service_changes"), reverse("home")):
        with statements() as found:
            Client().get(address)
        assert len(found) <= 6
        assert not [
            sql
            for sql in found
            if any(table in sql for table in ("wallet", "customerprice", "groupmember", "session", "favourite"))
        ], address


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "—"),
        (0, "1 min"),
        (89, "1 min"),
        (720, "12 min"),
        (5400, "2 h"),
        (3 * 3600, "3 h"),
        (36 * 3600, "2 days"),
        (49 * 3600, "2 days"),
        (30 * 86400, "30 days"),
    ],
)
def test_duration_is_said_in_one_unit(seconds, words):
    assert duration(seconds) == words
