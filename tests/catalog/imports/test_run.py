"""Imports over real HTTP: what they write, what they never change, and which lists they refuse."""

from __future__ import annotations

import threading
import time
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.models import Entry
from catalog.imports.queue import request_all, run_due_imports
from catalog.imports.run import import_services
from catalog.models import Category, Provider, Service, SyncRun, UpstreamService
from catalog.prices.changes import change_prices
from catalog.prices.edits import Edit
from catalog.selectors import services_on_sale
from catalog.service_types import SPECS
from orders.checkout.validation import NotOnSale
from orders.models import Order
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.threads import in_background, in_threads, wait_for_a_blocked_connection

pytestmark = pytest.mark.django_db

SANDBOX_SERVICES = 60
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
CATALOG = ("catalog_upstreamservice", "catalog_service", "catalog_category")


def list_only(upstream, *wanted):
    """Make the provider list only the `wanted` service ids."""
    for service_id in range(1, SANDBOX_SERVICES + 1):
        if service_id not in wanted:
            upstream.set_service(service_id, listed=False)


def list_ten(upstream, **changes):
    """Make the provider list ten services, 101 to 110, at $2.00."""
    list_only(upstream)
    for service_id in range(101, 111):
        upstream.set_service(
            service_id, **{"name": f"Service {service_id}", "rate": "2.00", "category": "Social", **changes}
        )


def service(external_id):
    return Service.objects.select_related("upstream", "category").get(upstream__external_id=str(external_id))


def catalog_state():
    """Return everything that an import could change, except its own run."""
    return (
        list(UpstreamService.objects.order_by("pk").values()),
        list(Service.objects.order_by("pk").values()),
        list(Category.objects.order_by("pk").values()),
    )


def orderable():
    return set(services_on_sale().values_list("upstream__external_id", flat=True))


def import_alerts(provider):
    return Alert.objects.filter(cause=f"provider:{provider.pk}:sync")


def writes(queries, tables=CATALOG):
    return [
        query["sql"]
        for query in queries
        if query["sql"].startswith(WRITES) and any(f'"{t}' in query["sql"] for t in tables)
    ]


# -- the first import --------------------------------------------------------------------------------


def test_import_when_first_then_catalog_and_prices_are_written(upstream, provider):
    run = import_services(provider=provider)
    assert (run.outcome, run.reason, run.skipped) == ("applied", "", [])
    assert (run.listed, run.added, run.changed, run.vanished, run.returned) == (60, 60, 0, 0, 0)
    assert run.finished_at is not None
    assert len(upstream.requests_of("services")) == 1
    assert UpstreamService.objects.filter(provider=provider, is_listed=True).count() == 60
    assert Service.objects.count() == 60

    # "Followers, economy" costs $0.65, and with the panel's 25% sells at $0.8125.
    first = service(1)
    assert first.name == "Instagram followers, economy"
    assert (first.upstream.rate, first.cost, first.price) == (650_000, 650_000, 812_500)
    assert (first.upstream.min_quantity, first.upstream.max_quantity) == (50, 20_000)
    assert (first.upstream.refill, first.upstream.cancel, first.upstream.dripfeed) == (False, True, False)
    assert first.description == "May drop; no refill."
    assert first.category.name == "Instagram · Followers"
    # $0.012 plus 25% is $0.015, a multiple of the price step of $0.0001.
    assert service(10).price == 15_000

    categories = list(Category.objects.order_by("position").values_list("name", "position"))
    assert categories[:2] == [("Instagram · Followers", 0), ("Instagram · Likes", 1)]
    assert [position for _, position in categories] == list(range(len(categories)))
    assert Alert.objects.count() == 0
    provider.refresh_from_db()
    assert provider.last_synced_at == run.started_at


def test_import_when_type_not_orderable_then_imported_but_off_sale(upstream, provider):
    import_services(provider=provider)
    types = set(UpstreamService.objects.values_list("type", flat=True))
    assert {"default", "package", "poll", "seo", "web_traffic", "comment_likes"} <= types
    for one in Service.objects.select_related("upstream"):
        assert one.is_on_sale == (one.upstream.type in SPECS), one.upstream.type
        assert one.price > 0
    assert orderable() == set(UpstreamService.objects.filter(type__in=SPECS).values_list("external_id", flat=True))


