"""Creating an order: what is refused, what is stored, and that it happens in full or not at all."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from billing import ledger
from billing.models import Entry
from catalog.models import Provider, Service, UpstreamService
from catalog.selectors import service_on_sale, services_on_sale
from catalog.service_types import SPECS
from orders.checkout.create import AlreadyOrdered, NotEnoughFunds, PriceChanged, create_order
from orders.checkout.validation import BadLink, BadParam, BadQuantity, NotOnSale, OrderInput, OrderRefused, text_lines
from orders.models import Order, OrderEvent
from orders.states import Status, Submission
from panel.lib.money import MAX_MICROS
from panel.ops.invariants import find_breaches
from tests import make
from tests.make import reprice
from tests.scenes import fresh, money_of, nothing_changes, poll_now, refunds_of, submit_now

pytestmark = pytest.mark.django_db

LINK = "https://example.com/page"
[COMMENTS] = SPECS["custom_comments"].params


@pytest.fixture
def service(provider: Provider) -> Service:
    """10 to 10,000 at $2.50 per 1000, which cost us $2.00."""
    return make.service(provider)


def create(customer: Any, service: Service, **values: Any) -> Any:
    ordered: dict[str, Any] = {"link": LINK, "quantity": 1_000, "params": {}}
    sent: dict[str, Any] = {"request_key": uuid4().hex, "seen_charge": None}
    for name, value in values.items():
        (ordered if name in ordered else sent)[name] = value
    return create_order(customer=customer, order_input=OrderInput(service.pk, **ordered), **sent)


def set_rate(service: Service, rate: str) -> Service:
    UpstreamService.objects.filter(pk=service.upstream_id).update(rate=make.micros(rate))
    reprice(services=Service.objects.filter(pk=service.pk))
    return Service.objects.get(pk=service.pk)


def test_order_when_it_is_valid_then_it_is_queued_and_charged(customer, service):
    created = create(customer, service, link=f"  {LINK} ", seen_charge=2_500_000)
    order = fresh(created.order)
    assert created.created
    assert (order.price, order.charge, order.expected_cost, order.refunded) == (2_500_000, 2_500_000, 2_000_000, 0)
    assert (order.link, order.quantity, order.params) == (LINK, 1_000, {})
    assert (order.status, order.submission, order.upstream_id) == (Status.PENDING, Submission.QUEUED, None)
    assert money_of(customer) == (7_500_000, [("deposit", 10_000_000), ("order", -2_500_000)])
    entry = Entry.objects.get(kind="order")
    assert (entry.order_ref, entry.key) == (order.pk, f"order:{order.pk}:charge")
    assert OrderEvent.objects.get(order=order).kind == "ordered"
    assert find_breaches() == []


def test_order_when_created_then_its_provider_comes_from_the_catalog(customer, service, upstream):
    """No parameter for price, provider or upstream service exists that a browser could forge."""
    order = create(customer, service).order
    assert (order.provider_id, order.upstream_service_id) == (service.upstream.provider_id, "1")
    for forged in ("price", "charge", "provider_id", "upstream_service_id"):
        with nothing_changes(), pytest.raises(TypeError):
            create(customer, service, **{forged: 1})


BAD_LINKS = {
    "empty": "",
    "only spaces": "   ",
    "5,000 characters": "https://example.com/" + "a" * 4_980,
    "2,001 characters": "https://example.com/" + "a" * 1_981,
    "a NUL": "https://example.com/\x00",
    "a newline inside": "https://example.com/\nkey=1",
    "a space inside": "https://example.com/a b",
    "a no-break space": "https://example.com/a\u00a0b",
    "a line separator": "https://example.com/a\u2028b",
    "a zero-width space": "https://exam\u200bple.com/",
    "a bidi override": "https://example.com/\u202egpj.exe",
    "a bidi isolate": "https://example.com/\u2066a",
    "a lone surrogate": "https://example.com/\ud800",
    "an escape": "https://example.com/\x1b[31m",
    "javascript:": "javascript:alert(1)",
    "JaVaScRiPt://": "JaVaScRiPt://example.com/%0aalert(1)",
    "data:": "data:text/html,<script>alert(1)</script>",
    "file://": "file:///etc/passwd",
    "ftp://": "ftp://example.com/a",
    "a user name": "https://admin:pw@example.com/",
    "no host": "https:///path",
    "two words": "my followers",
    "a bad port": "https://example.com:99999/",
    "a broken bracket": "https://[::1/",
    "markup": "<b>example.com</b>",
    "an @ alone": "@",
    "a handle with a slash": "@alice/../bob",
}


@pytest.mark.parametrize("link", BAD_LINKS.values(), ids=BAD_LINKS.keys())
def test_order_when_the_link_is_bad_then_it_is_refused(customer, service, link):
    with nothing_changes(), pytest.raises(BadLink) as refusal:
        create(customer, service, link=link)
    assert refusal.value.field == "link"


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com/p/1?a=b#c",
        "http://example.com",
        "HTTPS://EXAMPLE.COM/",
        "example.com/page",
        "www.example.co.uk",
        "https://münchen.example/straße",
        "https://example.com:8443/x",
        "@alice.b_c-d",
        "https://example.com/" + "a" * 1_980,
    ],
)
def test_order_when_the_link_is_valid_then_it_is_stored_unchanged(customer, service, link):
    assert fresh(create(customer, service, link=link).order).link == link


@pytest.mark.parametrize("quantity", [None, 0, -1, -1_000, 9, 10_001, 10**9, 10**30])
def test_order_when_the_quantity_is_out_of_range_then_it_is_refused(customer, service, quantity):
    with nothing_changes(), pytest.raises(BadQuantity) as refusal:
        create(customer, service, quantity=quantity)
    assert refusal.value.field == "quantity"


@pytest.mark.parametrize("quantity", [10, 10_000])
def test_order_when_the_quantity_is_at_a_limit_then_it_is_created(customer, service, quantity):
    make.deposit(customer, "20")
    assert create(customer, service, quantity=quantity).order.quantity == quantity


def test_order_when_the_owner_narrows_the_limits_then_they_apply(customer, service):
    Service.objects.filter(pk=service.pk).update(min_quantity=5, max_quantity=500)
    for quantity in (9, 501):
        with nothing_changes(), pytest.raises(BadQuantity):
            create(customer, service, quantity=quantity)
    assert create(customer, service, quantity=500).order.quantity == 500


def test_order_when_its_charge_exceeds_any_wallet_then_it_is_refused(customer, provider):
    service = make.service(provider, rate="900000", high=10**15)
    with nothing_changes(), pytest.raises(OrderRefused, match="too large"):
        create(customer, service, quantity=MAX_MICROS)


@pytest.mark.parametrize(
    "comments",
    ["", " \n\r\n\t\n ", "only one", "\n".join(["again"] * 101), "one\ntwo\x00", "one\ntwo\ud800", "a\n" * 60_000],
    ids=["none", "only spaces", "too few", "too many", "a NUL", "a surrogate", "120,000 characters"],
)
def test_order_when_the_comments_are_bad_then_it_is_refused(customer, provider, comments):
    service = make.service(provider, type="custom_comments", low=2, high=100)
    with nothing_changes(), pytest.raises(BadParam) as refusal:
        create(customer, service, quantity=None, params={"comments": comments})
    assert refusal.value.field == "comments"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85"])
def test_comments_when_split_by_any_line_end_then_each_is_charged(customer, provider, upstream, separator):
    """A provider that splits at Unicode line ends bills three comments for one line, so three must be sold."""
    upstream.set_service(7, type="Custom Comments", rate="1000", min=1, max=100)
    service = make.service(provider, external_id="7", type="custom_comments", rate="1000", low=1, high=100)
    order = create(customer, service, quantity=None, params={"comments": separator.join(["one", "two", "three"])}).order
    assert (order.quantity, order.charge, order.params) == (3, 3_750_000, {"comments": "one\ntwo\nthree"})
    submit_now()
    [sent] = upstream.orders()
    assert (sent.quantity, sent.charge) == (3, 3)


def test_comments_when_valid_then_provider_counts_no_more_lines():
    for code in range(0x3000):
        try:
            lines = text_lines(param=COMMENTS, text=f"one{chr(code)}two")
        except BadParam:
            continue
        assert len("\n".join(lines).splitlines()) == len(lines), hex(code)


def test_order_of_package_when_created_then_charge_is_the_price(customer, provider):
    service = make.service(provider, type="package", rate="3", low=1, high=1)
    order = create(customer, service, quantity=None).order
    assert (order.quantity, order.charge, order.expected_cost) == (1, 3_750_000, 3_000_000)


OFF_SALE = {
    "taken off sale": lambda s: Service.objects.filter(pk=s.pk).update(is_on_sale=False),
    "vanished upstream": lambda s: UpstreamService.objects.filter(pk=s.upstream_id).update(is_listed=False),
    "provider off": lambda s: Provider.objects.filter(pk=s.upstream.provider_id).update(is_active=False),
    "unbounded type": lambda s: UpstreamService.objects.filter(pk=s.upstream_id).update(type="subscriptions"),
    "unknown type": lambda s: UpstreamService.objects.filter(pk=s.upstream_id).update(type=""),
}


@pytest.mark.parametrize("change", OFF_SALE.values(), ids=OFF_SALE.keys())
def test_order_when_the_service_is_not_on_sale_then_it_is_refused(customer, service, change):
    """A service that left the provider's list must not be sold at 0 or at its last price."""
    change(service)
    with nothing_changes(), pytest.raises(NotOnSale):
        create(customer, service)


