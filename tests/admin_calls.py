"""Calls of admin pages that several tests make."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

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