def test_import_when_type_changes_to_unsellable_then_not_orderable(upstream, provider, customer):
    list_ten(upstream)
    import_services(provider=provider)
    upstream.set_service(101, type="Subscriptions")
    import_services(provider=provider)
    assert orderable() == {str(number) for number in range(102, 111)}
    with pytest.raises(NotOnSale):
        make.order(customer, service(101))
    assert Order.objects.count() == 0
    assert make.wallet(customer).balance == 10_000_000


def test_import_when_publish_new_is_off_then_new_services_off_sale(upstream, provider):
    Provider.objects.update(publish_new=False)
    provider.refresh_from_db()
    list_ten(upstream)
    import_services(provider=provider)
    assert Service.objects.count() == 10
    assert orderable() == set()
    # The owner puts one on sale: later imports neither take it off sale nor add others.
    Service.objects.filter(upstream__external_id="101").update(is_on_sale=True)
    upstream.set_service(111, name="Another", rate="2.00", category="Social")
    run = import_services(provider=provider)
    assert run.added == 1
    assert orderable() == {"101"}


# -- unchanged lists ---------------------------------------------------------------------------------


def test_import_when_nothing_changed_then_catalog_is_not_written(upstream, provider):
    import_services(provider=provider)
    before = catalog_state()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        run = import_services(provider=provider)
    assert (run.outcome, run.listed) == ("applied", 60)
    assert (run.added, run.changed, run.vanished, run.returned) == (0, 0, 0, 0)
    assert writes(queries) == []
    # The run and its phases, the provider's balance and time, and alerts to resolve: nothing else is written.
    others = ("catalog_syncrun", "catalog_provider", "ops_alert")
    assert len(writes(queries, others)) == len(writes(queries, ("",))) <= 11
    assert catalog_state() == before


def test_import_when_one_row_changed_then_only_it_is_written(upstream, provider):
    import_services(provider=provider)
    before = {row["id"]: row for row in UpstreamService.objects.values()}
    upstream.set_service(2, max=60_000)
    run = import_services(provider=provider)
    assert (run.added, run.changed, run.vanished) == (0, 1, 0)
    after = {row["id"]: row for row in UpstreamService.objects.values()}
    changed = [pk for pk, row in after.items() if row != before[pk]]
    assert changed == [service(2).upstream_id]
    assert service(2).highest_quantity == 60_000


def statements(rows):
    """Return the statements of a first, an unchanged and a fully repriced import of `rows` services."""
    with SandboxServer(key="upstream-key", speed=0, services=rows) as upstream:
        provider = make.provider(url=upstream.url, api_key=upstream.key, name=f"Of {rows}")
        counts = []
        for rate in (None, None, "3"):
            if rate:
                for service_id in range(1, rows + 1):
                    upstream.set_service(service_id, rate=rate)
            with CaptureQueriesContext(connection) as queries:
                assert import_services(provider=provider, force=True).listed == rows
            counts.append(len(queries))
        assert not Service.objects.filter(upstream__provider=provider).exclude(cost=3_000_000).exists()
    return counts


def test_import_when_list_grows_then_statements_do_not(db):
    statements(60)  # Statements that only the very first import needs are not counted.
    small, large = statements(200), statements(400)
    assert small[1] == large[1] <= 20
    # Up to a thousand rows need one statement of each kind, on either database.
    assert large == small
    assert max(large) <= 40


# -- prices and the owner's settings -----------------------------------------------------------------


def test_import_when_rate_rises_then_no_order_at_the_old_price(upstream, provider, customer):
    list_ten(upstream)
    import_services(provider=provider)
    assert (service(101).cost, service(101).price) == (2_000_000, 2_500_000)
    upstream.set_service(101, rate="2.80")
    run = import_services(provider=provider)
    assert run.changed == 1
    assert (service(101).cost, service(101).price) == (2_800_000, 3_500_000)
    assert make.order(customer, service(101), quantity=1_000).charge == 3_500_000
    # The prices of the others are unchanged.
    assert set(Service.objects.exclude(upstream__external_id="101").values_list("price", flat=True)) == {2_500_000}


