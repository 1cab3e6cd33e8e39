"""Prices of single customers: what they see, what they pay, and how staff set them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from catalog.models import CustomerGroup, CustomerPrice, GroupMember, PricePolicy, Service
from catalog.prices.customer_prices import CustomerTerms, offer_of, terms_of
from catalog.prices.group_discounts import DiscountChanged, preview_discount, set_discount
from catalog.prices.rules import PanelTerms
from catalog.prices.storage import price_policy
from orders.checkout.create import NotEnoughFunds, PriceChanged, create_order
from orders.checkout.validation import OrderInput
from orders.models import Order
from panel.ops.invariants import find_breaches
from tests import make
from tests.scenes import fresh, money_of, nothing_changes, statements, submit_now

pytestmark = pytest.mark.django_db

LINK = "https://example.com/page"


def group(discount: str = "10", *members: Any, name: str = "Resellers") -> CustomerGroup:
    """Create a group with a discount in percent."""
    made = CustomerGroup.objects.create(name=name, discount_bp=make.micros(discount) // 10_000)
    for member in members:
        GroupMember.objects.create(customer=member, group=made)
    return made


def agreed(user: Any, service: Service, price: str) -> CustomerPrice:
    return CustomerPrice.objects.create(customer=user, service=service, price=make.micros(price))


def minimum_margin(percent: str) -> None:
    price_policy()  # creates the panel's margin
    PricePolicy.objects.update(minimum_margin_bp=make.micros(percent) // 10_000)


def price(user: Any, service: Service) -> int:
    """Return the customer's price per 1,000; the list and the single service must agree."""
    service.refresh_from_db()
    found = offer_of(customer=user, service=service)
    assert found == terms_of(customer=user).offer(service)
    return found.price


def order_service(customer: Any, service: Service, **values: Any) -> Order:
    order_input = OrderInput(service.pk, LINK, values.pop("quantity", 1_000), {})
    return create_order(
        customer=customer, order_input=order_input, **{"request_key": uuid4().hex, "seen_charge": None, **values}
    ).order


@contextmanager
def no_terms_change() -> Iterator[None]:
    """Assert that no group, member, agreed price or log entry changes."""
    before = _terms()
    yield
    assert _terms() == before


def _terms() -> list[Any]:
    models = (CustomerGroup, GroupMember, CustomerPrice, LogEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]


def staff_with(*permissions: str) -> Client:
    user = make.customer("clerk@example.org")
    user.is_staff = True
    user.save()
    for name in permissions:
        label, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    client = Client()
    client.force_login(user)
    return client


# -- prices ---------------------------------------------------------------------------------------------


def test_price_when_customer_has_no_terms_then_list_price(customer, service):
    assert price(customer, service) == service.price == 2_500_000
    assert not offer_of(customer=customer, service=service).is_reduced


def test_price_when_group_has_a_discount_then_lower_only_for_members(customer, other, service):
    group("10", customer)
    assert (price(customer, service), price(other, service)) == (2_250_000, 2_500_000)
    assert offer_of(customer=customer, service=service).is_reduced


def test_price_when_agreed_then_overrides_the_discount(customer, other, service):
    group("10", customer)
    agreed(customer, service, "2.40")
    agreed(other, service, "3")
    assert (price(customer, service), price(other, service)) == (2_400_000, 3_000_000)
    assert not offer_of(customer=other, service=service).is_reduced


def test_price_when_agreed_for_another_service_then_list_price(customer, provider, service):
    agreed(customer, make.service(provider, external_id="2"), "2.10")
    assert price(customer, service) == 2_500_000


@pytest.mark.parametrize("how", ["discount", "agreement"])
@pytest.mark.parametrize(("may_fall_lower", "lowest"), [(False, 2_200_000), (True, 2_000_000)])
def test_price_when_terms_go_below_minimum_margin_then_lowest_price(customer, service, how, may_fall_lower, lowest):
    """The cost is $2.00, the minimum margin 10%. Even with `allow_below_minimum` no price is below the cost."""
    minimum_margin("10")
    Service.objects.update(allow_below_minimum=may_fall_lower)
    if how == "discount":
        group("99.99", customer)
    else:
        agreed(customer, service, "0.01")
    assert price(customer, service) == lowest


def test_price_when_panel_margin_is_missing_then_list_price(customer, service):
    PricePolicy.objects.all().delete()
    assert price(customer, service) == 2_500_000


