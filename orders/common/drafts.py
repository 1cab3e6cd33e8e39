"""Keeping the order that a customer typed until it is created or discarded. Nothing here charges or orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from orders.models import Order, OrderDraft
from panel.accounts.models import User
from panel.lib import clock

# Characters of a draft; every field of a valid order fits.
MAX_TYPED = 120_000


@dataclass(frozen=True, slots=True)
class DraftFacts:
    """What is known of the order as it is typed, for the sentence that it is kept. See `OrderDraft`."""

    service_name: str = ""
    quantity: int | None = None
    charge: int | None = None
    is_short: bool = False


def keep_draft(*, customer: User, typed: Mapping[str, str], facts: DraftFacts) -> None:
    """Keep what was typed, in place of the draft before. One statement; of two at once, either one stays."""
    kept = {"typed": bounded(typed), "request_key": typed.get("request_key", "")[:64], "updated_at": clock.now()}
    facts_kept = {
        "service_name": facts.service_name[:500],
        "quantity": facts.quantity,
        "charge": facts.charge,
        "is_short": facts.is_short,
    }
    values = {**kept, **facts_kept}
    OrderDraft.objects.bulk_create(
        [OrderDraft(customer=customer, **values)],
        update_conflicts=True,
        unique_fields=["customer"],
        update_fields=list(values),
    )


def became_order(*, customer: User, request_key: str) -> bool:
    """Return True if the customer's form with this key created an order."""
    # No key holds anything else, and PostgreSQL accepts no NUL.
    return request_key.isalnum() and Order.objects.filter(customer=customer, request_key=request_key).exists()


def draft_of(*, customer: User) -> OrderDraft | None:
    """Return the customer's draft; None without one, and if its order was created. One query."""
    created = Order.objects.filter(customer=OuterRef("customer"), request_key=OuterRef("request_key"))
    return OrderDraft.objects.filter(~Exists(created), customer=customer).first()


def drop_draft(*, customer: User, request_key: str | None = None) -> None:
    """Delete the customer's draft; with a key, only the draft of that form."""
    drafts = OrderDraft.objects.filter(customer=customer)
    (drafts if request_key is None else drafts.filter(request_key=request_key)).delete()


def bounded(typed: Mapping[str, str]) -> dict[str, str]:
    """Return `typed` without NUL, which PostgreSQL does not store; above `MAX_TYPED`, without the longest texts."""
    kept = {name.replace("\x00", ""): text.replace("\x00", "") for name, text in typed.items()}
    while sum(map(len, (*kept, *kept.values()))) > MAX_TYPED:
        del kept[max(kept, key=lambda name: len(name) + len(kept[name]))]
    return kept
