"""The price list of the served API: its rows, its prices, and that no change leaves it outdated."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import caches
from django.db import OperationalError, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from django.utils import timezone

from catalog.catalog_version import catalog_version
from catalog.imports.run import import_services
from catalog.models import (
    CatalogVersion,
    Category,
    CustomerGroup,
    CustomerPrice,
    Favourite,
    GroupMember,
    PriceChange,
    PricePolicy,
    Provider,
    Service,
    ServiceFigures,
    ShelfMark,
    UpstreamService,
)
from catalog.pauses import PauseKind, pause_provider, resume_provider
from catalog.prices.changes import apply_change, change_prices, draft_undo
from catalog.prices.csv_import import edits_of_file
from catalog.prices.customer_prices import offer_of
from catalog.prices.edits import Edit
from catalog.prices.group_discounts import set_discount
from catalog.prices.sorting import arrange_services
from catalog.prices.storage import price_policy
from catalog.provider_accounts import leave_polling_lane, take_polling_lane
from catalog.selectors import SHELF_ORDER, services_on_sale
from catalog.service_types import SPECS
from catalog.shop import catalog_version_triggers
from panel.api import services as subject
from panel.api.services import PriceList, price_list
from panel.lib.bulk_sql import update_rows
from panel.lib.compression import accepts_gzip
from panel.lib.money import EXCHANGE_ONE, format_plain
from panel.ops.invariants import find_breaches
from tests import make
from tests.make import reprice
from tests.scenes import statements
from tests.threads import in_background, wait_for_a_blocked_connection

pytestmark = pytest.mark.django_db

MISSING = "every change of the catalog renews its version"


def listed(customer: Any) -> list[dict[str, Any]]:
    return json.loads(price_list(customer=customer).plain())


def rates(customer: Any) -> dict[int, str]:
    return {row["service"]: row["rate"] for row in listed(customer)}


def as_ordered(customer: Any) -> list[dict[str, Any]]:
    """Return the same list service by service, as the order form prices each: slow and uncached."""
    return [
        {
            "service": one.pk,
            "name": one.name,
            "type": SPECS[one.type].wire,
            "category": one.category.name,
            "rate": format_plain(offer_of(customer=customer, service=one).price),
            "min": str(one.lowest_quantity) if not one.is_package else "1",
            "max": str(one.highest_quantity) if not one.is_package else "1",
            "refill": one.has_refill,
            "cancel": one.upstream.cancel,
            "dripfeed": one.type == "default",
            "desc": one.description,
        }
        for one in services_on_sale().order_by(*SHELF_ORDER)
    ]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect one item each time that a list is built instead of read from the cache."""
    found: list[Any] = []
    works_out = subject._build

    def counts(terms: Any) -> bytes:
        found.append(terms)
        return works_out(terms)

    monkeypatch.setattr(subject, "_build", counts)
    return found


def execute(*sql: str) -> None:
    with connection.cursor() as cursor:
        for statement in sql:
            cursor.execute(statement)


def group(discount_bp: int, *members: Any, name: str = "Resellers") -> CustomerGroup:
    made = CustomerGroup.objects.create(name=name, discount_bp=discount_bp)
    for member in members:
        GroupMember.objects.create(customer=member, group=made)
    return made


# -- rows ----------------------------------------------------------------------------------------------


def test_row_when_plain_then_as_in_the_protocol(provider, customer):
    one = make.service(provider, rate="0.72", low=50)
    Service.objects.filter(pk=one.pk).update(name='Likes "★" </b>', description="Two\nlines — 🔥", max_quantity=9_000)
    text = price_list(customer=customer).plain()
    assert text.decode() == (
        f'[{{"service":{one.pk},"name":"Likes \\"★\\" </b>","type":"Default","category":"Social","rate":"0.9",'
        '"min":"50","max":"9000","refill":true,"cancel":true,"dripfeed":true,"desc":"Two\\nlines — 🔥"}]'
    )


def test_rows_when_of_every_type_then_named_as_in_the_protocol(provider, customer):
    for number, kind in enumerate(SPECS):
        make.service(provider, external_id=str(number), type=kind)
    make.service(provider, external_id="s", type="subscriptions")
    rows = listed(customer)
    assert rows == as_ordered(customer)
    assert [row["type"] for row in rows] == [spec.wire for spec in SPECS.values()]
    assert [row["type"] for row in rows if row["dripfeed"]] == ["Default"]
    assert {"Custom Comments", "Mentions with Hashtags", "SEO", "Web Traffic"} <= {row["type"] for row in rows}


