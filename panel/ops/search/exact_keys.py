"""Finders by exact keys. Each is a lookup in an index, however many rows there are.

Keys that others gave are looked up for every provider or payment method: that is what their indexes begin with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import QuerySet
from django.db.models.functions import Lower

from billing.models import Coupon, Deposit, Invoice, Payment, PaymentMethod
from billing.references import codes_in
from catalog.models import Provider, Service, UpstreamService
from orders.models import DripFeed, Order
from orders.states import Status
from panel.accounts.models import User
from panel.lib.admin.base import shown_money
from panel.lib.digits import whole_number
from panel.lib.links.keys import link_keys
from panel.ops.search.hits import MAX_HITS, Finder, Hit, page_of, user_hit


def _orders(found: QuerySet[Order]) -> Iterator[Hit]:
    for order in found.select_related("service", "customer")[:MAX_HITS]:
        upstream = f" · {order.upstream_id}" if order.upstream_id else ""
        yield Hit(
            f"Order {order.pk}",
            f"{order.service.name} · {order.customer} · {Status(order.status).label}{upstream}",
            page_of("orders_order", order.pk),
            "receipt_long",
        )


def _order_by_number(text: str) -> Iterable[Hit]:
    number = whole_number(text.removeprefix("#"))
    return _orders(Order.objects.filter(pk=number)) if number else ()


def _order_by_upstream_id(text: str) -> Iterable[Hit]:
    providers = list(Provider.objects.values_list("pk", flat=True))
    return _orders(Order.objects.filter(provider__in=providers, upstream_id=text).order_by("-pk"))


def _order_by_link(text: str) -> Iterable[Hit]:
    return _orders(Order.objects.filter(link_key__in=link_keys(text)).order_by("-pk"))


def _drip_feed(text: str) -> Iterator[Hit]:
    for feed in DripFeed.objects.filter(pk=whole_number(text) or 0).select_related("customer", "service"):
        detail = f"{feed.service.name} · {feed.customer} · {feed.runs} runs"
        yield Hit(f"Drip-feed {feed.pk}", detail, page_of("orders_dripfeed", feed.pk), "water_drop")


def _customer(text: str) -> Iterator[Hit]:
    for user in User.objects.annotate(lower=Lower("email")).filter(lower=text.lower()):
        yield user_hit(user)


def _service(text: str) -> Iterator[Hit]:
    for service in Service.objects.filter(pk=whole_number(text) or 0):
        where = "on sale" if service.is_on_sale else "off sale"
        yield Hit(f"Service {service.pk}", f"{service.name} · {where}", page_of("catalog_service", service.pk), "sell")


def _provider_service(text: str) -> Iterator[Hit]:
    providers = list(Provider.objects.values_list("pk", flat=True))
    found = Service.objects.filter(
        upstream__in=UpstreamService.objects.filter(provider__in=providers, external_id=text)
    ).select_related("upstream__provider")
    for service in found[:MAX_HITS]:
        detail = f"{service.upstream.provider} calls it {text} · {service.name}"
        yield Hit(f"Service {service.pk}", detail, page_of("catalog_service", service.pk), "sell")


def _deposits(found: QuerySet[Deposit]) -> Iterator[Hit]:
    for deposit in found.select_related("customer", "method"):
        detail = (
            f"{shown_money(deposit.amount)} · {deposit.customer} · {deposit.method} · {deposit.get_state_display()}"
        )
        yield Hit(f"Deposit {deposit.pk}", detail, page_of("billing_deposit", deposit.pk), "savings")


def _deposit_by_number(text: str) -> Iterable[Hit]:
    number = whole_number(text)
    return _deposits(Deposit.objects.filter(pk=number)) if number else ()


def _deposit_by_code(text: str) -> Iterable[Hit]:
    codes = codes_in(text)
    return _deposits(Deposit.objects.filter(code__in=codes)) if codes else ()


def _payment(text: str) -> Iterator[Hit]:
    methods = list(PaymentMethod.objects.values_list("pk", flat=True))
    found = Payment.objects.filter(method__in=methods, external_id=text).select_related("method", "deposit__customer")
    for payment in found[:MAX_HITS]:
        customer = payment.deposit.customer if payment.deposit else "whose is not known"
        came_in = shown_money(payment.came_in, payment.currency)
        detail = f"{came_in} · {customer} · {payment.method} · {payment.get_state_display()}"
        yield Hit(f"Payment {payment.external_id}", detail, page_of("billing_payment", payment.pk), "move_to_inbox")


def _invoice(text: str) -> Iterator[Hit]:
    methods = list(PaymentMethod.objects.values_list("pk", flat=True))
    found = Invoice.objects.filter(our_ref=text) | Invoice.objects.filter(method__in=methods, external_id=text)
    for invoice in found.select_related("method", "deposit__customer")[:MAX_HITS]:
        detail = f"{shown_money(invoice.amount)} · {invoice.deposit.customer} · {invoice.get_state_display()}"
        yield Hit(f"Invoice {invoice.our_ref}", detail, page_of("billing_invoice", invoice.pk), "request_quote")


def _coupon(text: str) -> Iterator[Hit]:
    for coupon in Coupon.objects.filter(code=text.upper()):
        used = f"used {coupon.uses} times" if coupon.uses != 1 else "used once"
        yield Hit(f"Coupon {coupon.code}", used, page_of("billing_coupon", coupon.pk), "redeem")


FINDERS = (
    Finder("order numbers", "orders.view_order", _order_by_number),
    Finder("providers' order ids", "orders.view_order", _order_by_upstream_id),
    Finder("links", "orders.view_order", _order_by_link),
    Finder("drip-feed numbers", "orders.view_dripfeed", _drip_feed),
    Finder("e-mail addresses", "accounts.view_user", _customer),
    Finder("service numbers", "catalog.view_service", _service),
    Finder("providers' service ids", "catalog.view_service", _provider_service),
    Finder("deposit numbers", "billing.view_deposit", _deposit_by_number),
    Finder("references of deposits", "billing.view_deposit", _deposit_by_code),
    Finder("payment ids", "billing.view_payment", _payment),
    Finder("invoice ids", "billing.view_invoice", _invoice),
    Finder("coupon codes", "billing.view_coupon", _coupon),
)