def test_order_when_the_service_does_not_exist_then_it_is_refused(customer, service):
    with nothing_changes(), pytest.raises(NotOnSale):
        order_input = OrderInput(10**9, LINK, 10, {})
        create_order(customer=customer, order_input=order_input, request_key="k" * 32, seen_charge=None)


def test_order_when_the_provider_is_only_paused_then_it_is_created(customer, service):
    Provider.objects.update(paused_until="2999-01-01T00:00:00Z")
    assert create(customer, service).created


def test_order_when_one_micro_unit_is_missing_then_it_is_refused(customer, provider):
    """A failed debit must not leave an order that is delivered for free."""
    service = make.service(provider, rate="8.000001")  # $10.0001 for 1000, $10 in the wallet
    assert service.price == 10_000_100
    with nothing_changes(), pytest.raises(NotEnoughFunds) as refusal:
        create(customer, service)
    assert refusal.value.missing == 100


def test_order_when_the_wallet_has_exactly_enough_then_it_is_created(customer, provider):
    """The sums are exact: 0.3 less 0.1 is 0.2, to the last micro-unit."""
    service = make.service(provider, rate="8")
    create(customer, service)
    assert make.wallet(customer).balance == 0
    for _ in range(2):
        with nothing_changes(), pytest.raises(NotEnoughFunds):
            create(customer, service, quantity=10)