def test_price_when_minimum_margin_allows_no_price_then_list_price():
    """The service was read just before it went off sale because of the margin."""
    service = Service(pk=1, cost=10**15, price=10**15)
    terms = CustomerTerms(500, {}, PanelTerms(0, 0, 10_000, 100))
    assert terms.price_of(service) == 10**15


# -- orders ---------------------------------------------------------------------------------------------


def test_order_when_customer_has_discount_then_charge_is_fixed(customer, service, upstream):
    group("10", customer)
    order = order_service(customer, service, seen_charge=2_250_000)
    assert (order.price, order.charge, order.expected_cost) == (2_250_000, 2_250_000, 2_000_000)
    assert money_of(customer) == (7_750_000, [("deposit", 10_000_000), ("order", -2_250_000)])
    GroupMember.objects.all().delete()
    submit_now()
    order = fresh(order)
    assert (order.price, order.charge, order.submission) == (2_250_000, 2_250_000, "placed")
    assert find_breaches() == []


def test_order_when_package_has_agreed_price_then_it_is_charged(customer, provider):
    package = make.service(provider, type="package", external_id="7", low=1, high=1)
    agreed(customer, package, "2.20")
    assert order_service(customer, package, quantity=None).charge == 2_200_000


def test_order_when_discount_was_removed_meanwhile_then_confirmation(customer, service):
    group("10", customer)
    seen = offer_of(customer=customer, service=service).price
    GroupMember.objects.all().delete()
    with nothing_changes(), pytest.raises(PriceChanged, match=r"to \$2.50 meanwhile"):
        order_service(customer, service, seen_charge=seen)
    assert order_service(customer, service, seen_charge=2_500_000).charge == 2_500_000


def test_order_when_agreed_price_rose_meanwhile_then_confirmation(customer, service):
    own = agreed(customer, service, "2.10")
    CustomerPrice.objects.filter(pk=own.pk).update(price=2_200_000)
    with nothing_changes(), pytest.raises(PriceChanged, match=r"to \$2.20 meanwhile"):
        order_service(customer, service, seen_charge=2_100_000)


def test_order_when_discount_was_added_meanwhile_then_lower_charge(customer, service):
    group("10", customer)
    assert order_service(customer, service, seen_charge=2_500_000).charge == 2_250_000


def test_order_when_repeated_after_terms_changed_then_first_order(customer, service):
    group("10", customer)
    first = order_service(customer, service, request_key="same")
    GroupMember.objects.all().delete()
    with nothing_changes():
        assert order_service(customer, service, request_key="same").pk == first.pk


def test_order_when_funds_cover_only_discounted_price_then_created(customer, service):
    with nothing_changes(), pytest.raises(NotEnoughFunds):
        order_service(customer, service, quantity=4_400)
    group("10", customer)
    assert order_service(customer, service, quantity=4_400).charge == 9_900_000


def test_order_when_rate_rose_above_charge_then_held_and_not_sent(customer, service, upstream):
    """$2.25 was paid. At a cost of $2.40 the list price of $2.50 would still leave a profit."""
    group("10", customer)
    order = order_service(customer, service)
    Service.objects.update(cost=2_400_000)
    submit_now()
    assert fresh(order).review_reason == "would_lose"
    assert upstream.orders() == []


# -- pages ----------------------------------------------------------------------------------------------


def test_pages_when_customer_has_discount_then_both_prices_labeled(signed_in, customer, service):
    group("10", customer)
    pages = [
        signed_in.get(reverse("services")),
        signed_in.get(reverse("order_new"), {"service": service.pk}),
        signed_in.post(reverse("order_quote"), {"service": service.pk, "quantity": "1000"}),
        signed_in.post(reverse("order_fields"), {"service": service.pk}),
    ]
    for page in pages:
        text = page.content.decode()
        # The summary does not repeat what stands at the service.
        if page is not pages[2]:
            assert '<span class="visually-hidden">List price </span><bdi class="money">$2.50</bdi></s>' in text
        assert '<bdi class="money">$2.25</bdi>' in text
    assert 'name="seen_charge" value="2250000"' in pages[2].content.decode()


def test_pages_when_agreed_price_above_list_then_no_strikethrough(signed_in, customer, service):
    group("10", make.customer("else@example.org"))
    agreed(customer, service, "2.70")
    for page in (
        signed_in.get(reverse("services")),
        signed_in.get(reverse("order_new"), {"service": service.pk}),
    ):
        text = page.content.decode()
        assert "$2.70" in text
        assert "<s " not in text
        assert "$2.50" not in text