def test_import_when_rate_falls_then_price_falls(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    upstream.set_service(101, rate="1")
    import_services(provider=provider)
    assert (service(101).cost, service(101).price) == (1_000_000, 1_250_000)


def test_import_when_rate_too_precise_then_cost_is_rounded_up(upstream, provider):
    list_ten(upstream)
    upstream.set_service(101, row={"rate": "0.00000012"})
    import_services(provider=provider)
    assert (service(101).upstream.rate, service(101).cost, service(101).price) == (1, 1, 100)


def test_import_when_owner_changed_the_service_then_not_overwritten(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    mine = Category.objects.create(name="My shelf", position=99)
    Service.objects.filter(upstream__external_id="101").update(
        name="My name",
        description="My words",
        category=mine,
        position=7,
        is_on_sale=False,
        margin_bp=10_000,
        min_quantity=100,
        max_quantity=500,
    )
    Category.objects.filter(name="Social").update(position=42)
    for number in range(101, 111):
        upstream.set_service(
            number, name="Theirs", desc="Their words", category="Their shelf", rate="2.40", min=1, max=99_999
        )
    run = import_services(provider=provider)
    assert run.changed == 10

    row = service(101)
    assert (row.name, row.description, row.category, row.position) == ("My name", "My words", mine, 7)
    assert (row.is_on_sale, row.margin_bp, row.min_quantity, row.max_quantity) == (False, 10_000, 100, 500)
    # Only cost and price changed, with the owner's margin of 100%.
    assert (row.cost, row.price) == (2_400_000, 4_800_000)
    assert (row.upstream.name, row.upstream.category, row.upstream.max_quantity) == ("Theirs", "Their shelf", 99_999)
    # Names that the owner did not change are kept too: customers know the services by them.
    assert service(102).name == "Service 102"
    assert service(102).category.name == "Social"
    assert Category.objects.get(name="Social").position == 42
    assert service(102).is_on_sale


# -- vanished and returned ---------------------------------------------------------------------------


def test_import_when_service_is_gone_then_not_orderable_until_back(upstream, provider, customer):
    list_ten(upstream)
    import_services(provider=provider)
    upstream.set_service(101, listed=False)
    run = import_services(provider=provider)
    assert (run.outcome, run.vanished, run.changed) == ("applied", 1, 0)
    gone = service(101)
    # Nothing is deleted, the price is kept, and so is the owner's switch.
    assert (gone.price, gone.is_on_sale, gone.upstream.is_listed) == (2_500_000, True, False)
    assert "101" not in orderable()
    with pytest.raises(NotOnSale):
        make.order(customer, gone)
    assert Order.objects.count() == 0
    assert Entry.objects.filter(kind="order").count() == 0
    assert make.wallet(customer).balance == 10_000_000

    # A second list without it reports nothing new.
    assert import_services(provider=provider).vanished == 0

    # It returns with another rate, in the same row.
    upstream.set_service(101, listed=True, rate="3")
    run = import_services(provider=provider)
    assert (run.returned, run.added, run.changed) == (1, 0, 0)
    assert service(101).pk == gone.pk
    assert make.order(customer, service(101), quantity=1_000).charge == 3_750_000


def test_import_when_off_sale_service_returns_then_stays_off_sale(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    Service.objects.filter(upstream__external_id="101").update(is_on_sale=False)
    upstream.set_service(101, listed=False)
    import_services(provider=provider)
    upstream.set_service(101, listed=True)
    assert import_services(provider=provider).returned == 1
    assert not service(101).is_on_sale
    assert "101" not in orderable()


# -- implausible lists -------------------------------------------------------------------------------

NO_LISTS = {
    "empty": (faults.reply(body=b"[]", action="services", times=None), "refused"),
    "empty in an object": (faults.reply(body=b'{"services": []}', action="services", times=None), "refused"),
    "only bad rows": (faults.reply(body=b'[{"service": 1}, 5]', action="services", times=None), "refused"),
    "no list": (faults.reply(body=b'{"balance": "3"}', action="services", times=None), "failed"),
    "html": (faults.reply(body=b"<html>Just a moment", action="services", times=None), "failed"),
    "nothing": (faults.reply(body=b"", action="services", times=None), "failed"),
    "half of the JSON": (
        faults.reply(body=b'[{"service": 1, "name": "A", "rate": "1", "min": 1, "ma', action="services", times=None),
        "failed",
    ),
    "error": (faults.reply(body=b'{"error": "Invalid API key"}', action="services", times=None), "failed"),
    "server error": (faults.reply(status=500, body=b"oops", action="services", times=None), "failed"),
    "truncated": (faults.truncate("services", times=None), "failed"),
}


@pytest.mark.parametrize("kind", NO_LISTS)
def test_import_when_list_is_unusable_then_unchanged_and_one_alert(upstream, provider, kind):
    fault, outcome = NO_LISTS[kind]
    list_ten(upstream)
    synced = import_services(provider=provider)
    before = catalog_state()
    upstream.inject(fault)
    for count in (1, 2):
        run = import_services(provider=provider)
        assert run.outcome == outcome
        assert run.reason
        assert run.finished_at is not None
        # One open alert with a count, not a new alert each hour.
        assert list(import_alerts(provider).values_list("count", "resolved_at")) == [(count, None)]
    assert catalog_state() == before
    assert len(orderable()) == 10
    provider.refresh_from_db()
    assert provider.last_synced_at == synced.started_at
    # The next good list resolves the alert.
    upstream.clear_faults()
    assert import_services(provider=provider).outcome == "applied"
    assert not import_alerts(provider).filter(resolved_at=None).exists()
    assert catalog_state() == before


def test_import_when_first_list_is_empty_then_refused(upstream, provider):
    list_only(upstream)
    run = import_services(provider=provider)
    assert (run.outcome, run.reason) == ("refused", "The list is empty.")
    assert catalog_state() == ([], [], [])
    assert import_alerts(provider).count() == 1


def test_import_when_provider_is_unreachable_then_failed_with_alert(upstream, provider):
    upstream.inject(faults.refuse(times=None))
    run = import_services(provider=provider)
    assert run.outcome == "failed"
    alert = import_alerts(provider).get()
    assert alert.text.startswith("Import from Upstream failed:")
    assert (alert.count, alert.resolved_at) == (1, None)
    assert catalog_state() == ([], [], [])
    upstream.clear_faults()
    assert import_services(provider=provider).added == 60
    alert.refresh_from_db()
    assert alert.resolved_at is not None
    # A new failure opens a new alert; the old one stays resolved.
    upstream.inject(faults.refuse(times=None))
    import_services(provider=provider)
    assert sorted(import_alerts(provider).values_list("count", flat=True)) == [1, 1]


def test_import_when_key_unreadable_then_failed_and_nothing_sent(upstream, provider, settings):
    settings.FIELD_ENCRYPTION_KEYS = ["YW5vdGhlci1rZXktZm9yLXRlc3RzLW9ubHktISEhISE="]
    run = import_services(provider=provider)
    assert run.outcome == "failed"
    assert "Enter the API key again" in run.reason
    assert upstream.requests == []
    assert import_alerts(provider).count() == 1


def test_imports_when_one_provider_fails_then_others_are_imported(upstream, provider):
    make.provider(name="A dead one")
    assert (request_all(), run_due_imports()) == (2, 2)
    outcomes = dict(SyncRun.objects.values_list("provider__name", "outcome"))
    assert outcomes == {"A dead one": "failed", "Upstream": "applied"}
    assert Service.objects.count() == 60


def test_imports_when_provider_is_off_then_skipped(upstream, provider):
    Provider.objects.update(is_active=False)
    assert (request_all(), run_due_imports()) == (0, 0)
    assert upstream.requests == []


def test_import_when_owner_sets_loss_limit_then_limit_is_applied(upstream, provider, settings):
    list_ten(upstream)
    import_services(provider=provider)
    settings.LOST_SERVICES_PERCENT = 10
    for number in (101, 102):
        upstream.set_service(number, listed=False)
    assert import_services(provider=provider).outcome == "refused"
    settings.LOST_SERVICES_PERCENT = 20
    assert import_services(provider=provider).outcome == "applied"


@pytest.mark.parametrize(("lost", "outcome"), [(3, "applied"), (4, "refused")])
def test_import_when_list_lost_more_than_30_percent_then_refused(upstream, provider, lost, outcome):
    list_ten(upstream)
    import_services(provider=provider)
    before = catalog_state()
    for number in range(101, 101 + lost):
        upstream.set_service(number, listed=False)
    # A new service does not make up for the lost ones.
    upstream.set_service(120, name="New", rate="2")
    run = import_services(provider=provider)
    assert run.outcome == outcome
    if outcome == "refused":
        assert run.reason == "The list lacks 4 of the 10 services on sale."
        assert "nothing was changed" in import_alerts(provider).get().text
        assert catalog_state() == before
        assert len(orderable()) == 10
    else:
        assert len(orderable()) == 8
        assert not import_alerts(provider).exists()


def test_import_when_only_services_off_sale_vanish_then_applied(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    Service.objects.filter(upstream__external_id__in=["101", "102", "103", "104"]).update(is_on_sale=False)
    for number in range(101, 105):
        upstream.set_service(number, listed=False)
    assert import_services(provider=provider).vanished == 4


@pytest.mark.parametrize(
    ("rates", "outcome"),
    [
        (dict.fromkeys(range(101, 107), "10"), "refused"),  # 6 of 10, five times the rate
        (dict.fromkeys(range(101, 107), "0.40"), "refused"),  # 6 of 10, a fifth of the rate
        (dict.fromkeys(range(101, 111), "166"), "refused"),  # rupees instead of dollars
        (dict.fromkeys(range(101, 111), "0"), "refused"),
        (dict.fromkeys(range(101, 106), "10"), "applied"),  # 5 of 10 are not most
        (dict.fromkeys(range(101, 111), "9.99"), "applied"),  # all, by less than a factor of five
    ],
    ids=["six x5", "six /5", "all x83", "all to zero", "five x5", "all below x5"],
)
def test_import_when_most_rates_change_fivefold_then_refused(upstream, provider, rates, outcome):
    list_ten(upstream)
    import_services(provider=provider)
    before = catalog_state()
    for number, rate in rates.items():
        upstream.set_service(number, rate=rate)
    run = import_services(provider=provider)
    assert run.outcome == outcome
    if outcome == "refused":
        assert f"{len(rates)} of 10 rates" in run.reason
        assert catalog_state() == before
        assert import_alerts(provider).get().level == "danger"
    else:
        assert run.changed == len(rates)


def test_import_when_forced_then_list_applied_and_alert_resolved(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    for number in range(101, 106):
        upstream.set_service(number, listed=False)
    upstream.set_service(106, rate="20")
    assert import_services(provider=provider).outcome == "refused"
    run = import_services(provider=provider, force=True)
    assert (run.outcome, run.vanished, run.changed) == ("applied", 5, 1)
    # Nobody has agreed to this rate yet: its service waits in the inbox.
    assert (len(orderable()), service(106).is_on_sale) == (4, False)
    assert service(106).price == 25_000_000
    assert not import_alerts(provider).filter(resolved_at=None).exists()


def test_import_when_forced_then_unreadable_list_still_fails(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    before = catalog_state()
    upstream.inject(faults.reply(body=b"<html>", action="services", times=None))
    assert import_services(provider=provider, force=True).outcome == "failed"
    assert catalog_state() == before


def test_sync_command_when_refused_then_fails_unless_forced(upstream, provider, capsys):
    list_ten(upstream)
    call_command("sync_catalog", "Upstream")
    assert "Upstream: 10 listed, 10 new" in capsys.readouterr().out
    list_only(upstream, 110)
    for number in range(101, 110):
        upstream.set_service(number, listed=False)
    with pytest.raises(CommandError):
        call_command("sync_catalog")
    assert "refused. The list lacks 9 of the 10 services on sale." in capsys.readouterr().out
    assert len(orderable()) == 10
    call_command("sync_catalog", "--force")
    assert "9 gone" in capsys.readouterr().out
    assert orderable() == {"110"}
    with pytest.raises(CommandError):
        call_command("sync_catalog", "No such provider")


# -- bad rows ----------------------------------------------------------------------------------------

BAD_ROWS = {
    "rate NaN": ({"rate": float("nan")}, "the rate is no price"),
    "rate infinite": ({"rate": "Infinity"}, "the rate is no price"),
    "rate negative": ({"rate": "-1"}, "the rate is no price"),
    "rate missing": ({"rate": None}, "the rate is no price"),
    "rate a word": ({"rate": "free"}, "the rate is no price"),
    "rate of a megabyte": ({"rate": "1e999999"}, "the rate is no price"),
    "rate beyond any column": ({"rate": "10000000000"}, "rate: That amount is out of range."),
    "min above max": ({"min": "11", "max": "10"}, "min is above max"),
    "max no number": ({"max": "many"}, "max is no quantity"),
    "max beyond any column": ({"max": "9" * 30}, "max is no quantity"),
    "no name": ({"name": "\u202e \x00"}, "no name"),
    "no id": ({"service": None}, "no usable service id"),
    "id a list": ({"service": [1]}, "no usable service id"),
    "id listed twice": ({"service": 102}, "the id is listed twice"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_import_when_row_bad_then_only_it_is_skipped_with_reason(upstream, provider, kind):
    row, reason = BAD_ROWS[kind]
    list_ten(upstream)
    upstream.set_service(105, row=row)
    run = import_services(provider=provider)
    assert (run.outcome, run.listed, run.added) == ("applied", 10, 9)
    run.refresh_from_db()
    [(position, _, why)] = run.skipped
    assert (position, why) == (4, reason)
    assert orderable() == {str(number) for number in range(101, 111)} - {"105"}
    # The first of two rows with one id counts.
    assert service(102).name == "Service 102"


def test_import_when_row_of_sold_service_is_bad_then_not_orderable(upstream, provider, customer):
    list_ten(upstream)
    import_services(provider=provider)
    upstream.set_service(105, row={"rate": "NaN"})
    run = import_services(provider=provider)
    assert (run.outcome, run.vanished, len(run.skipped)) == ("applied", 1, 1)
    with pytest.raises(NotOnSale):
        make.order(customer, service(105))
    assert make.wallet(customer).balance == 10_000_000
    upstream.set_service(105, row={})
    assert import_services(provider=provider).returned == 1
    assert "105" in orderable()


def test_import_when_many_rows_are_bad_then_reasons_are_limited(upstream, provider):
    list_ten(upstream)
    for number in range(1_000, 1_300):
        upstream.set_service(number, row={"rate": "NaN"})
    run = import_services(provider=provider)
    assert (run.added, len(run.skipped)) == (10, 200)


@pytest.mark.parametrize("margin_fixed", [None, 100_000])
def test_import_when_rate_is_zero_then_never_on_sale(upstream, provider, customer, margin_fixed):
    # A rate of 0 is not a known cost, whether by mistake or on purpose.
    change_prices(
        edits=[Edit("provider", (provider.pk,), {"margin_fixed": margin_fixed})], source="provider", summary="Margin"
    )
    list_ten(upstream)
    upstream.set_service(105, rate="0")
    import_services(provider=provider)
    assert (service(105).price, service(105).is_on_sale) == (0, False)
    with pytest.raises(NotOnSale):
        make.order(customer, service(105))

    # Also for a service that was on sale before.
    upstream.set_service(106, rate="0")
    import_services(provider=provider)
    assert (service(106).price, service(106).is_on_sale) == (0, False)
    assert Alert.objects.filter(cause="catalog:no_price").count() == 1
    assert orderable() == {str(number) for number in range(101, 111)} - {"105", "106"}
    assert make.wallet(customer).balance == 10_000_000


HOSTILE = {
    "script": ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    "bidi": ("Like\u202es\u2066 \u200ffast", "Likes fast"),
    "control": ("Li\x00k\x1b[31mes\x7f", "Lik[31mes"),
    "line ends": ("Likes\r\n\u2028fast", "Likes fast"),
    "surrogate": ("Likes \ud800fast", "Likes fast"),
    "long": ("x" * 5_000, "x" * 500),
    "quotes": ("'; DROP TABLE billing_entry; --", "'; DROP TABLE billing_entry; --"),
    "percent": ("100% %s %(name)s {0}", "100% %s %(name)s {0}"),
    "emoji": ("Likes 👍🏽", "Likes 👍🏽"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_import_when_names_are_hostile_then_stored_clean(upstream, provider, kind):
    sent, stored = HOSTILE[kind]
    list_ten(upstream)
    upstream.set_service(105, row={"name": sent, "category": sent, "desc": sent, "type": sent})
    run = import_services(provider=provider)
    assert (run.outcome, run.added) == ("applied", 10)
    row = service(105)
    assert (row.name, row.upstream.name) == (stored, stored)
    assert row.category.name == stored[:200]
    assert len(row.description) <= 5_000
    for character in "\x00\x1b\x7f\u202e\u2066\u200f\ud800":
        assert character not in row.name + row.description + row.category.name + row.upstream.type
    # The next import compares equal and writes nothing.
    assert import_services(provider=provider).changed == 0
    assert Service.objects.count() == 10


def test_import_when_category_is_missing_then_category_other(upstream, provider):
    list_ten(upstream)
    upstream.set_service(105, row={"category": ""})
    import_services(provider=provider)
    assert service(105).category.name == "Other"
    assert import_services(provider=provider).changed == 0


def test_imports_when_two_providers_use_the_same_ids_then_kept_apart(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    with SandboxServer(key="another-key", speed=0) as second:
        list_ten(second, rate="5.00")
        other = make.provider(url=second.url, api_key=second.key, name="Second")
        import_services(provider=other)
        list_ten(second, rate="6.00")
        import_services(provider=other)
    costs = dict(
        Service.objects.values_list("upstream__provider__name", "cost").distinct().order_by("upstream__provider__name")
    )
    assert costs == {"Second": 6_000_000, "Upstream": 2_000_000}
    assert Service.objects.count() == 20
    assert Category.objects.filter(name="Social").count() == 1


# -- concurrency -------------------------------------------------------------------------------------


def wait_for_requests(upstream, count):
    deadline = time.monotonic() + 60
    while len(upstream.requests_of("services")) < count:
        assert time.monotonic() < deadline, "the requests did not come"
        time.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_import_when_older_list_arrives_late_then_not_applied(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    gate = threading.Event()
    upstream.clear_requests()
    # 1. A slow import has requested the list at $2.00, which has not arrived yet.
    upstream.inject(faults.Fault(action="services", gate=gate))
    slow = in_background(lambda: import_services(provider=Provider.objects.get()))
    wait_for_requests(upstream, 1)
    # 2. The rate rises, and a fast import applies it.
    upstream.set_service(101, rate="3.20")
    assert import_services(provider=Provider.objects.get()).changed == 1
    # 3. The slow list arrives.
    gate.set()
    run = slow()
    assert (run.outcome, run.reason) == ("refused", "A newer list was applied meanwhile.")
    assert (service(101).upstream.rate, service(101).price) == (3_200_000, 4_000_000)
    # This is not a failure: no alert.
    assert not import_alerts(provider).exists()


@pytest.mark.django_db(transaction=True)
def test_imports_when_two_write_at_once_then_no_duplicates(upstream, provider):
    gate = threading.Event()
    upstream.inject(faults.Fault(action="services", gate=gate, times=2))
    first, second = (in_background(lambda: import_services(provider=Provider.objects.get())) for _ in range(2))
    wait_for_requests(upstream, 2)
    gate.set()
    runs = [first(), second()]
    assert {run.outcome for run in runs} <= {"applied", "refused"}
    assert sorted(run.added for run in runs) == [0, 60]
    assert UpstreamService.objects.count() == Service.objects.count() == 60
    assert Category.objects.count() == len(set(UpstreamService.objects.values_list("category", flat=True)))
    assert Alert.objects.count() == 0
    assert not SyncRun.objects.filter(finished_at=None).exists()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_imports_when_creating_same_categories_then_no_deadlock(upstream, provider):
    # The list has them in reverse order; both imports insert them by name.
    list_only(upstream)
    for number in range(10):
        upstream.set_service(101 + number, category=f"CategoryGroup {9 - number}")
    with transaction.atomic():
        Category.objects.create(name="CategoryGroup 0")
        waiting = in_background(lambda: import_services(provider=Provider.objects.get()))
        wait_for_a_blocked_connection()
        Category.objects.create(name="CategoryGroup 9")
    run = waiting()
    assert (run.outcome, run.added) == ("applied", 10)
    assert Category.objects.count() == 10
    assert service(101).category.name == "CategoryGroup 9"


@pytest.mark.django_db(transaction=True)
def test_import_when_orders_arrive_meanwhile_then_old_or_new_price(upstream, provider):
    list_ten(upstream)
    import_services(provider=provider)
    user = make.customer("alice@example.org", funds="100")
    sold = service(101)
    upstream.set_service(101, rate="3")

    def order_five():
        return [make.order(user, sold, quantity=1_000).charge for _ in range(5)]

    charges, run = in_threads(order_five, lambda: import_services(provider=Provider.objects.get()))
    assert run.outcome == "applied"
    assert set(charges) <= {2_500_000, 3_750_000}
    assert charges == sorted(charges)
    assert make.wallet(user).balance == make.micros("100") - sum(charges)
    assert Decimal(sum(charges)) == sum(Order.objects.values_list("charge", flat=True))