def test_order_when_customer_has_no_wallet_yet_then_it_is_refused(service):
    poor = make.customer("dora@example.org")
    with pytest.raises(NotEnoughFunds):
        create(poor, service)
    assert (Order.objects.count(), Entry.objects.filter(wallet__customer=poor).count()) == (0, 0)
    assert make.wallet(poor).balance == 0


def test_order_when_price_rose_since_seen_then_it_is_refused(customer, service):
    set_rate(service, "2.40")
    with nothing_changes(), pytest.raises(PriceChanged, match=r"to \$3.00 meanwhile"):
        create(customer, service, seen_charge=2_500_000)
    assert create(customer, service, seen_charge=3_000_000).order.charge == 3_000_000


def test_order_when_one_micro_unit_above_seen_charge_then_refused(customer, service):
    with nothing_changes(), pytest.raises(PriceChanged):
        create(customer, service, seen_charge=2_499_999)


def test_order_when_price_fell_since_seen_then_lower_price_charged(customer, service):
    set_rate(service, "1.60")
    assert create(customer, service, seen_charge=2_500_000).order.charge == 2_000_000
    assert make.wallet(customer).balance == 8_000_000


def test_order_when_double_click_sends_it_twice_then_created_once(customer, service):
    """A double click or a reload created and charged two orders."""
    first = create(customer, service, request_key="same")
    with nothing_changes():
        second = create(customer, service, request_key="same")
    assert (first.created, second.created) == (True, False)
    assert first.order.pk == second.order.pk
    assert money_of(customer) == (7_500_000, [("deposit", 10_000_000), ("order", -2_500_000)])