@pytest.mark.parametrize("page", ["services", "order_new"])
def test_pages_when_many_agreed_prices_then_same_query_count(signed_in, customer, provider, page):
    group("10", customer)
    chosen = make.service(provider)
    signed_in.get(reverse(page), {"service": chosen.pk})
    counts = []
    for start in (10, 20):
        for number in range(start, start + 5):
            agreed(customer, make.service(provider, external_id=str(number)), "2.30")
        with statements() as found:
            assert signed_in.get(reverse(page), {"service": chosen.pk}).status_code == 200
        counts.append(len(found))
    assert counts[0] == counts[1]


def test_offer_when_read_then_one_statement_and_two_for_all_terms(customer, service):
    group("10", customer)
    agreed(customer, service, "2.30")
    with statements() as one:
        offer_of(customer=customer, service=service)
    with statements() as all_of_them:
        terms_of(customer=customer)
    assert (len(one), len(all_of_them)) == (1, 2)


# -- discounts in the admin -----------------------------------------------------------------------------


def discount_url(resellers: CustomerGroup) -> str:
    return reverse("admin:catalog_customergroup_change_discount", args=[resellers.pk])


def test_preview_when_discount_grows_then_counts_lowered_and_held_up(customer, other, provider):
    minimum_margin("10")
    cheap = make.service(provider, external_id="1", margin_bp=1_200)  # $2.24; the lowest price is $2.20
    make.service(provider, external_id="2", margin_bp=10_000)
    make.service(provider, external_id="3", margin_bp=1_000)  # at the lowest price already
    resellers = group("0", customer, other)
    preview = preview_discount(group=resellers, discount_bp=500)
    assert (preview.members, preview.services, preview.lowered, preview.raised, preview.held_up) == (2, 3, 2, 0, 2)
    worst = preview.worst[0]
    assert (worst.pk, worst.before, worst.after, worst.is_held_up) == (cheap.pk, 2_240_000, 2_200_000, True)
    assert worst.share_after == 1_000
    assert len(preview.worst) == 2


def test_preview_when_discount_shrinks_then_prices_rise(customer, service):
    preview = preview_discount(group=group("10", customer), discount_bp=0)
    assert (preview.lowered, preview.raised, preview.held_up) == (0, 1, 0)


def test_preview_when_price_is_only_rounded_up_then_not_held_up(service):
    preview = preview_discount(group=group("0"), discount_bp=751)
    assert preview.worst[0].after == 2_312_300  # $2.31225, rounded up to the step of $0.0001
    assert preview.held_up == 0


def test_preview_when_many_services_then_same_query_count(provider):
    resellers, counts = group(), []
    for start in (1, 10):
        for number in range(start, start + 4):
            make.service(provider, external_id=str(number))
        with statements() as found:
            preview_discount(group=resellers, discount_bp=500)
        counts.append(len(found))
    assert counts == [3, 3]


def test_discount_when_changed_by_another_meanwhile_then_not_set(service):
    resellers = group("10")
    CustomerGroup.objects.update(discount_bp=2_000)
    with no_terms_change(), pytest.raises(DiscountChanged):
        set_discount(group=resellers, discount_bp=500, seen=1_000, actor=None)


def test_discount_page_when_previewed_then_nothing_changes(staff_client, customer, service):
    resellers = group("0", customer)
    with no_terms_change():
        text = staff_client.get(discount_url(resellers), {"discount": "10"}).content.decode()
    assert "Set the discount to 10%" in text
    assert "$2.25" in text
    with no_terms_change():
        assert "Set the discount" not in staff_client.get(discount_url(resellers)).content.decode()


def test_discount_page_when_confirmed_then_set_and_logged(staff_client, customer, service):
    resellers = group("0", customer)
    staff_client.post(discount_url(resellers), {"discount": "10", "seen": "0"})
    assert CustomerGroup.objects.get().discount_bp == 1_000
    assert LogEntry.objects.get().change_message == "The discount was 0% and is 10% now."
    assert price(customer, service) == 2_250_000


def test_discount_page_when_outdated_then_nothing_is_set(staff_client):
    resellers = group("20")
    with no_terms_change():
        text = staff_client.post(discount_url(resellers), {"discount": "10", "seen": "1000"}).content.decode()
    assert "changed since you opened this page" in text


@pytest.mark.parametrize("typed", ["100", "-1", "ten", "", "1.234", "1e1", "NaN"])
def test_discount_page_when_discount_is_invalid_then_error(staff_client, typed):
    resellers = group("10")
    for method in (staff_client.get, staff_client.post):
        with no_terms_change():
            response = method(discount_url(resellers), {"discount": typed, "seen": "1000"})
        assert response.status_code == 200
        assert response.context["form"].errors["discount"]
        assert "Set the discount to" not in response.content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_discount_page_when_staff_may_only_view_then_forbidden(method):
    client, resellers = staff_with("catalog.view_customergroup"), group("10")
    with no_terms_change():
        response = getattr(client, method)(discount_url(resellers), {"discount": "5", "seen": "1000"})
    assert response.status_code == 403


