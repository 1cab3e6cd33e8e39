"""Calls of admin pages that several tests make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.test import Client
from django.urls import reverse

from orders.models import Order

# What every form of staff asks for that moves money.
WHY = {"why": "other", "why_note": "Complaint 17"}


def action_address(model: str, pk: int | str, name: str) -> str:
    """Return the address of an action on one object, such as ("billing.wallet", 1, "move_money")."""
    app, model_name = model.split(".")
    return reverse(f"admin:{app}_{model_name}_changelist") + f"{pk}/{name}/"


def preview_and_apply(client: Client, address: str) -> Any:
    """Open the preview of a price change, apply the change and return the response."""
    page = client.get(address)
    return client.post(address, {"seen": page.context["preview"].fingerprint})


def preview_many(client: Client, name: str, orders: Iterable[Order], *, kind: str = "orders_order") -> Any:
    """Open the page of an action on many orders, such as "cancel", from the list of `kind` and return it."""
    chosen = [order.pk for order in orders]
    return client.post(
        reverse(f"admin:{kind}_changelist"), {"action": f"{name}_many", "_selected_action": chosen}, follow=True
    )


def do_to_many(client: Client, name: str, orders: Iterable[Order], *, kind: str = "orders_order", **data: Any) -> Any:
    """Open the page of an action on many orders, confirm it with `data`, and return the page after it."""
    page = preview_many(client, name, orders, kind=kind)
    form = {"orders": page.context["selection"], **data}
    return client.post(reverse(f"admin:{kind}_{name}_selected"), form, follow=True)


def answer_question(client: Client, address: str, data: dict[str, Any], **values: Any) -> Any:
    """Send an action of a list, confirm the question that it asks first, and return the response."""
    page = client.post(address, data)
    form: dict[str, list[str]] = {}
    for name, value in page.context["fields"]:
        form.setdefault(name, []).append(value)
    return client.post(address, form, **values)