@pytest.mark.parametrize("what", ["link", "quantity", "service"])
def test_order_when_same_form_has_other_contents_then_refused(customer, service, what):
    first = create(customer, service, request_key="same").order
    dear = make.service(service.upstream.provider, external_id="2", rate="900")
    changed: dict[str, Any] = {"link": {"link": f"{LINK}/other"}, "quantity": {"quantity": 999}}.get(what, {})
    with nothing_changes(), pytest.raises(AlreadyOrdered) as refusal:
        create(customer, dear if what == "service" else service, request_key="same", **changed)
    assert refusal.value.order.pk == first.pk


def test_order_when_same_form_has_other_comments_then_refused(customer, provider):
    service = make.service(provider, type="custom_comments", low=1, high=100)
    create(customer, service, quantity=None, params={"comments": "one"}, request_key="same")
    with nothing_changes(), pytest.raises(AlreadyOrdered):
        create(customer, service, quantity=None, params={"comments": "two"}, request_key="same")
    assert not create(customer, service, quantity=None, params={"comments": " one \n"}, request_key="same").created


def test_order_when_repeated_after_sale_ended_then_first_returned(customer, service):
    first = create(customer, service, request_key="same").order
    Service.objects.update(is_on_sale=False)
    with nothing_changes():
        assert create(customer, service, request_key="same").order.pk == first.pk


def test_order_when_two_customers_use_same_key_then_each_has_one(customer, other, service):
    one, two = (create(user, service, request_key="same").order for user in (customer, other))
    assert one.pk != two.pk
    assert (make.wallet(customer).balance, make.wallet(other).balance) == (7_500_000, 7_500_000)


@pytest.mark.parametrize(("rate", "quantity", "charge"), [("0.000001", 1, 1), ("0.0001", 1, 1), ("0.07", 1, 88)])
def test_order_when_it_is_tiny_then_it_is_never_free(customer, provider, rate, quantity, charge):
    """Rounded to cents, one view at a tenth of a cent per 1000 cost nothing."""
    service = make.service(provider, rate=rate, low=1)
    order = create(customer, service, quantity=quantity).order
    assert order.charge == charge
    assert make.wallet(customer).balance == 10_000_000 - charge


@pytest.mark.parametrize("rate", ["0.50", "20"])
def test_order_when_price_changes_then_refund_is_based_on_charge(customer, service, upstream, rate):
    """A refund by today's price was more or less than the customer had paid."""
    upstream.set_service(1, rate="2", min=10, max=10_000)
    order = create(customer, service).order
    submit_now()
    set_rate(service, rate)
    upstream.set_order(upstream.orders()[0].id, status="Partial", remains=400, charge="1.2")
    poll_now()
    order = fresh(order)
    assert (order.price, order.charge, order.refunded) == (2_500_000, 2_500_000, 1_000_000)
    assert refunds_of(order) == [1_000_000]
    assert find_breaches() == []


def test_order_when_killed_between_insert_and_debit_then_undone(customer, service, monkeypatch):
    """With the debit in a later transaction, a crash in between left an order that nobody paid."""
    seen = []

    def die(**values: Any) -> None:
        seen.append(Order.objects.count())
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "post", die)
        with nothing_changes(), pytest.raises(RuntimeError):
            create(customer, service, request_key="same")
    assert seen == [1]  # The order was inserted before the debit failed.
    assert create(customer, service, request_key="same").created
    assert make.wallet(customer).balance == 7_500_000
    assert find_breaches() == []


def test_order_when_killed_after_the_debit_then_nothing_is_left(customer, service, monkeypatch):
    def die(**values: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr("orders.checkout.create.write_event", die)
    with nothing_changes(), pytest.raises(RuntimeError):
        create(customer, service)


@pytest.mark.parametrize("is_on_sale", [True, False])
@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("type", ["default", "subscriptions"])
@pytest.mark.parametrize("is_active", [True, False])
def test_service_when_listed_then_it_can_be_ordered_otherwise_not(service, is_on_sale, is_listed, type, is_active):
    Service.objects.update(is_on_sale=is_on_sale)
    UpstreamService.objects.update(is_listed=is_listed, type=type)
    Provider.objects.update(is_active=is_active)
    listed = services_on_sale().filter(pk=service.pk).exists()
    assert (service_on_sale(service.pk) is not None) == listed
    assert listed == (is_on_sale and is_listed and type == "default" and is_active)
