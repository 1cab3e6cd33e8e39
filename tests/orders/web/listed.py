"""What tests of the list of orders share: opening it, and reading what it shows."""

from __future__ import annotations

from django.urls import reverse

from orders.models import Order


def run(order: Order, **values) -> None:
    Order.objects.filter(pk=order.pk).update(**values)


def get(client, **query):
    return client.get(reverse("order_list"), query)


def shown(response) -> list[int]:
    assert response.status_code == 200
    return [order.pk for order in response.context["page"].rows] if not response.context["is_empty"] else []


def text_of(response) -> str:
    return " ".join(response.content.decode().split())


def pks(orders) -> list[int]:
    return [order.pk for order in orders]
