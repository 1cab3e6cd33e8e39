"""The shop: filters, sorting, prices, favorites, and what visitors see."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Category, CustomerPrice, Favourite, PricePolicy, Service, ServiceFigures, UpstreamService
from catalog.shop.service_filters import ServiceFilters, read_filters
from catalog.shop.shelf import forget_shelf
from panel.lib.templatetags.display import duration
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(provider) -> dict[str, Service]:
    """Four services in two categories: followers (refill, cancel), likes (refill), a package (cancel), views."""
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
    """Return the names of the services on the page, in order, without "Best" in them."""
    response = client.get(reverse("services"), query)
    assert response.status_code == 200
    return [offer.service.name.removeprefix("Best ") for offer in response.context["listing"].page.rows]


def favourite(client: Client, service: Service, on: str = "1", **more: Any) -> Any:
    return client.post(reverse("service_favourite", args=[service.pk]), {"on": on, **more.pop("data", {})}, **more)


# -- search and filters ----------------------------------------------------------------------------


def test_shop_when_unfiltered_then_largest_categories_first_with_counts(signed_in, shop):
    listing = signed_in.get(reverse("services")).context["listing"]
    assert find(signed_in, sort="shelf") == ["followers", "likes", "box", "views"]
    assert [(choice.label, choice.count) for choice in listing.categories] == [("Social", 3), ("Video", 1)]
    assert [(choice.value, choice.count) for choice in listing.types] == [("default", 3), ("package", 1)]


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
        ({"q": "veiws"}, ["views"]),
        ({"sort": "cheapest"}, ["likes", "followers", "box", "views"]),
        ({"sort": "cheapest", "q": "social", "refill": "1"}, ["likes", "followers"]),
    ],
)
def test_shop_when_filtered_searched_and_sorted_then_all_apply(signed_in, shop, query, expected):
    assert find(signed_in, **query) == expected


def test_shop_when_category_is_chosen_then_counts_of_others_stay(signed_in, shop):
    video = shop["views"].pk and Category.objects.get(name="Video")
    listing = signed_in.get(reverse("services"), {"category": video.pk, "q": "best"}).context["listing"]
    assert [offer.service for offer in listing.page.rows] == [shop["views"]]
    assert [(choice.count, choice.is_current) for choice in listing.categories] == [(3, False), (1, True)]
    assert parse_qs(urlsplit(listing.categories[0].address).query)["q"] == ["best"]


def test_fastest_first_when_few_orders_completed_then_not_counted(signed_in, shop):
    for name, timed, seconds in (("views", 5, 60), ("likes", 9, 7200), ("box", 4, 1)):
        ServiceFigures.objects.create(service=shop[name], timed=timed, typical_seconds=seconds)
    assert find(signed_in, sort="fastest") == ["views", "likes", "followers", "box"]
    text = signed_in.get(reverse("services"), {"sort": "fastest"}).content.decode()
    assert "2 h" in text
    assert text.count('<td class="col-time"></td>') == 2


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
def test_shop_when_parameters_are_invalid_then_ignored(signed_in, shop, params):
    assert find(signed_in, **params) == ["followers", "likes", "box", "views"]


def test_address_when_parsed_again_then_same_filters():
    wanted = ServiceFilters(
        q="a b&c", platform="x", category=7, type="package", refill=True, cancel=True, favorites=True, sort="fastest"
    )
    query = urlsplit(wanted.address(page=3)).query
    assert read_filters({name: value for name, (value,) in parse_qs(query).items()}) == ServiceFilters(
        **{name: getattr(wanted, name) for name in ServiceFilters.__slots__ if name != "page"}, page=3
    )
    assert ServiceFilters().address() == "?"


def test_live_search_when_fields_are_empty_then_url_without_them(signed_in, shop):
    response = signed_in.get(
        reverse("services"), {"q": "best", "category": "", "type": "", "sort": ""}, headers={"HX-Request": "true"}
    )
    assert response.headers["HX-Replace-Url"] == reverse("services") + "?q=best"


def test_pages_when_many_services_then_fifty_each_and_filters_kept(signed_in, provider):
    for number in range(120):
        make.service(provider, external_id=str(number), name=f"Follower {number}")
    response = signed_in.get(reverse("services"), {"q": "follower", "page": "2"})
    listing = response.context["listing"]
    assert len(listing.page.rows) == 50
    assert listing.place == "51–100 of 120"
    assert "?q=follower&amp;page=3" in response.content.decode()
    assert len(find(signed_in, q="follower", page="3")) == 20
    assert len(find(signed_in, q="follower", page="77")) == 20


def test_shop_when_services_cannot_be_ordered_then_not_shown(signed_in, shop):
    Service.objects.filter(pk=shop["likes"].pk).update(is_on_sale=False)
    UpstreamService.objects.filter(external_id="box").update(is_listed=False)
    assert find(signed_in) == ["followers", "views"]


def test_shop_when_names_and_descriptions_are_hostile_then_escaped(signed_in, shop):
    evil = '<script>alert("x")</script>'
    Service.objects.update(name=evil, description=evil)
    Category.objects.filter(name="Video").update(name=evil)
    for query in ({}, {"sort": "cheapest"}, {"q": evil}):
        text = signed_in.get(reverse("services"), query).content.decode()
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text


def test_shop_when_services_are_many_then_equal_queries(signed_in, customer, provider):
    make.service(provider)
    PricePolicy.objects.get_or_create(pk=1)
    counts = []
    for start in (100, 200):
        for number in range(start, start + 60):
            added = make.service(provider, external_id=str(number))
            CustomerPrice.objects.create(customer=customer, service=added, price=2_400_000)
            Favourite.objects.create(customer=customer, service=added)
        # After a change, the first page reads the catalog anew.
        find(signed_in)
        for query in ({}, {"favorites": "1", "sort": "fastest", "q": "follow"}):
            with statements() as found:
                assert len(find(signed_in, **query)) == 50
            counts.append(len(found))
    assert counts[:2] == counts[2:]
    assert max(counts) <= 12


# -- favorites -------------------------------------------------------------------------------------


def test_favorite_when_clicked_twice_then_marked_once_and_removable(signed_in, customer, service):
    for _ in range(2):
        assert favourite(signed_in, service).status_code == 302
        assert list(Favourite.objects.values_list("customer", "service")) == [(customer.pk, service.pk)]
    for _ in range(2):
        assert favourite(signed_in, service, on="0").status_code == 302
        assert not Favourite.objects.exists()


def test_favorite_when_requested_by_htmx_then_only_star_returned(signed_in, service):
    answer = favourite(signed_in, service, headers={"HX-Request": "true"}, data={"next": "/services/?q=x"})
    text = answer.content.decode()
    assert 'aria-pressed="true"' in text and 'name="on" value="0"' in text
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
def test_favorite_when_next_is_another_site_then_back_to_the_shop(signed_in, service, back, leads_to):
    assert favourite(signed_in, service, data={"next": back}).url == leads_to


def test_favorite_when_off_sale_then_removable_but_cannot_be_added(signed_in, customer, service):
    favourite(signed_in, service)
    Service.objects.update(is_on_sale=False)
    assert favourite(signed_in, service).status_code == 404
    assert favourite(signed_in, service, on="0").status_code == 302
    assert favourite(signed_in, service).status_code == 404
    assert not Favourite.objects.exists()
    for on in "10":
        assert signed_in.post(reverse("service_favourite", args=[2**31]), {"on": on}).status_code == 404
        assert signed_in.post(reverse("service_favourite", args=[10**30]), {"on": on}).status_code == 404


def test_favorites_when_two_customers_then_each_has_their_own(signed_in, customer, other, shop):
    favourite(signed_in, shop["likes"])
    Favourite.objects.create(customer=other, service=shop["box"])
    assert find(signed_in, favorites="1") == ["likes"]
    assert signed_in.get(reverse("services")).content.decode().count('aria-pressed="true"') == 1
    client = Client()
    client.force_login(other)
    favourite(client, shop["likes"], on="0")
    assert Favourite.objects.filter(customer=customer).count() == 1


# -- visitors --------------------------------------------------------------------------------------


def test_visitor_when_shop_is_not_public_then_must_sign_in(shop):
    for name in ("services", "service_changes", "service_categories"):
        response = Client().get(reverse(name), {"q": "likes"})
        assert response.url == f"{reverse('account_login')}?next={reverse(name)}%3Fq%3Dlikes"


def test_visitor_when_shop_public_then_list_prices_and_signup_link(settings, shop):
    settings.PUBLIC_SHOP = True
    text = Client().get(reverse("services")).content.decode()
    assert "$1.25" in text
    assert "Sign up to order" in text
    assert f"{reverse('account_signup')}?next={reverse('order_new')}%3Fservice%3D{shop['likes'].pk}" in text
    assert reverse("service_favourite", args=[shop["likes"].pk]) not in text
    assert find(Client(), favorites="1", q="likes") == ["likes"]


def test_visitor_when_signed_up_then_order_form_of_chosen_service(settings, shop):
    settings.PUBLIC_SHOP = True
    client = Client()
    wanted = f"{reverse('order_new')}?service={shop['likes'].pk}"
    response = client.post(
        reverse("account_signup"),
        {"email": "new@example.org", "password1": "correct horse battery", "next": wanted},
    )
    assert response.url == wanted
    assert client.get(wanted).status_code == 200


def test_visitor_when_browsing_then_few_queries_none_on_customers(settings, shop):
    settings.PUBLIC_SHOP = True
    page = reverse("service_page", args=[shop["likes"].pk])
    find(Client())
    for address in (reverse("services"), reverse("service_changes"), reverse("service_categories"), page):
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
def test_duration_when_shown_then_in_one_unit(seconds, words):
    assert duration(seconds) == words


# -- platforms, categories and links ---------------------------------------------------------------


@pytest.fixture
def platforms(provider) -> dict[str, Service]:
    """Services for Instagram (two in two categories), TikTok, YouTube, and one that names no platform."""
    rows = (
        ("Instagram followers", "1"),
        ("Instagram likes", "2"),
        ("TikTok views", "3"),
        ("YouTube subscribers", "4"),
        ("Website traffic", "5"),
    )
    made = {name: make.service(provider, external_id=name, name=name, rate=rate) for name, rate in rows}
    likes = Category.objects.create(name="Likes", position=1)
    Service.objects.filter(pk=made["Instagram likes"].pk).update(category=likes)
    return made


def listing_of(client: Client, **query: Any) -> Any:
    return client.get(reverse("services"), query).context["listing"]


def test_platforms_when_shown_then_largest_first_with_counts_and_other_last(signed_in, platforms):
    listing = listing_of(signed_in)
    assert [(one.value, one.count) for one in listing.platforms] == [
        ("instagram", 2),
        ("tiktok", 1),
        ("youtube", 1),
        ("other", 1),
    ]
    assert listing.elsewhere == 5


def test_platform_when_chosen_then_its_services_and_its_categories(signed_in, platforms):
    assert find(signed_in, platform="instagram") == ["Instagram followers", "Instagram likes"]
    listing = listing_of(signed_in, platform="instagram")
    assert [(one.label, one.count) for one in listing.categories] == [("Social", 1), ("Likes", 1)]
    assert (listing.of_platform, listing.elsewhere) == (2, 5)
    assert [one.value for one in listing.platforms if one.is_current] == ["instagram"]
    assert find(signed_in, platform="instagram", category=listing.categories[1].value) == ["Instagram likes"]


def test_platform_when_search_finds_others_only_then_offers_all_platforms(signed_in, platforms):
    response = signed_in.get(reverse("services"), {"platform": "instagram", "q": "tiktok"})
    assert response.context["listing"].total == 0
    text = response.content.decode()
    assert "Show 1 on all platforms" in text and 'href="?q=tiktok"' in text


def test_platform_when_services_change_their_names_then_counted_anew(signed_in, platforms):
    assert find(signed_in, platform="tiktok") == ["TikTok views"]
    Service.objects.filter(pk=platforms["Website traffic"].pk).update(name="TikTok likes")
    assert find(signed_in, platform="tiktok") == ["TikTok views", "TikTok likes"]


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://www.instagram.com/natgeo/", ["Instagram followers"]),
        ("instagram.com/p/AbC123/?igsh=x", ["Instagram likes"]),
        ("https://www.instagram.com/stories/natgeo/1/", ["Instagram followers", "Instagram likes"]),
        ("https://youtu.be/abc", []),
        ("https://www.youtube.com/@natgeo", ["YouTube subscribers"]),
    ],
)
def test_search_when_it_is_a_link_then_services_that_fit_it(signed_in, platforms, link, expected):
    assert find(signed_in, q=link) == expected


def test_link_when_several_services_fit_then_surest_and_most_ordered_first(signed_in, provider):
    names = ("Instagram story views", "Instagram likes", "Instagram saves")
    made = {name: make.service(provider, external_id=name, name=name) for name in names}
    for name, orders in (("Instagram story views", 90), ("Instagram saves", 9)):
        ServiceFigures.objects.create(service=made[name], orders=orders)
    expected = ["Instagram saves", "Instagram likes", "Instagram story views"]
    assert find(signed_in, q="https://www.instagram.com/p/AbC123/") == expected


def test_link_when_pasted_then_goes_along_to_the_order_form(settings, signed_in, platforms):
    settings.PUBLIC_SHOP = True
    link = "https://www.youtube.com/@natgeo?a=b&x"
    pk = platforms["YouTube subscribers"].pk
    text = signed_in.get(reverse("services"), {"q": link, "platform": "tiktok"}).content.decode()
    form = f"/orders/new/?service={pk}&amp;link=https%3A%2F%2Fwww.youtube.com%2F%40natgeo%3Fa%3Db%26x"
    assert text.count(form) == 2
    visitor = Client().get(reverse("services"), {"q": link}).content.decode()
    assert f"{reverse('account_signup')}?next=/orders/new/%3Fservice%3D{pk}%26link%3Dhttps%253A%252F%252F" in visitor
    page = f"{reverse('service_page', args=[pk])}?link=https%3A%2F%2Fwww.youtube.com%2F%40natgeo%3Fa%3Db%26x"
    assert page in visitor
    assert "%26link%3Dhttps%253A%252F%252F" in Client().get(page).content.decode()


def test_categories_when_many_then_nine_largest_and_a_list_of_all(signed_in, provider):
    for number in range(12):
        category = Category.objects.create(name=f"Kind {number}", position=number)
        for copy in range(1 + number % 4):
            made = make.service(provider, external_id=f"{number}.{copy}", name="Instagram likes")
            Service.objects.filter(pk=made.pk).update(category=category)
    forget_shelf()
    chosen = Category.objects.get(name="Kind 0").pk
    listing = listing_of(signed_in, category=chosen)
    assert [one.count for one in listing.categories] == [4, 4, 4, 3, 3, 3, 2, 2, 2, 1]
    assert listing.categories[-1].value == chosen and listing.category_count == 12
    address = reverse("service_categories")
    assert f"{address}?category={chosen}" in signed_in.get(reverse("services"), {"category": chosen}).content.decode()
    every = signed_in.get(address, {"platform": "instagram", "sort": "cheapest"})
    assert [one.label for one in every.context["categories"]] == [f"Kind {number}" for number in range(12)]
    assert every.context["back"] == "/services/?platform=instagram&sort=cheapest"
    some = signed_in.get(address, {"name": "KIND 1"}).context["categories"]
    assert [one.label for one in some] == ["Kind 1", "Kind 10", "Kind 11"]
    assert "No category has these words" in signed_in.get(address, {"name": "\x00nothing"}).content.decode()


def test_default_order_when_orders_are_counted_then_most_ordered_first(signed_in, platforms):
    ServiceFigures.objects.create(service=platforms["TikTok views"], orders=9)
    ServiceFigures.objects.create(service=platforms["Instagram likes"], orders=10)
    assert find(signed_in)[:3] == ["Instagram likes", "TikTok views", "Instagram followers"]


# -- rows and the page of one service --------------------------------------------------------------


def test_row_when_description_is_long_then_one_line_and_a_way_to_the_rest(signed_in, shop):
    long = "Starts within an hour.\n" + "No password needed. " * 40
    Service.objects.filter(pk=shop["likes"].pk).update(description=long)
    Service.objects.filter(pk=shop["box"].pk).update(description="Short\nand whole.")
    text = signed_in.get(reverse("services")).content.decode()
    assert text.count("No password needed.") < 10
    assert "Starts within an hour. No password" in text
    page = reverse("service_page", args=[shop["likes"].pk])
    assert f'id="about-{shop["likes"].pk}"' in text and f'hx-get="{page}"' in text
    assert ">Short and whole.</span>" in text
    assert signed_in.get(page).content.decode().count("No password needed.") == 40


def test_row_when_customer_pays_less_then_both_prices(signed_in, customer, shop):
    CustomerPrice.objects.create(customer=customer, service=shop["views"], price=11_000_000)
    text = signed_in.get(reverse("services")).content.decode()
    assert re.search(r'class="money"[^>]*>\$11\.00<', text)
    assert re.search(r'<s><span class="visually-hidden">List price </span><\w+ class="money"[^>]*>\$11\.25<', text)


def test_name_in_row_when_clicked_then_customers_order_and_visitors_read(settings, signed_in, shop):
    settings.PUBLIC_SHOP = True
    pk = shop["likes"].pk
    assert f'<a href="/orders/new/?service={pk}" dir="auto">' in signed_in.get(reverse("services")).content.decode()
    assert f'<a href="/services/{pk}/" dir="auto">' in Client().get(reverse("services")).content.decode()


def test_service_page_when_off_sale_or_unknown_then_404(signed_in, shop):
    page = reverse("service_page", args=[shop["likes"].pk])
    assert "Orders can be canceled" not in signed_in.get(page).content.decode()
    assert signed_in.get(page).status_code == 200
    Service.objects.filter(pk=shop["likes"].pk).update(is_on_sale=False)
    for pk in (shop["likes"].pk, 10**30, 2**62):
        assert signed_in.get(reverse("service_page", args=[pk])).status_code == 404


def test_search_when_a_number_is_typed_then_that_service_first(signed_in, shop):
    Service.objects.filter(pk=shop["followers"].pk).update(name=f"Best followers {shop['views'].pk}")
    ServiceFigures.objects.create(service=shop["followers"], orders=1_000)
    forget_shelf()
    assert find(signed_in, q=str(shop["views"].pk))[0] == "views"


def test_search_when_nothing_is_found_then_says_what_may_be_meant(signed_in, shop):
    response = signed_in.get(reverse("services"), {"q": "best followers xyzzyq", "refill": "1"})
    assert response.context["listing"].total == 0
    assert 'Did you mean <a href="?q=best+followers&amp;refill=1"' in response.content.decode()
