"""Margins and prices: which level applies, the minimum, and services without a valid price."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from billing.models import Entry
from catalog.imports.run import import_services
from catalog.models import Category, PriceChange, PricePolicy, Provider, Service, UpstreamService
from catalog.prices.changes import change_prices
from catalog.prices.edits import COLUMNS, Edit
from catalog.prices.rules import (
    CategoryTerms,
    PanelTerms,
    PricedService,
    ProviderTerms,
    Terms,
    cost_of,
    is_below_minimum,
    lowest_price,
    margin_for,
    margin_share,
    priced,
)
from catalog.prices.storage import lock_prices, price_policy
from orders.checkout.create import PriceChanged, create_order
from orders.checkout.validation import NotOnSale, OrderInput
from orders.models import Order
from panel.alerts.models import Alert
from panel.lib.money import EXCHANGE_ONE, MAX_MICROS, MoneyError
from tests import make
from tests.make import reprice
from tests.threads import in_background, in_threads, wait_for_a_blocked_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def idle_provider(db):
    """A provider without a server."""
    return make.provider()


@pytest.fixture
def sold_service(idle_provider):
    """A service on sale that costs $2.00 and sells for $2.50."""
    return make.service(idle_provider)


def change(kind, pk, **values):
    """Apply an edit without a preview; return how many prices changed."""
    edits = [Edit(kind, (pk,), values)]
    found = change_prices(edits=edits, source=PriceChange.Source.LIST, summary="A change", is_confirmed=True)
    return found.affected


def panel(**values):
    return change("panel", 1, **values)


def terms(*, category=(None, None), provider=(None, None), rate=EXCHANGE_ONE, **values):
    """Return terms with category 7 and provider 3, and the panel's 25%."""
    defaults = {"margin_bp": 2_500, "margin_fixed": 0, "minimum_margin_bp": 0, "price_step": 100}
    return Terms(
        PanelTerms(**{**defaults, **values}), {3: ProviderTerms(rate, *provider)}, {7: CategoryTerms(*category)}
    )


def make_priced(*, rate=2_000_000, margin=(None, None), **values):
    """Return a service of provider 3 in category 7, on sale, without a price yet."""
    defaults = {"name": "x", "allow_below_minimum": False, "is_on_sale": True, "cost": 0, "price": 0, **values}
    return PricedService(
        pk=1,
        upstream_id=1,
        provider_id=3,
        type="default",
        rate=rate,
        category_id=7,
        margin_bp=margin[0],
        margin_fixed=margin[1],
        **defaults,
    )


def stored(service):
    return Service.objects.values_list("cost", "price", "is_on_sale").get(pk=service.pk)


def no_price_alerts():
    return list(Alert.objects.filter(cause="catalog:no_price").values_list("count", flat=True))


# -- which margin ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "category", "provider", "expected"),
    [
        ((None, None), (None, None), (None, None), (2_500, 50_000, "panel")),
        ((None, None), (None, None), (4_000, None), (4_000, 0, "provider")),
        ((None, None), (None, None), (None, 7), (0, 7, "provider")),
        ((None, None), (None, None), (4_000, 7), (4_000, 7, "provider")),
        ((None, None), (3_000, None), (4_000, 7), (3_000, 0, "category")),
        ((None, None), (None, 8), (4_000, 7), (0, 8, "category")),
        ((None, None), (0, None), (4_000, 7), (0, 0, "category")),
        ((1_000, None), (3_000, 8), (4_000, 7), (1_000, 0, "service")),
        ((None, 9), (3_000, None), (4_000, 7), (0, 9, "service")),
        ((0, None), (None, None), (4_000, 7), (0, 0, "service")),  # zero is a set margin, not a missing one
        ((None, 0), (3_000, None), (4_000, 7), (0, 0, "service")),
        ((None, None), (None, None), (0, None), (0, 0, "provider")),
    ],
)
def test_margin_for_when_levels_set_one_then_the_nearest(service, category, provider, expected):
    of_level = terms(category=category, provider=provider, margin_fixed=50_000)
    margin = margin_for(make_priced(margin=service), of_level)
    assert (margin.bp, margin.fixed, margin.level) == expected


def test_price_policy_when_never_set_then_25_percent_and_one_row():
    assert (price_policy().margin_bp, price_policy().minimum_margin_bp, price_policy().price_step) == (2_500, 0, 100)
    assert PricePolicy.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        PricePolicy.objects.create(pk=2)
    assert PricePolicy.objects.count() == 1