def test_rows_when_listed_then_in_shelf_order(provider, customer):
    made = [make.service(provider, external_id=str(number)) for number in range(6)]
    late, early = Category.objects.create(name="A", position=9), Category.objects.create(name="Z", position=1)
    places = [(late, 2), (early, 5), (late, 1), (early, 4), (late, 1), (early, 5)]
    Category.objects.filter(name="Social").update(position=5)
    for one, (category, position) in zip(made, places, strict=True):
        Service.objects.filter(pk=one.pk).update(category=category, position=position)
    wanted = [made[place].pk for place in (3, 1, 5, 2, 4, 0)]
    assert [row["service"] for row in listed(customer)] == wanted


@pytest.mark.parametrize(
    ("price", "rate"), [(1, "0.000001"), (10, "0.00001"), (900_000, "0.9"), (10**15, "1000000000"), (1_500_000, "1.5")]
)
def test_rate_when_listed_then_plain_decimal_text(provider, customer, price, rate):
    one = make.service(provider)
    Service.objects.filter(pk=one.pk).update(price=price)
    assert rates(customer) == {one.pk: rate}


def test_limits_when_owner_and_provider_set_them_then_the_narrower(provider, customer):
    own = [(None, None), (20, 500), (5, 50_000), (0, None)]
    for number, (low, high) in enumerate(own):
        one = make.service(provider, external_id=str(number))
        Service.objects.filter(pk=one.pk).update(min_quantity=low, max_quantity=high)
    assert [(row["min"], row["max"]) for row in listed(customer)] == [
        ("10", "10000"),
        ("20", "500"),
        ("10", "10000"),
        ("10", "10000"),
    ]


def test_row_when_no_quantity_possible_then_omitted_except_package(provider, customer):
    impossible, package = make.service(provider), make.service(provider, external_id="2", type="package")
    Service.objects.update(min_quantity=20_000)
    assert [(row["service"], row["min"], row["max"]) for row in listed(customer)] == [(package.pk, "1", "1")]
    assert impossible.pk not in rates(customer)


def test_list_when_nothing_is_on_sale_then_an_empty_array(customer):
    assert price_list(customer=customer).plain() == b"[]"


# -- whose prices --------------------------------------------------------------------------------------


def test_prices_when_discounted_or_agreed_then_those_of_the_customer(provider, customer, other):
    """$2.00 at the provider, $2.50 here: 10% off is $2.25, and $2.10 was agreed with Alice for one of two."""
    first, second = make.service(provider), make.service(provider, external_id="2")
    assert rates(customer) == {first.pk: "2.5", second.pk: "2.5"}
    group(1_000, customer)
    assert rates(customer) == {first.pk: "2.25", second.pk: "2.25"}
    CustomerPrice.objects.create(customer=customer, service=first, price=make.micros("2.1"))
    assert rates(customer) == {first.pk: "2.1", second.pk: "2.25"}
    assert rates(other) == {first.pk: "2.5", second.pk: "2.5"}
    # A minimum margin of 8% raises the agreed price, one of 15% also the discounted one.
    PricePolicy.objects.update(minimum_margin_bp=800)
    assert rates(customer) == {first.pk: "2.16", second.pk: "2.25"}
    PricePolicy.objects.update(minimum_margin_bp=1_500)
    assert rates(customer) == {first.pk: "2.3", second.pk: "2.3"}
    Service.objects.filter(pk=first.pk).update(allow_below_minimum=True)
    assert rates(customer) == {first.pk: "2.1", second.pk: "2.3"}
    for user in (customer, other):
        assert listed(user) == as_ordered(user)


