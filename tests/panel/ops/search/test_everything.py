"""The search over everything: what is found, by whom, and at what cost."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import RequestFactory
from django.urls import reverse

from billing.models import Coupon, Deposit, Payment
from catalog.models import UpstreamService
from orders.models import Order
from panel.accounts.models import User
from panel.api.keys.services import make_key
from panel.lib.links.keys import link_key
from panel.ops.search.everything import MAX_TEXT, find_everything
from panel.ops.search.hits import MAX_HITS
from panel.ops.search.places import DEEDS
from tests import make

pytestmark = pytest.mark.django_db

LINK = "https://www.instagram.com/p/CxAbC_d9/"


@pytest.fixture
def owner():
    return make.owner()


@pytest.fixture
def shop():
    """One of everything, with keys that no two share."""
    user = make.customer("Ana@Example.org", funds="50")
    service = make.service(make.provider(), name="Instagram likes, slow")
    order = make.accepted_order(user, service, upstream_id="up-77-X")
    Order.objects.filter(pk=order.pk).update(link=LINK, link_key=link_key(LINK))
    UpstreamService.objects.filter(pk=service.upstream_id).update(external_id="ext-5")
    deposit = make.pending_deposit(user)
    Deposit.objects.filter(pk=deposit.pk).update(code="7F3C9A2K")
    payment = Payment.objects.create(
        method=deposit.method, external_id="bank-991", deposit=deposit, currency="USD", came_in=7
    )
    Coupon.objects.create(code="SPRING24", bonus_bp=500)
    key = make_key(customer=make.confirm_address(user), name="Reseller site").key
    return {
        "order": order, "customer": user, "service": service, "deposit": deposit, "payment": payment, "key": key
    }  # fmt: skip


def found(user, text):
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=user.pk)
    request.resolver_match = None
    return find_everything(request, text)


def titles(user, text, group="Exactly"):
    return [hit.title for hit in found(user, text).groups.get(group, [])]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{order}", "order"),
        ("#{order}", "order"),
        ("up-77-X", "order"),
        (LINK, "order"),
        ("instagram.com/p/CxAbC_d9", "order"),
        ("ana@example.ORG", "customer"),
        ("ext-5", "service"),
        ("7f3c-9a2k", "deposit"),
        ("bank-991", "payment"),
    ],
)
def test_search_when_the_key_is_exact_then_first_and_alone(owner, shop, text, kind):
    [hit] = [hit for hit in found(owner, text.format(order=shop["order"].pk)).groups["Exactly"] if is_of(hit, kind)]
    assert hit.url.endswith(f"/{shop[kind].pk}/" if kind == "customer" else f"/{shop[kind].pk}/change/")


def is_of(hit, kind):
    return {"customer": "admin/customers", "order": "orders/order"}.get(kind, f"/{kind}/") in hit.url


def test_search_when_the_case_of_a_link_differs_then_not_taken_for_it(owner, shop):
    """Ids in links tell capitals from small letters."""
    assert titles(owner, LINK.lower()) == []


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("ana@", "ana@example.org"),
        ("likes, sl", "Instagram likes, slow"),
        ("reseller", "Reseller site"),
        ("pring", "SPRING24"),
    ],
)
def test_search_when_a_part_of_a_name_then_contained(owner, shop, text, title):
    assert title.lower() in [one.lower() for one in titles(owner, text, "Containing")]


def test_search_when_a_key_is_revoked_then_said_so(owner, shop):
    shop["key"].revoked_at = shop["key"].created_at
    shop["key"].save(update_fields=["revoked_at"])
    [hit] = found(owner, shop["key"].ending).groups["Containing"]
    assert hit.detail.endswith("revoked")


@pytest.mark.parametrize(
    ("text", "group", "title"),
    [
        ("profit", "Go to", "Profit"),
        ("low bal", "Go to", "Low balance at a provider"),
        ("stop send", "Do", "Stop all sending"),
        ("pause", "Do", "Stop all sending"),
        ("new provider", "Do", "Add a provider"),
    ],
)
def test_search_when_words_name_a_page_or_deed_then_there(owner, text, group, title):
    assert title in titles(owner, text, group)


def test_deeds_when_listed_then_each_has_a_page_and_a_real_right(client, owner):
    client.force_login(owner)
    for deed in DEEDS:
        assert reverse(deed.url)
        app, codename = deed.permission.split(".")
        assert Permission.objects.filter(content_type__app_label=app, codename=codename).exists(), deed


def test_search_when_nothing_is_allowed_then_nothing_is_found(shop):
    nobody = make.customer("nobody@example.org")
    User.objects.filter(pk=nobody.pk).update(is_staff=True)
    for text in (str(shop["order"].pk), "ana@example.org", "profit", "add", "bank-991"):
        assert titles(nobody, text, "Exactly") == []
        assert set(found(nobody, text).groups) <= {"Go to"}
    assert found(nobody, "zzz").looked_in == ["pages and settings"]


def test_search_when_much_matches_then_a_few_of_each(owner):
    for number in range(MAX_HITS + 3):
        make.customer(f"many-{number}@example.org")
    assert len(titles(owner, "many-", "Containing")) == MAX_HITS


def test_search_when_rows_grow_then_the_same_statements(owner, shop, django_assert_max_num_queries):
    text = "a"
    find = lambda: found(owner, "example")  # noqa: E731
    find()
    with django_assert_max_num_queries(32):
        find()
    for number in range(5):
        make.accepted_order(shop["customer"], shop["service"], upstream_id=f"{text}-{number}")
    with django_assert_max_num_queries(32):
        find()


# -- the page --------------------------------------------------------------------------------------------


def ask(client, text):
    return client.get(reverse("admin:search"), {"s": text})


def test_page_when_something_is_found_then_listed(client, owner, shop):
    client.force_login(owner)
    page = ask(client, f"  {shop['order'].pk} ").content.decode()
    assert f"Order {shop['order'].pk}" in page and "Instagram likes, slow" in page


def test_page_when_an_order_is_new_then_found_at_once(client, owner, shop):
    client.force_login(owner)
    assert "Nothing has" in ask(client, "later-1").content.decode()
    make.accepted_order(shop["customer"], shop["service"], upstream_id="later-1")
    assert "Order " in ask(client, "later-1").content.decode()


def test_page_when_nothing_is_found_then_says_where_it_looked(client, owner):
    client.force_login(owner)
    page = ask(client, "<b>zzz").content.decode()
    assert "&lt;b&gt;zzz" in page and "providers&#x27; order ids" in page and "customers" in page


@pytest.mark.parametrize("text", ["", " ", "\0", "%", "_", "9" * 400, "x" * (MAX_TEXT + 50), "'; --", "١٢"])
def test_page_when_odd_text_then_an_answer(client, owner, shop, text):
    client.force_login(owner)
    assert ask(client, text).status_code == 200


def test_page_when_a_customer_asks_then_refused(client, shop):
    client.force_login(shop["customer"])
    assert ask(client, "ana").status_code in (302, 403)