def test_panel_margin_when_changed_then_inheritors_are_repriced(idle_provider, sold_service):
    other = make.provider(name="With its own", margin_bp=5_000)
    of_other = make.service(other)
    own = make.service(idle_provider, external_id="2", margin_bp=10_000)
    assert panel(margin_bp=3_000, margin_fixed=100_000) == 1
    assert stored(sold_service) == (2_000_000, 2_700_000, True)
    assert stored(of_other) == (2_000_000, 3_000_000, True)
    assert stored(own) == (2_000_000, 4_000_000, True)
    # The same values again change no price.
    assert panel(margin_bp=3_000, margin_fixed=100_000) == 0


def test_provider_margin_when_set_then_only_its_services_repriced(idle_provider, sold_service):
    elsewhere = make.service(make.provider(name="Elsewhere"))
    own = make.service(idle_provider, external_id="2", margin_bp=10_000)
    assert change("provider", idle_provider.pk, margin_bp=5_000) == 1
    assert stored(sold_service) == (2_000_000, 3_000_000, True)
    assert stored(own) == (2_000_000, 4_000_000, True)
    assert stored(elsewhere) == (2_000_000, 2_500_000, True)
    # Without its own margin it inherits again.
    assert change("provider", idle_provider.pk, margin_bp=None) == 1
    assert stored(sold_service) == (2_000_000, 2_500_000, True)


def test_category_margin_when_changed_then_overrides_the_providers(idle_provider, sold_service):
    change("provider", idle_provider.pk, margin_bp=5_000)
    category = Category.objects.create(name="Other shelf")
    elsewhere = make.service(idle_provider, external_id="2")
    Service.objects.filter(pk=elsewhere.pk).update(category=category)
    own = make.service(idle_provider, external_id="3", margin_bp=10_000)
    assert change("category", sold_service.category_id, margin_bp=1_000, margin_fixed=50_000) == 1
    assert stored(sold_service) == (2_000_000, 2_250_000, True)
    assert stored(elsewhere) == (2_000_000, 3_000_000, True)
    assert stored(own) == (2_000_000, 4_000_000, True)
    # In the other category the provider's margin applies.
    assert change("service", sold_service.pk, category_id=category.pk) == 1
    assert stored(sold_service) == (2_000_000, 3_000_000, True)


def test_service_margin_when_changed_then_only_it_is_repriced(idle_provider, sold_service):
    neighbour = make.service(idle_provider, external_id="2")
    assert change("service", sold_service.pk, margin_bp=0, margin_fixed=250_000) == 1
    assert stored(sold_service) == (2_000_000, 2_250_000, True)
    assert stored(neighbour) == (2_000_000, 2_500_000, True)


def test_service_when_taken_off_sale_then_keeps_its_price(sold_service):
    assert change("service", sold_service.pk, is_on_sale=False) == 0
    assert stored(sold_service) == (2_000_000, 2_500_000, False)


def test_service_when_edited_after_rate_rise_then_price_is_current(idle_provider, sold_service):
    UpstreamService.objects.filter(pk=sold_service.upstream_id).update(rate=4_000_000)
    change("service", sold_service.pk, name="New name")
    assert stored(sold_service) == (4_000_000, 5_000_000, True)
    assert Service.objects.get().name == "New name"


# -- the price ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minimum_bp", "margin_bp", "price"),
    [(0, 0, 2_000_000), (3_000, 2_500, 2_600_000), (2_500, 2_500, 2_500_000), (2_400, 2_500, 2_500_000)],
)
def test_price_when_margin_is_below_minimum_then_minimum_margin(sold_service, minimum_bp, margin_bp, price):
    panel(minimum_margin_bp=minimum_bp, margin_bp=margin_bp)
    assert stored(sold_service) == (2_000_000, price, True)


def test_price_when_service_margin_is_too_low_then_minimum_margin(sold_service):
    panel(minimum_margin_bp=1_000)
    change("service", sold_service.pk, margin_bp=100)
    assert stored(sold_service) == (2_000_000, 2_200_000, True)


def test_price_when_category_margin_is_too_low_then_minimum_margin(sold_service):
    panel(minimum_margin_bp=1_000)
    change("category", sold_service.category_id, margin_bp=100)
    assert stored(sold_service) == (2_000_000, 2_200_000, True)