def test_customers_when_terms_are_equal_then_they_share_one_list(provider, customer, other, built):
    one = make.service(provider)
    listed(customer)
    assert (listed(other), len(built)) == (listed(customer), 1)
    members = group(500, customer, other)
    listed(customer)
    assert (rates(other), len(built)) == ({one.pk: "2.375"}, 2)
    # Another group with the same discount has the same terms.
    GroupMember.objects.filter(customer=other).update(group=group(500, name="Friends"))
    assert (rates(other), len(built)) == ({one.pk: "2.375"}, 2)
    CustomerPrice.objects.create(customer=other, service=one, price=make.micros("2.2"))
    assert (rates(other), rates(customer), len(built)) == ({one.pk: "2.2"}, {one.pk: "2.375"}, 3)
    CustomerPrice.objects.create(customer=customer, service=one, price=make.micros("2.2"))
    assert (rates(customer), len(built)) == ({one.pk: "2.2"}, 3)
    assert members.members.count() == 1


@pytest.mark.parametrize("count", [1, 40])
def test_list_when_longer_then_as_many_statements(provider, customer, count):
    for number in range(count):
        make.service(provider, external_id=str(number))
    price_policy()
    with statements() as cold:
        price_list(customer=customer)
    with statements() as warm:
        price_list(customer=customer)
    assert (len(cold), len(warm)) == (5, 3)


# -- right the moment something changes ------------------------------------------------------------------


@dataclass(frozen=True)
class Shop:
    """Three services at $2.50; Alice has 10% off and $2.20 agreed for the third, Bob pays list prices."""

    services: list[Service]
    alice: Any
    bob: Any
    group: CustomerGroup
    staff: Any
    upstream: Any

    @property
    def first(self) -> Service:
        return self.services[0]

    @property
    def provider(self) -> Provider:
        return self.first.upstream.provider


@pytest.fixture
def shop(provider, upstream, customer, other, staff):
    for number in range(1, 61):
        upstream.set_service(number, listed=number < 4, name="Followers", category="Social")
    for number in (1, 2, 3):
        upstream.set_service(number, rate="2", min=10, max=10_000, type="Default", refill=True, cancel=True)
    services = [make.service(provider, external_id=str(number), name=f"Followers {number}") for number in (1, 2, 3)]
    CustomerPrice.objects.create(customer=customer, service=services[2], price=make.micros("2.2"))
    return Shop(services, customer, other, group(1_000, customer), staff, upstream)


def edit(kind: str, pk: int, **values: Any) -> None:
    edits = [Edit(kind, (pk,), values)]
    change_prices(edits=edits, source=PriceChange.Source.LIST, summary="A change", is_confirmed=True)


def by_service(**values: Any) -> Callable[[Shop], None]:
    return lambda shop: edit("service", shop.first.pk, **values)


def imported(**values: Any) -> Callable[[Shop], None]:
    def change(shop: Shop) -> None:
        shop.upstream.set_service(1, **values)
        run = import_services(provider=shop.provider, force=True)  # Without one of three it would be refused.
        assert run.outcome == "applied", run.reason

    return change


def taken_off_in_the_list(shop: Shop) -> None:
    client = Client()
    client.force_login(shop.staff)
    sent = {"action": "take_off_sale", "_selected_action": [shop.first.pk], "index": 0}
    client.post(reverse("admin:catalog_service_changelist"), sent)
    for draft in PriceChange.objects.filter(state="draft"):
        apply_change(change=draft, seen=None, actor=shop.staff)


def from_a_file(shop: Shop) -> None:
    data = f"id,name,margin percent\n{shop.first.pk},Renamed,60\n".encode()
    change_prices(edits=edits_of_file(data=data), source=PriceChange.Source.FILE, summary="A file")


def rate_rose(shop: Shop) -> None:
    UpstreamService.objects.filter(pk=shop.first.upstream_id).update(rate=make.micros("3"))
    reprice(services=Service.objects.all())


def saved(model: Any, pk: Callable[[Shop], int], **values: Any) -> Callable[[Shop], None]:
    """Write the whole row by `save()`, as admin forms do."""

    def change(shop: Shop) -> None:
        one = model.objects.get(pk=pk(shop))
        for name, value in values.items():
            setattr(one, name, value)
        one.save()

    return change


def category(shop: Shop) -> int:
    return shop.first.category_id


def moved(shop: Shop) -> None:
    edit("service", shop.first.pk, category_id=Category.objects.create(name="Elsewhere", position=7).pk)


