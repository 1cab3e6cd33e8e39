"""Rates that rise too far: which rises those are, and that their services wait for staff."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.imports.inbox import accept_changes
from catalog.imports.queue import request_import, run_due_imports
from catalog.imports.rises import RateRise, is_too_far
from catalog.imports.run import import_services
from catalog.models import CatalogChange, PastRate, Provider, Service, SyncRun
from catalog.prices.changes import change_prices
from catalog.prices.edits import Edit
from panel.alerts.models import Alert
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db

# Rises at a limit of 50 percent, and whether they are too far. Rates in cents.
RISES = {
    "at the limit": (RateRise(200, 300), False),
    "past the limit": (RateRise(200, 301), True),
    "unchanged": (RateRise(200, 200, week_ago=100), False),
    "fell, though far above a week ago": (RateRise(400, 390, week_ago=100), False),
    "in steps, past the limit of a week": (RateRise(280, 310, week_ago=200), True),
    "in steps, at the limit of a week": (RateRise(280, 300, week_ago=200), False),
    "back after a fall": (RateRise(200, 400, week_ago=400), False),
    "back after a fall, past the limit": (RateRise(200, 601, week_ago=400), True),
    "confirmed long ago, the same rate": (RateRise(200, 400, week_ago=200, confirmed=400), False),
    "confirmed long ago, another rate": (RateRise(200, 401, week_ago=200, confirmed=400), True),
    "confirmed lately, little more": (RateRise(400, 410, week_ago=200, confirmed=400, is_recent=True), False),
    "confirmed lately, back after a fall": (RateRise(200, 390, week_ago=200, confirmed=400, is_recent=True), False),
    "confirmed lately, in steps since": (RateRise(280, 310, week_ago=300, confirmed=200, is_recent=True), True),
    "free before": (RateRise(0, 1), True),
}


@pytest.mark.parametrize("name", RISES)
def test_rise_when_compared_with_the_limit_then_judged_by_size(name):
    rise, expected = RISES[name]
    assert is_too_far(rise, percent=50) is expected


def test_rise_when_the_limit_is_zero_then_never_too_far():
    assert not is_too_far(RateRise(1, 10**9), percent=0)


@pytest.fixture
def listing(upstream: Any, provider: Any) -> Any:
    """Import ten services, 101 to 110, with a rate of $2.00 and a price of $2.50."""
    for service_id in range(1, 61):
        upstream.set_service(service_id, listed=False)
    for service_id in range(101, 111):
        upstream.set_service(service_id, name=f"Service {service_id}", rate="2.00", category="Social")
    import_list(provider)
    return upstream


def import_list(provider: Any) -> SyncRun:
    provider.refresh_from_db()
    run = import_services(provider=provider)
    assert run.outcome == "applied", run.reason
    return run


def rate_becomes(upstream: Any, provider: Any, rate: str) -> Service:
    """Let the provider change the rate of service 101 and import; return the service."""
    upstream.set_service(101, rate=rate)
    import_list(provider)
    return service(101)


def service(external_id: int) -> Service:
    return Service.objects.select_related("upstream").get(upstream__external_id=str(external_id))


def days_pass(days: int) -> None:
    """Move everything that rises are compared with into the past."""
    for past in PastRate.objects.order_by("day"):
        PastRate.objects.filter(pk=past.pk).update(day=past.day - timedelta(days=days))
    for one in Service.objects.exclude(put_on_sale_at=None):
        put_on_sale_at = one.put_on_sale_at - timedelta(days=days)
        Service.objects.filter(pk=one.pk).update(put_on_sale_at=put_on_sale_at)


def open_row() -> CatalogChange:
    return CatalogChange.objects.get(accepted_at=None)


def put_back(staff: Any) -> None:
    accept_changes(changes=CatalogChange.objects.all(), actor=staff, put_on_sale=True)
    assert service(101).is_on_sale


def test_service_when_its_rate_rises_too_far_then_off_sale_and_asks(listing, provider):
    listing.set_service(102, rate="3.00")
    held = rate_becomes(listing, provider, "3.01")
    # It has the price that it would be sold at, so that putting it on sale causes no loss.
    assert (held.is_on_sale, held.price) == (False, 3_762_500)
    assert (service(102).is_on_sale, service(102).price) == (True, 3_750_000)
    row = CatalogChange.objects.get(upstream=held.upstream)
    assert (row.kind, row.action, row.is_urgent, row.rose_too_far) == ("rate_up", "off_sale", True, True)
    assert not CatalogChange.objects.get(upstream=service(102).upstream).rose_too_far
    alert = Alert.objects.get(resolved_at=None)
    assert alert.text == "Upstream: rates rose past the minimum margin, or by more than your limit. See the inbox."


def test_service_when_the_limit_is_off_then_stays_on_sale(listing, provider, settings):
    settings.RATE_RISE_PERCENT = 0
    assert rate_becomes(listing, provider, "9").is_on_sale


def test_service_when_off_sale_anyway_then_nothing_is_asked(listing, provider):
    Service.objects.update(is_on_sale=False)
    rate_becomes(listing, provider, "9")
    assert (open_row().action, open_row().rose_too_far, open_row().is_urgent) == ("repriced", False, False)


def test_service_when_gone_and_back_far_dearer_then_off_sale(listing, provider):
    listing.set_service(101, listed=False)
    import_list(provider)
    listing.set_service(101, listed=True)
    assert not rate_becomes(listing, provider, "4").is_on_sale


def test_service_when_its_rate_rises_in_daily_steps_then_off_sale(listing, provider):
    for rate in ("2.20", "2.50", "2.90"):
        assert rate_becomes(listing, provider, rate).is_on_sale
        days_pass(1)
    assert not rate_becomes(listing, provider, "3.10").is_on_sale


def test_service_when_the_steps_are_weeks_apart_then_stays_on_sale(listing, provider):
    for rate in ("2.20", "2.50", "2.90", "3.30", "3.80"):
        assert rate_becomes(listing, provider, rate).is_on_sale
        days_pass(8)


def test_steps_when_on_one_day_then_compared_with_its_begin(listing, provider):
    for rate in ("2.90", "2.95"):
        assert rate_becomes(listing, provider, rate).is_on_sale
    assert not rate_becomes(listing, provider, "3.05").is_on_sale
    assert list(PastRate.objects.values_list("upstream__external_id", "rate")) == [("101", 2_000_000)]


def test_rate_when_confirmed_then_the_same_rate_asks_no_more(listing, provider, staff):
    rate_becomes(listing, provider, "4")
    put_back(staff)
    assert (service(101).confirmed_rate, service(101).put_on_sale_at is None) == (4_000_000, False)
    # A little more is compared with what was confirmed, and the way back after a fall is no rise.
    for rate in ("4.10", "2", "4", "2"):
        assert rate_becomes(listing, provider, rate).is_on_sale, rate
    days_pass(30)
    assert rate_becomes(listing, provider, "4").is_on_sale
    rate_becomes(listing, provider, "2")
    assert not rate_becomes(listing, provider, "4.01").is_on_sale


def test_rate_when_far_above_the_confirmed_one_then_asks_again(listing, provider, staff):
    rate_becomes(listing, provider, "4")
    put_back(staff)
    assert not rate_becomes(listing, provider, "6.01").is_on_sale


def test_rate_when_put_on_sale_elsewhere_then_confirmed_too(listing, provider):
    held = rate_becomes(listing, provider, "4")
    edit = Edit("service", (held.pk,), {"is_on_sale": True})
    change_prices(edits=[edit], source="list", summary="Put on sale")
    assert rate_becomes(listing, provider, "4.10").is_on_sale
    # The row waits until somebody accepts it; it names what was done then.
    assert open_row().rose_too_far


def test_rate_when_another_service_is_put_on_sale_then_not_confirmed(listing, provider):
    Service.objects.filter(pk=service(102).pk).update(is_on_sale=False)
    edit = Edit("service", (service(102).pk, service(101).pk), {"is_on_sale": True})
    change_prices(edits=[edit], source="list", summary="Put on sale")
    assert (service(102).confirmed_rate, service(101).confirmed_rate) == (2_000_000, None)


def test_rates_when_accepted_with_a_refused_list_then_not_asked(listing, provider, staff):
    for number in range(101, 107):
        listing.set_service(number, rate="10")
    refused = import_services(provider=provider)
    assert refused.outcome == "refused"
    # This one rose after they had looked, by too little to refuse the list once more.
    listing.set_service(107, rate="3.50")
    request_import(provider=provider, actor=staff, accepts=refused)
    run_due_imports()
    assert (service(101).is_on_sale, service(101).price) == (True, 12_500_000)
    assert not service(107).is_on_sale


def test_past_rates_when_a_week_old_then_deleted(listing, provider):
    rate_becomes(listing, provider, "2.10")
    days_pass(8)
    rate_becomes(listing, provider, "2.20")
    assert list(PastRate.objects.values_list("rate", "day")) == [(2_100_000, timezone.localdate())]


def test_past_rates_when_the_currency_is_set_then_converted(listing, provider, staff):
    rate_becomes(listing, provider, "4")
    put_back(staff)
    edit = Edit("provider", (provider.pk,), {"currency": "EUR", "exchange_rate": 2_000_000_000_000})
    change_prices(edits=[edit], source="provider", summary="Euros", is_confirmed=True)
    assert (PastRate.objects.get().rate, service(101).confirmed_rate) == (1_000_000, 2_000_000)


def test_import_when_many_rates_rise_then_few_more_statements(listing, provider):
    def cost(numbers: range, rate: str) -> int:
        for number in numbers:
            listing.set_service(number, rate=rate)
        provider.refresh_from_db()
        with statements() as found:
            import_list(provider)
        return len(found)

    assert cost(range(101, 102), "2.10") == cost(range(102, 111), "2.10")


def test_import_when_another_provider_uses_the_same_id_then_kept_apart(listing, provider, upstream):
    other = make.provider(url=upstream.url, api_key=upstream.key, name="Other")
    import_list(other)
    assert Provider.objects.count() == 2
    upstream.set_service(101, rate="4")
    import_list(provider)
    assert list(PastRate.objects.values_list("upstream__provider__name", flat=True)) == ["Upstream"]
    on_sale = Service.objects.filter(upstream__external_id="101", is_on_sale=True)
    assert list(on_sale.values_list("upstream__provider__name", flat=True)) == ["Other"]