def test_price_when_fixed_margin_exceeds_minimum_then_fixed_margin(sold_service):
    panel(minimum_margin_bp=1_000)
    change("service", sold_service.pk, margin_fixed=300_000)
    assert stored(sold_service) == (2_000_000, 2_300_000, True)


@pytest.mark.parametrize(("margin_bp", "price"), [(0, 2_000_000), (100, 2_020_000), (2_000, 2_400_000)])
def test_price_when_minimum_is_waived_then_own_margin_down_to_cost(sold_service, margin_bp, price):
    panel(minimum_margin_bp=1_000)
    change("service", sold_service.pk, margin_bp=margin_bp, allow_below_minimum=True)
    assert stored(sold_service) == (2_000_000, price, True)
    assert stored(sold_service)[1] >= stored(sold_service)[0]


@pytest.mark.parametrize(
    ("allow", "cost", "lowest"),
    [(False, 2_000_000, 2_200_000), (True, 2_000_000, 2_000_000), (True, 2_000_001, 2_000_100), (False, 1, 100)],
)
def test_lowest_price_when_computed_then_rounded_up_to_the_step(allow, cost, lowest):
    of_panel = terms(minimum_margin_bp=1_000).panel
    assert lowest_price(cost=cost, allow_below_minimum=allow, panel=of_panel) == lowest


@pytest.mark.parametrize(
    ("price", "allow", "below"),
    [(2_199_900, False, True), (2_200_000, False, False), (2_000_000, True, False), (1_999_900, True, True)],
)
def test_is_below_minimum_when_checked_then_judges_the_old_price(price, allow, below):
    after = make_priced(cost=2_000_000, allow_below_minimum=allow)
    assert is_below_minimum(price=price, after=after, terms=terms(minimum_margin_bp=1_000)) is below


@pytest.mark.parametrize(
    ("cost", "price", "share"),
    [(2_000_000, 2_500_000, 2_500), (3, 4, 3_333), (3, 2, -3_334), (2, 2, 0), (0, 0, None)],
)
def test_margin_share_when_computed_then_basis_points_rounded_down(cost, price, share):
    assert margin_share(cost=cost, price=price) == share


@pytest.mark.parametrize(
    ("rate", "step", "price"),
    [
        ("0.077", 1, 96_250),
        ("0.077", 100, 96_300),
        ("0.077", 10_000, 100_000),
        ("0.077", 1_000_000, 1_000_000),
        ("2", 10_000, 2_500_000),
        ("0.000001", 100, 100),
    ],
)
def test_price_when_step_is_set_then_rounded_up_to_a_multiple(idle_provider, rate, step, price):
    service = make.service(idle_provider, rate=rate)
    panel(price_step=step)
    assert stored(service)[1] == price


@pytest.mark.parametrize(
    ("exchange_rate", "cost", "price"),
    [
        (EXCHANGE_ONE, 2_000_000, 2_500_000),
        (1_100_000_000_000, 2_200_000, 2_750_000),
        (12_000_000_000, 24_000, 30_000),  # a rupee at $0.012
        (12_345_678_901, 24_692, 30_900),  # 24,691.36 rounded up, then 30,865 rounded up to the step
        (1, 1, 100),  # nearly worthless, but not free
    ],
)
def test_exchange_rate_when_changed_then_cost_and_price_follow(idle_provider, sold_service, exchange_rate, cost, price):
    change("provider", idle_provider.pk, exchange_rate=exchange_rate)
    assert stored(sold_service) == (cost, price, True)
    assert stored(sold_service)[1] >= stored(sold_service)[0]


@pytest.mark.parametrize("exchange_rate", [0, -1, 10**18 + 1])
def test_exchange_rate_when_invalid_then_refused_and_nothing_changes(idle_provider, sold_service, exchange_rate):
    with pytest.raises(IntegrityError), transaction.atomic():
        change("provider", idle_provider.pk, exchange_rate=exchange_rate)
    assert Provider.objects.get().exchange_rate == EXCHANGE_ONE
    assert stored(sold_service) == (2_000_000, 2_500_000, True)