def arranged(shop: Shop) -> None:
    Service.objects.filter(pk=shop.first.pk).update(price=make.micros("2.6"))
    first = listed(shop.bob)[0]
    arrange_services(categories=[shop.first.category_id], by="price")
    assert listed(shop.bob)[-1] == first


def added(shop: Shop) -> None:
    make.service(shop.provider, external_id="new")


def deleted(shop: Shop) -> None:
    Service.objects.filter(pk=shop.first.pk).delete()


def raw(sql: str) -> Callable[[Shop], None]:
    return lambda shop: execute(sql.format(pk=shop.first.pk, upstream=shop.first.upstream_id))


def in_bulk(shop: Shop) -> None:
    update_rows(model=Service, columns=("price",), rows=[(one.pk, make.micros("2.7")) for one in shop.services])


def inserted_or_ignored(shop: Shop) -> None:
    """The statement's own conflict clause must not apply to what the triggers do."""
    Category.objects.bulk_create([Category(name="Social"), Category(name="More")], ignore_conflicts=True)
    Service.objects.filter(pk=shop.first.pk).update(category=Category.objects.get(name="More"))


def upserted(shop: Shop) -> None:
    Category.objects.bulk_create(
        [Category(name="Social", position=3), Category(name="More")],
        update_conflicts=True,
        update_fields=["position"],
        unique_fields=["name"],
    )
    Service.objects.bulk_create(
        [Service(pk=shop.first.pk, upstream=shop.first.upstream, category=shop.first.category, name="Upserted")],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["id"],
    )


CHANGES: dict[str, Callable[[Shop], None]] = {
    "a service's margin": by_service(margin_bp=5_000),
    "a category's margin": lambda shop: edit("category", shop.first.category_id, margin_bp=5_000),
    "a provider's margin": lambda shop: edit("provider", shop.provider.pk, margin_bp=5_000),
    "the panel's margin": lambda shop: edit("panel", 1, margin_bp=5_000),
    "an exchange rate": lambda shop: edit("provider", shop.provider.pk, exchange_rate=2 * EXCHANGE_ONE),
    "the price step": lambda shop: edit("panel", 1, price_step=make.micros("0.4")),
    "a file": from_a_file,
    "a rate that rose": rate_rose,
    "an import that changes limits": imported(min=100, max=5_000),
    "an import that changes the rate": imported(rate="2.2"),
    "an import that changes the type": imported(type="Package"),
    "an import that changes the type to one that is not sold": imported(type="Subscriptions"),
    "an import that changes flags": imported(refill=False),
    "an import without the service": imported(listed=False),
    "an import with another service": lambda shop: (
        shop.upstream.set_service(99, name="Added", rate="1"),
        imported()(shop),
    ),
    "off sale by an edit": by_service(is_on_sale=False),
    "off sale in the admin's list": taken_off_in_the_list,
    "a service renamed": by_service(name="Renamed"),
    "a service's description": saved(Service, lambda shop: shop.first.pk, description="New"),
    "a service's limits": saved(Service, lambda shop: shop.first.pk, min_quantity=200),
    "below the minimum allowed": lambda shop: (
        edit("panel", 1, minimum_margin_bp=2_400),
        listed(shop.alice),
        by_service(allow_below_minimum=True)(shop),
    ),
    "a service moved": moved,
    "services arranged": arranged,
    "a service added": added,
    "a service deleted": deleted,
    "a category renamed": saved(Category, category, name="Renamed"),
    "categories in another order": lambda shop: (
        moved(shop),
        listed(shop.bob),
        Category.objects.filter(pk=shop.first.category_id).update(position=8),
    ),
    "a provider switched off": lambda shop: edit("provider", shop.provider.pk, is_active=False),
    "a provider switched off in its form": saved(Provider, lambda shop: shop.provider.pk, is_active=False),
    "a price agreed": lambda shop: CustomerPrice.objects.create(
        customer=shop.bob, service=shop.first, price=make.micros("2.3")
    ),
    "an agreed price changed": lambda shop: CustomerPrice.objects.update(price=make.micros("2.3")),
    "an agreed price removed": lambda shop: CustomerPrice.objects.all().delete(),
    "a discount changed": lambda shop: set_discount(group=shop.group, discount_bp=700, seen=1_000, actor=None),
    "a group joined": lambda shop: GroupMember.objects.create(customer=shop.bob, group=shop.group),
    "a group left": lambda shop: GroupMember.objects.all().delete(),
    "a group changed": lambda shop: GroupMember.objects.update(group=group(300, name="Friends")),
    "the minimum margin raised": lambda shop: edit("panel", 1, minimum_margin_bp=2_000),
    "the minimum margin raised by hand": lambda shop: PricePolicy.objects.update(minimum_margin_bp=2_000),
    "an update by hand": lambda shop: Service.objects.filter(pk=shop.first.pk).update(price=make.micros("2.6")),
    "many rows in one statement": in_bulk,
    "SQL: a price": raw("UPDATE catalog_service SET price = 2600000 WHERE id = {pk}"),
    "SQL: a limit": raw("UPDATE catalog_upstreamservice SET max_quantity = 77 WHERE id = {upstream}"),
    "SQL: a category": raw("UPDATE catalog_category SET name = 'Other'"),
    "SQL: a provider": raw("UPDATE catalog_provider SET is_active = NOT is_active"),
    "rows inserted, or else left alone": inserted_or_ignored,
    "rows inserted, or else updated": upserted,
}


