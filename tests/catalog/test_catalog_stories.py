"""Six ways in which panels lose money through their catalog, each played through, and prevented here."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import NoReverseMatch, reverse

from catalog.imports.queue import request_all, run_due_imports
from catalog.imports.run import import_services
from catalog.models import CatalogChange, Category, Provider, Service, SyncRun, UpstreamService
from catalog.prices.changes import change_prices
from catalog.prices.edits import Edit
from catalog.selectors import services_on_sale
from orders.checkout.validation import NotOnSale
from orders.models import Order
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(upstream, provider):
    """Ten services, 101 to 110, that cost $2.00 and sell for $2.50."""
    for service_id in range(1, 61):
        upstream.set_service(service_id, listed=False)
    for service_id in range(101, 111):
        upstream.set_service(service_id, name=f"Service {service_id}", rate="2.00", category="Social")
    run_scheduled_import()
    assert len(on_sale()) == 10
    return upstream


def run_scheduled_import():
    """Run the scheduled import and return the latest run."""
    request_all()
    run_due_imports()
    return SyncRun.objects.first()


def service(external_id):
    return Service.objects.select_related("upstream", "category").get(upstream__external_id=str(external_id))


def on_sale():
    return set(services_on_sale().values_list("upstream__external_id", flat=True))


def catalog_state():
    return [list(model.objects.order_by("pk").values()) for model in (UpstreamService, Service, Category)]


def test_service_when_missing_from_list_then_not_free_or_on_sale(shop, customer):
    """Some panels joined their services with the list: a missing row meant a cost of zero, and a price of zero."""
    shop.set_service(101, listed=False)
    assert run_scheduled_import().vanished == 1
    gone = service(101)
    assert (gone.price, gone.cost) == (2_500_000, 2_000_000)
    assert "101" not in on_sale()
    with pytest.raises(NotOnSale):
        make.order(customer, gone)
    assert not Order.objects.exists()
    assert make.wallet(customer).balance == 10_000_000
    # The owner sees it in the inbox. Once listed again, the service is as before.
    assert CatalogChange.objects.get().kind == "gone"
    shop.set_service(101, listed=True)
    run_scheduled_import()
    assert make.order(customer, service(101), quantity=1_000).charge == 2_500_000


@pytest.mark.parametrize(
    "fault",
    [
        faults.reply(body=b"[]", action="services", times=None),
        faults.truncate("services", times=None),
        faults.reply(body=b'[{"service": 101, "name": "Service 101", "rate": "2"', action="services", times=None),
        faults.reply(body=b'{"error": "Too many requests"}', action="services", times=None),
        faults.reply(
            body=b'[{"service": 101, "name": "Service 101", "type": "Default", "category": "Social",'
            b' "rate": "2.00", "min": "10", "max": "10000"}]',
            action="services",
            times=None,
        ),
    ],
    ids=["empty", "cut off", "half of the JSON", "an error", "one row of ten"],
)
def test_list_when_truncated_or_empty_then_catalog_does_not_change(shop, fault):
    """One bad answer emptied whole shops: services missing from it were switched off or deleted."""
    before = catalog_state()
    shop.inject(fault)
    for _ in range(3):
        run = run_scheduled_import()
        assert run.outcome in ("refused", "failed")
        assert run.reason
    assert catalog_state() == before
    assert len(on_sale()) == 10
    # One alert with a count, resolved by the first good list.
    alert = Alert.objects.get(resolved_at=None)
    assert alert.count == 3
    shop.clear_faults()
    assert run_scheduled_import().outcome == "applied"
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_import_when_everything_changed_then_owner_settings_kept(shop, staff):
    """Each nightly import overwrote the owner's names, order and margins with the provider's and the defaults."""
    category = Category.objects.create(name="Best sellers", position=3)
    change_prices(
        edits=[
            Edit("service", (service(101).pk,), {"margin_bp": 10_000, "name": "Ours", "category_id": category.pk}),
            Edit("category", (service(102).category_id,), {"margin_bp": 5_000}),
        ],
        source="list",
        summary="The owner's",
        actor=staff,
    )
    Service.objects.filter(upstream__external_id="101").update(
        description="Our words", position=77, min_quantity=100, max_quantity=500
    )
    Service.objects.filter(upstream__external_id="103").update(is_on_sale=False)
    Category.objects.filter(name="Social").update(position=42)
    owned = (
        "pk",
        "upstream_id",
        "name",
        "description",
        "category_id",
        "position",
        "margin_bp",
        "margin_fixed",
        "is_on_sale",
        "allow_below_minimum",
        "min_quantity",
        "max_quantity",
    )
    services = list(Service.objects.order_by("pk").values(*owned))
    categories = list(Category.objects.order_by("pk").values())
    for number in range(101, 111):
        shop.set_service(number, name="Theirs", desc="Their words", category="Their shelf", rate="2.40", max=99_999)
    for _ in range(2):
        assert run_scheduled_import().outcome == "applied"
    assert list(Service.objects.order_by("pk").values(*owned)) == services
    assert list(Category.objects.order_by("pk").values()) == categories
    # Only what follows from the rate has changed, with the owner's margins.
    assert (service(101).price, service(102).price) == (4_800_000, 3_600_000)


@pytest.mark.parametrize("on_rise", ["reprice", "off_sale"])
def test_rate_when_raised_upstream_then_never_sold_at_a_loss(shop, customer, on_rise):
    """The provider raised its rate silently, and the panel sold below its cost for weeks."""
    Provider.objects.update(on_rise=on_rise)
    assert make.order(customer, service(101), quantity=1_000).charge == 2_500_000
    shop.set_service(101, rate="2.80")
    for number in range(102, 106):
        shop.set_service(number, rate="1.99")
    run_scheduled_import()
    raised = service(101)
    assert (raised.cost, raised.price) == (2_800_000, 3_500_000)
    if on_rise == "reprice":
        after = make.order(customer, raised, quantity=1_000)
        assert (after.charge, after.expected_cost) == (3_500_000, 2_800_000)
    else:
        with pytest.raises(NotOnSale):
            make.order(customer, raised, quantity=1_000)
        assert Order.objects.count() == 1
    # It is the first in the inbox, with the price it would have had, and an alert.
    first = CatalogChange.objects.all()[0]
    assert (first.kind, first.is_urgent, first.service) == ("rate_up", True, raised)
    assert (first.price_before, first.price_after) == (2_500_000, 3_500_000)
    assert first.action == ("repriced" if on_rise == "reprice" else "off_sale")
    assert CatalogChange.objects.filter(is_urgent=False, kind="rate_down").count() == 4
    assert Alert.objects.get(resolved_at=None).cause == f"catalog:{raised.upstream.provider_id}:rises"


@pytest.mark.parametrize("shown_by", ["the rates", "the balance", "both"])
def test_currency_when_switched_upstream_then_no_price_changes(shop, customer, shown_by):
    """A provider changed from dollars to its own currency: overnight all prices were a hundred times too high."""
    before = catalog_state()
    if shown_by != "the balance":
        for number in range(101, 111):
            shop.set_service(number, rate="200")
    if shown_by != "the rates":
        shop.inject(faults.reply(body=b'{"balance": "900", "currency": "INR"}', action="balance", times=None))
        shop.set_service(110, rate="2.10")
    run = run_scheduled_import()
    assert run.outcome == "refused"
    assert ("switched its currency" in run.reason) == (shown_by != "the balance")
    assert ("It bills in INR but is set up with USD" in run.reason) == (shown_by != "the rates")
    assert catalog_state() == before
    assert make.order(customer, service(101), quantity=1_000).charge == 2_500_000
    assert Alert.objects.filter(cause__endswith=":sync", resolved_at=None, level="danger").count() == 1


SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'


def test_service_text_when_it_holds_a_script_then_escaped_everywhere(upstream, provider, staff_client, signed_in):
    """A script in a service's name ran in the browser of staff, with their session."""
    for service_id in range(1, 61):
        upstream.set_service(service_id, listed=False)
    for service_id in range(101, 104):
        text = f"{SCRIPT}{IMAGE} {service_id}"
        upstream.set_service(service_id, name=text, category=text, desc=text, row={"type": "Default"})
    upstream.set_service(105, name="No rate", row={"rate": SCRIPT, "service": SCRIPT})
    upstream.set_service(106, name=SCRIPT, row={"type": SCRIPT})
    import_services(provider=provider)
    # The inbox and a refused import show it, too.
    upstream.set_service(101, name=f"{IMAGE}{SCRIPT} new", rate="1.20", max=77)
    upstream.set_service(102, rate="1.10")
    upstream.set_service(107, name=f"{IMAGE}{SCRIPT} new")
    import_services(provider=provider)
    for service_id in range(101, 108):
        upstream.set_service(service_id, listed=False)
    upstream.set_service(120, name=SCRIPT)
    upstream.inject(faults.reply(body=f'{{"balance": "1", "currency": "{SCRIPT}"}}'.encode(), action="balance"))
    assert import_services(provider=provider).outcome == "refused"
    assert CatalogChange.objects.filter(kind="text").exists()

    shown = 0
    for client, address in [*shop_pages(signed_in), *admin_pages(staff_client)]:
        response = client.get(address, follow=True)
        assert response.status_code == 200, address
        page = response.content.decode()
        assert "<script>alert" not in page, address
        assert "<img src=x" not in page, address
        shown += "&lt;script&gt;alert(1)" in page
    fields = signed_in.post(reverse("order_fields"), {"service": service(101).pk}).content.decode()
    assert SCRIPT not in fields
    assert "&lt;script&gt;" in fields
    # Proof that the text was shown: in the shop, the lists, and the page of each.
    assert shown >= 8


def shop_pages(client):
    yield client, reverse("services")
    yield client, reverse("order_new")
    for pk in Service.objects.values_list("pk", flat=True):
        yield client, reverse("order_new") + f"?service={pk}"


def admin_pages(client):
    yield client, reverse("admin:index")
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        try:
            yield client, reverse(f"{name}_changelist")
        except NoReverseMatch:
            continue
        for obj in model._default_manager.all()[:20]:
            yield client, reverse(f"{name}_change", args=[obj.pk])
