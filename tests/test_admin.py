"""The admin: what staff do goes through the services, and links alone change nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Entry
from billing.wallets import wallet_of
from catalog.imports.queue import run_due_imports
from catalog.models import PricePolicy, Provider, Service
from catalog.prices.recalculate import price_policy
from catalog.provider_accounts import client_for, pause_provider
from orders.models import Order
from orders.states import Placement, ReviewReason
from panel.alerts.services import raise_alert
from tests import make
from tests.scenes import nothing_changes

pytestmark = pytest.mark.django_db


def decide(client: Client, address: str, **data: str):
    """Opens the form and sends it, as a person does."""
    opened = client.get(address)
    return client.post(address, {**data, "seen": opened.context["seen"]} if opened.context else data)


def action(model: str, pk: int, name: str) -> str:
    app, model_name = model.split(".")
    return reverse(f"admin:{app}_{model_name}_changelist") + f"{pk}/{name}/"


@pytest.mark.parametrize("model", list(site._registry), ids=lambda model: model.__name__)
def test_every_list_and_page_opens(model, staff_client, customer, provider):
    service = make.service(provider)
    order = make.order(customer, service)
    Order.objects.filter(pk=order.pk).update(review_reason=ReviewReason.DOUBT)
    price_policy()
    raise_alert(cause="x", text="Something")
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert staff_client.get(reverse(f"{name}_changelist"), follow=True).status_code == 200
    obj = model._default_manager.first()
    if obj is not None:
        assert staff_client.get(reverse(f"{name}_change", args=[obj.pk]), follow=True).status_code == 200


def test_overview_tells_what_needs_the_owner(staff_client, customer, provider):
    order = make.order(customer, make.service(provider))
    Order.objects.filter(pk=order.pk).update(review_reason=ReviewReason.DOUBT)
    text = staff_client.get(reverse("admin:index")).content.decode()
    assert "order waits for your decision" in text
    assert "The task worker has not finished a round" in text


# -- wallets ---------------------------------------------------------------------------------------


def move(client: Client, wallet_pk: int, **changes):
    data = {"amount": "5", "kind": "deposit", "reason": "Transfer 123", "request_key": uuid4().hex, **changes}
    return client.post(action("billing.wallet", wallet_pk, "move_money"), data)


def test_staff_credit_a_wallet_through_the_ledger_with_a_reason(staff_client, staff, customer):
    wallet = wallet_of(customer=customer)
    assert move(staff_client, wallet.pk).status_code == 302
    entry = Entry.objects.get(memo="Transfer 123")
    assert (entry.amount, entry.kind, entry.actor, entry.balance_after) == (5_000_000, "deposit", staff, 15_000_000)


def test_credit_form_sent_twice_moves_money_once(staff_client, customer):
    wallet = wallet_of(customer=customer)
    key = uuid4().hex
    for _ in range(2):
        move(staff_client, wallet.pk, request_key=key)
    assert make.wallet(customer).balance == 15_000_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount": "0"}, "Nothing was moved"),
        ({"amount": "-5"}, "Only an adjustment"),
        ({"amount": "-50", "kind": "adjustment"}, "holds $10.00 only"),
        ({"amount": "1e3"}, "Enter a number"),
        ({"amount": "0.0000001"}, "six decimal places"),
        ({"amount": "99999999999"}, "out of range"),
        ({"reason": ""}, "required"),
        ({"kind": "refund"}, "valid choice"),
    ],
)
def test_bad_credit_is_explained_and_moves_nothing(staff_client, customer, changes, words):
    wallet = wallet_of(customer=customer)
    response = move(staff_client, wallet.pk, **changes)
    assert words in response.content.decode()
    assert make.wallet(customer).balance == 10_000_000


def test_opening_the_credit_page_moves_nothing(staff_client, customer):
    wallet = wallet_of(customer=customer)
    staff_client.get(action("billing.wallet", wallet.pk, "move_money"), {"amount": "5", "kind": "deposit"})
    assert make.wallet(customer).balance == 10_000_000


def test_staff_without_the_right_cannot_credit(customer):
    helper = make.customer("helper@example.org")
    helper.is_staff = True
    helper.save()
    client = Client()
    client.force_login(helper)
    wallet = wallet_of(customer=customer)
    assert move(client, wallet.pk).status_code == 403
    assert make.wallet(customer).balance == 10_000_000


def test_wallet_and_entries_cannot_be_edited(staff_client, customer):
    wallet = wallet_of(customer=customer)
    staff_client.post(reverse("admin:billing_wallet_change", args=[wallet.pk]), {"balance": "99"})
    entry = Entry.objects.first()
    assert staff_client.post(reverse("admin:billing_entry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert make.wallet(customer).balance == 10_000_000


# -- providers and margins -------------------------------------------------------------------------


def apply(client: Client, address: str):
    """Looks at what a change would do, and applies it."""
    page = client.get(address)
    return client.post(address, {"seen": page.context["preview"].fingerprint})


PROVIDER = {
    "name": "New",
    "api_key": "secret-key-123",
    "currency": "usd",
    "exchange_rate": "1",
    "margin_bp": "",
    "margin_fixed": "",
    "is_active": "on",
    "publish_new": "on",
    "on_rise": "reprice",
    "max_parallel_adds": "1",
    "max_parallel_polls": "2",
    "request_id_parameter": "",
    "probes_ids": "on",
}


def test_owner_adds_a_provider_imports_it_and_sets_its_margin(staff_client, upstream):
    data = {**PROVIDER, "api_url": upstream.url, "api_key": upstream.key}
    assert staff_client.post(reverse("admin:catalog_provider_add"), data).status_code == 302
    provider = Provider.objects.get()
    assert provider.currency == "USD"
    staff_client.post(action("catalog.provider", provider.pk, "import_now"))
    run_due_imports()
    service = Service.objects.filter(is_on_sale=True).first()
    assert service.price == -(-service.cost * 125 // 100 // 100) * 100  # 25 % more, up to the step of $0.0001

    changed = {**data, "api_key": "", "margin_bp": "100"}
    before = service.price
    shown = staff_client.post(reverse("admin:catalog_provider_change", args=[provider.pk]), changed)
    service.refresh_from_db()
    assert service.price == before
    apply(staff_client, shown.url)
    service.refresh_from_db()
    assert service.price == service.cost * 2
    provider.refresh_from_db()
    assert client_for(provider).balance().amount > 0  # The key that was stored is still there.


def test_import_is_a_bulk_action_too(staff_client, provider):
    address = reverse("admin:catalog_provider_changelist")
    staff_client.post(address, {"action": "import_services", "_selected_action": [provider.pk]})
    run_due_imports()
    assert Service.objects.count() > 50


def test_provider_key_is_never_shown_again(staff_client, provider):
    text = staff_client.get(reverse("admin:catalog_provider_change", args=[provider.pk])).content.decode()
    assert "upstream-key" not in text
    assert provider.api_key_encrypted not in text


def test_provider_needs_https_where_private_addresses_are_off(staff_client, settings):
    settings.UPSTREAM_ALLOW_PRIVATE = False
    response = staff_client.post(
        reverse("admin:catalog_provider_add"), {**PROVIDER, "api_url": "http://example.com/api/v2"}
    )
    assert "Use an https address" in response.content.decode()
    assert Provider.objects.count() == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"api_key": ""}, "Enter the API key"), ({"exchange_rate": "0"}, "above zero"), ({"margin_bp": "-1"}, "negative")],
)
def test_bad_provider_is_explained_at_its_field(staff_client, upstream, changes, words):
    response = staff_client.post(
        reverse("admin:catalog_provider_add"), {**PROVIDER, "api_url": upstream.url, **changes}
    )
    assert words in response.content.decode()
    assert Provider.objects.count() == 0


def test_account_when_it_is_connected_already_then_it_is_not_connected_twice(staff_client, provider, upstream):
    """The two would take each other's orders for nobody's."""
    twin = {**PROVIDER, "name": "Twin", "api_url": upstream.url.replace("127.0.0.1", "localhost")}
    response = staff_client.post(reverse("admin:catalog_provider_add"), {**twin, "api_key": upstream.key})
    assert "connected already, as Upstream" in response.content.decode()
    page = reverse("admin:catalog_provider_change", args=[provider.pk])
    staff_client.post(page, {**PROVIDER, "api_url": upstream.url, "api_key": upstream.key, "name": "Renamed"})
    assert list(Provider.objects.values_list("name", flat=True)) == ["Renamed"]


@pytest.mark.parametrize("name", ["request_id", "X-Idempotency-Key", "ref2", "a" * 40])
def test_request_id_parameter_when_it_is_a_name_of_its_own_then_it_is_kept(staff_client, provider, upstream, name):
    address = reverse("admin:catalog_provider_change", args=[provider.pk])
    data = {**PROVIDER, "api_url": upstream.url, "api_key": "", "request_id_parameter": f" {name} "}
    assert staff_client.post(address, data).status_code == 302
    provider.refresh_from_db()
    assert (provider.request_id_parameter, provider.probes_ids) == (name, True)


@pytest.mark.parametrize(
    "name", ["key", "action", "link", "Quantity", "answer_number", "a b", "a.b", "a[]", "é", "x" * 41]
)
def test_request_id_parameter_when_it_would_change_the_order_then_it_is_refused(staff_client, provider, upstream, name):
    address = reverse("admin:catalog_provider_change", args=[provider.pk])
    data = {**PROVIDER, "api_url": upstream.url, "api_key": "", "request_id_parameter": name}
    before = Provider.objects.values().get()
    response = staff_client.post(address, data)
    assert set(response.context["adminform"].form.errors) == {"request_id_parameter"}
    assert Provider.objects.values().get() == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "Not tried yet"),
        ({"probes_ids": False, "probe_works": True}, "Switched off"),
        ({"probe_works": True, "probe_note": "Ids count up."}, "Works: Ids count up. (checked 4 Mar 2026, 12:30)"),
        ({"probe_works": False, "probe_note": "<b>No.</b>"}, "Does not work: &lt;b&gt;No.&lt;/b&gt; (checked 4 Mar"),
    ],
)
def test_provider_when_ids_were_looked_for_then_its_page_tells_how_that_went(staff_client, provider, values, words):
    checked = datetime(2026, 3, 4, 12, 30, tzinfo=UTC) if "probe_works" in values else None
    Provider.objects.update(probe_checked_at=checked, **values)
    text = staff_client.get(reverse("admin:catalog_provider_change", args=[provider.pk])).content.decode()
    assert "Look for doubtful orders" in text
    assert words in text


def test_connection_test_shows_the_balance_or_the_reason(staff_client, provider, upstream):
    good = staff_client.post(action("catalog.provider", provider.pk, "test_connection"), follow=True)
    assert "It works" in good.content.decode()
    upstream.close()
    bad = staff_client.post(action("catalog.provider", provider.pk, "test_connection"))
    assert "It does not work" in bad.content.decode()


def test_panel_margin_reprices_every_service(staff_client, provider):
    service = make.service(provider)
    price_policy()
    shown = staff_client.post(
        reverse("admin:catalog_pricepolicy_change", args=[1]),
        {"margin_bp": "50", "margin_fixed": "0.1", "minimum_margin_bp": "0", "price_step": "0.01"},
    )
    apply(staff_client, shown.url)
    service.refresh_from_db()
    assert service.price == 3_100_000
    assert PricePolicy.objects.get().margin_bp == 5_000


def test_service_margin_of_its_own_wins(staff_client, provider):
    service = make.service(provider)
    data = {
        "name": "Mine",
        "category": service.category_id,
        "description": "",
        "position": "3",
        "is_on_sale": "on",
        "margin_bp": "10",
        "margin_fixed": "",
        "min_quantity": "",
        "max_quantity": "",
    }
    apply(staff_client, staff_client.post(reverse("admin:catalog_service_change", args=[service.pk]), data).url)
    service.refresh_from_db()
    assert (service.name, service.price, service.is_on_sale) == ("Mine", 2_200_000, True)


# -- orders that need a person ---------------------------------------------------------------------


def test_nothing_to_do_when_an_order_is_in_no_review_then_it_is_not_offered(staff_client, customer, provider):
    order = make.placed_order(customer, make.service(provider))
    with nothing_changes():
        assert staff_client.post(action("orders.order", order.pk, "dismiss"), {"note": "x"}).status_code == 403


@pytest.mark.parametrize("name", ["dismiss", "give_back"])
def test_choice_when_an_order_is_in_doubt_then_only_the_page_of_the_decision_settles_it(
    name, staff_client, customer, provider
):
    order = make.order(customer, make.service(provider), quantity=1_000)
    Order.objects.filter(pk=order.pk).update(
        placement=Placement.IN_DOUBT, doubt_until=timezone.now(), review_reason=ReviewReason.DOUBT
    )
    with nothing_changes():
        address = action("orders.order", order.pk, name)
        assert staff_client.post(address, {"note": "x", "amount": "1"}).status_code == 403


def test_staff_give_back_a_part_within_the_charge(staff_client, customer, provider):
    order = make.placed_order(customer, make.service(provider), quantity=1_000)
    address = action("orders.order", order.pk, "give_back")
    decide(staff_client, address, amount="0.50", note="Slow delivery")
    assert "what is left" in decide(staff_client, address, amount="2.01", note="x").content.decode()
    order.refresh_from_db()
    assert order.refunded == 500_000
    assert make.wallet(customer).balance == 8_000_000


def test_the_same_decision_sent_twice_is_taken_once(staff_client, customer, provider):
    """A double click on "Refund" gave the part back twice."""
    order = make.placed_order(customer, make.service(provider), quantity=1_000)
    address = action("orders.order", order.pk, "give_back")
    form = {"amount": "0.50", "note": "Slow delivery", "seen": staff_client.get(address).context["seen"]}
    assert staff_client.post(address, form).status_code == 302
    assert "It changed since you opened this page" in staff_client.post(address, form).content.decode()
    order.refresh_from_db()
    assert order.refunded == 500_000


def test_give_back_when_the_page_is_stale_then_nothing_moves(staff_client, customer, provider):
    order = make.placed_order(customer, make.service(provider), quantity=1_000)
    address = action("orders.order", order.pk, "give_back")
    seen = staff_client.get(address).context["seen"]
    Order.objects.filter(pk=order.pk).update(review_reason=ReviewReason.CONTRADICTION)
    with nothing_changes():
        response = staff_client.post(address, {"amount": "0.50", "note": "Slow delivery", "seen": seen})
    assert "It changed since" in response.content.decode()
    assert "Slow delivery" in response.content.decode()


def test_provider_key_is_not_sent_to_a_new_address(staff_client, provider):
    """Whoever could edit the address could have the stored key delivered to a server of their own."""
    address = reverse("admin:catalog_provider_change", args=[provider.pk])
    moved = {**PROVIDER, "api_key": "", "api_url": "https://elsewhere.example/api/v2"}
    assert "Enter the key again" in staff_client.post(address, moved).content.decode()
    before = provider.api_url
    provider.refresh_from_db()
    assert provider.api_url == before
    assert staff_client.post(address, {**moved, "api_key": "theirs"}).status_code == 302


def test_paused_provider_can_be_resumed(staff_client, provider):
    pause_provider(provider=provider, reason="funds", text="our balance there is used up")
    staff_client.post(action("catalog.provider", provider.pk, "resume"))
    provider.refresh_from_db()
    assert (provider.paused_until, provider.pause_count) == (None, 0)
    assert staff_client.get(action("catalog.provider", provider.pk, "resume")).status_code == 403


def test_staff_cannot_make_themselves_or_others_owner(customer):
    helper = make.customer("helper@example.org")
    helper.is_staff = True
    helper.save()
    helper.user_permissions.set(Permission.objects.filter(codename__in=("view_user", "change_user")))
    client = Client()
    client.force_login(helper)
    form = {"email": "x@example.org", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    assert client.post(reverse("admin:accounts_user_change", args=[helper.pk]), form).status_code == 403
    client.post(reverse("admin:accounts_user_change", args=[customer.pk]), form)
    for user in (helper, customer):
        user.refresh_from_db()
        assert not user.is_superuser
    assert not customer.is_staff


def test_alerts_can_be_resolved_in_bulk(staff_client):
    raise_alert(cause="x", text="Something")
    from panel.alerts.models import Alert

    alert = Alert.objects.get()
    staff_client.post(reverse("admin:ops_alert_changelist"), {"action": "resolve", "_selected_action": [alert.pk]})
    alert.refresh_from_db()
    assert alert.resolved_at is not None