@pytest.mark.parametrize("name", CHANGES)
def test_list_when_anything_changes_then_right_at_the_next_call(shop, built, name):
    before = {user: listed(user) for user in (shop.alice, shop.bob)}
    worked_out = len(built)
    assert {user: listed(user) for user in before} == before
    assert len(built) == worked_out == 2, "the cache is not warm"
    CHANGES[name](shop)
    after = {user: listed(user) for user in before}
    assert after == {user: as_ordered(user) for user in before}
    assert after != before, "nothing changed: this shows nothing"


@pytest.mark.parametrize("name", CHANGES)
def test_list_when_a_change_is_rolled_back_then_unchanged(shop, built, name):
    before = listed(shop.alice), listed(shop.bob)
    version = catalog_version()
    with transaction.atomic():
        CHANGES[name](shop)
        assert (listed(shop.alice), listed(shop.bob)) == (as_ordered(shop.alice), as_ordered(shop.bob)) != before
        transaction.set_rollback(True)
    worked_out = len(built)
    assert (listed(shop.alice), listed(shop.bob)) == before
    assert (catalog_version(), len(built)) == (version, worked_out)


def test_list_when_a_change_is_undone_then_it_follows(shop):
    edit("service", shop.first.pk, margin_bp=9_000)
    assert rates(shop.bob)[shop.first.pk] == "3.8"
    undo = draft_undo(change=PriceChange.objects.get(state="applied"), actor=shop.staff)
    apply_change(change=undo, seen=None, actor=shop.staff)
    assert rates(shop.bob)[shop.first.pk] == "2.5"


def test_list_when_a_provider_is_switched_off_and_on_then_it_follows(shop):
    before = listed(shop.bob)
    edit("provider", shop.provider.pk, is_active=False)
    assert listed(shop.bob) == []
    edit("provider", shop.provider.pk, is_active=True)
    assert listed(shop.bob) == before


def test_list_when_savepoint_is_rolled_back_then_sees_next_change(shop):
    """A note that the version was renewed must not outlive the renewal."""
    seen = [rates(shop.bob)[shop.first.pk]]
    with transaction.atomic():
        for price in ("3", "4", "5"):
            with transaction.atomic():
                Service.objects.filter(pk=shop.first.pk).update(price=make.micros(price))
                seen.append(rates(shop.bob)[shop.first.pk])
                if price != "4":
                    transaction.set_rollback(True)
            seen.append(rates(shop.bob)[shop.first.pk])
    assert seen == ["2.5", "3", "2.5", "4", "4", "5", "4"]


def test_version_when_anything_changes_then_new_and_in_one_row(shop):
    found = [catalog_version()]
    for number in range(20):
        Service.objects.filter(pk=shop.first.pk).update(position=number)
        found.append(catalog_version())
    assert (len(set(found)), CatalogVersion.objects.count()) == (21, 1)


