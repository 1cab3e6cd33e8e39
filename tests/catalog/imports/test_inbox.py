"""The inbox: one open row for each topic that changed, alerts for rises past the minimum, and accepting."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from catalog.imports import inbox
from catalog.imports.inbox import Accepted, accept_changes
from catalog.imports.run import import_services
from catalog.models import CatalogChange, PriceChange, Provider, Service
from catalog.prices.changes import change_prices
from catalog.prices.edits import Edit
from catalog.prices.storage import lock_prices
from catalog.selectors import services_on_sale
from panel.alerts.models import Alert
from panel.sandbox.server import SandboxServer
from tests import make
from tests.threads import in_background, in_threads, wait_for_a_blocked_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def listing(upstream, provider):
    """Import ten services, 101 to 110, with a rate of $2.00 and a price of $2.50."""
    for service_id in range(1, 61):
        upstream.set_service(service_id, listed=False)
    for service_id in range(101, 111):
        upstream.set_service(service_id, name=f"Service {service_id}", rate="2.00", category="Social")
    import_list(provider)
    return upstream


def import_list(provider, **values):
    provider.refresh_from_db()
    run = import_services(provider=provider, **values)
    assert run.outcome == "applied", run.reason
    return run


def service(external_id):
    return Service.objects.select_related("upstream").get(upstream__external_id=str(external_id))


def open_rows():
    return CatalogChange.objects.filter(accepted_at=None)


def open_row():
    return open_rows().get()


def all_changes():
    return [list(model.objects.order_by("pk").values()) for model in (CatalogChange, Service, PriceChange)]


def rises(provider):
    return Alert.objects.filter(cause=f"catalog:{provider.pk}:rises", resolved_at=None)


def take_off_on_rise():
    Provider.objects.update(on_rise="off_sale")


# -- recording ---------------------------------------------------------------------------------------


def test_first_import_when_applied_then_inbox_is_empty(listing):
    assert CatalogChange.objects.count() == 0


def test_first_import_when_earlier_one_refused_then_inbox_is_empty(upstream, provider):
    for service_id in range(1, 61):
        upstream.set_service(service_id, listed=False)
    assert import_services(provider=provider).outcome == "refused"
    upstream.set_service(1, listed=True)
    import_list(provider)
    assert CatalogChange.objects.count() == 0


def test_import_when_service_is_new_then_inbox_row_links_to_it(listing, provider):
    listing.set_service(111, name="Another", rate="1")
    import_list(provider)
    one = open_row()
    assert (one.topic, one.kind, one.old, one.new) == ("listing", "new", {}, {"is_listed": True})
    assert (one.provider, one.upstream, one.service) == (provider, service(111).upstream, service(111))
    assert (one.is_urgent, one.action, one.price_before) == (False, "", None)


CHANGES = {
    "rate up": ({"rate": "2.20"}, "rate", "rate_up", {"rate": 2_000_000}, {"rate": 2_200_000}),
    "rate down": ({"rate": "1"}, "rate", "rate_down", {"rate": 2_000_000}, {"rate": 1_000_000}),
    "limits": ({"max": 500}, "limits", "limits", {"max_quantity": 10_000}, {"max_quantity": 500}),
    "flags": ({"refill": True}, "flags", "flags", {"refill": False}, {"refill": True}),
    "type": ({"type": "Package"}, "flags", "flags", {"type": "default"}, {"type": "package"}),
    "name": ({"name": "Renamed"}, "text", "text", {"name": "Service 101"}, {"name": "Renamed"}),
    "category": ({"category": "Else"}, "text", "text", {"category": "Social"}, {"category": "Else"}),
    "gone": ({"listed": False}, "listing", "gone", {"is_listed": True}, {"is_listed": False}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_import_when_something_changed_then_one_row_holds_it(listing, provider, what):
    changes, topic, kind, old, new = CHANGES[what]
    listing.set_service(101, **changes)
    import_list(provider)
    one = open_row()
    assert (one.topic, one.kind, one.old, one.new) == (topic, kind, old, new)
    assert (one.service, one.is_urgent) == (service(101), False)
    assert (one.action, one.price_before is None) == (("repriced", False) if topic == "rate" else ("", True))
    # The next import finds the same list and adds nothing.
    before = all_changes()
    import_list(provider)
    assert all_changes() == before


@pytest.mark.parametrize("what", [what for what in CHANGES if what != "gone"])
def test_open_row_when_change_is_reverted_upstream_then_closed(listing, provider, what):
    listing.set_service(101, **CHANGES[what][0])
    import_list(provider)
    pk = open_row().pk
    back = {"rate": "2.00", "max": 10_000, "refill": False, "type": "Default", "name": "Service 101"}
    listing.set_service(101, category="Social", **back)
    import_list(provider)
    assert not open_rows().exists()
    closed = CatalogChange.objects.get(pk=pk)
    assert closed.accepted_at is not None
    assert closed.accepted_by is None


def test_import_when_many_things_changed_then_one_row_per_topic(listing, provider):
    listing.set_service(101, rate="2.1", name="Else", max=500, cancel=True, desc="Not a topic")
    import_list(provider)
    assert sorted(open_rows().values_list("topic", flat=True)) == ["flags", "limits", "rate", "text"]


def test_import_when_only_the_description_changed_then_no_row(listing, provider):
    listing.set_service(101, desc="Other words")
    assert import_list(provider).changed == 1
    assert CatalogChange.objects.count() == 0


def test_gone_service_when_back_then_row_closed_or_new_if_accepted(listing, provider, staff):
    listing.set_service(101, listed=False)
    import_list(provider)
    listing.set_service(101, listed=True)
    import_list(provider)
    assert not open_rows().exists()
    listing.set_service(101, listed=False)
    import_list(provider)
    accept_changes(changes=CatalogChange.objects.all(), actor=staff)
    listing.set_service(101, listed=True, rate="2.10")
    import_list(provider)
    assert set(open_rows().values_list("kind", flat=True)) == {"returned", "rate_up"}


def test_new_service_when_gone_and_back_unseen_then_one_open_row(listing, provider):
    listing.set_service(111, name="Another", rate="1")
    kinds = []
    for listed in (True, False, True):
        listing.set_service(111, listed=listed)
        import_list(provider)
        kinds.append((open_row().kind, open_row().old))
    assert kinds == [("new", {}), ("gone", {}), ("new", {})]


def test_open_row_when_changed_again_then_spans_last_seen_to_now(listing, provider):
    listing.set_service(101, rate="2.20", max=500)
    import_list(provider)
    first = open_rows().get(topic="rate")
    listing.set_service(101, rate="2.40", min=20)
    import_list(provider)
    rate, limits = open_rows().get(topic="rate"), open_rows().get(topic="limits")
    assert (rate.pk, rate.old, rate.new) == (first.pk, {"rate": 2_000_000}, {"rate": 2_400_000})
    assert (rate.price_before, rate.price_after) == (2_500_000, 3_000_000)
    assert (rate.created_at, rate.changed_at > first.changed_at) == (first.created_at, True)
    assert limits.old == {"min_quantity": 10, "max_quantity": 10_000}
    assert limits.new == {"min_quantity": 20, "max_quantity": 500}
    listing.set_service(101, rate="1.90", max=10_000)
    import_list(provider)
    assert open_rows().get(topic="rate").kind == "rate_down"
    assert open_rows().get(topic="limits").new == {"min_quantity": 20}


def test_change_when_accepted_then_the_next_one_is_a_new_row(listing, provider, staff):
    listing.set_service(101, rate="2.20")
    import_list(provider)
    accept_changes(changes=open_rows(), actor=staff)
    listing.set_service(101, rate="2.30")
    import_list(provider)
    assert open_row().old == {"rate": 2_200_000}
    assert open_row().price_before == 2_750_000


def test_repriced_row_when_rate_keeps_price_then_remains_repriced(listing, provider):
    listing.set_service(101, rate="2.20")
    import_list(provider)
    listing.set_service(101, rate="2.199999")  # the same price, because of the step of $0.0001
    import_list(provider)
    assert (open_row().new, open_row().action, open_row().price_after) == ({"rate": 2_199_999}, "repriced", 2_750_000)


# -- rates that rise past the minimum ----------------------------------------------------------------


def test_rise_when_past_minimum_then_urgent_repriced_and_one_alert(listing, provider):
    listing.set_service(101, rate="2.60")
    listing.set_service(102, rate="2.40")
    import_list(provider)
    import_list(provider)
    urgent = row_of(101)
    assert (urgent.is_urgent, urgent.action) == (True, "repriced")
    assert (urgent.price_before, urgent.price_after) == (2_500_000, 3_250_000)
    assert (row_of(102).is_urgent, row_of(102).action) == (False, "repriced")
    assert open_rows().first() == urgent
    assert (service(101).price, service(101).is_on_sale) == (3_250_000, True)
    alert = rises(provider).get()
    text = "Upstream: rates rose past the minimum margin, or by more than your limit. See the inbox."
    assert (alert.text, alert.count) == (text, 1)


def row_of(external_id, topic="rate"):
    return open_rows().get(upstream__external_id=str(external_id), topic=topic)


def test_rise_when_minimum_above_zero_then_urgent_before_loss(listing, provider):
    edits = [Edit("panel", (1,), {"minimum_margin_bp": 1_000})]
    change_prices(edits=edits, source="panel", summary="10%", is_confirmed=True)
    Service.objects.filter(upstream__external_id="102").update(allow_below_minimum=True)
    for number in (101, 102):
        listing.set_service(number, rate="2.40")  # with 10% it is $2.64, above the old price of $2.50
    import_list(provider)
    assert (row_of(101).is_urgent, row_of(102).is_urgent) == (True, False)


def test_rise_when_provider_takes_off_sale_then_off_until_put_back(listing, provider, staff):
    take_off_on_rise()
    for number, rate in ((101, "2.60"), (102, "2.40"), (103, "3")):
        listing.set_service(number, rate=rate)
    Service.objects.filter(upstream__external_id="103").update(is_on_sale=False)
    import_list(provider)
    assert (row_of(101).action, row_of(101).is_urgent, service(101).is_on_sale) == ("off_sale", True, False)
    # It was repriced all the same, so that putting it back on sale causes no loss.
    assert service(101).price == 3_250_000
    assert (row_of(102).action, service(102).is_on_sale) == ("repriced", True)
    # A service that was off sale loses nothing.
    assert (row_of(103).action, row_of(103).is_urgent) == ("repriced", False)

    # The rate falls again: the row stays open, because the service is still off sale.
    listing.set_service(101, rate="2.00")
    import_list(provider)
    assert (row_of(101).action, row_of(101).kind, row_of(101).is_urgent) == ("off_sale", "rate_up", False)
    assert not service(101).is_on_sale
    assert not rises(provider).exists()

    found = accept_changes(changes=open_rows().filter(upstream__external_id="101"), actor=staff, put_on_sale=True)
    assert found == Accepted(accepted=1, put_on_sale=1)
    assert service(101).is_on_sale


def test_rise_when_price_is_out_of_range_then_urgent_and_off_sale(listing, provider):
    listing.set_service(101, rate="999999999")
    import_list(provider)
    assert (row_of(101).is_urgent, row_of(101).action) == (True, "off_sale")
    assert (service(101).price, service(101).is_on_sale) == (0, False)
    assert Alert.objects.filter(cause="catalog:no_price", resolved_at=None).count() == 1


def test_rate_when_it_falls_to_zero_then_off_sale_and_row_stays_open(listing, provider):
    listing.set_service(101, rate="0")
    import_list(provider)
    assert (row_of(101).kind, row_of(101).action, service(101).is_on_sale) == ("rate_down", "off_sale", False)
    listing.set_service(101, rate="2.00")
    import_list(provider)
    assert row_of(101).action == "off_sale"


def test_rise_when_row_is_open_then_compared_with_price_last_seen(listing, provider):
    # In small steps: each was repriced, and nobody has looked since $2.50.
    for rate in ("2.30", "2.60"):
        listing.set_service(101, rate=rate)
        import_list(provider)
    assert (row_of(101).price_before, row_of(101).is_urgent) == (2_500_000, True)


def test_alert_when_last_urgent_row_is_accepted_then_it_ends(listing, provider, staff):
    for number in (101, 102):
        listing.set_service(number, rate="3")
    import_list(provider)
    assert rises(provider).get().count == 1
    accept_changes(changes=open_rows().filter(upstream__external_id="101"), actor=staff)
    assert rises(provider).exists()
    accept_changes(changes=open_rows(), actor=staff)
    assert not rises(provider).exists()


def test_alert_when_more_rates_rise_then_counted_until_they_fall(listing, provider):
    listing.set_service(101, rate="3")
    import_list(provider)
    listing.set_service(102, rate="3")
    import_list(provider)
    assert rises(provider).get().count == 2
    for number in (101, 102):
        listing.set_service(number, rate="2")
    import_list(provider)
    assert not rises(provider).exists()


# -- accepting ---------------------------------------------------------------------------------------


def test_accept_when_done_then_only_actor_and_time_are_written(listing, provider, staff):
    listing.set_service(101, rate="3")
    listing.set_service(102, listed=False)
    import_list(provider)
    services = list(Service.objects.order_by("pk").values())
    assert accept_changes(changes=open_rows().filter(topic="rate"), actor=staff) == Accepted(accepted=1)
    seen = CatalogChange.objects.get(topic="rate")
    assert (seen.accepted_by, seen.accepted_at is None) == (staff, False)
    assert open_row().topic == "listing"
    assert list(Service.objects.order_by("pk").values()) == services
    assert not PriceChange.objects.exists()


def test_accept_when_accepted_already_then_nothing_changes(listing, provider, staff, other):
    listing.set_service(101, rate="3")
    import_list(provider)
    accept_changes(changes=open_rows(), actor=staff)
    Service.objects.filter(upstream__external_id="101").update(is_on_sale=False)
    before = all_changes()
    assert accept_changes(changes=CatalogChange.objects.all(), actor=other, put_on_sale=True) == Accepted()
    assert all_changes() == before


def test_accept_when_put_on_sale_then_only_sellable_services(listing, provider, staff):
    Provider.objects.update(publish_new=False)
    for number, changes in {
        111: {"rate": "1"},
        112: {"rate": "0"},
        113: {"rate": "1", "type": "Subscriptions"},
        114: {"rate": "1"},
    }.items():
        listing.set_service(number, name=f"New {number}", **changes)
    import_list(provider)
    listing.set_service(114, listed=False)
    import_list(provider)
    assert open_rows().count() == 4
    found = accept_changes(changes=open_rows(), actor=staff, put_on_sale=True)
    assert found == Accepted(accepted=4, put_on_sale=1, not_sellable=3)
    assert service(111).is_on_sale
    assert not Service.objects.filter(upstream__external_id__in=["112", "113", "114"], is_on_sale=True).exists()
    assert services_on_sale().count() == 11
    # The price history holds it, with the actor.
    change = PriceChange.objects.get()
    assert (change.state, change.source, change.actor) == ("applied", "list", staff)


@pytest.mark.django_db(transaction=True)
def test_accept_when_concurrent_then_each_row_has_one_actor(listing, provider, staff, other):
    for number in range(101, 111):
        listing.set_service(number, rate="3")
    import_list(provider)
    first, second = in_threads(
        lambda: accept_changes(changes=open_rows(), actor=staff),
        lambda: accept_changes(changes=open_rows(), actor=other),
    )
    assert sorted((first.accepted, second.accepted)) == [0, 10]
    winner = staff if first.accepted else other
    assert set(CatalogChange.objects.values_list("accepted_by", flat=True)) == {winner.pk}


@pytest.mark.django_db(transaction=True)
def test_accept_when_import_runs_then_unseen_changes_stay_open(listing, provider, staff):
    listing.set_service(101, rate="2.20")
    import_list(provider)
    listing.set_service(101, rate="2.40")
    accepted, run = in_threads(
        lambda: accept_changes(changes=open_rows(), actor=staff, put_on_sale=True),
        lambda: import_services(provider=Provider.objects.get()),
    )
    assert (accepted.accepted, run.outcome) == (1, "applied")
    ends = list(CatalogChange.objects.order_by("pk").values_list("new", "accepted_by"))
    seen_before = [({"rate": 2_200_000}, staff.pk), ({"rate": 2_400_000}, None)]
    assert ends in (seen_before, [({"rate": 2_400_000}, staff.pk)])


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_accept_when_import_is_writing_then_waits_for_its_changes(listing, provider, staff):
    listing.set_service(101, rate="3")
    import_list(provider)
    with transaction.atomic():
        lock_prices()
        waiting = in_background(lambda: accept_changes(changes=open_rows(), actor=staff))
        wait_for_a_blocked_connection()
        add_urgent_row(service(102))
    # Without the lock it would miss this row and resolve its alert.
    assert waiting().accepted == 2
    assert not rises(provider).exists()


def add_urgent_row(sold):
    CatalogChange.objects.create(
        provider=sold.upstream.provider, upstream=sold.upstream, topic="rate", kind="rate_up", is_urgent=True
    )


# -- number of statements ----------------------------------------------------------------------------


def changed_import(rows):
    """Return the statements of an import that changes everything, of one that reverts it, and of accepting."""
    with SandboxServer(key="k", speed=0, services=rows) as server:
        one = make.provider(url=server.url, api_key="k", name=f"Of {rows}")
        import_list(one)
        counts = []
        for rate, name in (("3", "One"), ("4", "Two")):
            for number in range(1, rows + 1):
                server.set_service(number, rate=rate, name=f"{name} {number}", refill=True, cancel=True, max=77_777)
            one.refresh_from_db()
            with CaptureQueriesContext(connection) as queries:
                run = import_services(provider=one, force=True)
            assert (run.outcome, run.changed) == ("applied", rows)
            counts.append(len(queries))
        assert open_rows().filter(provider=one, topic="rate").count() == rows
        with CaptureQueriesContext(connection) as queries:
            assert accept_changes(changes=open_rows().filter(provider=one), actor=None).accepted >= 2 * rows
        counts.append(len(queries))
    return counts


def test_import_when_everything_changed_then_statements_do_not_grow(db):
    changed_import(20)
    assert changed_import(100) == changed_import(250)
    assert max(changed_import(600)) <= 60


def test_inbox_when_changes_exceed_max_named_then_same_result(listing, provider, monkeypatch):
    monkeypatch.setattr(inbox, "MAX_NAMED", 1)
    for rate in ("2.20", "2.40"):
        for number in range(101, 106):
            listing.set_service(number, rate=rate)
        import_list(provider)
    assert set(open_rows().values_list("topic", flat=True)) == {"rate"}
    assert open_rows().count() == 5
    assert all(one.old == {"rate": 2_000_000} and one.new == {"rate": 2_400_000} for one in open_rows())