@pytest.mark.parametrize("kind", [kind for kind in COLUMNS if kind != "type"])
@pytest.mark.parametrize("values", [{"margin_bp": -1}, {"margin_fixed": -1}, {"margin_bp": 10_000_001}])
def test_margins_when_out_of_range_then_database_refuses(idle_provider, sold_service, kind, values):
    pk = {"panel": 1, "provider": idle_provider.pk, "category": sold_service.category_id, "service": sold_service.pk}[
        kind
    ]
    with pytest.raises(IntegrityError), transaction.atomic():
        change(kind, pk, **values)
    assert stored(sold_service) == (2_000_000, 2_500_000, True)
    assert price_policy().margin_bp == 2_500
    assert not PriceChange.objects.filter(state=PriceChange.State.APPLIED).exists()


def test_price_when_order_form_is_outdated_then_must_be_confirmed(customer, idle_provider, sold_service):
    change("provider", idle_provider.pk, margin_bp=5_000)
    order_input = OrderInput(sold_service.pk, "https://example.com/a", 1_000, {})
    with pytest.raises(PriceChanged, match="from \\$2.50 to \\$3.00"):
        create_order(customer=customer, order_input=order_input, request_key="r1", seen_charge=2_500_000)
    assert Order.objects.count() == 0
    assert make.wallet(customer).balance == 10_000_000


# -- no valid price ----------------------------------------------------------------------------------


def test_cost_and_lowest_price_when_out_of_range_then_money_error():
    of_panel = terms(minimum_margin_bp=1, price_step=1).panel
    with pytest.raises(MoneyError):
        cost_of(rate=MAX_MICROS, exchange_rate=EXCHANGE_ONE + 1)
    with pytest.raises(MoneyError):
        lowest_price(cost=MAX_MICROS, allow_below_minimum=False, panel=of_panel)


@pytest.mark.parametrize(
    ("rate", "exchange_rate"),
    [
        (MAX_MICROS, EXCHANGE_ONE),  # the margin exceeds the maximum
        (MAX_MICROS, 2 * EXCHANGE_ONE),  # the cost itself exceeds the maximum
        (0, EXCHANGE_ONE),
    ],
)
def test_priced_when_no_price_is_valid_then_zero_and_off_sale(rate, exchange_rate):
    after = priced(make_priced(rate=rate, cost=2, price=3), terms(rate=exchange_rate, margin_fixed=50_000))
    assert (after.cost, after.price, after.is_on_sale) == (0, 0, False)