@pytest.mark.parametrize("table", catalog_version_triggers.WATCHED)
def test_version_when_any_table_is_written_in_any_way_then_new(shop, table):
    """One statement each: other ways to create a service write it more than once."""
    rows: dict[str, Callable[[], Any]] = {
        "catalog_service": lambda: Service.objects.create(upstream=shop.first.upstream, category=shop.first.category),
        "catalog_upstreamservice": lambda: UpstreamService.objects.create(
            provider=shop.provider, external_id="new", rate=1, min_quantity=1, max_quantity=1
        ),
        "catalog_category": lambda: Category.objects.create(name="New"),
    }
    found = [catalog_version()]
    with statements() as sent:
        pk = rows[table]().pk
    assert sum(not sql.startswith("SELECT") for sql in sent) == 1
    found.append(catalog_version())
    execute(f"UPDATE {table} SET name = 'Newer' WHERE id = {pk}")
    found.append(catalog_version())
    execute(f"DELETE FROM {table} WHERE id = {pk}")
    found.append(catalog_version())
    if connection.vendor == "postgresql":
        execute("SET CONSTRAINTS ALL IMMEDIATE", f"TRUNCATE {table} CASCADE")
        found.append(catalog_version())
    assert len(set(found)) == len(found)


def of_no_concern(shop: Shop) -> None:
    """Write what polling, submitting and counting write, all day."""
    provider = Provider.objects.get(pk=shop.provider.pk)
    pause_provider(provider=provider, kind=PauseKind.FUNDS, text="x")
    resume_provider(provider=provider)
    assert take_polling_lane(provider=provider, seconds=5)
    leave_polling_lane(provider=provider, failures=0)
    Provider.objects.update(balance=5, balance_checked_at=timezone.now(), is_active=True)
    provider.refresh_from_db()
    provider.save()
    ServiceFigures.objects.create(service=shop.first, orders=3)
    ShelfMark.objects.create(service=shop.first, is_sold=True, price=1)
    Favourite.objects.create(customer=shop.bob, service=shop.first)
    make.order(shop.bob, shop.first)


def test_list_when_something_else_is_written_then_it_stays_cached(shop, built):
    before, version = listed(shop.bob), catalog_version()
    of_no_concern(shop)
    assert (listed(shop.bob), catalog_version(), len(built)) == (before, version, 1)


def test_list_when_an_import_finds_nothing_new_then_it_stays_cached(shop, built):
    imported()(shop)
    listed(shop.bob)
    worked_out = len(built)
    imported()(shop)
    listed(shop.bob)
    assert len(built) == worked_out


# -- at the same time ------------------------------------------------------------------------------------


@contextmanager
def elsewhere() -> Iterator[Any]:
    """Open another connection with an open transaction."""
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        yield other
        other.rollback()
    finally:
        other.close()


def change_seen_from_outside(user: Any, service: Service, *, also: str = "") -> list[str]:
    """Return the rate before a change, twice while it is not committed, and after; `also`: SQL in that transaction."""
    found = [rates(user)[service.pk]]
    with elsewhere() as other:
        with other.cursor() as cursor:
            cursor.execute("UPDATE catalog_service SET price = 9000000 WHERE id = %s", [service.pk])
            if also:
                cursor.execute(also)
        found += [rates(user)[service.pk], rates(user)[service.pk]]
        other.commit()
    return [*found, rates(user)[service.pk]]


@pytest.mark.django_db(transaction=True)
def test_list_when_read_during_change_then_shows_it_once_committed(shop):
    assert change_seen_from_outside(shop.bob, shop.first) == ["2.5", "2.5", "2.5", "9"]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_list_when_the_version_were_a_sequence_then_outdated(shop, monkeypatch):
    """Guard off: a number taken at once, and not with the commit, is visible before its change."""

    def counted() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT last_value FROM naive_version")
            return str(cursor.fetchone()[0])

    execute("CREATE SEQUENCE naive_version")
    try:
        with monkeypatch.context() as patched:
            patched.setattr(subject, "catalog_version", counted)
            seen = change_seen_from_outside(shop.bob, shop.first, also="SELECT nextval('naive_version')")
        assert seen == ["2.5", "2.5", "2.5", "2.5"]
        assert rates(shop.bob)[shop.first.pk] == "9"
    finally:
        execute("DROP SEQUENCE naive_version")


@pytest.mark.django_db(transaction=True)
def test_list_when_outside_change_is_rolled_back_then_still_cached(shop, built):
    before = listed(shop.bob)
    with elsewhere() as other:
        with other.cursor() as cursor:
            cursor.execute("UPDATE catalog_service SET price = 9000000")
        assert listed(shop.bob) == before
    assert (listed(shop.bob), len(built)) == (before, 1)


