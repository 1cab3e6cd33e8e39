"""The cells of a line of the staff's list of orders, as what stands in them."""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from catalog.platform_marks import mark_of, platform_of_order
from orders.admin.order_rows import OrderRow

_COPY = mark_safe('<span class="material-symbols-outlined" aria-hidden="true">content_copy</span>')
_NOTHING = mark_safe("—")


def customer(row: OrderRow) -> SafeString:
    if not row.links_customers:
        return format_html("<bdi>{}</bdi>", row.order.customer)
    page = reverse("admin:accounts_user_change", args=[row.order.customer_id])
    return format_html('<a href="{}"><bdi>{}</bdi></a>', page, row.order.customer)


def service(row: OrderRow) -> SafeString:
    name = row.order.service_name
    return format_html('{}<bdi title="{}">{}</bdi>', mark_of(platform_of_order(row.order), size=20), name, name)


def link(row: OrderRow) -> SafeString:
    address = row.order.link
    return format_html(
        '<span class="orders-link" title="{}"><bdi dir="ltr"><span>{}</span><span>{}</span></bdi></span>'
        '<button type="button" class="copy-link" data-link="{}" aria-label="Copy the link of order {}">{}</button>',
        *(address, *row.link, address, row.order.pk, _COPY),
    )


def provider(row: OrderRow) -> SafeString:
    return format_html("<bdi>{}</bdi>", row.order.provider)


def source(row: OrderRow) -> SafeString:
    return format_html("{}", row.source)


def start(row: OrderRow) -> SafeString:
    return format_html("{}", row.start) if row.start else _NOTHING


def delivered(row: OrderRow) -> SafeString:
    count = format_html("<b>{}</b> / {}", row.delivered, row.quantity)
    if row.percent is None:
        return count
    bar = '<progress class="{}" max="100" value="{}" aria-label="Delivered, percent"></progress>{}'
    return format_html(bar, row.state.tone, row.percent, count)


def charge(row: OrderRow) -> SafeString:
    return format_html('<bdi title="{}">{}</bdi>', row.exact_charge, row.charge)


def refunded(row: OrderRow) -> SafeString:
    return format_html("<bdi>{}</bdi>", row.refunded) if row.order.refunded else _NOTHING


def cost(row: OrderRow) -> SafeString:
    return format_html("<bdi>{}</bdi>", row.cost)


def profit(row: OrderRow) -> SafeString:
    if row.is_loss:
        return format_html('<span class="is-broken state-word"><bdi>{}</bdi></span>', row.profit)
    return format_html("<bdi>{}</bdi>", row.profit)


def status(row: OrderRow) -> SafeString:
    percent = "" if row.percent is None else format_html('<span class="is-narrow"> {}%</span>', row.percent)
    return format_html(
        '<span class="orders-state {}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
        "<span>{}{}</span></span>",
        *(row.state.tone, row.state.icon, row.state.word, percent),
    )


def created(row: OrderRow) -> SafeString:
    return format_html("{}", row.created)


def age(row: OrderRow) -> SafeString:
    return format_html('<span title="{}">{}</span>', row.created, row.age)
