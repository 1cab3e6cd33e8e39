"""What staff do on pages of the admin."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse


def action(model: str, pk: int, name: str) -> str:
    """Return the address of an action of one object, such as ("billing.wallet", 1, "move_money")."""
    app, model_name = model.split(".")
    return reverse(f"admin:{app}_{model_name}_changelist") + f"{pk}/{name}/"


def apply(client: Client, address: str) -> Any:
    """Look at what a change of prices would do, and apply it."""
    page = client.get(address)
    return client.post(address, {"seen": page.context["preview"].fingerprint})