def test_exchange_rate_when_price_invalid_then_off_sale_with_alert(customer, idle_provider, sold_service):
    neighbour = make.service(idle_provider, external_id="2", rate="0.01")
    # At 500,000 a rate of 2.00 is 1,000,000, which fits.
    change("provider", idle_provider.pk, exchange_rate=10**18 // 2)
    assert stored(sold_service) == (10**12, 1_250_000_000_000, True)
    UpstreamService.objects.filter(pk=sold_service.upstream_id).update(rate=10**10)
    assert change("provider", idle_provider.pk, exchange_rate=10**18 // 2) == 1
    assert stored(sold_service) == (0, 0, False)
    assert no_price_alerts() == [1]
    text = "1 services have no valid price any more and went off sale."
    assert Alert.objects.get(cause="catalog:no_price").text == text
    with pytest.raises(NotOnSale):
        make.order(customer, sold_service)
    assert Order.objects.count() == 0
    assert not Entry.objects.filter(kind="order").exists()
    # The others stay on sale.
    assert stored(neighbour)[2]
    # Repricing again raises no new alert.
    change("provider", idle_provider.pk, exchange_rate=10**18 // 2)
    assert no_price_alerts() == [1]


def test_import_when_rate_overflows_price_then_off_sale_with_alert(upstream, provider, customer):
    for number in range(1, 61):
        upstream.set_service(number, listed=False)
    for number in (101, 102, 103):
        upstream.set_service(number, name="Followers", rate="2")
    import_services(provider=provider)
    upstream.set_service(101, rate="900000000")  # plus 25% exceeds the billion that a column holds
    assert import_services(provider=provider).outcome == "applied"
    sold_service = Service.objects.get(upstream__external_id="101")
    assert stored(sold_service) == (0, 0, False)
    assert no_price_alerts() == [1]
    with pytest.raises(NotOnSale):
        make.order(customer, sold_service)
    assert make.wallet(customer).balance == 10_000_000
    assert Service.objects.filter(is_on_sale=True).count() == 2


def test_service_when_price_is_invalid_then_off_sale_until_put_back(idle_provider, sold_service):
    UpstreamService.objects.filter(pk=sold_service.upstream_id).update(rate=0)
    change("service", sold_service.pk, is_on_sale=True)
    assert stored(sold_service) == (0, 0, False)
    # A price alone does not put it back on sale; the owner does.
    UpstreamService.objects.filter(pk=sold_service.upstream_id).update(rate=1_000_000)
    reprice(services=Service.objects.all())
    assert stored(sold_service) == (1_000_000, 1_250_000, False)
    change("service", sold_service.pk, is_on_sale=True)
    assert stored(sold_service) == (1_000_000, 1_250_000, True)


@pytest.mark.parametrize("values", [{"price": 0}, {"price": -1}, {"cost": -1}, {"price": MAX_MICROS + 1}])
def test_service_when_on_sale_at_invalid_price_then_database_error(sold_service, values):
    with pytest.raises(IntegrityError), transaction.atomic():
        Service.objects.filter(pk=sold_service.pk).update(**values)
    assert stored(sold_service) == (2_000_000, 2_500_000, True)


def test_reprice_when_services_are_many_then_statements_stay_few(idle_provider, django_assert_max_num_queries):
    category = make.service(idle_provider).category
    for number in range(2, 202):
        row = UpstreamService(
            provider=idle_provider, external_id=str(number), name="x", type="default", rate=number * 1_000
        )
        row.min_quantity, row.max_quantity = 1, 100
        row.save()
        Service.objects.create(upstream=row, category=category, name="x")
    with django_assert_max_num_queries(12):
        assert reprice(services=Service.objects.all()) == 200
    with django_assert_max_num_queries(8):
        assert reprice(services=Service.objects.all()) == 0


# -- concurrency -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_margins_when_changed_at_once_then_prices_use_final_values(idle_provider, sold_service):
    others = [make.service(idle_provider, external_id=str(number)) for number in range(2, 12)]
    category = Category.objects.create(name="Other shelf")
    Service.objects.filter(pk=others[1].pk).update(category=category)
    price_policy()
    results = in_threads(
        lambda: [panel(margin_bp=bp) for bp in (3_000, 4_000, 5_000, 6_000)],
        lambda: [panel(margin_bp=bp) for bp in (3_500, 4_500, 5_500, 6_500)],
        lambda: [change("service", sold_service.pk, margin_bp=bp) for bp in (100, 200, 300, 400)],
        lambda: [change("service", others[0].pk, margin_bp=bp) for bp in (None, 200, None, 500)],
        lambda: [change("category", category.pk, margin_bp=bp) for bp in (None, 700, None, 900)],
        lambda: [change("provider", idle_provider.pk, margin_bp=bp) for bp in (100, None, 200, None)],
    )
    assert not [one for one in results if isinstance(one, BaseException)]
    margin = PricePolicy.objects.get().margin_bp
    assert margin in (6_000, 6_500)
    assert stored(sold_service) == (2_000_000, 2_080_000, True)
    assert stored(others[0]) == (2_000_000, 2_100_000, True)
    assert stored(others[1]) == (2_000_000, 2_180_000, True)
    assert {stored(one)[1] for one in others[2:]} == {2_000_000 * (10_000 + margin) // 10_000}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_change_when_repricing_runs_then_waits_without_row_lock(idle_provider, sold_service):
    # Locking the service while waiting for the price lock would deadlock: repricing locks them the other way round.
    price_policy()
    with transaction.atomic():
        lock_prices()
        waiting = in_background(lambda: change("service", sold_service.pk, margin_bp=1_000))
        wait_for_a_blocked_connection()
        # The next step of a repricing; raises OperationalError at once if the row is locked.
        assert Service.objects.select_for_update(nowait=True).get(pk=sold_service.pk)
    assert waiting() == 1
    assert stored(sold_service) == (2_000_000, 2_200_000, True)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_change_when_running_then_orders_do_not_wait(idle_provider, sold_service):
    user = make.customer("alice@example.org", funds="10")
    with transaction.atomic():
        assert panel(margin_bp=5_000) == 1
        order = in_background(lambda: make.order(user, sold_service, quantity=1_000))()
        # Not committed yet: the order is charged at the old price.
        assert order.charge == 2_500_000
    assert stored(sold_service) == (2_000_000, 3_000_000, True)
