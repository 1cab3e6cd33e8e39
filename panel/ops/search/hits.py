"""What a search finds, and what finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from panel.accounts.models import User

# Of one finder: who needs more opens the list.
MAX_HITS = 8


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found: its name, what tells it from others, and its page."""

    title: str
    detail: str
    url: str
    icon: str


@dataclass(frozen=True, slots=True)
class Finder:
    """Looks in one place, for staff with `permission`. `looks_in` names the place, for when nothing is found."""

    looks_in: str
    permission: str
    find: Callable[[str], Iterable[Hit]]


def page_of(kind: str, pk: Any) -> str:
    """Return the address of an object's page in the admin; `kind` is as in "orders_order"."""
    return reverse(f"admin:{kind}_change", args=[pk])


def user_hit(user: User) -> Hit:
    """Return the hit of a customer or of staff."""
    kind = "Staff" if user.is_staff else "Customer"
    state = " · closed" if user.closed_at else "" if user.is_active else " · cannot sign in"
    page = page_of("accounts_user", user.pk) if user.is_staff else reverse("customer", args=[user.pk])
    return Hit(user.email, f"{kind}{state}", page, "person")