# -- groups, members and agreed prices in the admin ------------------------------------------------------


def test_group_when_added_with_discount_then_only_name_is_editable(staff_client):
    staff_client.post(reverse("admin:catalog_customergroup_add"), {"name": "Gold", "discount_bp": "7.5"})
    resellers = CustomerGroup.objects.get()
    assert (resellers.name, resellers.discount_bp) == ("Gold", 750)
    url = reverse("admin:catalog_customergroup_change", args=[resellers.pk])
    staff_client.post(url, {"name": "Golden", "discount_bp": "99"})
    resellers.refresh_from_db()
    assert (resellers.name, resellers.discount_bp) == ("Golden", 750)
    assert LogEntry.objects.count() == 2
    assert staff_client.get(url).status_code == 200


def test_group_list_when_many_groups_then_same_query_count(staff_client, customer):
    counts = []
    for number in range(3):
        group("5", make.customer(f"m{number}@example.org"), name=f"G{number}")
        with statements() as found:
            assert staff_client.get(reverse("admin:catalog_customergroup_changelist")).status_code == 200
        counts.append(len(found))
    assert counts[1] == counts[2]


def test_group_page_when_adding_a_customer_then_form_has_the_group(staff_client):
    resellers = group("5")
    response = staff_client.get(reverse("admin:catalog_customergroup_add_member", args=[resellers.pk]), follow=True)
    assert response.context["adminform"].form["group"].value() == str(resellers.pk)
    assert GroupMember.objects.count() == 0


def test_member_when_added_moved_and_removed_then_saved_and_logged(staff_client, customer):
    gold, silver = group("10", name="Gold"), group("5", name="Silver")
    staff_client.post(reverse("admin:catalog_groupmember_add"), {"customer": customer.pk, "group": gold.pk})
    assert GroupMember.objects.get().group == gold
    url = reverse("admin:catalog_groupmember_change", args=[customer.pk])
    assert staff_client.get(url).status_code == 200
    staff_client.post(url, {"group": silver.pk})
    assert GroupMember.objects.get().group == silver
    staff_client.post(reverse("admin:catalog_groupmember_delete", args=[customer.pk]), {"post": "yes"})
    assert not GroupMember.objects.exists()
    assert LogEntry.objects.count() == 3


def test_member_when_in_a_group_already_then_error_names_it(staff_client, customer):
    group("10", customer, name="Gold")
    silver = group("5", name="Silver")
    with no_terms_change():
        response = staff_client.post(
            reverse("admin:catalog_groupmember_add"), {"customer": customer.pk, "group": silver.pk}
        )
    assert "in the group “Gold” already" in response.content.decode()


def clashing(monkeypatch: Any, form: Any, store: Any) -> None:
    """Let another person save after the form was validated and before it is saved."""
    from catalog.admin.customers import ClashAdmin

    save = ClashAdmin.save_model

    def late(self: Any, *args: Any, **kwargs: Any) -> None:
        store()
        save(self, *args, **kwargs)

    monkeypatch.setattr(form, "save_model", late)


def test_member_when_two_managers_add_at_once_then_second_gets_error(staff_client, customer, monkeypatch):
    """Django's own save silently moved the customer out of the first manager's group."""
    from catalog.admin.customers import GroupMemberAdmin

    gold, silver = group("10", name="Gold"), group("5", name="Silver")
    clashing(monkeypatch, GroupMemberAdmin, lambda: GroupMember.objects.create(customer=customer, group=gold))
    response = staff_client.post(
        reverse("admin:catalog_groupmember_add"), {"customer": customer.pk, "group": silver.pk}, follow=True
    )
    assert response.status_code == 200
    assert "one group at most. Nothing was changed." in response.content.decode()
    assert not GroupMember.objects.filter(group=silver).exists()
    assert LogEntry.objects.count() == 0


def test_agreed_price_when_added_twice_at_once_then_second_fails(staff_client, customer, service, monkeypatch):
    from catalog.admin.customers import CustomerPriceAdmin

    clashing(monkeypatch, CustomerPriceAdmin, lambda: agreed(customer, service, "2.20"))
    data = {"customer": customer.pk, "service": service.pk, "price": "2.30"}
    response = staff_client.post(reverse("admin:catalog_customerprice_add"), data, follow=True)
    assert "at the same moment. Nothing was changed." in response.content.decode()
    assert not CustomerPrice.objects.filter(price=2_300_000).exists()


