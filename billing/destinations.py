"""Where customers' money goes: what a payment method says of it, and telling all owners when that changes."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2s

from django.contrib.admin.utils import label_for_field

from billing.methods import methods
from billing.models import PaymentMethod
from panel.accounts.models import User
from panel.accounts.owner_notices import Shift, notify_owners
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert

# What every method says: the name may hold an account number as well as the instructions do.
OF_EVERY_METHOD = ("name", "kind", "instructions", "is_active")


def destination_columns(method: PaymentMethod) -> tuple[str, ...]:
    """Return the columns that say where the method's money goes, with those that its module declares."""
    module = methods().get(method.kind)
    return tuple(dict.fromkeys((*OF_EVERY_METHOD, *(module.destination if module else ()))))


def destination_shifts(*, before: PaymentMethod | None, after: PaymentMethod | None) -> list[Shift]:
    """Return what differs of where money goes, in words. `before` is None for a new method, `after` for a deleted one.

    Secrets are compared, but not shown.
    """
    columns = [column for one in (before, after) if one is not None for column in destination_columns(one)]
    found = []
    for column in dict.fromkeys(columns):
        old, new = (None if one is None else getattr(one, column) for one in (before, after))
        if old != new:
            found.append(_shift(column, before, after))
    return found


def fingerprint(shifts: Sequence[Shift], *, method_id: int | None, actor: User) -> str:
    """Return a digest of what a person was shown to confirm."""
    return blake2s(repr((method_id, actor.pk, list(shifts))).encode(), digest_size=16).hexdigest()


def announce_destination(*, method: PaymentMethod, shifts: Sequence[Shift], actor: User) -> None:
    """Raise an urgent alert and queue a mail to all owners. Call it in the transaction of the change."""
    changed = ", ".join(shift.label.lower() for shift in shifts)
    raise_alert(
        cause=Cause.DESTINATION,
        about=method.pk,
        text=f"{actor.email} changed where money goes: {method.name} ({changed}). All owners got a mail. Is it right?",
        level=Alert.Level.DANGER,
    )
    notify_owners(
        subject="Where money goes was changed",
        actor=actor,
        shifts=[Shift("Payment method", method.name, method.name), *shifts],
        note="Customers see this when they add funds.",
    )


def _shift(column: str, before: PaymentMethod | None, after: PaymentMethod | None) -> Shift:
    label = str(label_for_field(column, PaymentMethod)).capitalize()
    old, new = (_shown(one, column) for one in (before, after))
    # A secret that was replaced by another looks the same.
    return Shift(label, old, f"{new} (replaced)" if old == new and new else new)


def _shown(method: PaymentMethod | None, column: str) -> str:
    if method is None:
        return ""
    value, module = getattr(method, column), methods().get(method.kind)
    if module and column in module.secrets:
        return "a secret that is not shown" if value else ""
    if column == "kind":
        return module.label if module else str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value or "")