def test_list_when_change_committed_during_build_then_not_cached(shop, monkeypatch):
    """It is the list of the next version, which has its own key; its own version may come back with a backup."""
    works_out = subject._build

    def overtaken(terms: Any) -> bytes:
        found = works_out(terms)
        Service.objects.filter(pk=shop.first.pk).update(price=make.micros("2.6"))
        return found

    kept: list[str] = []
    monkeypatch.setattr(subject, "_keep", lambda key, found: kept.append(key))
    with monkeypatch.context() as patched:
        patched.setattr(subject, "_build", overtaken)
        price_list(customer=shop.bob)
    assert kept == []
    assert rates(shop.bob)[shop.first.pk] == "2.6"
    assert len(kept) == 1


NAIVE = """CREATE OR REPLACE FUNCTION catalog_renew_version() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
INSERT INTO catalog_catalogversion (id, token) VALUES (1, gen_random_uuid()::text)
ON CONFLICT (id) DO UPDATE SET token = left(md5(random()::text), 32); RETURN NULL; END $$"""


@contextmanager
def one_row_for_all_writers() -> Iterator[None]:
    """Guard off: triggers that renew one row, and so lock it until the writer commits."""
    execute("ALTER TABLE catalog_catalogversion ALTER token TYPE varchar(36)", NAIVE)
    try:
        yield
    finally:
        execute(
            *catalog_version_triggers.INSTALL["postgresql"],
            "ALTER TABLE catalog_catalogversion ALTER token TYPE varchar(32)",
        )


def crossing_writers(shop: Shop, *, blocks: bool) -> list[Any]:
    """Write the first service, let another connection write the second, then write the second too.

    Return the results of both writers; `blocks`: the other one is expected to wait.
    """
    first, second = (one.pk for one in shop.services[:2])
    outcome: list[Any] = [None, None]
    wait: Callable[[], Any] | None = None
    try:
        with transaction.atomic():
            Service.objects.filter(pk=first).update(position=1)
            wait = in_background(lambda: Service.objects.filter(pk=second).update(position=2))
            if blocks:
                wait_for_a_blocked_connection()
            else:
                outcome[1] = wait()
            Service.objects.filter(pk=second).update(position=3)
    except OperationalError as error:
        outcome[0] = error
    outcome[1] = wait() if wait else None
    return outcome


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_writers_when_they_cross_then_no_wait_for_version_row(shop):
    with one_row_for_all_writers():
        failed = [str(one) for one in crossing_writers(shop, blocks=True) if isinstance(one, OperationalError)]
    assert len(failed) == 1
    assert "deadlock detected" in failed[0]
    assert crossing_writers(shop, blocks=False) == [None, 1]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_version_when_writers_overlap_then_new_after_each_commit(shop):
    """Each leaves a row that the others could not see; the next one deletes them."""
    found = [catalog_version()]
    with elsewhere() as one, elsewhere() as two:
        for other, service in ((one, shop.services[0]), (two, shop.services[1])):
            with other.cursor() as cursor:
                cursor.execute("UPDATE catalog_service SET position = 4 WHERE id = %s", [service.pk])
        found.append(catalog_version())
        two.commit()
        found.append(catalog_version())
        one.commit()
        found.append(catalog_version())
    assert found[0] == found[1]
    assert len(set(found)) == 3
    assert CatalogVersion.objects.count() == 2
    Service.objects.filter(pk=shop.services[2].pk).update(position=4)
    assert (catalog_version() in found, CatalogVersion.objects.count()) == (False, 1)


# -- when something is missing ---------------------------------------------------------------------------


def test_list_when_there_is_no_version_then_built_each_time(shop, built):
    CatalogVersion.objects.all().delete()
    assert catalog_version() is None
    assert listed(shop.bob) == listed(shop.bob) == as_ordered(shop.bob)
    assert len(built) == 2
    Service.objects.filter(pk=shop.first.pk).update(price=make.micros("2.6"))
    assert catalog_version()
    assert listed(shop.bob) == listed(shop.bob) == as_ordered(shop.bob)
    assert len(built) == 3