def test_agreed_price_when_added_and_changed_then_applies_and_logged(staff_client, customer, other, service):
    data = {"customer": customer.pk, "service": service.pk, "price": "2.30"}
    staff_client.post(reverse("admin:catalog_customerprice_add"), data)
    own = CustomerPrice.objects.get()
    assert price(customer, service) == 2_300_000
    url = reverse("admin:catalog_customerprice_change", args=[own.pk])
    staff_client.post(url, {"price": "2.35", "customer": other.pk})
    assert price(customer, service) == 2_350_000
    assert price(other, service) == 2_500_000
    assert LogEntry.objects.count() == 2
    page = staff_client.get(url).content.decode()
    assert "$2.50" in page
    assert "$2.00" in page


@pytest.mark.parametrize(
    ("may_fall_lower", "words"),
    [(False, "Held up at $2.20 by the minimum margin"), (True, "Held up at $2.00 by the cost")],
)
def test_agreed_price_when_too_low_then_message(staff_client, customer, service, may_fall_lower, words):
    minimum_margin("10")
    Service.objects.update(allow_below_minimum=may_fall_lower)
    data = {"customer": customer.pk, "service": service.pk, "price": "0.50"}
    saved = staff_client.post(reverse("admin:catalog_customerprice_add"), data, follow=True)
    assert f"too low to be used. {words}." in saved.content.decode()
    own = CustomerPrice.objects.get()
    for name, args in (("changelist", []), ("change", [own.pk])):
        page = staff_client.get(reverse(f"admin:catalog_customerprice_{name}", args=args))
        assert words in page.content.decode()


@pytest.mark.parametrize("typed", ["0", "-1", "abc", "", "0.0000001", "99999999999"])
def test_agreed_price_when_invalid_then_error(staff_client, customer, service, typed):
    data = {"customer": customer.pk, "service": service.pk, "price": typed}
    with no_terms_change():
        response = staff_client.post(reverse("admin:catalog_customerprice_add"), data)
    assert response.context["adminform"].form.errors["price"]


def test_agreed_price_list_when_prices_are_many_then_same_statements(staff_client, customer, provider):
    counts = []
    for number in range(1, 4):
        agreed(customer, make.service(provider, external_id=str(number)), "2.30")
        with statements() as found:
            assert staff_client.get(reverse("admin:catalog_customerprice_changelist")).status_code == 200
        counts.append(len(found))
    assert counts[1] == counts[2]


def test_agreed_price_list_when_names_are_hostile_then_escaped(staff_client, customer, provider):
    agreed(customer, make.service(provider, name="<script>alert(1)</script>"), "2.30")
    page = staff_client.get(reverse("admin:catalog_customerprice_changelist")).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    "name", ["customergroup_add", "groupmember_add", "customerprice_add", "customergroup_changelist"]
)
def test_pages_when_staff_lack_permission_then_forbidden(customer, service, name):
    resellers, client = group("10", name="Gold"), staff_with("catalog.view_service")
    data = {
        "name": "X",
        "discount_bp": "5",
        "customer": customer.pk,
        "group": resellers.pk,
        "service": service.pk,
        "price": "2",
    }
    with no_terms_change():
        assert client.post(reverse(f"admin:catalog_{name}"), data).status_code == 403


def test_add_member_when_staff_lack_permission_then_forbidden(customer):
    client, resellers = staff_with("catalog.view_customergroup"), group("10")
    with no_terms_change():
        assert client.get(reverse("admin:catalog_customergroup_add_member", args=[resellers.pk])).status_code == 403


def test_group_when_renamed_then_discount_stays(staff_client):
    group = CustomerGroup.objects.create(name="Friends", discount_bp=500)
    address = reverse("admin:catalog_customergroup_change", args=[group.pk])
    assert staff_client.post(address, {"name": "Partners", "discount_bp": "90"}).status_code == 302
    group.refresh_from_db()
    assert (group.name, group.discount_bp) == ("Partners", 500)


@pytest.mark.parametrize("name", ["groupmember", "customerprice"])
def test_lists_of_terms_when_read_then_no_transaction(name, staff_client, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr("catalog.admin.customers.transaction", SimpleNamespace(atomic=refuse))
    assert staff_client.get(reverse(f"admin:catalog_{name}_changelist")).status_code == 200
