"""Combinations of correct steps in which a catalog lost money; all are prevented now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.imports.run import fail_run, import_services
from catalog.models import (
    CatalogChange,
    Category,
    CustomerGroup,
    CustomerPrice,
    GroupMember,
    PriceChange,
    PricePolicy,
    Provider,
    Service,
    SyncRun,
)
from catalog.prices.changes import ChangeRefused, apply_change, change_prices, draft_change, draft_undo, preview_change
from catalog.prices.customer_prices import offer_of
from catalog.prices.edits import Edit
from catalog.prices.sorting import save_positions
from catalog.prices.storage import price_policy
from catalog.provider_health import runway_days
from orders.models import Order
from orders.reports.statistics import count_figures
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from tests import make
from tests.catalog.admin.test_price_changes import seen_on
from tests.catalog.admin.test_providers import form_of, page_of, with_role
from tests.threads import in_threads

pytestmark = pytest.mark.django_db

TEN = range(101, 111)


def list_ten(upstream, rate="2.00"):
    """Make the provider list ten services at one rate, and nothing else."""
    for number in range(1, 61):
        upstream.set_service(number, listed=False)
    for number in TEN:
        upstream.set_service(
            number, name=f"Service {number}", rate=rate, category="Social", min=10, max=100_000, type="Default"
        )


def bills_in(upstream, currency):
    body = f'{{"balance": "79", "currency": "{currency}"}}'.encode()
    upstream.inject(faults.reply(body=body, action="balance", times=None))


def import_list(provider):
    provider.refresh_from_db()
    return import_services(provider=provider)


def prices():
    return set(Service.objects.values_list("price", flat=True))


def open_alerts():
    return set(Alert.objects.filter(resolved_at=None).values_list("cause", flat=True))


# -- another currency --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "later",
    [
        faults.drop_before("balance", times=None),
        faults.reply(body=b'{"error": "Too many requests"}', action="balance", times=None),
        faults.reply(body=b'{"balance": "100"}', action="balance", times=None),
    ],
    ids=["no answer", "an error", "no currency"],
)
def test_currency_when_omitted_after_refusal_then_still_refused(upstream, provider, later):
    list_ten(upstream)
    import_list(provider)
    bills_in(upstream, "GBP")
    list_ten(upstream, "1.58")  # £1.58 is $2.00: no rate changes by a factor of five
    assert import_list(provider).outcome == "refused"
    upstream.clear_faults()
    upstream.inject(later)
    assert import_list(provider).outcome == "refused"
    assert prices() == {2_500_000}
    assert f"provider:{provider.pk}:currency" in open_alerts()


def test_currency_when_set_after_refusal_then_costs_are_unchanged(upstream, provider, staff_client, customer):
    list_ten(upstream)
    import_list(provider)
    bills_in(upstream, "TRY")
    list_ten(upstream, "60.00")
    assert import_list(provider).outcome == "refused"
    data = form_of(staff_client, provider)
    answer = staff_client.post(page_of(provider), {**data, "currency": "TRY", "exchange_rate": "0.03"})
    staff_client.post(answer.url, {"seen": seen_on(staff_client.get(answer.url)), "next": "", "confirm": "yes"})
    # The stored rates were dollars: ₺66.666667 now, which costs no less than the $2.00 before.
    sold = Service.objects.select_related("upstream__provider").get(upstream__external_id="101")
    assert (sold.upstream.provider.currency, sold.upstream.rate) == ("TRY", 66_666_667)
    assert (sold.cost, sold.price) == (2_000_001, 2_500_100)
    assert make.order(customer, sold, quantity=1_000).charge == 2_500_100
    # The next list is believable, and brings the current cost.
    assert import_list(provider).outcome == "applied"
    sold.refresh_from_db()
    assert (sold.cost, sold.price) == (1_800_000, 2_250_000)
    # A day later the change is undone by mistake: still nothing is sold below its cost.
    undo = draft_undo(change=PriceChange.objects.get(), actor=None)
    apply_change(change=undo, seen=None, actor=None, is_confirmed=True)
    sold.refresh_from_db()
    assert sold.cost >= 1_800_000


def test_currency_when_set_then_converts_rows_and_clears_balance(upstream, provider):
    list_ten(upstream)
    import_list(provider)
    upstream.set_service(101, rate="3.00")
    import_list(provider)
    row = CatalogChange.objects.get()
    assert (row.old["rate"], row.new["rate"]) == (2_000_000, 3_000_000)
    edit = Edit("provider", (provider.pk,), {"currency": "EUR", "exchange_rate": 2_000_000_000_000})
    preview = change_prices(edits=[edit], source="provider", summary="Euros", is_confirmed=True)
    assert not preview.affected
    row.refresh_from_db()
    assert (row.old["rate"], row.new["rate"]) == (1_000_000, 1_500_000)
    assert Provider.objects.get().balance is None


@pytest.mark.parametrize("changes", [{"currency": "GBP", "exchange_rate": "1.27"}, {"exchange_rate": "1.27"}])
def test_provider_when_preview_is_abandoned_then_unchanged(staff_client, upstream, provider, changes):
    list_ten(upstream)
    import_list(provider)
    Provider.objects.update(is_active=False)
    before = Provider.objects.values().get()
    data = form_of(staff_client, provider)
    answer = staff_client.post(page_of(provider), {**data, "is_active": "on", "price": "", **changes})
    if "preview" in answer.url:  # the owner leaves the preview open
        assert Provider.objects.values().get() == before
    else:
        assert prices() == {2_500_000}


def test_currency_when_exchange_rate_is_one_then_error_at_the_field(staff_client, provider):
    data = form_of(staff_client, provider)
    answer = staff_client.post(page_of(provider), {**data, "currency": "GBP"})
    assert "A rate of 1 is right for USD alone" in answer.content.decode()
    assert Provider.objects.get().currency == "USD"
    assert staff_client.post(page_of(provider), {**data, "currency": "USDT"}).status_code == 302
    assert Provider.objects.get().currency == "USDT"


def test_currency_change_when_manager_applies_it_then_forbidden(provider):
    edit = Edit("provider", (provider.pk,), {"currency": "EUR"})
    draft = draft_change(edits=[edit], source="provider", summary="Euros", actor=None)
    address = reverse("admin:catalog_pricechange_preview", args=[draft.pk])
    assert with_role("Manager").post(address, {"seen": preview_change(change=draft).fingerprint}).status_code == 403
    assert Provider.objects.get().currency == "USD"


# -- the inbox ---------------------------------------------------------------------------------------


def test_rise_when_it_reverts_a_fall_then_off_sale_row_stays_open(upstream, provider):
    list_ten(upstream)
    import_list(provider)
    Provider.objects.update(on_rise="off_sale")
    list_ten(upstream, "1.00")
    import_list(provider)
    list_ten(upstream, "2.00")
    import_list(provider)
    assert not Service.objects.filter(is_on_sale=True).exists()
    assert CatalogChange.objects.filter(accepted_at=None, is_urgent=True, action="off_sale").count() == 10
    assert f"catalog:{provider.pk}:rises" in open_alerts()


def test_rise_when_it_follows_an_unseen_fall_then_urgent(upstream, provider):
    list_ten(upstream)
    import_list(provider)
    for rate in ("1.00", "1.90"):  # sold for $1.25 in between, a loss of $0.65
        upstream.set_service(101, rate=rate)
        import_list(provider)
    assert CatalogChange.objects.get().is_urgent


def test_grounds_when_an_expired_run_ends_then_they_are_kept(upstream, provider):
    list_ten(upstream)
    import_list(provider)
    for number in (101, 102, 103, 104):
        upstream.set_service(number, listed=False)
    refused = import_list(provider)
    given_up = SyncRun.objects.create(provider=provider)
    SyncRun.objects.filter(pk=given_up.pk).update(outcome="failed")
    assert not fail_run(given_up, "late")
    refused.refresh_from_db()
    assert refused.grounds["gone"]
    # A later refusal replaces them.
    assert import_list(provider).grounds["gone"]
    refused.refresh_from_db()
    assert refused.grounds == {}


# -- changes and undo --------------------------------------------------------------------------------


def stored():
    return list(Service.objects.order_by("pk").values("pk", "price", "cost", "is_on_sale", "margin_bp", "margin_fixed"))


def test_undo_when_prices_were_lost_then_services_are_on_sale_again(staff):
    price_policy()
    of = make.provider()
    sold = [make.service(of, external_id=str(number)) for number in range(3)]
    Service.objects.filter(pk=sold[2].pk).update(is_on_sale=False)
    before = stored()
    slip = [
        Edit("panel", (1,), {"margin_fixed": 10**15}),
        Edit("service", (sold[0].pk,), {"is_on_sale": True, "margin_bp": None}),
    ]
    change_prices(edits=slip, source="panel", summary="A slip", actor=staff)
    assert not Service.objects.filter(is_on_sale=True).exists()
    assert "2 services" in Alert.objects.get(cause="catalog:no_price").text
    lost = stored()
    undo = draft_undo(change=PriceChange.objects.get(), actor=staff)
    apply_change(change=undo, seen=preview_change(change=undo).fingerprint, actor=staff)
    assert stored() == before
    apply_change(change=draft_undo(change=undo, actor=staff), seen=None, actor=staff)
    assert stored() == lost


def test_lost_price_when_nothing_was_on_sale_then_no_alert():
    price_policy()
    make.service(make.provider())
    Service.objects.update(is_on_sale=False)
    change_prices(edits=[Edit("panel", (1,), {"margin_fixed": 10**15})], source="panel", summary="A slip")
    assert not Alert.objects.exists()


def test_draft_when_deleted_then_refused_and_not_reported_applied(staff):
    price_policy()
    make.service(make.provider())
    edits = [Edit("panel", (1,), {"margin_bp": 4_000})]
    old = draft_change(edits=edits, source="panel", summary="Old", actor=None)
    PriceChange.objects.update(created_at=timezone.now() - timedelta(days=2))
    draft_change(edits=edits, source="panel", summary="New", actor=None)
    with pytest.raises(ChangeRefused, match="more than a day old"):
        apply_change(change=old, seen=None, actor=None)
    assert PricePolicy.objects.get().margin_bp == 2_500


def test_undo_when_category_deleted_then_other_moves_are_undone(staff):
    price_policy()
    of = make.provider()
    gone, kept, into = (Category.objects.create(name=name) for name in ("Gone", "Kept", "Into"))
    first, second = (make.service(of, external_id=str(number)) for number in (1, 2))
    Service.objects.filter(pk=first.pk).update(category=gone)
    Service.objects.filter(pk=second.pk).update(category=kept)
    merge = [Edit("service", (first.pk, second.pk), {"category_id": into.pk})]
    change_prices(edits=merge, source="list", summary="Merge")
    gone.delete()
    undo = draft_undo(change=PriceChange.objects.get(), actor=staff)
    assert undo.summary == "Undo: Merge (1 changed since and kept)"
    apply_change(change=undo, seen=None, actor=None)
    assert [Service.objects.get(pk=one.pk).category for one in (first, second)] == [into, kept]


# -- what customers pay ------------------------------------------------------------------------------


def test_minimum_margin_when_lowered_with_discounts_then_previewed(staff_client, customer):
    price_policy()
    PricePolicy.objects.update(minimum_margin_bp=2_000)
    sold = make.service(make.provider())
    GroupMember.objects.create(customer=customer, group=CustomerGroup.objects.create(name="VIP", discount_bp=5_000))
    before = offer_of(customer=customer, service=sold).price
    address = reverse("admin:catalog_pricepolicy_change", args=[1])
    data = {"margin_bp": "25", "margin_fixed": "0", "minimum_margin_bp": "0", "price_step": "0.0001"}
    answer = staff_client.post(address, data, follow=True)
    assert "Discounts and agreed prices may come down" in answer.content.decode()
    assert offer_of(customer=customer, service=Service.objects.get()).price == before == 2_400_000
    assert PricePolicy.objects.get().minimum_margin_bp == 2_000


def test_agreed_price_when_form_is_outdated_then_newer_price_is_kept(staff_client, customer, service):
    own = CustomerPrice.objects.create(customer=customer, service=service, price=2_400_000)
    address = reverse("admin:catalog_customerprice_change", args=[own.pk])
    assert 'name="initial-price" value="2.4"' in staff_client.get(address).content.decode()
    CustomerPrice.objects.update(price=2_600_000)  # another person's change
    staff_client.post(address, {"price": "2.4", "initial-price": "2.4"})
    own.refresh_from_db()
    assert own.price == 2_600_000


# -- other -------------------------------------------------------------------------------------------


def test_runway_when_provider_is_new_then_counted_from_its_creation(customer, service):
    Provider.objects.update(balance=10_000_000)
    for number in range(4):
        order = make.accepted_order(customer, service, upstream_id=str(number + 1), quantity=500)  # for $1 each
        at = timezone.now() - timedelta(hours=20 - number)
        Order.objects.filter(pk=order.pk).update(created_at=at, accepted_at=at)
    count_figures()
    days = {}
    for age in (1, 2, 7, 100):
        Provider.objects.update(created_at=timezone.now() - timedelta(days=age))
        days[age] = runway_days(Provider.objects.select_related("figures").get())
    assert days == {1: 2, 2: 5, 7: 17, 100: 17}


@pytest.mark.django_db(transaction=True)
def test_positions_when_prices_change_at_once_then_no_deadlock(db):
    price_policy()
    of = make.provider()
    pks = [make.service(of, external_id=str(number)).pk for number in range(1, 51)]

    def positions():
        for turn in range(30):
            save_positions(positions={pk: turn + pk for pk in reversed(pks)})

    def margins():
        for turn in range(30):
            change_prices(edits=[Edit("panel", (1,), {"margin_bp": 2_600 + turn * 10})], source="panel", summary="x")

    assert in_threads(positions, margins, positions) == [None] * 3


def test_resume_when_url_is_invalid_then_not_found(staff, provider):
    client = Client(raise_request_exception=False)
    client.force_login(staff)
    assert client.get(reverse("admin:catalog_provider_resume", args=["abc"])).status_code in (302, 403, 404)


def test_panel_margin_when_support_opens_it_then_nothing_is_written():
    PricePolicy.objects.all().delete()
    assert with_role("Support").get(reverse("admin:catalog_pricepolicy_changelist")).status_code == 403
    assert not PricePolicy.objects.exists()
