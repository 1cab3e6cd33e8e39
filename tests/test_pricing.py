"""Margins and prices: who sets them, what floors them, and what happens where there is no valid one."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from billing.models import Entry
from catalog.margins import save_policy, save_provider, save_service
from catalog.models import PricePolicy, Provider, Service, UpstreamService
from catalog.pricing import cost_of, margin_of, price_of, price_policy, reprice, set_price
from catalog.syncing import sync_provider
from orders.inputs import NotOnSale
from orders.models import Order
from orders.placing import PriceChanged, place_order
from panel.money import EXCHANGE_ONE, MAX_MICROS, MoneyError
from panel.ops.models import Alert
from tests import make
from tests.threads import in_background, in_threads, wait_for_a_blocked_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def of(db):
    """A provider that nobody talks to."""
    return make.provider()


@pytest.fixture
def sold(of):
    """On sale: $2.00 at the provider, $2.50 here."""
    return make.service(of)


def policy(**values):
    row = price_policy()
    for name, value in values.items():
        setattr(row, name, value)
    return row


def stored(service):
    return Service.objects.values_list("cost", "price", "is_on_sale").get(pk=service.pk)


def no_price_alerts():
    return list(Alert.objects.filter(cause="catalog:no_price").values_list("count", flat=True))


# -- which margin ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service_margin", "provider_margin", "expected"),
    [
        ((None, None), (None, None), (2_500, 50_000, "panel")),
        ((None, None), (4_000, None), (4_000, 0, "provider")),
        ((None, None), (None, 7), (0, 7, "provider")),
        ((None, None), (4_000, 7), (4_000, 7, "provider")),
        ((1_000, None), (4_000, 7), (1_000, 0, "service")),
        ((None, 9), (4_000, 7), (0, 9, "service")),
        ((0, None), (4_000, 7), (0, 0, "service")),  # a zero is set, not missing
        ((None, 0), (4_000, 7), (0, 0, "service")),
        ((None, None), (0, None), (0, 0, "provider")),
    ],
)
def test_margin_of_then_the_nearest_level_that_sets_one(service_margin, provider_margin, expected):
    service = Service(margin_bp=service_margin[0], margin_fixed=service_margin[1])
    provider = Provider(margin_bp=provider_margin[0], margin_fixed=provider_margin[1])
    panel = PricePolicy(margin_bp=2_500, margin_fixed=50_000)
    margin = margin_of(service=service, provider=provider, policy=panel)
    assert (margin.bp, margin.fixed, margin.level) == expected


def test_price_policy_when_never_set_then_25_percent_and_one_row():
    assert (price_policy().margin_bp, price_policy().minimum_margin_bp, price_policy().price_step) == (2_500, 0, 100)
    assert PricePolicy.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        PricePolicy.objects.create(pk=2)
    assert PricePolicy.objects.count() == 1


def test_save_policy_when_margin_changes_then_what_inherits_it_is_repriced(of, sold):
    other = make.provider(name="With its own", margin_bp=5_000)
    of_other = make.service(other)
    own = make.service(of, external_id="2", margin_bp=10_000)
    assert save_policy(policy=policy(margin_bp=3_000, margin_fixed=100_000)) == 1
    assert stored(sold) == (2_000_000, 2_700_000, True)
    assert stored(of_other) == (2_000_000, 3_000_000, True)
    assert stored(own) == (2_000_000, 4_000_000, True)
    # Saved again: no price changed.
    assert save_policy(policy=price_policy()) == 0


def test_save_provider_when_margin_changes_then_only_its_services_are_repriced(of, sold):
    elsewhere = make.service(make.provider(name="Elsewhere"))
    own = make.service(of, external_id="2", margin_bp=10_000)
    of.margin_bp = 5_000
    assert save_provider(provider=of) == 1
    assert stored(sold) == (2_000_000, 3_000_000, True)
    assert stored(own) == (2_000_000, 4_000_000, True)
    assert stored(elsewhere) == (2_000_000, 2_500_000, True)
    # Emptied, it inherits again.
    of.margin_bp = None
    assert save_provider(provider=of) == 1
    assert stored(sold) == (2_000_000, 2_500_000, True)


def test_save_service_when_margin_changes_then_only_it_is_repriced(of, sold):
    neighbour = make.service(of, external_id="2")
    sold.margin_bp, sold.margin_fixed = 0, 250_000
    save_service(service=sold)
    assert stored(sold) == (2_000_000, 2_250_000, True)
    assert (sold.price, sold.is_on_sale) == (2_250_000, True)
    assert stored(neighbour) == (2_000_000, 2_500_000, True)


def test_save_service_when_off_sale_then_it_stays_off_sale(sold):
    sold.is_on_sale = False
    save_service(service=sold)
    assert stored(sold) == (2_000_000, 2_500_000, False)


def test_save_service_when_the_instance_holds_an_old_price_then_todays_is_stored(of, sold):
    # The owner's form was open while an import raised the rate.
    UpstreamService.objects.filter(pk=sold.upstream_id).update(rate=4_000_000)
    reprice(services=Service.objects.all())
    sold.name = "New name"
    save_service(service=sold)
    assert stored(sold) == (4_000_000, 5_000_000, True)
    assert Service.objects.get().name == "New name"


# -- the price ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minimum_bp", "margin_bp", "price"),
    [(0, 0, 2_000_000), (3_000, 2_500, 2_600_000), (2_500, 2_500, 2_500_000), (2_400, 2_500, 2_500_000)],
)
def test_price_when_margin_is_below_the_minimum_then_the_minimum_counts(sold, minimum_bp, margin_bp, price):
    save_policy(policy=policy(minimum_margin_bp=minimum_bp, margin_bp=margin_bp))
    assert stored(sold) == (2_000_000, price, True)


def test_price_when_service_has_a_margin_of_its_own_then_the_minimum_floors_it_as_well(sold):
    save_policy(policy=policy(minimum_margin_bp=1_000))
    sold.margin_bp = 100
    save_service(service=sold)
    assert stored(sold) == (2_000_000, 2_200_000, True)


def test_price_when_fixed_margin_exceeds_the_minimum_then_the_fixed_margin_counts(sold):
    save_policy(policy=policy(minimum_margin_bp=1_000))
    sold.margin_fixed = 300_000
    save_service(service=sold)
    assert stored(sold) == (2_000_000, 2_300_000, True)


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
def test_price_when_step_is_set_then_rounded_up_to_a_multiple(of, rate, step, price):
    service = make.service(of, rate=rate)
    save_policy(policy=policy(price_step=step))
    assert stored(service)[1] == price


@pytest.mark.parametrize(
    ("exchange_rate", "cost", "price"),
    [
        (EXCHANGE_ONE, 2_000_000, 2_500_000),
        (1_100_000_000_000, 2_200_000, 2_750_000),
        (12_000_000_000, 24_000, 30_000),  # a rupee at $0.012
        (12_345_678_901, 24_692, 30_900),  # 24,691.36 up, then 30,865 up to the step
        (1, 1, 100),  # worth next to nothing, and still not free
    ],
)
def test_save_provider_when_exchange_rate_changes_then_cost_and_price_follow(of, sold, exchange_rate, cost, price):
    of.exchange_rate = exchange_rate
    save_provider(provider=of)
    assert stored(sold) == (cost, price, True)
    assert stored(sold)[1] >= stored(sold)[0]


@pytest.mark.parametrize("exchange_rate", [0, -1, 10**18 + 1])
def test_save_provider_when_exchange_rate_is_no_rate_then_refused_and_nothing_changes(of, sold, exchange_rate):
    of.exchange_rate = exchange_rate
    with pytest.raises(IntegrityError), transaction.atomic():
        save_provider(provider=of)
    assert Provider.objects.get().exchange_rate == EXCHANGE_ONE
    assert stored(sold) == (2_000_000, 2_500_000, True)


@pytest.mark.parametrize("values", [{"margin_bp": -1}, {"margin_fixed": -1}, {"margin_bp": 10_000_001}])
def test_margins_when_negative_or_absurd_then_the_database_refuses(of, sold, values):
    for save, row in ((save_provider, {"provider": of}), (save_service, {"service": sold})):
        [one] = row.values()
        for name, value in values.items():
            setattr(one, name, value)
        with pytest.raises(IntegrityError), transaction.atomic():
            save(**row)
    with pytest.raises(IntegrityError), transaction.atomic():
        save_policy(policy=policy(**values))
    assert stored(sold) == (2_000_000, 2_500_000, True)
    assert price_policy().margin_bp == 2_500


def test_price_when_open_form_shows_the_old_one_then_asked_again_and_nothing_charged(customer, of, sold):
    of.margin_bp = 5_000
    save_provider(provider=of)
    with pytest.raises(PriceChanged) as caught:
        place_order(
            customer=customer,
            service_id=sold.pk,
            link="https://example.com/a",
            quantity=1_000,
            request_key="r1",
            seen_charge=2_500_000,
        )
    assert caught.value.charge == 3_000_000
    assert Order.objects.count() == 0
    assert make.wallet(customer).balance == 10_000_000


# -- no valid price ----------------------------------------------------------------------------------


def test_cost_and_price_when_out_of_range_then_money_error():
    panel = PricePolicy(margin_bp=1, price_step=1)
    margin = margin_of(service=Service(), provider=Provider(), policy=panel)
    with pytest.raises(MoneyError):
        cost_of(rate=MAX_MICROS, exchange_rate=EXCHANGE_ONE + 1)
    with pytest.raises(MoneyError):
        price_of(cost=MAX_MICROS, margin=margin, policy=panel)


@pytest.mark.parametrize(
    ("rate", "exchange_rate"),
    [
        (MAX_MICROS, EXCHANGE_ONE),  # the margin takes it over
        (MAX_MICROS, 2 * EXCHANGE_ONE),  # the cost itself is over
        (0, EXCHANGE_ONE),
    ],
)
def test_set_price_when_there_is_no_valid_one_then_no_price_and_off_sale(rate, exchange_rate):
    service = Service(cost=2, price=3, is_on_sale=True)
    changed = set_price(
        service=service, provider=Provider(exchange_rate=exchange_rate), rate=rate, policy=PricePolicy(margin_fixed=0)
    )
    assert changed
    assert (service.price, service.is_on_sale) == (0, False)


def test_save_provider_when_price_overflows_then_off_sale_with_an_alert(customer, of, sold):
    neighbour = make.service(of, external_id="2", rate="0.01")
    of.exchange_rate = 10**18 // 2  # 500,000: 2.00 would be 1,000,000, and fits
    save_provider(provider=of)
    assert stored(sold) == (10**12, 1_250_000_000_000, True)
    UpstreamService.objects.filter(pk=sold.upstream_id).update(rate=10**10)
    assert save_provider(provider=of) == 1
    assert stored(sold) == (0, 0, False)
    assert no_price_alerts() == [1]
    assert Alert.objects.get().text == "1 services have no valid price any more and went off sale."
    with pytest.raises(NotOnSale):
        make.order(customer, sold)
    assert Order.objects.count() == 0
    assert not Entry.objects.filter(kind="order").exists()
    # The others are sold on.
    assert stored(neighbour)[2]
    # Repricing again finds nothing new to tell.
    save_provider(provider=of)
    assert no_price_alerts() == [1]


def test_sync_when_new_rate_overflows_the_price_then_off_sale_with_an_alert(upstream, provider, customer):
    for number in range(1, 61):
        upstream.set_service(number, listed=False)
    for number in (101, 102, 103):
        upstream.set_service(number, name="Followers", rate="2")
    sync_provider(provider=provider)
    upstream.set_service(101, rate="900000000")  # 25 % more exceed the billion that a column holds
    assert sync_provider(provider=provider).outcome == "applied"
    sold = Service.objects.get(upstream__external_id="101")
    assert stored(sold) == (0, 0, False)
    assert no_price_alerts() == [1]
    with pytest.raises(NotOnSale):
        make.order(customer, sold)
    assert make.wallet(customer).balance == 10_000_000
    assert Service.objects.filter(is_on_sale=True).count() == 2


def test_save_service_when_it_has_no_valid_price_then_off_sale_until_the_owner_puts_it_back(of, sold):
    UpstreamService.objects.filter(pk=sold.upstream_id).update(rate=0)
    save_service(service=sold)
    assert stored(sold) == (0, 0, False)
    assert not sold.is_on_sale
    # A price alone does not put it back on sale: the owner does.
    UpstreamService.objects.filter(pk=sold.upstream_id).update(rate=1_000_000)
    reprice(services=Service.objects.all())
    assert stored(sold) == (1_000_000, 1_250_000, False)
    sold.refresh_from_db()
    sold.is_on_sale = True
    save_service(service=sold)
    assert stored(sold) == (1_000_000, 1_250_000, True)


@pytest.mark.parametrize("values", [{"price": 0}, {"price": -1}, {"cost": -1}, {"price": MAX_MICROS + 1}])
def test_service_when_on_sale_without_a_valid_price_then_the_database_refuses(sold, values):
    with pytest.raises(IntegrityError), transaction.atomic():
        Service.objects.filter(pk=sold.pk).update(**values)
    assert stored(sold) == (2_000_000, 2_500_000, True)


def test_reprice_when_services_are_many_then_statements_stay_few(of, django_assert_max_num_queries):
    shelf = make.service(of).category
    for number in range(2, 202):
        row = UpstreamService(provider=of, external_id=str(number), name="x", type="default", rate=number * 1_000)
        row.min_quantity, row.max_quantity = 1, 100
        row.save()
        Service.objects.create(upstream=row, category=shelf, name="x")
    with django_assert_max_num_queries(12):
        assert reprice(services=Service.objects.all()) == 200
    with django_assert_max_num_queries(6):
        assert reprice(services=Service.objects.all()) == 0


# -- at the same time --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_margins_when_changed_at_once_then_prices_follow_what_is_stored_at_the_end(of, sold):
    others = [make.service(of, external_id=str(number)) for number in range(2, 12)]

    def panel(bp):
        row = price_policy()
        row.margin_bp = bp
        return save_policy(policy=row)

    def own(service, bp):
        row = Service.objects.get(pk=service.pk)
        row.margin_bp = bp
        return save_service(service=row)

    results = in_threads(
        lambda: [panel(bp) for bp in (3_000, 4_000, 5_000, 6_000)],
        lambda: [panel(bp) for bp in (3_500, 4_500, 5_500, 6_500)],
        lambda: [own(sold, bp) for bp in (100, 200, 300, 400)],
        lambda: [own(others[0], bp) for bp in (None, 200, None, 500)],
    )
    assert not [one for one in results if isinstance(one, BaseException)]
    margin = PricePolicy.objects.get().margin_bp
    assert margin in (6_000, 6_500)
    assert stored(sold) == (2_000_000, 2_080_000, True)
    assert stored(others[0]) == (2_000_000, 2_100_000, True)
    assert {stored(one)[1] for one in others[1:]} == {2_000_000 * (10_000 + margin) // 10_000}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_save_service_when_a_repricing_is_under_way_then_it_waits_without_holding_the_service(of, sold):
    # Holding its row while it waits for the policy would be a deadlock: repricing locks them the other way.
    price_policy()
    with transaction.atomic():
        PricePolicy.objects.select_for_update().get()
        waiting = in_background(lambda: save_service(service=Service.objects.get(pk=sold.pk)))
        wait_for_a_blocked_connection()
        # What a repricing does next: raises OperationalError at once if somebody holds the row.
        assert Service.objects.select_for_update(nowait=True).get(pk=sold.pk)
    assert waiting() is None
    assert stored(sold) == (2_000_000, 2_500_000, True)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_reprice_when_under_way_then_orders_need_not_wait_for_it(of, sold):
    user = make.customer("alice@example.org", funds="10")
    with transaction.atomic():
        policy(margin_bp=5_000).save()
        assert reprice(services=Service.objects.all()) == 1
        order = in_background(lambda: make.order(user, sold, quantity=1_000))()
        # Not committed yet: the order was taken at the price that counted.
        assert order.charge == 2_500_000
    assert stored(sold) == (2_000_000, 3_000_000, True)