def test_list_when_the_cache_is_down_then_right_with_a_warning(shop, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(subject.log, "warning", lambda event, **values: warnings.append(event), raising=False)
    nobody = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    with override_settings(CACHES={"default": nobody, "price_lists": nobody}):
        assert listed(shop.bob) == as_ordered(shop.bob)
    assert warnings == ["price list not read from the cache", "price list not kept in the cache"]


@pytest.mark.parametrize("rubbish", ["a text", 7, {"gzipped": b""}])
def test_list_when_the_cache_holds_something_else_then_built(shop, built, rubbish):
    terms = subject.terms_of(customer=shop.bob)
    caches["price_lists"].set(subject._key(catalog_version(), terms), rubbish, 60)
    assert listed(shop.bob) == as_ordered(shop.bob)
    assert len(built) == 1


def test_triggers_when_migrated_then_in_place():
    """Fails after a migration that rebuilt a table on SQLite: end that migration with `version_triggers.install`."""
    assert catalog_version_triggers.installed(connection)
    assert find_breaches() == []


@pytest.mark.parametrize("place", range(len(catalog_version_triggers.REMOVE[connection.vendor])))
def test_check_ledger_when_a_trigger_is_missing_then_found(db, place):
    execute(catalog_version_triggers.REMOVE[connection.vendor][place])
    assert [breach.invariant for breach in find_breaches()] == [MISSING]


@pytest.mark.postgresql
@pytest.mark.parametrize("how", ["DISABLE", "ENABLE REPLICA"])
def test_check_ledger_when_a_trigger_is_off_then_found(db, how):
    execute(f"ALTER TABLE catalog_category {how} TRIGGER catalog_category_renews_version")
    assert [breach.invariant for breach in find_breaches()] == [MISSING]


@pytest.mark.django_db(transaction=True)
def test_list_when_missing_triggers_are_restored_then_correct(shop):
    vendor = connection.vendor
    rates(shop.bob)
    execute(*catalog_version_triggers.REMOVE[vendor])
    try:
        Service.objects.filter(pk=shop.first.pk).update(price=make.micros("2.6"))
        assert rates(shop.bob)[shop.first.pk] == "2.5"  # Guard off: nothing renews the version.
    finally:
        execute(*catalog_version_triggers.INSTALL[vendor])
    assert rates(shop.bob)[shop.first.pk] == "2.6"


@pytest.mark.proof
@pytest.mark.django_db(transaction=True)
def test_migration_when_the_catalog_has_rows_then_it_goes_both_ways(shop):
    def migrate(*targets: tuple[str, str]) -> None:
        MigrationExecutor(connection).migrate(list(targets))

    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        migrate(("catalog", "0006_shop"))
        assert not catalog_version_triggers.installed(connection)
        assert CatalogVersion._meta.db_table not in connection.introspection.table_names()
        Service.objects.filter(pk=shop.first.pk).update(price=make.micros("2.6"))
    finally:
        migrate(*leaves)
    assert catalog_version_triggers.installed(connection)
    assert catalog_version()
    assert listed(shop.bob) == as_ordered(shop.bob)


# -- as an answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZip", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip; q=0.001", True),
        ("gzip;q=1.000", True),
        ("gzip;q=x", False),
        ("identity, notgzip", False),
        ("*", False),
        ("gzip;q=0." + "1" * 8_000 + "x", False),
    ],
)
def test_response_when_the_client_accepts_gzip_then_compressed(header, takes):
    assert accepts_gzip(header) is takes
    request = RequestFactory().get("/", headers={"accept-encoding": header} if header else {})
    answer = PriceList(gzip.compress(b"[]")).response(request)
    assert answer["Content-Type"] == "application/json"
    assert answer["Vary"] == "Accept-Encoding"
    assert answer.get("Content-Encoding") == ("gzip" if takes else None)
    assert (gzip.decompress(answer.content) if takes else answer.content) == b"[]"


def test_list_when_unchanged_then_the_same_bytes(shop):
    first = price_list(customer=shop.bob)
    Service.objects.filter(pk=shop.first.pk).update(cost=shop.first.cost)
    assert price_list(customer=shop.bob) == first
    assert first.gzipped[4:8] == bytes(4), "the time is in it"
